"""The recorded load of a local run: what is kept of it, and where it was measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from acceptance.artillery.requestlog import Request
from acceptance.data import read_model
from acceptance.errors import EnvironmentUnavailable, NotApplicable
from acceptance.integration import baseline
from acceptance.integration.baseline import BASELINE, Baseline
from acceptance.performance import recording
from acceptance.performance.recording import differences, endpoints_of, environment, is_no_slower_than_recorded


def loaded(milliseconds: float, *, complete: bool = True) -> Any:
    requests = [
        Request("u", "Flow", "login", at=1000.0 + second, ok=True, first_byte=milliseconds + second % 3)
        for second in range(120)
    ]
    return SimpleNamespace(
        result=SimpleNamespace(requests=requests, complete=complete),
        name=lambda figure: figure,
        must_be_complete=lambda: None,
        must_be_measured=lambda: None,
    )


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline in which 'local' answers a login in about 21 ms."""
    path = tmp_path / "baseline.yaml"
    path.write_text(BASELINE.read_text())
    load = {"at": "then", "build": "b", "environment": {"cores": "64"}}
    endpoints = {name: one.model_dump(mode="json") for name, one in endpoints_of(loaded(20)).items()}
    whole = yaml.safe_load(path.read_text())["recordings"]["sandbox"]
    baseline.write(whole | {"load": load | {"endpoints": endpoints}}, "local", path)
    monkeypatch.setattr(recording, "BASELINE", path)
    return path


def run(name: str = "cloud", compared_with: str | None = "local", address: str = "http://127.0.0.1:1") -> Any:
    seen: list[Any] = []
    return SimpleNamespace(
        descriptor=SimpleNamespace(
            name=name, baseline=compared_with, services=SimpleNamespace(api=SimpleNamespace(url=address))
        ),
        evidence=SimpleNamespace(note=seen.append),
        observe=lambda *told, **more: seen.append(told),
        observe_series=lambda *told: seen.append(told),
        seen=seen,
    )


def apply(monkeypatch: pytest.MonkeyPatch, load: Any) -> None:
    async def applied(*_: object) -> Any:
        return load

    monkeypatch.setattr(recording, "load", applied)


async def test_as_quick_as_recorded_holds(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, loaded(25))
    seen = run()
    await is_no_slower_than_recorded(seen, "full")
    assert ("PERF-07", "worsening of Flow: login", pytest.approx(5), "ms") in seen.seen
    assert any("recorded elsewhere: cores 64, here" in str(told) for told in seen.seen)


async def test_slower_for_certain_is_told(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(monkeypatch, loaded(60))
    with pytest.raises(AssertionError, match=r"Flow: login: mean first byte 61\.0 ms, recorded 21\.0 ms"):
        await is_no_slower_than_recorded(run(), "full")


async def test_the_baseline_itself_is_not_compared(recorded: Path) -> None:
    with pytest.raises(NotApplicable, match="not applicable: 'local' is the local baseline itself"):
        await is_no_slower_than_recorded(run("local", None), "full")


def without_load(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content["recordings"]["sandbox"].pop("load", None)
    path.write_text(yaml.safe_dump(content))


async def test_a_cloud_does_not_become_the_local_baseline_by_being_recorded(recorded: Path) -> None:
    with pytest.raises(EnvironmentUnavailable, match="'local' is not local, so its own recording is no local baseline"):
        await is_no_slower_than_recorded(run("local", None, "https://api.example.org"), "full")


@pytest.mark.parametrize("name", ["nobody", "sandbox"])
async def test_without_a_recorded_load_nothing_is_known(name: str, recorded: Path) -> None:
    without_load(recorded)
    with pytest.raises(EnvironmentUnavailable, match=f"no load of '{name}' is recorded"):
        await is_no_slower_than_recorded(run("cloud", name), "full")


async def test_an_endpoint_that_was_not_called_is_not_verified(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = loaded(20)
    load.result.requests += [Request("u", "Flow", "new", at=1000.0 + 5 * n, ok=True, first_byte=1.0) for n in range(20)]
    apply(monkeypatch, load)
    with pytest.raises(EnvironmentUnavailable, match="Flow: new: is not in the recording"):
        await is_no_slower_than_recorded(run(), "full")


def test_a_part_of_a_recording_leaves_the_other(recorded: Path) -> None:
    baseline.write({"load": None}, "local", recorded)
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
