"""The recorded load of a local run: what is kept of it, and where it was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import LoadLibrary
import pytest
import yaml
from acceptance import recordings
from acceptance.checks import baseline
from acceptance.deployment.descriptor import Threshold
from acceptance.errors import EnvironmentUnavailable, NotApplicable
from acceptance.performance import load_figures, recording
from acceptance.performance.load import first_byte, total
from acceptance.performance.recording import (
    differences,
    endpoints_of,
    environment,
    must_be_compared,
    record_load,
    whole_answers_slower,
)
from acceptance.recordings import BASELINE, Baseline
from acceptance.yaml_models import read_model
from ArtilleryLibrary.requestlog import LoggedRequest

from tests.unit.promises import judge, of_run


def loaded(milliseconds: float, rest: float = 2.0, *, share: float = 1.0) -> Any:
    """A login a second; the first byte comes after so many milliseconds or two more, the last so many after it."""
    requests = [
        LoggedRequest("u", "Flow", "login", at=1000.0 + second, ok=True, first_byte=first, total=first + rest)
        for second in range(round(120 * share))
        for first in [milliseconds + second % 3]
    ]
    return SimpleNamespace(
        result=SimpleNamespace(requests=requests),
        scale=SimpleNamespace(time=share),
        name=lambda figure: figure if share == 1 else f"{figure}_of_a_short_load",
        must_be_complete=lambda: None,
        must_be_measured=lambda: None,
    )


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline in which 'local' answers a login in about 21 ms."""
    path = tmp_path / "baseline.yaml"
    path.write_text(BASELINE.read_text())
    load: dict[str, Any] = {"at": "then", "build": "b", "environment": {"cores": "64"}}
    for name, take in {"endpoints": first_byte, "totals": total}.items():
        load[name] = {name: one.model_dump(mode="json") for name, one in endpoints_of(loaded(20), take).items()}
    whole = yaml.safe_load(path.read_text())["recordings"]["sandbox"]
    recordings.write(whole | {"load": load}, "local", path)
    monkeypatch.setattr(recording, "BASELINE", path)
    monkeypatch.setattr(baseline, "BASELINE", path)
    return path


def run(name: str = "cloud", compared_with: str | None = "local", address: str = "http://127.0.0.1:1") -> Any:
    seen: list[Any] = []
    return of_run(
        descriptor=SimpleNamespace(
            name=name,
            build="b",
            baseline=compared_with,
            thresholds={},
            services=SimpleNamespace(api=SimpleNamespace(url=address)),
        ),
        observe=lambda *values, **more: seen.append(values),
        observe_series=lambda *values: seen.append(values),
        seen=seen,
    )


def apply(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    async def applied(*_: object) -> Any:
        return load

    for module in (recording, load_figures, LoadLibrary):
        monkeypatch.setattr(module, "load", applied)
    monkeypatch.setattr(LoadLibrary, "as_text", str)


def is_no_slower_than_recorded(run: Any, scale: str = "full") -> None:
    judge("06__baseline.robot", "No Endpoint Is Slower Than In The Local Run", run, scale)


def whole_answers_are_no_slower(run: Any, load: Any) -> None:
    """The same of whole answers, which follow other steps in a test."""
    figure = whole_answers_slower(run, load)
    if figure.value:
        raise figure.broken("none")
    must_be_compared(run, load, "whole answer")


def test_as_quick_as_recorded_holds(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, loaded(25))
    seen = run()
    is_no_slower_than_recorded(seen, "full")
    assert ("PERF-07", "endpoints_slower", 0, "endpoints") in seen.seen
    assert ("PERF-07", "worsening of the first byte, Flow: login", pytest.approx(5), "ms") in seen.seen


def test_both_runs_lie_on_each_other_and_other_hardware_is_named(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch, loaded(25))
    seen = run()
    is_no_slower_than_recorded(seen, "full")
    [(_, name, lines, unit)] = [one for one in seen.seen if isinstance(one[2], dict)]
    assert (name, unit) == ("first byte, Flow: login", "ms")
    assert {label: points[:2] for label, points in lines.items()} == {
        "recorded elsewhere": [(5.0, 20.9), (15.0, 21.0)],
        "now": [(5.0, 25.9), (15.0, 26.0)],
    }
    [where] = [value for _, figure, value, _ in seen.seen if figure == "baseline of the first byte"]
    assert where.startswith("recorded then from other hardware or software: cores 64, here")
    monkeypatch.setattr(recording, "environment", lambda: {"cores": "64"})
    same = run()
    is_no_slower_than_recorded(same, "full")
    assert (
        "PERF-07",
        "baseline of the first byte",
        "recorded then from the same hardware and software: cores 64",
        "text",
    ) in same.seen
    assert any(one[2].keys() == {"recorded", "now"} for one in same.seen if isinstance(one[2], dict))


def test_a_short_load_is_compared_too_and_its_figures_are_no_criterions(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch, loaded(25, share=0.1))
    seen = run()
    is_no_slower_than_recorded(seen, "detection")
    assert "endpoints_slower_of_a_short_load" in {one[1] for one in seen.seen}
    assert "endpoints_slower" not in {one[1] for one in seen.seen}
    [lines] = [one[2] for one in seen.seen if isinstance(one[2], dict)]
    assert [line[-1][0] for line in lines.values()] == [11.5, 11.0]  # the same phases in the same time
    apply(monkeypatch, loaded(60, share=0.1))
    with pytest.raises(AssertionError, match=r"Flow: login: mean first byte 61\.0 ms, recorded 21\.0 ms"):
        is_no_slower_than_recorded(run(), "detection")


def test_a_whole_answer_that_takes_longer_is_named(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = run()
    whole_answers_are_no_slower(seen, loaded(20, rest=2))
    assert ("PERF-06", "whole_answers_slower", 0, "endpoints") in seen.seen
    apply(monkeypatch, loaded(20, rest=60))
    is_no_slower_than_recorded(run(), "full")
    with pytest.raises(AssertionError, match=r"Flow: login: mean whole answer 81\.0 ms, recorded 23\.0 ms"):
        whole_answers_are_no_slower(run(), loaded(20, rest=60))


def test_whole_answers_of_the_baseline_itself_are_not_compared_and_that_is_recorded(recorded: Path) -> None:
    seen = run("local", None)
    whole_answers_are_no_slower(seen, loaded(20))
    reason = "nothing: 'local' is the local baseline itself"
    assert seen.seen == [("PERF-06", "baseline of the whole answer", reason, "text")]


def test_a_recording_without_total_times_leaves_whole_answers_unverified(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_totals(recorded)
    apply(monkeypatch, loaded(20))
    is_no_slower_than_recorded(run(), "full")
    with pytest.raises(EnvironmentUnavailable, match="was recorded without total times"):
        whole_answers_are_no_slower(run(), loaded(20))


def test_a_deployment_may_allow_itself_more_and_the_figure_has_it(
    recorded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(monkeypatch, loaded(60))
    allowed = run()
    allowed.descriptor.thresholds = {"PERF-07": Threshold(value=1, reason="moves to another region next month")}
    is_no_slower_than_recorded(allowed, "full")
    assert ("PERF-07", "endpoints_slower", 1, "endpoints") in allowed.seen


def test_slower_for_certain_is_named(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, loaded(60))
    with pytest.raises(AssertionError, match=r"Flow: login: mean first byte 61\.0 ms, recorded 21\.0 ms"):
        is_no_slower_than_recorded(run(), "full")


def test_the_baseline_itself_is_not_compared(recorded: Path) -> None:
    with pytest.raises(NotApplicable, match="not applicable: 'local' is the local baseline itself"):
        is_no_slower_than_recorded(run("local", None), "full")


def without_load(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content["recordings"]["sandbox"].pop("load", None)
    path.write_text(yaml.safe_dump(content))


def of_a_cloud(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content["recordings"]["local"]["local"] = False
    path.write_text(yaml.safe_dump(content))


def without_totals(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    del content["recordings"]["local"]["load"]["totals"]
    path.write_text(yaml.safe_dump(content))


async def test_a_cloud_does_not_become_the_local_baseline_by_being_recorded(recorded: Path) -> None:
    away = run("local", None, "https://api.example.org")
    not_local = "'local' is not local, so its own recording is no local baseline"
    with pytest.raises(EnvironmentUnavailable, match=not_local):
        is_no_slower_than_recorded(away)
    with pytest.raises(EnvironmentUnavailable, match=not_local):
        whole_answers_are_no_slower(away, loaded(20))
    with pytest.raises(EnvironmentUnavailable, match="'local' is not local, so its own recording is no local baseline"):
        await baseline.outcomes(away)


@pytest.mark.parametrize("name", ["missing", "sandbox"])
def test_without_a_recorded_load_nothing_is_known(name: str, recorded: Path) -> None:
    without_load(recorded)
    with pytest.raises(EnvironmentUnavailable, match=f"no load of '{name}' is recorded"):
        is_no_slower_than_recorded(run("cloud", name), "full")


def test_an_endpoint_that_was_not_called_is_not_verified(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = loaded(20)
    load.result.requests += [
        LoggedRequest("u", "Flow", "new", at=1000.0 + 5 * n, ok=True, first_byte=1.0) for n in range(20)
    ]
    apply(monkeypatch, load)
    with pytest.raises(EnvironmentUnavailable, match="Flow: new: is not in the recording"):
        is_no_slower_than_recorded(run(), "full")


async def test_a_load_with_a_failed_request_is_no_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    good = loaded(20)
    apply(monkeypatch, good)
    kept = await record_load(run())
    assert kept.totals["Flow: login"].mean - kept.endpoints["Flow: login"].mean == pytest.approx(2)
    good.result.requests[5] = replace(good.result.requests[5], ok=False, failures=("status 500",))
    with pytest.raises(AssertionError, match="1 of 120 failed: 1 x login: status 500"):
        await record_load(run())


def test_a_part_of_a_recording_leaves_the_other(recorded: Path) -> None:
    recordings.write({"load": None}, "local", recorded)
    kept = read_model(recorded, Baseline).recordings["local"]
    assert kept.load is None
    assert kept.documents


def test_environments_are_compared_by_what_counts() -> None:
    assert set(environment()) == {"cores", "processor", "memory", "system", "python"}
    assert differences({"cores": "2"}, {"cores": "2"}) == []
    assert differences({"cores": "2"}, {"cores": "8", "system": "Linux"}) == [
        "cores 2, here 8",
        "system not recorded, here Linux",
    ]


def test_a_recording_of_a_cloud_is_no_local_baseline_of_another(recorded: Path) -> None:
    of_a_cloud(recorded)
    with pytest.raises(EnvironmentUnavailable, match="'local' was recorded of a deployment that is not local"):
        is_no_slower_than_recorded(run("elsewhere", "local"), "full")
