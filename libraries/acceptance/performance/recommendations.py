"""What to try when a deployment has reached its capacity: each suggestion follows from a fact, and carries it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from acceptance.evidence.histogram import Distribution
from acceptance.performance.bottleneck import (
    CONNECTIONS,
    CPU,
    GENERATOR,
    LOCKS,
    MEMORY,
    QUEUE,
    Resource,
    Saturation,
    mean_in,
    saturations,
)
from acceptance.performance.capacity import Held, Step
from acceptance.performance.load_criteria import format_failures

SHOWN = 3
LITTLE = 0.5  # share of a host's CPU; what the deployment uses beyond it is most of it
Applications = Sequence[tuple[float, Mapping[str, int]]]  # connections by application, over time


@dataclass(frozen=True)
class Facts:
    """What is known of one rise of the load.

    Args:
        applications: connections to the database by application, over time.
        host: the service on whose machine all others run, if they share one.
        left: documents that had not come to their end when no more were waited for; `emptied`: seconds that took.
    """

    steps: Sequence[Step]
    resources: Sequence[Resource]
    applications: Applications = ()
    host: str | None = None
    model_bound: Sequence[str] = ()
    uploads: int = 0
    emptied: float = 0.0
    left: int = 0
    reached: Sequence[Saturation] = field(default_factory=list)

    @classmethod
    def of(cls, steps: Sequence[Step], resources: Sequence[Resource], **others: object) -> Facts:
        """With the resources that were used up."""
        return cls(steps, resources, **others, reached=saturations(resources, steps))  # type: ignore[arg-type]

    @property
    def last(self) -> Step:
        """The step that ended the rise."""
        return self.steps[-1]

    @property
    def broke(self) -> bool:
        """Whether the deployment broke its limits in it."""
        return self.last.held is Held.BROKE


def first_to_saturate(facts: Facts) -> str:
    """The first resource that was used up, in words; that none was, where none was."""
    if facts.reached:
        others = ", then ".join(str(one) for one in facts.reached[1:])
        return f"{facts.reached[0]}" + (f"; then {others}" if others else "")
    highest = ", ".join(used(facts, facts.last)[:SHOWN]) or "nothing was watched"
    until = {
        Held.HELD: f"and no limit broke, up to {facts.last.rate} users/s",
        Held.BROKE: f"though limits broke at {facts.last.rate} users/s",
        Held.GENERATOR: f"before the generator was the limit, at {facts.last.rate} users/s",
    }[facts.last.held]
    return f"no watched resource saturated, {until} (highest: {highest})"


def suggestions(facts: Facts) -> list[str]:
    """What to try, each with the fact that it follows from; the resources in the order in which they were used up."""
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
    """What was used in a step, in percent of its limit, the most first."""
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
    """Whether the deployment itself used it up."""
    if one.resource.of == facts.host:
        own, whole = _parts(facts, one.resource, one.step)
        return sum(own.values()) >= LITTLE * whole
    return one.resource.kind != GENERATOR


def _about(facts: Facts, one: Saturation) -> Iterator[str]:
    resource, step = one.resource, one.step
    mean = resource.mean(step)
    assert mean is not None
    fact = f"{resource.name} reached {mean:.3g} {resource.unit} of {resource.limit} at {step.rate} users/s"
    others = [text for text in used(facts, step) if not text.startswith(resource.name)][:SHOWN]
    beside = f", with {', '.join(others)}" if others else ""
    if resource.of == facts.host:
        yield f"{fact}: {_shared(facts, resource, step)}"
    elif resource.kind == CPU and resource.of == "worker":
        yield f"{fact}{beside}: more workers, or cheaper stages of processing"
    elif resource.kind == CPU and resource.of == "database":
        yield f"{fact}{beside}: fewer or cheaper queries (PERF-11 tells the slowest), or a larger database"
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
    """Who uses the CPU, or the memory, of a machine that all share."""
    unit, least = ("cores", 1.0) if host.kind == CPU else ("GiB", 2.0**30)
    used, whole = _parts(facts, host, step)
    most = sorted(used.items(), key=lambda one: -one[1])[:SHOWN]
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
    most = Counter(inside[-1]).most_common(SHOWN) if inside else []
    return "most are of " + ", ".join(f"{name} ({count})" for name, count in most) if most else "whose is not known"


def _refusals(facts: Facts) -> Iterator[str]:
    failed = [one for one in facts.last.requests if not one.ok]
    statuses = Counter(one.status for one in failed if one.status in (429, 503))
    for status, count in statuses.items():
        highest = ", ".join(used(facts, facts.last)[:SHOWN])
        yield (
            f"{count} of {len(facts.last.requests)} requests were refused with {status} at {facts.last.rate} users/s"
            f" ({format_failures(one for one in failed if one.status == status)})"
            f"{f', with {highest}' if highest else ''}:"
            " the deployment limits itself: look for a rate limit, or for a pool that is waited for in vain"
        )


def _waits(facts: Facts) -> Iterator[str]:
    """Nothing was used up, and yet it was slow: something waits that no watched resource shows."""
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
