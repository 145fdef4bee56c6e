"""Figures of the load (PERF-01 … 07), and the limits of its criteria."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Literal

from ArtilleryLibrary.requestlog import LoggedRequest

from acceptance.errors import CapabilityMissing
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Point
from acceptance.performance import figures, load_documents, recording
from acceptance.performance.figures import Figure, figure_of_samples
from acceptance.performance.load import Load, Take, first_byte, format_failures, load, total
from acceptance.performance.load_profiles import Scale
from acceptance.run import Run
from acceptance.verdict.criteria import Limit, limit_for

LoadFigure = Literal[
    "arrivals", "generator_lag_p99", "generator_cpu", "deviation_of_gaps", "mean_first_byte",
    "mean_first_byte_without_model", "mean_total_time", "successful_requests", "error_rate",
    "error_rate_of_worst_endpoint", "first_byte_p95", "first_byte_p99", "whole_answer_p95", "whole_answer_p99",
    "model_bound_first_byte_p95", "model_bound_first_byte_p99", "documents_completed", "database_differences",
    "endpoints_slower", "whole_answers_slower",
]  # fmt: skip
SPAN_SECONDS = 5.0  # of one point in a chart
LISTED = 4  # of many endpoints, phases or reasons


@dataclass(frozen=True)
class Times:
    """A statistic of a time of the requests: of all, of those that a model bounds (True), or of the others (False)."""

    criterion: str
    what: str
    take: Take
    statistic: str
    bound: bool | None = None
    chart: str = ""


TIMES: dict[LoadFigure, Times] = {
    "mean_first_byte": Times("PERF-01", "mean first byte of the whole mix", first_byte, "mean", chart="first byte"),
    "mean_first_byte_without_model": Times("PERF-01", "mean first byte, no model asked", first_byte, "mean", False),
    "mean_total_time": Times("PERF-01", "mean total time of the whole mix", total, "mean", chart="total time"),
    "first_byte_p95": Times("PERF-06", "p95 of first bytes where no model is asked", first_byte, "p95", False),
    "first_byte_p99": Times("PERF-06", "p99 of first bytes where no model is asked", first_byte, "p99", False),
    "whole_answer_p95": Times("PERF-06", "p95 of whole answers where no model is asked", total, "p95", False),
    "whole_answer_p99": Times("PERF-06", "p99 of whole answers where no model is asked", total, "p99", False),
    "model_bound_first_byte_p95": Times(
        "PERF-06", "p95 of first bytes where a model is asked", first_byte, "p95", True
    ),
    "model_bound_first_byte_p99": Times(
        "PERF-06", "p99 of first bytes where a model is asked", first_byte, "p99", True
    ),
}


async def figure(run: Run, scale: str, name: LoadFigure) -> Figure:
    """A figure of the load, which is applied once in a run."""
    seen = await load(run, scale)
    make = partial(_times, name=name) if name in TIMES else FIGURES[name]
    return await figures.recorded(run, f"load {name}", partial(make, run, seen))


def limit_of(run: Run, scale: Scale, criterion: str, name: str) -> Limit:
    """The limit of a criterion's figure, with the deployment's own threshold; of a short load in proportion.

    Raises:
        KeyError: the criterion has no such limit.
    """
    try:
        limit = limit_for(run.descriptor.thresholds, criterion, name)
    except (KeyError, StopIteration):
        raise KeyError(f"{criterion} has no limit of a figure '{name}'") from None
    if (criterion, name) == ("PERF-02", "successful_requests") and limit.threshold is not None:
        return limit.model_copy(update={"threshold": math.floor(limit.threshold * scale.time)})
    if (criterion, name) == ("PERF-05", "generator_lag_p99") and scale.lag_ms is not None:
        return limit.model_copy(update={"threshold": scale.lag_ms})
    return limit


def model_limit(run: Run, statistic: Literal["p95", "p99"]) -> float:
    """The descriptor's limit (ms) for the first byte of calls that a model bounds; raises CapabilityMissing."""
    own = run.descriptor.load.model_bound
    if own is None:
        raise CapabilityMissing(
            "load.model_bound", "limits of its own for calls that a model bounds, in the descriptor"
        )
    return own.p95 if statistic == "p95" else own.p99


def _times(run: Run, seen: Load, *, name: LoadFigure) -> Figure:
    times = TIMES[name]
    samples = seen.times(times.take, bound=times.bound)
    if times.chart:
        run.observe_series("PERF-01", times.chart, over_time(seen, times.take), "ms")
    details = slowest(seen, bound=times.bound, take=times.take)
    if name.startswith("whole_answer"):  # evidence has it endpoint by endpoint
        value = Distribution.of(samples).statistic(times.statistic) if samples else math.inf
        if times.statistic == "p95":
            _totals(run, seen)
        return Figure(times.what, value, "ms", len(samples), details)
    recorded_as = seen.name(name)
    return figure_of_samples(
        run, times.criterion, recorded_as, samples, "ms", times.statistic, times.what, details=details
    )


def _totals(run: Run, seen: Load) -> None:
    for endpoint in seen.result.endpoints:
        times = [one.total for one in seen.result.requests if one.endpoint == endpoint and one.total is not None]
        if times:
            run.observe("PERF-06", f"total_time, {endpoint}", times, "ms", statistic="p95")


def _generator(run: Run, seen: Load, *, name: LoadFigure) -> Figure:
    """PERF-05: arrivals, lag and CPU. One out of its limit is no fault of the deployment, and has another name."""
    result = seen.result
    values: dict[LoadFigure, tuple[float, str]] = {
        "arrivals": (100 * result.arrivals.share, "%"),
        "generator_lag_p99": (result.generator.lag_p99, "ms"),
        "generator_cpu": (100 * result.generator.cpu_share, "%"),
    }
    missed = any(not limit_of(run, seen.scale, "PERF-05", key).kept_by(value) for key, (value, _) in values.items())
    value, unit = values[name]
    samples = result.arrivals.actual or 1
    run.observe("PERF-05", f"{name}_that_missed" if missed else seen.name(name), value, unit, samples=samples)
    if name == "arrivals":
        planned = [(float(second), float(scheduled)) for second, scheduled, _ in result.arrivals.per_second]
        actual = [(float(second), float(count)) for second, _, count in result.arrivals.per_second]
        run.observe_series("PERF-05", "arrivals", {"scheduled": planned, "arrived": actual}, "1/s")
    ours = "the load was not applied as the criterion requires"
    return Figure(f"{name.replace('_', ' ')} of the load", value, unit, samples, ours=ours)


def _gaps(run: Run, seen: Load) -> Figure:
    value, samples = seen.result.arrivals.gap_deviation, seen.result.arrivals.actual or 1
    run.observe("PERF-05", "deviation_of_gaps", value, "ms", samples=samples)
    return Figure("deviation of the gaps between arrivals", value, "ms", samples)


def _successful(run: Run, seen: Load) -> Figure:
    """A success has the documented status, all fields, and the data of the right user."""
    counts = seen.result.figures()
    samples = counts.attempted or 1
    run.observe("PERF-02", seen.name("successful_requests"), counts.succeeded, "requests", samples=samples)
    run.observe_series("PERF-02", "throughput", throughput(seen), "1/s")
    details = f"{counts.attempted} attempted; {format_failures(seen.result.requests)}"
    return Figure("requests with the documented status, all fields, and the right user's", counts.succeeded,
                  "requests", samples, details)  # fmt: skip


def _error_rate(run: Run, seen: Load) -> Figure:
    """Percent of all attempts that failed; recorded for each phase, scenario and endpoint, too."""
    counts = seen.result.figures()
    percent, samples = 100 * counts.error_rate, counts.attempted or 1
    run.observe("PERF-03", seen.name("error_rate"), percent, "%", samples=samples)
    parts = dict(error_rates(seen))
    for name, (rate, attempted) in parts.items():
        run.observe("PERF-03", f"error_rate, {name}", rate, "%", samples=attempted)
    worst = sorted(parts.items(), key=lambda part: -part[1][0])[:LISTED]
    where = ", ".join(f"{rate:.2f} % in {name}" for name, (rate, _) in worst if rate)
    details = f"{format_failures(seen.result.requests)}; {where}"
    return Figure(f"errors of {counts.attempted} requests attempted", percent, "%", samples, details)


def _worst_endpoint(run: Run, seen: Load) -> Figure:
    """Percent of the attempts of the endpoint that fails most: a rare one hardly raises the rate of all."""
    found = {name: seen.result.figures(endpoint=name) for name in seen.result.endpoints}
    name, counts = max(found.items(), key=lambda one: one[1].error_rate)
    percent, samples = 100 * counts.error_rate, counts.attempted or 1
    run.observe("PERF-03", seen.name("error_rate_of_worst_endpoint"), percent, "%", samples=samples)
    details = format_failures([one for one in seen.result.requests if one.endpoint == name])
    return Figure(f"errors of {counts.attempted} requests of {name}, which fails most", percent, "%", samples, details)


FIGURES: dict[LoadFigure, Callable[[Run, Load], Figure | Awaitable[Figure]]] = {
    "arrivals": partial(_generator, name="arrivals"),
    "generator_lag_p99": partial(_generator, name="generator_lag_p99"),
    "generator_cpu": partial(_generator, name="generator_cpu"),
    "deviation_of_gaps": _gaps,
    "successful_requests": _successful,
    "error_rate": _error_rate,
    "error_rate_of_worst_endpoint": _worst_endpoint,
    "documents_completed": load_documents.documents_completed,
    "database_differences": load_documents.database_differences,
    "endpoints_slower": recording.endpoints_slower,
    "whole_answers_slower": recording.whole_answers_slower,
}


def error_rates(seen: Load) -> Iterator[tuple[str, tuple[float, int]]]:
    """Percent of the requests attempted that failed, and how many were attempted, by phase, scenario and endpoint."""
    for kind in ("phase", "scenario", "endpoint"):
        for name in getattr(seen.result, f"{kind}s"):
            counts = seen.result.figures(**{kind: name})
            if counts.attempted:
                yield name, (100 * counts.error_rate, counts.attempted)


def slowest(seen: Load, *, bound: bool | None = None, take: Take = first_byte) -> str:
    """The endpoints with the greatest p95 of a time, for messages."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in seen.result.requests:
        if (value := take(one)) is not None and (bound is None or (one.endpoint in seen.model_bound) == bound):
            times[one.endpoint].append(value)
    kept = sorted(
        ((Distribution.of(values), name) for name, values in times.items()), key=lambda one: -one[0].percentile(95)
    )
    return ", ".join(f"{name} mean {one.mean:.0f} ms, p95 {one.percentile(95):.0f} ms" for one, name in kept[:LISTED])


def over_time(seen: Load, take: Take) -> dict[str, list[Point]]:
    """The mean of a time in spans of some seconds, a line for each scenario."""
    return {
        name: [(at, fmean(times)) for at, span in _spans(seen, name)
               if (times := [value for one in span if (value := take(one)) is not None])]
        for name in seen.result.scenarios
    }  # fmt: skip


def throughput(seen: Load) -> dict[str, list[Point]]:
    """Successful requests a second, in spans of some seconds, a line for each scenario."""
    return {
        name: [(at, sum(one.ok for one in span) / SPAN_SECONDS) for at, span in _spans(seen, name)]
        for name in seen.result.scenarios
    }


def _spans(seen: Load, scenario: str) -> list[tuple[float, list[LoggedRequest]]]:
    """The requests of a scenario by spans of some seconds, each with the second in which it begins."""
    spans: dict[int, list[LoggedRequest]] = defaultdict(list)
    for one in seen.result.requests:
        if one.scenario == scenario:
            spans[int((one.at - seen.result.started) // SPAN_SECONDS)].append(one)
    return [(span * SPAN_SECONDS, spans[span]) for span in sorted(spans)]
