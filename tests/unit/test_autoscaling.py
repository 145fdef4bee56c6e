"""A load that rises and falls, made up: each way in which scaling is wrong is a figure out of its limit."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import Descriptor, Scaling
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, Violation
from acceptance.performance import autoscaling
from acceptance.performance.autoscaling import Failed, InstanceSample, Observation, Scaled, ScalingFigure
from acceptance.performance.figures import Figure
from acceptance.providers.render import Line, Render
from acceptance.verdict.criteria import CRITERIA, read_criteria
from ArtilleryLibrary.figures import Ending, LoadResult
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.plan import LoadPlan
from ArtilleryLibrary.requestlog import UNFINISHED, LoggedRequest, RequestLog

from tests.unit.conftest import descriptor_at
from tests.unit.test_render import no_pause

AT = 1_767_225_600.0
WANTED = Scaling(
    service="api", min=2, max=3, target=20, up_within=10, down_within=20, high=20, low=1, instance_header="x-instance"
)
PHASES = tuple(
    Phase(index=index, name=name, duration=10, rate=rate, ramp_to=rate)
    for index, (name, rate) in enumerate((("rise", 20), ("fall", 1)))
)
GOOD = [2] * 4 + [3] * 16 + [2] * 6
LIMITS = {limit.figure: limit for limit in read_criteria(CRITERIA).criteria["CLOUD-04"].limits}


def instances(count: int) -> tuple[str, ...]:
    return tuple(f"i-{number}" for number in range(count))


def seen(
    counts: Sequence[int] = GOOD,
    *,
    answering: Callable[[int], int] = lambda count: count,
    counted: Callable[[int], int] = lambda count: count,
    cpu: float = 0.3,
    cpu_after: float = 0.02,
    failed: Sequence[Failed] = (),
    requests: Sequence[LoggedRequest] = (),
) -> Scaled:
    """Counts of each second; the load falls after ten."""
    log = RequestLog(
        requests=[LoggedRequest("u", "Reading Flow", "user", AT + 1, True, total=5.0), *requests],
        phases={0: AT, 1: AT + 10},
        health=[(AT + len(counts), 0.0, 0.0, 0.0)],
    )
    plan = LoadPlan(
        script="s", target="t", phases=PHASES, scenarios=(), corrections=(), node="n", artillery="a",
        ending=Ending.STOPPED_EARLY, reason="2 instances again",
    )  # fmt: skip
    samples = [
        InstanceSample(AT + second, instances(count), frozenset(instances(answering(count))), 4 * count)
        for second, count in enumerate(counts)
    ]
    series = [("cpu", second, cpu if second < 10 else cpu_after) for second in range(len(counts))]
    return Scaled(
        WANTED,
        LoadResult(plan, log, plan.ending, plan.reason),
        Observation(samples, list(failed), requests=100),
        [Line("api", f"i-{one}", "cpu", tuple((AT + at, value) for _, at, value in series)) for one in range(2)],
        [Line("api", "", "instances", tuple((AT + at, float(counted(count))) for at, count in enumerate(counts)))],
    )


class Run:
    """What stands in for a run, and keeps what is observed."""

    def __init__(self) -> None:
        self.context = SimpleNamespace(figures={})
        self.seen: dict[str, Any] = {}
        self.series: dict[str, Any] = {}
        self.notes: list[str] = []
        self.evidence = SimpleNamespace(note=self.notes.append)

    def observe(self, criterion: str, name: str, value: Any, unit: str, *, samples: int) -> None:
        assert criterion == "CLOUD-04" and unit and samples > 0
        self.seen[name] = value
        if name in LIMITS:
            assert LIMITS[name].unit == unit

    def observe_series(self, criterion: str, name: str, lines: Any, unit: str, **more: Any) -> None:
        self.series[name] = (lines, more)


def figure(name: ScalingFigure, found: Scaled, monkeypatch: pytest.MonkeyPatch) -> Figure:
    async def applied(_: object) -> Scaled:
        return found

    monkeypatch.setattr(autoscaling, "scaled", applied)
    run: Any = Run()
    made = asyncio.run(autoscaling.figure(run, name))
    known = {name: made.value} if math.isfinite(made.value) and not made.ours else {}
    assert run.seen == known
    return made


def test_good_scaling_keeps_every_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    expected: dict[ScalingFigure, float] = {
        "steps_up": 1, "steps_down": 1, "scale_up_time": 4, "scale_down_time": 10, "out_of_bounds": 0,
        "direction_changes": 1, "failed_by_change": 0, "missing_instances": 0,
    }  # fmt: skip
    assert set(expected) == set(LIMITS)
    for name, value in expected.items():
        found = figure(name, seen(), monkeypatch)
        assert (found.value, found.ours) == (value, ""), name
        assert LIMITS[name].kept_by(found.value)


def request(at: float, total: float, *failures: str) -> LoggedRequest:
    return LoggedRequest("u", "Reading Flow", "documents", AT + at, not failures, failures, total=total)


@pytest.mark.parametrize(
    ("name", "found", "details"),
    [
        ("steps_up", seen([2] * 26), "CPU of the instances 30 %, target 20 %; no change; the load fell after 10 s"),
        ("steps_down", seen([2] * 4 + [3] * 22), "2 to 3 after 4 s"),
        ("out_of_bounds", seen([2, 3, 4, 4, 3, *GOOD]), "[4] instances, bounds 2 to 3"),
        ("out_of_bounds", seen([2, 1, *GOOD]), "[1] instances, bounds 2 to 3"),
        ("direction_changes", seen([2, 3, 2, 3, 2, 3, *GOOD]), "2 to 3 after 1 s, 3 to 2 after 2 s"),
        ("missing_instances", seen(answering=lambda count: 2), "i-2 is reported, and answered none of 168"),
        ("missing_instances", seen(answering=lambda count: count + 1), "i-3 answered, and is not reported"),
        ("missing_instances", seen(counted=lambda count: 2), "instance-count says 2, the list of instances 3"),
        ("failed_by_change", seen(requests=[request(20, 900, "status 503")]), "documents: status 503 +0.9 s"),
        ("failed_by_change", seen(requests=[request(18, 0, UNFINISHED)]), f"documents: {UNFINISHED}"),
        ("failed_by_change", seen(failed=[Failed(AT + 3, AT + 9, "slow: cut")]), "slow: cut +5.0 s from 2 to 3"),
    ],
)  # fmt: skip
def test_each_way_to_be_wrong_is_a_violation(
    name: ScalingFigure, found: Scaled, details: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = figure(name, found, monkeypatch)
    assert not LIMITS[name].kept_by(made.value)
    assert details in made.details
    assert isinstance(made.broken("its limit"), Violation)


@pytest.mark.parametrize(
    ("name", "found", "reason"),
    [
        ("steps_up", seen([2] * 26, cpu=0.2), "the load brought the instances to 20 % of CPU, the target is 20 %"),
        ("steps_up", replace(seen([2] * 26), cpu=()), "the platform reports no CPU of that time"),
        ("steps_down", seen([2] * 26), "there was no step up before"),
        ("steps_down", seen([2] * 4 + [3] * 22, cpu_after=0.3), "the low load still needs as many instances"),
        ("missing_instances", seen([2, 3] * 13), "never stayed long enough"),
    ],
)
def test_what_our_load_did_not_show_is_no_violation(
    name: ScalingFigure, found: Scaled, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = figure(name, found, monkeypatch)
    assert not LIMITS[name].kept_by(made.value)
    error = made.broken("its limit")
    assert isinstance(error, EnvironmentUnavailable)
    assert reason in str(error)


def test_a_request_that_was_under_way_when_we_ended_the_load_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert figure("failed_by_change", seen(requests=[request(25, 0, UNFINISHED)]), monkeypatch).value == 0


def test_a_failure_away_from_any_change_is_noted_and_no_change_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = seen([2] * 4 + [3] * 60 + [2] * 6, requests=[request(40, 5, "status 500")])
    assert figure("failed_by_change", found, monkeypatch).value == 0
    run: Any = Run()
    asyncio.run(autoscaling.record_chart(run))
    assert run.notes == ["CLOUD-04: 1 requests failed away from any change: documents: status 500"]


def test_the_chart_has_the_load_above_and_the_instances_below(monkeypatch: pytest.MonkeyPatch) -> None:
    figure("steps_up", seen(), monkeypatch)
    run: Any = Run()
    asyncio.run(autoscaling.record_chart(run))
    lines, more = run.series["requests answered"]
    assert lines == {"load": [(0.0, 0.0), (1.0, 1.0)]}
    assert more["below"].lines["instances"][4] == (4.0, 3.0)
    assert more["marks"] == {"2 to 3": 4.0, "3 to 2": 20.0}
    assert run.series["CPU of the instances"][0]["i-1"][0] == (0.0, 30.0)
    assert run.seen["changes"] == "2 to 3 after 4 s, 3 to 2 after 20 s; the load fell after 10 s"


def test_too_little_is_no_ground_to_judge() -> None:
    few = replace(seen(), seen=Observation([InstanceSample(AT, instances(2))], problem="the platform: status 500"))
    with pytest.raises(EnvironmentUnavailable, match=r"read 1 times in 30 s, at least 9: the platform: status 500"):
        autoscaling._must_be_known(few, 30)
    with pytest.raises(EnvironmentUnavailable, match="instance-count: no value of 'api'"):
        autoscaling._must_be_known(replace(seen(), counts=()), 26)
    cut = replace(seen(), load=replace(seen().load, ending=Ending.TRUNCATED, reason="no end"))
    with pytest.raises(EnvironmentUnavailable, match="did not go through: no end"):
        autoscaling._must_be_known(cut, 26)


def test_the_load_ends_when_the_instances_are_back() -> None:
    found = seen()
    log = found.load.log
    assert autoscaling._is_back(log, found.seen, WANTED) == "2 instances again"
    assert autoscaling._is_back(log, seen(GOOD[:22]).seen, WANTED) is None
    assert autoscaling._is_back(log, seen([2] * 26).seen, WANTED) is None
    assert autoscaling._is_back(RequestLog(phases={0: AT}), found.seen, WANTED) is None


def described(**fields: Any) -> Descriptor:
    whole = descriptor_at("http://127.0.0.1:1").model_dump(mode="json", exclude_defaults=True)
    usual = {
        "scaling": WANTED.model_dump(),
        "platform": {"url": "http://127.0.0.1:1/v1", "services": {"api": "srv-1"}},
        "secrets": {"platform_key": "PLATFORM_KEY"},
        "capabilities": ["scale", "platform-api"],
    }
    return Descriptor.model_validate({**whole, **usual, **fields})


def refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: httpx.Response(401, json={"message": "unauthorized"}), "is the secret platform_key right"),
        (lambda _: httpx.Response(429, json={"message": "slow down"}), "status 429 slow down"),
        (lambda _: httpx.Response(500), "status 500"),
        (lambda _: httpx.Response(200, text="<html>"), "not the form that it has"),
        (lambda _: httpx.Response(200, json={}), "not the form that it has: suspended"),
        (refused, "no answer"),
        (
            lambda _: httpx.Response(200, json={"suspended": "not_suspended"}),
            "the provider does not scale 'api': enable it there, or allow `scaling.configure: true`",
        ),
    ],
)
def test_a_provider_that_does_not_say_it_leaves_it_unknown(
    answer: Callable[[httpx.Request], httpx.Response], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(descriptor: Descriptor, capability: str) -> Render:
        descriptor.need(capability)
        assert descriptor.platform is not None
        return Render(descriptor, descriptor.platform, httpx.MockTransport(answer), no_pause)

    async def signed_in() -> SimpleNamespace:
        return SimpleNamespace(user_id="u", email="e", password="p", access_token="t")

    monkeypatch.setenv("PLATFORM_KEY", "rnd_1234567890")
    monkeypatch.setattr(Render, "of", opened)
    run: Any = SimpleNamespace(descriptor=described(), users=SimpleNamespace(signed_in=signed_in))
    with pytest.raises(EnvironmentUnavailable, match=reason.replace("(", r"\(")):
        asyncio.run(autoscaling._scaled(run))


@pytest.mark.parametrize("capability", ["scale", "platform-api"])
def test_without_a_capability_nothing_is_known(capability: str) -> None:
    left = [name for name in ("scale", "platform-api") if name != capability]
    run: Any = SimpleNamespace(descriptor=described(capabilities=left))
    with pytest.raises(CapabilityMissing, match=f"needs the capability '{capability}'"):
        asyncio.run(autoscaling._scaled(run))
