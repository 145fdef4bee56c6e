"""Records of a rising load: what could not be sampled is named, and without any sample nothing is verified."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance.deployment.descriptor import Platform
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.performance import scaling
from acceptance.performance.capacity import Step, capacity_of
from acceptance.performance.resource_sampler import DATABASE, PLATFORM, ResourceSamples
from acceptance.performance.scaling import Repeat, Scaling

from tests.unit.test_bottleneck import IDLE, steps, watched

Record = Callable[[Any, str], Awaitable[object]]


class Recorded:
    """What stands in for a run, and keeps what is observed."""

    def __init__(self, *capabilities: str) -> None:
        platform = Platform(
            url="http://127.0.0.1:1/v1", services={name: f"srv-{name}" for name in IDLE}, host="machine"
        )
        self.descriptor = SimpleNamespace(capabilities=capabilities, platform=platform)
        self.contract = SimpleNamespace(model_bound=("chat",))
        self.seen: dict[str, Any] = {}
        self.series: dict[str, Any] = {}

    def observe(self, criterion: str, name: str, value: Any, unit: str, *, samples: int) -> None:
        assert criterion in ("PERF-08", "PERF-09") and unit and samples > 0
        self.seen[name] = value

    def observe_series(self, criterion: str, name: str, lines: Any, unit: str, **more: Any) -> None:
        assert lines and all(points for points in lines.values())
        self.series[name] = lines


def recorded(
    monkeypatch: pytest.MonkeyPatch,
    record: Record,
    seen: ResourceSamples,
    went: list[Step] | None = None,
    *,
    full: bool = True,
) -> Recorded:
    repeats = tuple(Repeat(tuple(went or steps()), seen, 100, 2.0, 0) for _ in range(3))
    risen = Scaling(full, repeats, capacity_of([one.steps for one in repeats], 2))

    async def applied(*_: object) -> Scaling:
        return risen

    async def go() -> None:
        await record(run, "full")

    monkeypatch.setattr(scaling, "scaled", applied)
    run = Recorded("metrics", "sql")
    asyncio.run(go())
    return run


def test_the_capacity_is_recorded_with_how_each_repeat_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(monkeypatch, scaling.capacity, watched())
    assert run.seen["capacity"] == 20
    assert run.seen["stated_capacity"] == "20 users/s (the repeats held 20, 20, 20)"
    assert run.seen["the end of repeat 3"] == "40 users/s: first byte p95 640 ms (at most 450 ms)"


def test_a_short_load_has_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(monkeypatch, scaling.capacity, watched(), full=False)
    assert all(name.endswith("_of_a_short_load") for name in run.seen)


def test_the_steps_are_drawn_for_each_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(monkeypatch, scaling.record_steps, watched())
    assert set(run.series) == {"requests answered", "error rate"}  # made-up steps have no times
    assert run.series["requests answered"]["offered"] == [(10.0, 30.0), (20.0, 60.0), (40.0, 120.0)]


def test_the_first_has_its_curve_and_suggestions_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(cpu={"api": 97})
    run = recorded(monkeypatch, scaling.first_saturated, seen)
    assert run.seen["first_to_saturate"].endswith("(the same in 3 of 3 repeats)")
    assert [name for name, _ in run.series["first, CPU of api"].items()] == ["repeat 1", "repeat 2", "repeat 3"]
    assert "more or larger instances of api" in recorded(
        monkeypatch, scaling.recommendations, seen
    ).seen["suggestion_1"]  # fmt: skip


def test_resources_are_drawn_against_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded(monkeypatch, scaling.record_utilization, watched(cpu={"api": 97}))
    assert run.series["utilization"]["CPU of api"] == [(10.0, 20.0), (20.0, 20.0), (40.0, pytest.approx(97))]
    assert run.seen["utilization, CPU of api"] == pytest.approx(97)
    assert run.seen["not_watched"].startswith("memory of api, worker, database, machine: the platform has no limit")


def test_what_could_not_be_sampled_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched()
    seen.looks.clear()
    seen.problems[DATABASE] = "needs the capability 'sql'"
    run = recorded(monkeypatch, scaling.record_utilization, seen)
    assert "connections, locks and documents under way: needs the capability 'sql'" in run.seen["not_watched"]


@pytest.mark.parametrize(
    ("capabilities", "error"), [((), CapabilityMissing), (("metrics", "sql"), EnvironmentUnavailable)]
)
def test_where_nothing_could_be_watched_nothing_is_verified(
    monkeypatch: pytest.MonkeyPatch, capabilities: tuple[str, ...], error: type[Exception]
) -> None:
    seen = ResourceSamples(problems={DATABASE: "gone", PLATFORM: "status 401"})
    monkeypatch.setattr(Recorded, "__init__", _with(capabilities))
    with pytest.raises(error):
        recorded(monkeypatch, scaling.record_utilization, seen)


def _with(capabilities: tuple[str, ...]) -> Callable[..., None]:
    before = Recorded.__init__
    return lambda self, *_: before(self, *capabilities)
