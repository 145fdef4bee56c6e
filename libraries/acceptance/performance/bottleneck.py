"""PERF-09: which resources saturate in which step of a rising load, and what to try, each with its fact."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import fmean

from ArtilleryLibrary.figures import HIGHEST_CPU

from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Point
from acceptance.performance.capacity import Held, Step
from acceptance.performance.load import format_failures
from acceptance.performance.load_documents import STORED
from acceptance.performance.load_profiles import Saturated
from acceptance.performance.resource_sampler import ResourceSamples
from acceptance.providers.render import Line

CPU, MEMORY, CONNECTIONS, LOCKS, QUEUE, GENERATOR = "CPU", "memory", "connections", "locks", "queue", "generator"
UNITS = {("cpu", "cpu"): 1.0, ("cpu", "cores"): 1.0, ("memory", "bytes"): 1.0, ("memory", "MB"): 1e6}  # → cores, bytes
LEAST_GROWTH = 0.2  # share of the uploads that are not processed as fast as they come in
LISTED = 3
LITTLE = 0.5  # share of a host's CPU; when the deployment uses more, it is most of it
RUNNING = 3  # samples of a running mean, for the moment at which a bound was reached


@dataclass(frozen=True)
class Resource:
    """A resource that can saturate.

    Args:
        kind: one of the words above; with `of`, the service, it makes the name.
        points: how much of it was used: (seconds since the epoch, value in `unit`).
        bound: from this mean over a step it is saturated; of the queue, documents for each upload in a second.
        amount: in cores, of a CPU: of all instances together.
        limit: 100 %, in words.
    """

    kind: str
    of: str
    unit: str
    points: tuple[Point, ...]
    bound: float
    amount: tuple[Point, ...] = ()
    limit: str = ""

    @property
    def name(self) -> str:
        """Its name in reports."""
        return {
            LOCKS: "backends that wait for a lock",
            QUEUE: "documents under way",
            GENERATOR: "CPU of the generator",
            CONNECTIONS: "connections of the database",
        }.get(self.kind, f"{self.kind} of {self.of}")

    def mean(self, step: Step) -> float | None:
        """Its mean in a step; none without a sample."""
        return mean_in(self.points, step)

    def saturated(self, step: Step) -> bool:
        """Whether it was saturated in a step."""
        if self.kind == QUEUE:
            return grows(self.points, step, self.bound)
        mean = self.mean(step)
        return mean is not None and mean >= self.bound


@dataclass(frozen=True)
class Saturation:
    """A resource that saturated: in the step of so many users a second, so many seconds after the first began."""

    resource: Resource
    step: Step
    at: float

    def __str__(self) -> str:
        mean = self.resource.mean(self.step)
        assert mean is not None
        if self.resource.kind == QUEUE:
            inside = [value for _, value in within(self.resource.points, self.step)]
            text = f"{self.resource.name} grew from {inside[0]:.0f} to {inside[-1]:.0f}"
        else:
            limit = f" of {self.resource.limit}" if self.resource.limit else ""
            text = f"{self.resource.name} {mean:.3g} {self.resource.unit}{limit}"
        return f"{text} at {self.step.rate} users/s, {self.at:.0f} s after the first step began"


def resources_of(watched: ResourceSamples, steps: Sequence[Step], bounds: Saturated) -> list[Resource]:
    """All resources that were sampled during these steps."""
    found = list(_of_platform(watched.metrics, bounds))
    looks = [look for look in watched.looks if not look.reading.problem]
    if looks:
        share = tuple((one.at, 100 * one.reading.taken / one.reading.most) for one in looks)
        most = f"the {looks[-1].reading.most} that it takes"
        found.append(Resource(CONNECTIONS, "database", "%", share, bounds.share, limit=most))
        waiting = tuple((one.at, float(one.reading.waiting)) for one in looks)
        found.append(Resource(LOCKS, "database", "backends", waiting, bounds.waiting))
    if watched.looks:
        under_way = tuple((one.at, float(one.under_way)) for one in watched.looks)
        found.append(Resource(QUEUE, "worker", "documents", under_way, bounds.queue_seconds))
    cpu = tuple((step.began + step.seconds / 2, 100 * step.cpu) for step in steps if math.isfinite(step.cpu))
    return [*found, Resource(GENERATOR, "generator", "%", cpu, 100 * HIGHEST_CPU, limit="a core")]


def saturations(resources: Sequence[Resource], steps: Sequence[Step]) -> list[Saturation]:
    """Each resource that saturated, where it first did; in that order."""
    found = []
    for resource in resources:
        step = next((step for step in steps if resource.saturated(step)), None)
        if step is not None:
            found.append(Saturation(resource, step, _moment(resource, step) - steps[0].began))
    return sorted(found, key=lambda one: (one.step.rate, one.at))


def within(points: Sequence[Point], step: Step) -> list[Point]:
    """The points of a step."""
    return [(at, value) for at, value in points if step.began <= at < step.ended]


def mean_in(points: Sequence[Point], step: Step) -> float | None:
    """The mean of a step; none without a point in it."""
    inside = within(points, step)
    return fmean(value for _, value in inside) if inside else None


def grows(points: Sequence[Point], step: Step, seconds: float) -> bool:
    """Whether a queue grew from each third of a step to the next, to more than so many seconds of its uploads.

    It grows at first wherever documents take time; it grows on only where fewer are processed than come in.
    """
    uploads = sum(one.endpoint == STORED and one.ok for one in step.requests) / step.seconds
    third = step.seconds / 3
    thirds = [[v for at, v in points if third * n <= at - step.began < third * (n + 1)] for n in range(3)]
    if not all(thirds) or not uploads:
        return False
    means = [fmean(part) for part in thirds]
    grown = (means[-1] - means[-2]) / third
    grows_on = all(later > earlier for earlier, later in pairwise(means)) and grown >= LEAST_GROWTH * uploads
    return grows_on and means[-1] > seconds * uploads


def _moment(resource: Resource, step: Step) -> float:
    """When a bound was first reached in a step, by a running mean."""
    inside = within(resource.points, step)
    for at in range(len(inside) - RUNNING + 1):
        some = inside[at : at + RUNNING]
        if resource.kind != QUEUE and fmean(value for _, value in some) >= resource.bound:
            return some[0][0]
    return step.began


def _of_platform(metrics: Mapping[str, Sequence[Line]], bounds: Saturated) -> Iterator[Resource]:
    for metric, kind in (("cpu", CPU), ("memory", MEMORY)):
        limits = _by_service(metrics.get(f"{metric}-limit", ()), metric)
        for service, lines in _by_service(metrics.get(metric, ()), metric).items():
            # the last limit by instance; one that names none is that of each
            limit = {instance: points[-1][1] for instance, points in limits.get(service, {}).items() if points}
            shares: dict[float, list[float]] = defaultdict(list)
            amounts: dict[float, list[float]] = defaultdict(list)
            for instance, points in lines.items():
                most = limit.get(instance, limit.get(""))
                for at, value in points:
                    amounts[at].append(value)
                    if most:
                        shares[at].append(100 * value / most)
            if not shares:
                continue  # without a limit it is unknown when it saturates
            each = " each" if len(lines) > 1 else ""
            whole = next(iter(limit.values()))
            highest = tuple((at, max(values)) for at, values in sorted(shares.items()))
            amount = tuple((at, sum(values)) for at, values in sorted(amounts.items()))
            words = f"{whole:g} cores{each}" if kind == CPU else f"{whole / 2**30:.3g} GiB{each}"
            yield Resource(kind, service, "%", highest, bounds.share, amount, words)


def _by_service(lines: Sequence[Line], metric: str) -> dict[str, dict[str, list[Point]]]:
    """Points by service and instance, in cores or bytes; other units are left out."""
    found: dict[str, dict[str, list[Point]]] = defaultdict(dict)
    for line in lines:
        factor = UNITS.get((metric, line.unit))
        if factor is not None:
            found[line.service][line.instance] = [(at, factor * value) for at, value in line.points]
    return found


Applications = Sequence[tuple[float, Mapping[str, int]]]  # connections by application, over time


@dataclass(frozen=True)
class Facts:
    """The facts of one rise of the load.

    Args:
        applications: connections to the database by application, over time.
        host: the service on whose machine all others run, if they share one.
        left: documents that were not processed at the end of the waiting; `emptied`: seconds of it.
    """

    steps: Sequence[Step]
    resources: Sequence[Resource]
    applications: Applications = ()
    host: str | None = None
    model_bound: Sequence[str] = ()
    uploads: int = 0
    emptied: float = 0.0
    left: int = 0

    @cached_property
    def reached(self) -> list[Saturation]:
        """The resources that saturated, in order."""
        return saturations(self.resources, self.steps)

    @property
    def last(self) -> Step:
        """The step that ended the rise."""
        return self.steps[-1]

    @property
    def broke(self) -> bool:
        """Whether the deployment broke its limits in it."""
        return self.last.held is Held.BROKE


def first_to_saturate(facts: Facts) -> str:
    """The first resource that saturated, in words, or that none did."""
    if facts.reached:
        others = ", then ".join(str(one) for one in facts.reached[1:])
        return f"{facts.reached[0]}" + (f"; then {others}" if others else "")
    highest = ", ".join(used(facts, facts.last)[:LISTED]) or "nothing was sampled"
    until = {
        Held.HELD: f"and no limit broke, up to {facts.last.rate} users/s",
        Held.BROKE: f"though limits broke at {facts.last.rate} users/s",
        Held.GENERATOR: f"before the generator was the limit, at {facts.last.rate} users/s",
    }[facts.last.held]
    return f"no watched resource saturated, {until} (highest: {highest})"


def suggestions(facts: Facts) -> list[str]:
    """What to try, each with the fact that it follows from; resources in the order in which they saturated."""
    found = [text for one in facts.reached for text in _about(facts, one)]
    if facts.broke:
        found += _refusals(facts)
    if facts.broke and not any(_own(facts, one) for one in facts.reached):
        found += _waits(facts)
    if facts.last.held is Held.GENERATOR:
        found.append(
            f"{facts.last.busy} at {facts.last.rate} users/s: what lies beyond can only be seen by a generator on"
            " a machine of its own, or by several"
        )
    return found


def used(facts: Facts, step: Step) -> list[str]:
    """Utilizations of a step, in percent of the limit, the highest first."""
    means = [(mean, one) for one in facts.resources if one.unit == "%" and (mean := one.mean(step)) is not None]
    return [f"{one.name} {mean:.0f} %" for mean, one in sorted(means, key=lambda pair: -pair[0])]


def slowest(facts: Facts, step: Step) -> str:
    """The endpoint with the greatest p95 of its first byte, of those that no model bounds."""
    times: dict[str, list[float]] = defaultdict(list)
    for one in step.requests:
        if one.first_byte is not None and one.endpoint not in facts.model_bound:
            times[one.endpoint].append(one.first_byte)
    if not times:
        return "no endpoint answered"
    name, samples = max(times.items(), key=lambda pair: Distribution.of(pair[1]).percentile(95))
    return f"{name} is the slowest endpoint, p95 {Distribution.of(samples).percentile(95):.0f} ms"


def _own(facts: Facts, one: Saturation) -> bool:
    """Whether the deployment itself saturated it."""
    if one.resource.of == facts.host:
        own, whole = _parts(facts, one.resource, one.step)
        return sum(own.values()) >= LITTLE * whole
    return one.resource.kind != GENERATOR


def _about(facts: Facts, one: Saturation) -> Iterator[str]:
    resource, step = one.resource, one.step
    mean = resource.mean(step)
    assert mean is not None
    fact = f"{resource.name} reached {mean:.3g} {resource.unit} of {resource.limit} at {step.rate} users/s"
    others = [text for text in used(facts, step) if not text.startswith(resource.name)][:LISTED]
    beside = f", with {', '.join(others)}" if others else ""
    if resource.of == facts.host:
        yield f"{fact}: {_shared(facts, resource, step)}"
    elif resource.kind == CPU and resource.of == "worker":
        yield f"{fact}{beside}: more workers, or cheaper stages of processing"
    elif resource.kind == CPU and resource.of == "database":
        yield f"{fact}{beside}: fewer or cheaper queries (PERF-11 names the slowest), or a larger database"
    elif resource.kind == CPU:
        more = f"more or larger instances of {resource.of}, or less work for each call"
        yield f"{fact}{beside}: {more}; {slowest(facts, step)}"
    elif resource.kind == MEMORY:
        yield f"{fact}{beside}: more memory, or look for what is kept for each request"
    elif resource.kind == CONNECTIONS:
        yield f"{fact}: a pooler before the database, or smaller pools; {_most_connections(facts, step)}"
    elif resource.kind == LOCKS:
        yield (
            f"{mean:.3g} backends waited for a lock on average at {step.rate} users/s{beside}: look for the statement"
            " that they wait for (pg_locks), and for transactions that hold rows while they wait for something else"
        )
    elif resource.kind == QUEUE:
        yield f"{_growth(facts, one)}: {_workers(facts, step)}"


def _growth(facts: Facts, one: Saturation) -> str:
    drained = f"{facts.left} of {facts.uploads} were not done {facts.emptied:.0f} s after the load" if facts.left else (
        f"the last of {facts.uploads} was done {facts.emptied:.0f} s after the load"
    )  # fmt: skip
    return f"{str(one).partition(', ')[0]}, {drained}"


def _workers(facts: Facts, step: Step) -> str:
    busy = next((one.mean(step) for one in facts.resources if (one.kind, one.of) == (CPU, "worker")), None)
    if busy is None:
        return "documents come faster than they are processed: more workers"
    if busy >= 100 * LITTLE:
        return f"documents come faster than they are processed, and CPU of worker is at {busy:.0f} %: more workers"
    return (
        f"documents come faster than they are processed, though CPU of worker is at {busy:.0f} % only: workers wait,"
        " so look at how many documents each takes at once, and at what parser and embedding allow"
    )


def _shared(facts: Facts, host: Resource, step: Step) -> str:
    """The services that use the CPU, or the memory, of a machine that all share."""
    unit, least = ("cores", 1.0) if host.kind == CPU else ("GiB", 2.0**30)
    used, whole = _parts(facts, host, step)
    most = sorted(used.items(), key=lambda one: -one[1])[:LISTED]
    parts = ", ".join(f"{name} {amount / least:.2f}" for name, amount in most)
    own = sum(used.values())
    if own < LITTLE * whole:
        return (
            f"the deployment itself used {own / least:.2f} of {whole / least:.2f} {unit} ({parts}): something else is"
            " busy on its machine, so give it one of its own before anything else"
        )
    return f"all parts share it ({parts} {unit}): more of it, or a machine of its own for the one that uses most"


def _parts(facts: Facts, host: Resource, step: Step) -> tuple[dict[str, float], float]:
    """Cores or bytes that each service used in a step, and the machine that all share."""
    services = [one for one in facts.resources if one.kind == host.kind and one is not host]
    return {one.of: mean_in(one.amount, step) or 0.0 for one in services}, mean_in(host.amount, step) or 0.0


def _most_connections(facts: Facts, step: Step) -> str:
    inside = [count for at, count in facts.applications if step.began <= at < step.ended]
    most = Counter(inside[-1]).most_common(LISTED) if inside else []
    return (
        "most are of " + ", ".join(f"{name} ({count})" for name, count in most) if most else "their owners are unknown"
    )


def _refusals(facts: Facts) -> Iterator[str]:
    failed = [one for one in facts.last.requests if not one.ok]
    statuses = Counter(one.status for one in failed if one.status in (429, 503))
    for status, count in statuses.items():
        highest = ", ".join(used(facts, facts.last)[:LISTED])
        yield (
            f"{count} of {len(facts.last.requests)} requests were refused with {status} at {facts.last.rate} users/s"
            f" ({format_failures(one for one in failed if one.status == status)})"
            f"{f', with {highest}' if highest else ''}:"
            " the deployment limits itself: look for a rate limit, or for a pool that is waited for in vain"
        )


def _waits(facts: Facts) -> Iterator[str]:
    """No sampled resource saturated, and yet it was slow: something waits."""
    first, last = facts.steps[0], facts.last
    names = sorted({name for _, counts in facts.applications for name in counts if name})
    pairs = {name: (_connections(facts, name, first), _connections(facts, name, last)) for name in names}
    few = sorted((late, name) for name, (early, late) in pairs.items() if early and late and late <= early)
    stayed = [f"{name} ({late:.0f})" for late, name in few]
    if stayed and last.rate >= 2 * first.rate:
        yield (
            f"connections to the database stayed as few while the load rose from {first.rate} to {last.rate} users/s"
            f" and limits broke, those of {', '.join(stayed)}: calls may queue for a pool of that size, so try a larger"
            f" one; {slowest(facts, last)}"
        )
    yield (
        f"limits broke at {last.rate} users/s while the deployment used up nothing that was watched: look for"
        f" a lock or a pool inside the application, or for a provider that answers slowly; {slowest(facts, last)}"
    )


def _connections(facts: Facts, application: str, step: Step) -> float | None:
    counts = [float(count.get(application, 0)) for at, count in facts.applications if step.began <= at < step.ended]
    return fmean(counts) if counts else None
