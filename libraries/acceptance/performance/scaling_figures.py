"""What the rising load showed, recorded for PERF-08 and PERF-09."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import fmean

from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.evidence.records import Point
from acceptance.performance.bottleneck import CPU, MEMORY, resources_of
from acceptance.performance.capacity import Step, until_broken
from acceptance.performance.recommendations import Facts, first_to_saturate, suggestions
from acceptance.performance.resource_sampler import DATABASE, PLATFORM
from acceptance.performance.scaling import Repeat, Scaling, scaled, settings
from acceptance.run import Run

WATCHES = {PLATFORM: "CPU and memory of the services", DATABASE: "connections, locks and documents under way"}
MARKS = 10  # of a chart


async def steps_are_shown(run: Run, scale: str) -> None:
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
            lines["offered"] = list(
                dict.fromkeys((float(s.rate), s.offered) for one in seen.repeats for s in one.steps)
            )
        if lines:
            run.observe_series("PERF-08", seen.name(name), lines, unit, x_unit="users/s")


async def capacity_is_stated(run: Run, scale: str) -> None:
    """PERF-08: the last step within limits, in how many repeats, and how the next one went.

    Raises:
        EnvironmentUnavailable: the generator was too busy to tell of any step.
    """
    seen = await scaled(run, scale)
    steps = sum(len(one.steps) for one in seen.repeats)
    if seen.capacity.at_least and not seen.capacity.rate:
        told = f"{seen.capacity.at_least}; {'; '.join(seen.capacity.broke)}"
        raise EnvironmentUnavailable(f"the first step already says nothing of the deployment: {told}")
    run.observe("PERF-08", seen.name("capacity"), seen.capacity.rate, "users/s", samples=steps)
    run.observe("PERF-08", seen.name("stated_capacity"), str(seen.capacity), "text", samples=steps)
    for number, text in enumerate(seen.capacity.broke, 1):
        run.observe("PERF-08", seen.name(f"the end of repeat {number}"), text, "text", samples=1)


async def resources_are_shown(run: Run, scale: str) -> None:
    """PERF-09: what was used of each resource, against the load that was offered.

    Raises:
        CapabilityMissing, EnvironmentUnavailable: nothing of the deployment could be watched.
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
    if all(kind in seen.repeats[0].watched.problems for kind in WATCHES):
        problems = seen.repeats[0].watched.problems
        if "metrics" not in run.descriptor.capabilities:
            raise CapabilityMissing("metrics")
        raise EnvironmentUnavailable(f"no resource of the deployment could be watched: {'; '.join(problems.values())}")


async def first_is_named(run: Run, scale: str) -> None:
    """PERF-09: the first resource that was used up, with its curve; or that none was."""
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
        lines = {
            f"repeat {number}": _over_time(facts, resource.name)
            for number, facts in enumerate(repeats, 1)
            if _over_time(facts, resource.name)
        }
        run.observe_series("PERF-09", seen.name(f"first, {resource.name}"), lines, resource.unit, marks=marks)


async def suggestions_follow(run: Run, scale: str) -> None:
    """PERF-09: what to try, each with the fact that it follows from."""
    seen = await scaled(run, scale)
    repeats = [_facts(run, one) for one in seen.repeats]
    found = suggestions(_typical(seen, repeats))
    for number, text in enumerate(found, 1):
        run.observe("PERF-09", seen.name(f"suggestion_{number}"), text, "text", samples=len(repeats))


def _facts(run: Run, repeat: Repeat) -> Facts:
    steps = until_broken(repeat.steps)
    platform = run.descriptor.platform
    return Facts.of(
        steps,
        resources_of(repeat.watched, steps, settings().saturated),
        applications=[(look.at, look.applications) for look in repeat.watched.looks],
        host=platform.host if platform else None,
        model_bound=run.contract.model_bound,
        uploads=repeat.uploads,
        emptied=repeat.emptied,
        left=repeat.left,
    )


def _typical(seen: Scaling, repeats: list[Facts]) -> Facts:
    """The first repeat that held as much as is stated."""
    return next(
        (facts for facts, held in zip(repeats, seen.capacity.each, strict=True) if held == seen.capacity.rate),
        repeats[0],
    )


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
    """What was not watched, and why."""
    problems = {kind: why for one in seen.repeats for kind, why in one.watched.problems.items()}
    yield from (f"{WATCHES[kind]}: {why}" for kind, why in problems.items())
    if PLATFORM not in problems and run.descriptor.platform is not None:
        for kind in (CPU, MEMORY):
            known = {one.of for one in typical.resources if one.kind == kind and one.mean(typical.last) is not None}
            lacking = [name for name in run.descriptor.platform.services if name not in known]
            if lacking:
                why = "the platform told no limit of it, or nothing of that time, or in a unit that is not known"
                yield f"{kind} of {', '.join(lacking)}: {why}"
    readings = [look.reading.problem for one in seen.repeats for look in one.watched.looks if look.reading.problem]
    if readings:
        yield f"connections and locks: {readings[0]}"


def _lines(seen: Scaling, take: Callable[[Step], float | None]) -> dict[str, list[Point]]:
    """A line for each repeat that has something to show."""
    lines = {
        f"repeat {number}": [(float(step.rate), value) for step in repeat.steps if (value := take(step)) is not None]
        for number, repeat in enumerate(seen.repeats, 1)
    }
    return {name: points for name, points in lines.items() if points}


def _percentile(step: Step, name: str) -> float | None:
    return None if step.first_byte is None else step.first_byte.statistic(name)
