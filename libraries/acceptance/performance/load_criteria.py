"""What the load measured, held against PERF-01, 02, 03, 05 and 06."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import fmean

from ArtilleryLibrary.requestlog import LoggedRequest

from acceptance.deployment.descriptor import ModelBound
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, violation
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Point
from acceptance.performance.load import Load, load
from acceptance.run import Run
from acceptance.verdict.criteria import Limit, limit_for

PHASES = ((60, 5), (120, 10), (60, 5))  # seconds and arrivals a second, as PERF-05 has them
SCENARIOS = ("Authentication Flow", "Document Upload Flow", "Agent Conversation Flow")
TAIL = {"first_byte_p95": "p95", "first_byte_p99": "p99"}
Take = Callable[[LoggedRequest], float | None]  # a time of a request in milliseconds; None where it has none
SPAN_SECONDS = 5.0  # of one point in a chart
IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHOWN = 4  # of many endpoints, phases or reasons


def first_byte(request: LoggedRequest) -> float | None:
    """Milliseconds until the head of the answer was there; None where none came."""
    return request.first_byte


def total(request: LoggedRequest) -> float | None:
    """Milliseconds until the whole answer was there; None where none came."""
    return request.total


async def was_applied(run: Run, scale: str) -> None:
    """PERF-05: phases and flows of the criterion, all arrivals, a generator that kept up.

    Raises:
        EnvironmentUnavailable: something of it is missing; all of it is ours.
    """
    seen = await load(run, scale)
    result = seen.result
    seen.must_be_complete()
    kept = {
        "arrivals": (100 * result.arrivals.share, "%"),
        "generator_lag_p99": (result.generator.lag_p99, "ms"),
        "generator_cpu": (100 * result.generator.cpu_share, "%"),
    }
    limits = {name: limit_for(run.descriptor.thresholds, "PERF-05", name) for name in kept}
    if seen.scale.lag_ms is not None:
        limits["generator_lag_p99"] = limits["generator_lag_p99"].model_copy(update={"threshold": seen.scale.lag_ms})
    missed = [f"{name.replace('_', ' ')} {value:.4g} {unit}, must be {limits[name]}"
              for name, (value, unit) in kept.items() if not limits[name].kept_by(value)]  # fmt: skip
    for name, (value, unit) in kept.items():
        # A figure that breaks its limit would be held against the deployment, whose fault it is not.
        recorded = f"{name}_that_missed" if missed else seen.name(name)
        run.observe("PERF-05", recorded, value, unit, samples=result.arrivals.actual or 1)
    run.observe(
        "PERF-05", "deviation_of_gaps", result.arrivals.gap_deviation, "ms", samples=result.arrivals.actual or 1
    )
    planned = [(second, scheduled) for second, scheduled, _ in result.arrivals.per_second]
    actual = [(second, count) for second, _, count in result.arrivals.per_second]
    run.observe_series("PERF-05", "arrivals", {"scheduled": points(planned), "arrived": points(actual)}, "1/s")
    missed += wrong_shape(seen)
    if missed:
        raise EnvironmentUnavailable(f"the load was not applied as the criterion has it: {'; '.join(missed)}")


async def first_byte_comes_in_time(run: Run, scale: str) -> None:
    """PERF-01: the mean over the whole mix; raises AssertionError naming the slowest endpoints."""
    seen = await load(run, scale)
    whole = seen.times(first_byte)
    recorded = {
        "mean_first_byte": whole,
        "mean_first_byte_without_model": seen.times(first_byte, bound=False),
        "mean_total_time": seen.times(total),
    }
    for name, samples in recorded.items():
        if samples:
            run.observe("PERF-01", seen.name(name), samples, "ms", statistic="mean")
    run.observe_series("PERF-01", "first byte", over_time(seen, first_byte), "ms")
    run.observe_series("PERF-01", "total time", over_time(seen, total), "ms")
    limit = limit_for(run.descriptor.thresholds, "PERF-01", "mean_first_byte")
    mean = fmean(whole) if whole else math.inf
    _hold(seen, "mean first byte of the whole mix", limit, mean, slowest(seen))


async def requests_succeed(run: Run, scale: str) -> None:
    """PERF-02: as many as in the local run, or of a shorter load its part; raises AssertionError."""
    seen = await load(run, scale)
    figures = seen.result.figures()
    run.observe(
        "PERF-02", seen.name("successful_requests"), figures.succeeded, "requests", samples=figures.attempted or 1
    )
    run.observe_series("PERF-02", "throughput", throughput(seen), "1/s")
    limit = in_proportion(limit_for(run.descriptor.thresholds, "PERF-02", "successful_requests"), seen.scale.time)
    seen.must_be_measured()
    seen.must_be_complete()
    if not limit.kept_by(figures.succeeded):
        shown = f"{figures.succeeded} of {figures.attempted}; {format_failures(seen.result.requests)}"
        raise violation(
            "requests with the documented status, all fields, and the right user's", expected=limit, observed=shown
        )


async def few_requests_fail(run: Run, scale: str) -> None:
    """PERF-03: of all that were attempted; raises AssertionError with where and why."""
    seen = await load(run, scale)
    figures = seen.result.figures()
    percent = 100 * figures.error_rate
    run.observe("PERF-03", seen.name("error_rate"), percent, "%", samples=figures.attempted or 1)
    parts = dict(error_rates(seen))
    for name, (rate, attempted) in parts.items():
        run.observe("PERF-03", f"error_rate, {name}", rate, "%", samples=attempted)
    worst = sorted(parts.items(), key=lambda part: -part[1][0])[:SHOWN]
    where = ", ".join(f"{rate:.2f} % in {name}" for name, (rate, _) in worst if rate)
    limit = limit_for(run.descriptor.thresholds, "PERF-03", "error_rate")
    _hold(
        seen,
        f"errors of {figures.attempted} requests attempted",
        limit,
        percent,
        f"{format_failures(seen.result.requests)}; {where}",
    )


async def tail_is_quick(run: Run, scale: str) -> None:
    """PERF-06: p95 and p99 of the calls that no model bounds; raises AssertionError naming the slowest endpoints."""
    seen = await load(run, scale)
    samples = seen.times(first_byte, bound=False)
    for figure, statistic in TAIL.items():
        if samples:
            run.observe("PERF-06", seen.name(figure), samples, "ms", statistic=statistic)
    _hold_tail(run, seen, samples, "the first byte")


async def whole_answers_are_quick(run: Run, scale: str) -> None:
    """PERF-06: a first byte says nothing of the others, so whole answers keep the limits too; raises AssertionError."""
    seen = await load(run, scale)
    for endpoint in seen.result.endpoints:
        times = [one.total for one in seen.result.requests if one.endpoint == endpoint and one.total is not None]
        if times:
            run.observe("PERF-06", f"total_time, {endpoint}", times, "ms", statistic="p95")
    _hold_tail(run, seen, seen.times(total, bound=False), "the whole answer", total)


async def model_is_quick(run: Run, scale: str) -> None:
    """PERF-06: calls that wait for a model keep the limits that the descriptor has for them; raises AssertionError.

    Raises:
        CapabilityMissing: the descriptor has none.
    """
    seen = await load(run, scale)
    samples = seen.times(first_byte, bound=True)
    own: ModelBound | None = run.descriptor.load.model_bound
    for statistic in ("p95", "p99"):
        if samples:
            name = seen.name(f"model_bound_first_byte_{statistic}")
            run.observe("PERF-06", name, samples, "ms", statistic=statistic)
    if own is None:
        raise CapabilityMissing(
            "load.model_bound", "limits of its own for calls that a model bounds, in the descriptor"
        )
    for statistic, most in (("p95", own.p95), ("p99", own.p99)):
        limit = Limit(figure=statistic, unit="ms", least_samples=1, must_be="at most", threshold=most)
        value = Distribution.of(samples).statistic(statistic) if samples else math.inf
        _hold(seen, f"{statistic} of the first byte where a model is asked", limit, value, slowest(seen, bound=True))


def in_proportion(limit: Limit, share: float) -> Limit:
    """A limit of a count, for a load that takes this share of the time."""
    assert limit.threshold is not None
    return limit.model_copy(update={"threshold": math.floor(limit.threshold * share)})


def wrong_shape(seen: Load) -> list[str]:
    """How the script differs from the load that PERF-05 describes, one line each."""
    wanted = [(round(seconds * seen.scale.time), rate) for seconds, rate in PHASES]
    found = [(round(phase.duration), phase.rate) for phase in seen.script.phases]
    problems = [] if found == wanted else [f"phases (seconds, arrivals a second) are {found}, not {wanted}"]
    names = tuple(one.name for one in seen.script.scenarios)
    if sorted(names) != sorted(SCENARIOS):
        problems.append(f"scenarios are {', '.join(names)}, not {', '.join(SCENARIOS)}")
    if len({one.weight for one in seen.script.scenarios}) > 1:
        problems.append("scenarios have different weights")
    silent = [name for name in SCENARIOS if not seen.result.figures(scenario=name).attempted]
    problems += [f"nothing was attempted in {name}" for name in silent]
    return problems + [f"{count} x {reason}" for reason, count in seen.result.log.step_errors.items()]


def error_rates(seen: Load) -> Iterator[tuple[str, tuple[float, int]]]:
    """Percent of the requests attempted that failed, and how many were attempted, by phase, scenario and endpoint."""
    for kind, names in (
        ("phase", seen.result.phases),
        ("scenario", seen.result.scenarios),
        ("endpoint", seen.result.endpoints),
    ):
        for name in names:
            figures = seen.result.figures(**{kind: name})
            if figures.attempted:
                yield name, (100 * figures.error_rate, figures.attempted)


def slowest(seen: Load, *, bound: bool | None = None, take: Take = first_byte) -> str:
    """The endpoints with the greatest p95 of a time, for messages."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in seen.result.requests:
        if (value := take(one)) is not None and (bound is None or (one.endpoint in seen.model_bound) == bound):
            times[one.endpoint].append(value)
    kept = sorted(
        ((Distribution.of(values), name) for name, values in times.items()), key=lambda one: -one[0].percentile(95)
    )
    return ", ".join(f"{name} mean {one.mean:.0f} ms, p95 {one.percentile(95):.0f} ms" for one, name in kept[:SHOWN])


def format_failures(requests: Iterable[LoggedRequest]) -> str:
    """Why requests failed, the most frequent reasons first; identifiers are left out, so that the same is the same."""
    reasons = Counter(
        f"{one.endpoint}: {IDENTIFIER.sub('<id>', reason)}" for one in requests for reason in one.failures
    )
    return ", ".join(f"{count} x {reason}" for reason, count in reasons.most_common(SHOWN)) or "no request failed"


def over_time(seen: Load, take: Take) -> dict[str, list[Point]]:
    """The mean of a time in spans of some seconds, a line for each scenario."""
    return {
        name: [(at, fmean(times)) for at, spans in _spans(seen, name) if (times := [*_known(map(take, spans))])]
        for name in seen.result.scenarios
    }


def throughput(seen: Load) -> dict[str, list[Point]]:
    """Requests answered as they should be, a second, in spans of some seconds, a line for each scenario."""
    return {
        name: [(at, sum(one.ok for one in span) / SPAN_SECONDS) for at, span in _spans(seen, name)]
        for name in seen.result.scenarios
    }


def points(pairs: Sequence[tuple[float, float]]) -> list[Point]:
    """As a chart wants them."""
    return [(float(x), float(y)) for x, y in pairs]


def _spans(seen: Load, scenario: str) -> list[tuple[float, list[LoggedRequest]]]:
    """The requests of a scenario by spans of some seconds, each with the second in which it begins."""
    spans: dict[int, list[LoggedRequest]] = defaultdict(list)
    for one in seen.result.requests:
        if one.scenario == scenario:
            spans[int((one.at - seen.result.started) // SPAN_SECONDS)].append(one)
    return [(span * SPAN_SECONDS, spans[span]) for span in sorted(spans)]


def _known(values: Iterable[float | None]) -> Iterator[float]:
    return (value for value in values if value is not None)


def _hold_tail(run: Run, seen: Load, samples: Sequence[float], of: str, take: Take = first_byte) -> None:
    for figure, statistic in TAIL.items():
        limit = limit_for(run.descriptor.thresholds, "PERF-06", figure)
        value = Distribution.of(samples).statistic(statistic) if samples else math.inf
        shown = slowest(seen, bound=False, take=take)
        _hold(seen, f"{statistic} of {of} where no model is asked", limit, value, shown)


def _hold(seen: Load, what: str, limit: Limit, value: float, shown: str) -> None:
    """Hold a figure of which less is better against its limit."""
    seen.must_be_measured()
    if not limit.kept_by(value):
        raise violation(what, expected=str(limit), observed=f"{value:.4g} {limit.unit}: {shown}")
    seen.must_be_complete()
