"""A visit of several users, held against the recorded one by the rule of PERF-07 as far as so few calls allow it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from acceptance import validator
from acceptance.checks import baseline
from acceptance.errors import EnvironmentUnavailable, violation
from acceptance.performance import concurrent_journey
from acceptance.performance.concurrent_journey import Journey, record_journey, recorded_journey
from acceptance.recordings import BASELINE, Recording
from acceptance.results import PerformanceResult

USERS = 10


def seen(login: float, chat: float = 50.0, *, users: int = USERS, without: str = "") -> Journey:
    """Users whose calls took about so many milliseconds."""
    kept = Journey(users, at_once=users, seconds=2.0)
    for name, mean in {"login": login, "chat": chat}.items():
        if name != without:
            kept.times[name] = [mean + number % 3 for number in range(users)]
        kept.attempts[name] = users
    return kept


def run(name: str = "cloud", address: str = "https://api.example.org", compared_with: str | None = "local") -> Any:
    api = SimpleNamespace(url=address)
    return SimpleNamespace(
        descriptor=SimpleNamespace(name=name, baseline=compared_with, build="b", services=SimpleNamespace(api=api))
    )


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline in which ten users of 'local' logged in within about 100 ms."""
    path = tmp_path / "baseline.yaml"
    content = yaml.safe_load(BASELINE.read_text())
    one = Recording.model_validate(
        content["recordings"]["sandbox"]
        | {
            "visit": {
                "at": "then",
                "build": "b",
                "environment": {},
                "users": USERS,
                "endpoints": seen(100).endpoints,
            }
        }
    )
    content["recordings"] = {"local": one.model_dump(mode="json"), "bare": content["recordings"]["sandbox"]}
    content["recordings"]["bare"].pop("visit", None)
    path.write_text(yaml.safe_dump(content))
    for module in (baseline, concurrent_journey):
        monkeypatch.setattr(module, "BASELINE", path)
    return path


def compared(kept: Journey, of: Any = None) -> PerformanceResult:
    result = PerformanceResult()
    validator._report(kept, result)
    validator._compare(of or run(), kept, result)
    return result


def test_as_quick_as_recorded_passes_with_the_differences() -> None:
    result = compared(seen(105))
    assert result.passes_baseline is True
    assert result.baseline_comparison == {"chat": 0, "login": pytest.approx(5)}
    assert 0 < result.baseline_uncertainty["login"] < 5
    assert result.not_measured == {}


def test_what_is_surely_slower_does_not_pass() -> None:
    result = compared(seen(140))
    assert result.passes_baseline is False
    assert result.baseline_comparison is not None
    assert result.baseline_comparison["login"] == pytest.approx(40)


def test_what_scatters_too_much_to_be_certain_is_not_called_slower() -> None:
    kept = seen(100)
    kept.times["login"] = [10.0, 400.0] * 5
    result = compared(kept)
    assert result.passes_baseline is True
    assert result.baseline_uncertainty["login"] > 200


def test_a_call_that_failed_is_worse_than_recorded() -> None:
    kept = seen(100)
    kept.failed.append(("login", violation("login", expected=200, observed=500)))
    result = compared(kept)
    assert (result.passes_baseline, len(result.errors)) == (False, 1)


def test_what_we_could_not_call_says_nothing_of_the_deployment() -> None:
    kept = seen(100)
    kept.failed.append(("login", EnvironmentUnavailable("no files left")))
    result = compared(kept)
    assert result.passes_baseline is None
    assert "no files left" in result.not_measured["passes_baseline"]
    assert result.baseline_comparison is not None


def test_an_endpoint_without_a_call_is_not_measured() -> None:
    result = compared(seen(100, without="chat"))
    assert result.passes_baseline is None
    assert result.not_measured == {"passes_baseline": "chat: was recorded, and not called now"}


@pytest.mark.parametrize(
    ("of", "users", "reason"),
    [
        (run(), 3, "was one of 10 users at once, not 3"),
        (run(compared_with="bare"), USERS, "no visit of 'bare' is recorded"),
        (run(compared_with="missing"), USERS, "no visit of 'missing' is recorded"),
        (run("local", compared_with=None), USERS, "'local' is not local"),
    ],
)
def test_what_cannot_be_compared_has_its_reason(of: Any, users: int, reason: str) -> None:
    result = compared(seen(100, users=users), of)
    assert (result.passes_baseline, result.baseline_comparison) == (None, None)
    assert set(result.not_measured) == {"passes_baseline", "baseline_comparison"}
    assert reason in result.not_measured["passes_baseline"]


def test_the_local_baseline_is_held_against_its_own_recording() -> None:
    of = run("local", "http://127.0.0.1:1", None)
    assert recorded_journey(of, USERS).endpoints.keys() == {"login", "chat"}
    assert compared(seen(140), of).passes_baseline is False


async def test_a_visit_with_a_failed_call_is_no_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = seen(100)

    async def visited(*_: object) -> Journey:
        return kept

    async def none(*_: object) -> None:
        return None

    monkeypatch.setattr(concurrent_journey, "run_journey", visited)
    monkeypatch.setattr(concurrent_journey, "prepared", none)
    assert (await record_journey(run())).endpoints == kept.endpoints
    kept.failed.append(("login", violation("login", expected=200, observed=500)))
    with pytest.raises(AssertionError, match="login: login: expected 200, observed 500"):
        await record_journey(run())
