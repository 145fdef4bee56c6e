"""PERF-08 and PERF-09: a load that rises in steps until limits break, repeated, with the resources sampled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from ArtilleryLibrary.figures import Ending, LoadResult
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.requestlog import RequestLog
from ArtilleryLibrary.script import LoadScript

from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.evidence.records import Point
from acceptance.fixtures.users import User
from acceptance.performance.bottleneck import CPU, MEMORY, Facts, first_to_saturate, resources_of, suggestions
from acceptance.performance.capacity import (
    Bounds,
    Capacity,
    Held,
    Step,
    capacity_of,
    phases_of,
    steps_of,
    until_broken,
)
from acceptance.performance.figures import measured_once
from acceptance.performance.load import Prepared, flows, prepared, progress
from acceptance.performance.load_documents import follow, stored_of
from acceptance.performance.load_profiles import FULL, Scale, Steps, profile
from acceptance.performance.resource_sampler import DATABASE, PLATFORM, ResourceSamples, watched
from acceptance.run import Run
from acceptance.verdict.criteria import limit_for

SAMPLED = {PLATFORM: "CPU and memory of the services", DATABASE: "connections, locks and documents under way"}
MARKS = 10  # of a chart
SEED = 30_000  # of the documents that are asked about; no other suite's
LAST_SECONDS = 3.0  # for the documents of users whose turn comes when the time is over
SETTLES = 1.0  # seconds after a step until its last answers count as late


@dataclass(frozen=True)
class Repeat:
    """One rise: its steps up to the end, the samples of resources, and the documents that were not processed.

    `emptied`: seconds from the end of the load to the end of the last document.
    """

    steps: tuple[Step, ...]
    watched: ResourceSamples
    uploads: int
    emptied: float
    left: int


@dataclass(frozen=True)
class Scaling:
    """All repeats."""

    full: bool
    repeats: tuple[Repeat, ...]
    capacity: Capacity

    def name(self, figure: str) -> str:
        """The name of a figure, or of a short load another one."""
        return figure if self.full else f"{figure}_of_a_short_load"


async def scaled(run: Run, scale: str) -> Scaling:
    """The load in steps, applied once in a run.

    Raises:
        CapabilityMissing: plan or limits of the deployment do not allow for it.
        EnvironmentUnavailable: it was interrupted, or our own tool failed.
    """
    return await measured_once(run, f"load in steps, {scale}", partial(_scaled, run, scale))


def bounds_of(run: Run, scale: Scale) -> Bounds:
    """The limits of a step: those of PERF-03 and PERF-06, as strict as the deployment has them."""
    limit = partial(limit_for, run.descriptor.thresholds)
    lag = limit("PERF-05", "generator_lag_p99").threshold
    assert lag is not None
    return Bounds(
        error_rate=limit("PERF-03", "error_rate"),
        p95=limit("PERF-06", "first_byte_p95"),
        p99=limit("PERF-06", "first_byte_p99"),
        least_of_offered=profile().least_of_offered,
        lag_ms=scale.lag_ms or lag,
    )


async def _scaled(run: Run, scale: str) -> Scaling:
    chosen = profile().of(scale)
    steps = chosen.steps
    phases = phases_of(steps.rates, steps.seconds)
    users = await prepared(run, flows(run, phases=phases), seed=SEED, repeats=steps.repeats)
    script, bounds = flows(run, users, phases=phases), bounds_of(run, chosen)
    repeats = [await _repeat(run, script, users, steps, bounds, number) for number in range(1, steps.repeats + 1)]
    return Scaling(scale == FULL, tuple(repeats), capacity_of([one.steps for one in repeats], steps.held_in))


async def _repeat(
    run: Run, script: LoadScript, users: Sequence[Prepared], chosen: Steps, bounds: Bounds, number: int
) -> Repeat:
    each, bound = requests_each(script), run.contract.model_bound
    name = f"steps {number} of {chosen.repeats}"

    def over(log: RequestLog, until: float) -> list[Step]:
        return steps_of(log, script.phases, each, bounds, bound, until)

    def stop(log: RequestLog) -> str | None:
        steps = over(log, time.time() - SETTLES)
        return next((f"{one.rate} users/s: {one.reason}" for one in steps if one.held is not Held.HELD), None)

    async with watched(run, steps_of=chosen.seconds) as seen:
        result = await run_load(
            script, run.folder / "scaling" / f"repeat-{number}", progress=progress(run, name), stop=stop
        )
        owners = {user.user_id: user for user, _ in users}
        run.live(f"{name}: {result.reason}; waiting for its documents")
        uploads, emptied, left = await _documents_ended(run, result, owners, chosen.ends_within)
    if result.ending not in (Ending.COMPLETE, Ending.STOPPED_EARLY):
        raise EnvironmentUnavailable(f"{name}: the load did not go through: {result.reason}")
    if left:
        run.evidence.note(f"{name}: {left} of {uploads} documents were still processed {emptied:.0f} s after the load")
    steps = over(result.log, max((at for at, *_ in result.log.health), default=0.0) + SETTLES / 2)
    if not steps:
        raise EnvironmentUnavailable(f"{name}: no step came to its end: {result.reason}")
    return Repeat(tuple(steps), seen, uploads, emptied, left)


def requests_each(script: LoadScript) -> float:
    """Requests that a user of these flows makes on average."""
    weights = sum(one.weight for one in script.scenarios)
    return sum(one.weight * one.requests for one in script.scenarios) / weights


async def _documents_ended(
    run: Run, result: LoadResult, owners: dict[str, User], within: float
) -> tuple[int, float, int]:
    """How many documents were uploaded, the seconds until the last one ended, and how many did not."""
    own, begin = stored_of(result.requests), time.monotonic()
    lists = await follow(run, result.requests, owners, lambda: max(LAST_SECONDS, begin + within - time.monotonic()))
    over = {job["document_id"] for jobs in lists.values() for job in jobs if run.contract.jobs.has_ended(job)}
    left = sum(len(documents - over) for documents in own.values())
    return sum(map(len, own.values())), time.monotonic() - begin, left


async def record_steps(run: Run, scale: str) -> None:
    """PERF-08: throughput, first byte and errors of each step, a line for each repeat."""
    seen = await scaled(run, scale)
    for name, unit, take in (
        ("requests answered", "1/s", lambda step: step.achieved),
        ("first byte p95", "ms", lambda step: _percentile(step, "p95")),
        ("first byte p99", "ms", lambda step: _percentile(step, "p99")),
        ("error rate", "%", lambda step: step.error_rate),
    ):
        lines = _lines(seen, take)
        if name == "requests answered":
            offered = ((float(step.rate), step.offered) for one in seen.repeats for step in one.steps)
            lines["offered"] = list(dict.fromkeys(offered))
        if lines:
            run.observe_series("PERF-08", seen.name(name), lines, unit, x_unit="users/s")


async def capacity(run: Run, scale: str) -> int:
    """PERF-08: users a second in the last step within limits; recorded with how each repeat ended.

    Raises:
        EnvironmentUnavailable: the generator was too busy for the first step already.
    """
    seen = await scaled(run, scale)
    steps = sum(len(one.steps) for one in seen.repeats)
    if seen.capacity.at_least and not seen.capacity.rate:
        reasons = f"{seen.capacity.at_least}; {'; '.join(seen.capacity.broke)}"
        raise EnvironmentUnavailable(f"nothing is known about the deployment from the first step on: {reasons}")
    run.observe("PERF-08", seen.name("capacity"), seen.capacity.rate, "users/s", samples=steps)
    run.observe("PERF-08", seen.name("stated_capacity"), str(seen.capacity), "text", samples=steps)
    for number, text in enumerate(seen.capacity.broke, 1):
        run.observe("PERF-08", seen.name(f"the end of repeat {number}"), text, "text", samples=1)
    return seen.capacity.rate


async def record_utilization(run: Run, scale: str) -> None:
    """PERF-09: the utilization of each resource against the load that was offered.

    Raises:
        CapabilityMissing, EnvironmentUnavailable: no resource of the deployment could be sampled.
    """
    seen = await scaled(run, scale)
    repeats = [_facts(run, one) for one in seen.repeats]
    names = {one.name: one for facts in repeats for one in facts.resources}
    lines = {name: _against_load(repeats, name) for name in names}
    shares = {name: lines[name] for name, one in names.items() if one.unit == "%" and lines[name]}
    run.observe_series("PERF-09", seen.name("utilization"), shares, "%", x_unit="users/s")
    for name, one in names.items():
        if one.unit != "%" and lines[name]:
            run.observe_series("PERF-09", seen.name(name), {"mean": lines[name]}, one.unit, x_unit="users/s")
    typical = _typical(seen, repeats)
    for one in typical.resources:
        mean = one.mean(typical.last)
        if mean is not None:
            run.observe("PERF-09", seen.name(f"utilization, {one.name}"), mean, one.unit, samples=len(one.points))
    unseen = list(_unseen(run, seen, typical))
    if unseen:
        run.observe("PERF-09", seen.name("not_watched"), "; ".join(unseen), "text", samples=len(unseen))
    if all(kind in seen.repeats[0].watched.problems for kind in SAMPLED):
        problems = seen.repeats[0].watched.problems
        if "metrics" not in run.descriptor.capabilities:
            raise CapabilityMissing("metrics")
        raise EnvironmentUnavailable(f"no resource of the deployment could be watched: {'; '.join(problems.values())}")


async def first_saturated(run: Run, scale: str) -> str:
    """PERF-09: the first resource that saturated, recorded with its curve; or that none did."""
    seen = await scaled(run, scale)
    repeats = [_facts(run, one) for one in seen.repeats]
    typical = _typical(seen, repeats)
    firsts = [facts.reached[0].resource.name if facts.reached else "" for facts in repeats]
    same = firsts.count(firsts[repeats.index(typical)])
    text = f"{first_to_saturate(typical)} (the same in {same} of {len(repeats)} repeats)"
    run.observe("PERF-09", seen.name("first_to_saturate"), text, "text", samples=len(repeats))
    if typical.reached:
        resource = typical.reached[0].resource
        began = typical.steps[0].began
        marks = {f"{step.rate} users/s": step.began - began for step in typical.steps[-MARKS:]}
        curves = {f"repeat {number}": _over_time(facts, resource.name) for number, facts in enumerate(repeats, 1)}
        lines = {name: points for name, points in curves.items() if points}
        run.observe_series("PERF-09", seen.name(f"first, {resource.name}"), lines, resource.unit, marks=marks)
    return text


async def recommendations(run: Run, scale: str) -> list[str]:
    """PERF-09: what to try, each with the fact that it follows from."""
    seen = await scaled(run, scale)
    repeats = [_facts(run, one) for one in seen.repeats]
    found = suggestions(_typical(seen, repeats))
    for number, text in enumerate(found, 1):
        run.observe("PERF-09", seen.name(f"suggestion_{number}"), text, "text", samples=len(repeats))
    return found


def _facts(run: Run, repeat: Repeat) -> Facts:
    steps = until_broken(repeat.steps)
    platform = run.descriptor.platform
    return Facts(
        steps,
        resources_of(repeat.watched, steps, profile().saturated),
        applications=[(look.at, look.applications) for look in repeat.watched.looks],
        host=platform.host if platform else None,
        model_bound=run.contract.model_bound,
        uploads=repeat.uploads,
        emptied=repeat.emptied,
        left=repeat.left,
    )


def _typical(seen: Scaling, repeats: list[Facts]) -> Facts:
    """The first repeat that held the stated capacity."""
    return repeats[seen.capacity.each.index(seen.capacity.rate) if seen.capacity.rate in seen.capacity.each else 0]


def _against_load(repeats: list[Facts], name: str) -> list[Point]:
    """The mean of a resource over the repeats, for each number of users in a second."""
    means: dict[int, list[float]] = {}
    for facts in repeats:
        for one in facts.resources:
            for step in facts.steps:
                if one.name == name and (mean := one.mean(step)) is not None:
                    means.setdefault(step.rate, []).append(mean)
    return [(float(rate), fmean(values)) for rate, values in sorted(means.items())]


def _over_time(facts: Facts, name: str) -> list[Point]:
    first, last = facts.steps[0], facts.steps[-1]
    points = next((one.points for one in facts.resources if one.name == name), ())
    return [(at - first.began, value) for at, value in points if first.began <= at < last.ended]


def _unseen(run: Run, seen: Scaling, typical: Facts) -> Iterator[str]:
    """What was not sampled, and why."""
    problems = {kind: why for one in seen.repeats for kind, why in one.watched.problems.items()}
    yield from (f"{SAMPLED[kind]}: {why}" for kind, why in problems.items())
    if PLATFORM not in problems and run.descriptor.platform is not None:
        for kind in (CPU, MEMORY):
            known = {one.of for one in typical.resources if one.kind == kind and one.mean(typical.last) is not None}
            lacking = [name for name in run.descriptor.platform.services if name not in known]
            if lacking:
                why = "the platform has no limit of it, or no value of that time, or in an unknown unit"
                yield f"{kind} of {', '.join(lacking)}: {why}"
    readings = [look.reading.problem for one in seen.repeats for look in one.watched.looks if look.reading.problem]
    if readings:
        yield f"connections and locks: {readings[0]}"


def _lines(seen: Scaling, take: Callable[[Step], float | None]) -> dict[str, list[Point]]:
    """A line for each repeat with a point."""
    lines = {
        f"repeat {number}": [(float(step.rate), value) for step in repeat.steps if (value := take(step)) is not None]
        for number, repeat in enumerate(seen.repeats, 1)
    }
    return {name: points for name, points in lines.items() if points}


def _percentile(step: Step, name: str) -> float | None:
    return None if step.first_byte is None else step.first_byte.statistic(name)
