"""Steps of a rising load, made up, are judged both ways, and several repeats come to one capacity."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from acceptance.deployment.descriptor import UnderLoad
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.limits import DeploymentLimits
from acceptance.performance import scaling
from acceptance.performance.capacity import (
    Bounds,
    Held,
    Step,
    capacity_of,
    phases_of,
    steps_of,
    until_broken,
)
from acceptance.performance.load import flows, prepared
from acceptance.performance.load_profiles import profile
from acceptance.performance.scaling import bounds_of, requests_each
from acceptance.verdict.criteria import Limit
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.requestlog import UNFINISHED, LoggedRequest, RequestLog

BEGAN = 1_000_000.0
RATES = (10, 20, 40)
SECONDS = 8


def limit(figure: str, unit: str, most: float) -> Limit:
    return Limit(figure=figure, unit=unit, least_samples=1, must_be="at most", threshold=most)


BOUNDS = Bounds(
    limit("error_rate", "%", 1), limit("p95", "ms", 450), limit("p99", "ms", 600), least_of_offered=0.9, lag_ms=10
)


def log(
    *, ms: float = 20.0, slow_from: int = 1000, failing: int = 0, skip: int = 0, lag: float = 2.0, model: float = 20.0
) -> RequestLog:
    """A load in three steps; from a rate on answers take a second, and every so many requests fail or never come."""
    made = RequestLog()
    number = 0
    for phase in phases_of(RATES, SECONDS):
        at = BEGAN + phase.index * SECONDS
        made.phases[phase.index] = at
        for second in range(SECONDS + 1):
            made.health.append((at + second, 100.0 * (at + second - BEGAN), lag, lag))
            made.lags.append((at + second, lag))
        for arrival in range(phase.arrivals):
            user, began = f"{phase.index}-{arrival}", at + (arrival + 1) / phase.rate
            made.users[user] = began
            for endpoint in ("login", "upload", "chat"):
                number += 1
                took = model if endpoint == "chat" else 1000.0 if phase.rate >= slow_from else ms
                wrong = ("statusCode: expected 200, got 503",) if failing and number % failing == 0 else ()
                if not (skip and number % skip == 0):
                    made.requests.append(
                        LoggedRequest(user, "flow", endpoint, began, not wrong, wrong, first_byte=took, total=took)
                    )
    return made


def steps(made: RequestLog, until: float = BEGAN + 100) -> list[Step]:
    return steps_of(made, phases_of(RATES, SECONDS), 3.0, BOUNDS, ["chat"], until)


def step(rate: int, held: Held) -> Step:
    return Step(
        rate, BEGAN, 8.0, 3.0 * rate, 3.0 * rate, (), None, 0.0, 2.0, 0.1,
        broken=() if held is Held.HELD else ("p95 too long",), busy="it was late" if held is Held.GENERATOR else "",
    )  # fmt: skip


def repeat(*went: Held) -> list[Step]:
    return [step(10 * (number + 1), held) for number, held in enumerate(went)]


def test_a_load_that_is_borne_holds_in_every_step() -> None:
    found = steps(log())
    assert [(one.rate, one.held, one.busy) for one in found] == [(rate, Held.HELD, "") for rate in RATES]
    assert [one.offered for one in found] == [30, 60, 120]
    assert [one.achieved / one.offered for one in found] == pytest.approx([1, 1, 1], abs=0.02)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (log(slow_from=40), "first byte p95 1000 ms (at most 450 ms)"),
        (log(slow_from=40), "first byte p99 1000 ms (at most 600 ms)"),
        (log(failing=50), "1.98 % of the requests failed (at most 1 %)"),
        (log(skip=5), "of 120 requests a second were answered in time (at least 90%)"),
    ],
)
def test_each_limit_can_be_broken(made: RequestLog, expected: str) -> None:
    last = steps(made)[-1]
    assert last.held is Held.BROKE
    assert expected in last.reason


def test_answers_of_a_model_have_limits_of_their_own() -> None:
    assert steps(log(model=900.0))[-1].held is Held.HELD


def test_answers_that_come_after_the_step_are_not_answered_in_it() -> None:
    assert "requests a second were answered in time" in steps(log(ms=3000.0, model=3000.0))[0].reason


def unfinished(made: RequestLog, chosen: Callable[[int, LoggedRequest], bool]) -> RequestLog:
    """Some of the requests had no answer when the load ended."""
    made.requests = [
        replace(one, ok=False, failures=(UNFINISHED,), first_byte=None, total=None) if chosen(number, one) else one
        for number, one in enumerate(made.requests)
    ]
    return made


def test_what_we_ended_ourselves_is_no_error_but_not_answered_either() -> None:
    end = BEGAN + SECONDS
    found = steps(unfinished(log(), lambda _, one: one.at >= end - 0.5), until=end)[0]
    assert found.error_rate == 0
    assert found.achieved < found.offered


def test_what_had_no_answer_for_longer_than_the_limit_has_failed() -> None:
    found = steps(unfinished(log(), lambda number, _: number % 20 == 0))[0]
    assert found.held is Held.BROKE
    assert found.reason.startswith("5.06 % of the requests failed")


def test_a_step_to_which_not_all_users_came_is_not_held() -> None:
    made = log()
    made.users = {user: at for number, (user, at) in enumerate(made.users.items()) if number % 12}
    found = steps(made)[0]
    assert (found.held, found.broken) == (Held.GENERATOR, ())
    assert found.reason.endswith("arrivals in time")


def test_a_step_is_judged_when_it_is_over() -> None:
    assert [one.rate for one in steps(log(), until=BEGAN + 2 * SECONDS - 0.1)] == [10]


def test_limits_that_break_under_a_busy_generator_say_nothing() -> None:
    last = steps(log(slow_from=40, lag=200.0))[-1]
    assert last.held is Held.GENERATOR
    assert "but the generator did not keep up: its loop came 200 ms late (at most 10)" in last.reason


def test_what_is_far_beyond_the_generators_lag_is_the_deployments() -> None:
    assert steps(log(slow_from=40, lag=30.0))[-1].held is Held.BROKE
    assert steps(log(skip=5, lag=30.0))[-1].held is Held.GENERATOR


def test_limits_that_are_kept_by_a_busy_generator_are_kept() -> None:
    assert steps(log(lag=30.0))[-1].held is Held.HELD


@pytest.mark.parametrize("lost", ["health", "lags"])
def test_a_generator_without_a_record_of_itself_was_too_busy(lost: str) -> None:
    made = log(slow_from=40)
    getattr(made, lost).clear()
    assert steps(made)[-1].held is Held.GENERATOR


def test_arrivals_that_were_not_made_are_the_generators() -> None:
    made = log(slow_from=40)
    made.users = {user: at for number, (user, at) in enumerate(made.users.items()) if number % 20}
    assert "it made 304 of 320 arrivals in time" in steps(made)[-1].reason


def test_nothing_counts_after_the_first_step_that_did_not_hold() -> None:
    assert [one.rate for one in until_broken(repeat(Held.HELD, Held.BROKE, Held.HELD))] == [10, 20]


H, B, G = Held.HELD, Held.BROKE, Held.GENERATOR


@pytest.mark.parametrize(
    ("repeats", "rate", "text"),
    [
        ([(H, H, B), (H, H, B), (H, H, B)], 20, "20 users/s (the repeats held 20, 20, 20)"),
        ([(H, H, B), (H, B), (H, H, H, B)], 20, "20 users/s (the repeats held 20, 10, 30)"),
        ([(H, H, H, B), (H, B), (H, B)], 10, "10 users/s (the repeats held 30, 10, 10)"),
        ([(B,), (B,), (H, B)], 0, "less than 10 users/s, the first step (the repeats held 0, 0, 10)"),
        (
            [(H, G), (H, G), (H, G)],
            10,
            "at least 10 users/s (the repeats held 10, 10, 10): it was late",
        ),
        ([(H, G), (H, G), (H, B)], 10, "at least 10 users/s"),
        ([(H, B), (H, B), (H, G)], 10, "10 users/s (the repeats held 10, 10, 10)"),
        ([(H, H), (H, H), (H, H)], 20, "at least 20 users/s (the repeats held 20, 20, 20): no higher step"),
        ([(H, H), (H, H), (H, B)], 20, "at least 20 users/s"),
    ],
)
def test_the_capacity_is_what_two_of_three_repeats_held(
    repeats: Sequence[Sequence[Held]], rate: int, text: str
) -> None:
    found = capacity_of([repeat(*went) for went in repeats], 2)
    assert found.rate == rate
    assert str(found).startswith(text)
    assert len(found.broke) == 3


def test_the_steps_in_use_are_sound() -> None:
    full = profile().of("full").steps
    assert full.repeats == 3 and full.held_in == 2
    assert all(list(one.steps.rates) == sorted(set(one.steps.rates)) for one in profile().scales.values())
    # five minutes in all, users and documents included
    assert full.repeats * len(full.rates) * full.seconds <= 200
    with pytest.raises(EnvironmentUnavailable, match=r"SCALE half: unknown; load\.yaml has full, detection"):
        profile().of("half")


def run(capabilities: Sequence[str] = (), requests_per_minute: int | None = None) -> Any:
    """What stands in for a run that is to apply the steps."""

    async def limits(*_: Any) -> DeploymentLimits:
        return DeploymentLimits({"max_concurrent_jobs_per_user": 100, "max_uploads_per_day_per_user": 1000})

    plan = SimpleNamespace(requests_per_minute=requests_per_minute)
    services = SimpleNamespace(api=SimpleNamespace(url="http://127.0.0.1:1"))
    descriptor = SimpleNamespace(
        thresholds={},
        plan=plan,
        services=services,
        load=UnderLoad(),
        capabilities=frozenset(capabilities),
        need_load=lambda: None,
    )
    return SimpleNamespace(descriptor=descriptor, once=limits)


def test_the_flows_are_those_of_the_load_in_phases_of_their_own() -> None:
    phases = [Phase(index=0, name="7 users/s", duration=3, rate=7, ramp_to=7)]
    script = flows(run(), phases=phases)
    assert script.phases == tuple(phases)
    assert script.content["config"]["phases"] == [
        {"name": "7 users/s", "duration": 3, "arrivalRate": 7, "rampTo": 7}
    ]  # fmt: skip
    assert requests_each(script) == 3


def test_a_plan_that_does_not_allow_the_steps_is_named() -> None:
    draft = flows(run(), phases=phases_of(RATES, SECONDS))
    with pytest.raises(CapabilityMissing, match="the plan allows 3000 requests a minute, and the load makes 7200"):
        asyncio.run(prepared(run(requests_per_minute=3000), draft))


def test_limits_of_a_step_are_those_of_the_criteria() -> None:
    bounds = bounds_of(run(), profile().of("full"))
    assert (bounds.p95.threshold, bounds.p99.threshold, bounds.error_rate.threshold) == (450, 600, 1)
    assert bounds.lag_ms == 10


def test_a_first_step_of_a_busy_generator_is_no_capacity(monkeypatch: pytest.MonkeyPatch) -> None:
    capacity = capacity_of([repeat(G), repeat(G), repeat(G)], 2)

    async def applied(*_: object) -> Any:
        return SimpleNamespace(capacity=capacity, repeats=(), name=lambda figure: figure)

    monkeypatch.setattr(scaling, "scaled", applied)
    with pytest.raises(EnvironmentUnavailable, match="nothing is known about the deployment from the first step on"):
        asyncio.run(scaling.capacity(run(), "full"))
