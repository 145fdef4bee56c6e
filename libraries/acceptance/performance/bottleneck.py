"""PERF-09: which resources were used up in which step of a rising load, and which of them was the first."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from ArtilleryLibrary.figures import HIGHEST_CPU
from pydantic import Field

from acceptance.deployment.metrics_api import Line
from acceptance.evidence.records import Point
from acceptance.performance.capacity import Step
from acceptance.performance.load_documents import STORED
from acceptance.performance.resource_sampler import ResourceSamples
from acceptance.yaml_models import Data

CPU, MEMORY, CONNECTIONS, LOCKS, QUEUE, GENERATOR = "CPU", "memory", "connections", "locks", "queue", "generator"
UNITS = {("cpu", "cpu"): 1.0, ("cpu", "cores"): 1.0, ("memory", "bytes"): 1.0, ("memory", "MB"): 1e6}  # → cores, bytes
LEAST_GROWTH = 0.2  # of the uploads: so many more come in than come to their end
RUNNING = 3  # samples of a running mean, for the moment at which a bound was reached


class Saturated(Data):
    """From which mean over a step a resource counts as saturated; see `scaling.yaml`."""

    share: float = Field(gt=0, le=100)
    waiting: float = Field(gt=0)
    queue_seconds: float = Field(gt=0)


@dataclass(frozen=True)
class Resource:
    """Something that can be used up.

    Args:
        kind: one of the words above; with `of`, the service, it makes the name.
        points: how much of it was used: (seconds since the epoch, value in `unit`).
        bound: from this mean over a step it is saturated; of the queue, documents for each upload in a second.
        amount: in cores, of a CPU: of all instances together.
        limit: what 100 % are, in words.
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
        """As it is read."""
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
        """Whether a step used it up."""
        if self.kind == QUEUE:
            return grows(self.points, step, self.bound)
        mean = self.mean(step)
        return mean is not None and mean >= self.bound


@dataclass(frozen=True)
class Saturation:
    """A resource that was used up: in the step of so many users a second, so many seconds after the first began."""

    resource: Resource
    step: Step
    at: float

    def __str__(self) -> str:
        mean = self.resource.mean(self.step)
        assert mean is not None
        if self.resource.kind == QUEUE:
            inside = [value for _, value in within(self.resource.points, self.step)]
            told = f"{self.resource.name} grew from {inside[0]:.0f} to {inside[-1]:.0f}"
        else:
            limit = f" of {self.resource.limit}" if self.resource.limit else ""
            told = f"{self.resource.name} {mean:.3g} {self.resource.unit}{limit}"
        return f"{told} at {self.step.rate} users/s, {self.at:.0f} s after the first step began"


def resources_of(watched: ResourceSamples, steps: Sequence[Step], bounds: Saturated) -> list[Resource]:
    """All that was watched during these steps."""
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
    """Each resource that was used up, where it first was; in the order in which they were."""
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

    It grows at first wherever documents take their time; it grows on only where fewer come to their end than come in.
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
        used, limits = (
            _by_service(metrics.get(metric, ()), metric),
            _by_service(metrics.get(f"{metric}-limit", ()), metric),
        )
        for service, lines in used.items():
            limit = _limits(limits.get(service, {}))
            shares: dict[float, list[float]] = defaultdict(list)
            amounts: dict[float, list[float]] = defaultdict(list)
            for instance, points in lines.items():
                most = limit.get(instance, limit.get(""))
                for at, value in points:
                    amounts[at].append(value)
                    if most:
                        shares[at].append(100 * value / most)
            if not shares:
                continue  # without a limit nobody knows when it is used up
            each = " each" if len(lines) > 1 else ""
            told = next(iter(limit.values()))
            yield Resource(
                kind=kind,
                of=service,
                unit="%",
                points=tuple((at, max(values)) for at, values in sorted(shares.items())),
                bound=bounds.share,
                amount=tuple((at, sum(values)) for at, values in sorted(amounts.items())),
                limit=f"{told:g} cores{each}" if kind == CPU else f"{told / 2**30:.3g} GiB{each}",
            )


def _by_service(lines: Sequence[Line], metric: str) -> dict[str, dict[str, list[Point]]]:
    """Points by service and instance, in cores or bytes; what comes in another unit is left out."""
    found: dict[str, dict[str, list[Point]]] = defaultdict(dict)
    for line in lines:
        factor = UNITS.get((metric, line.unit))
        if factor is not None:
            found[line.service][line.instance] = [(at, factor * value) for at, value in line.points]
    return found


def _limits(lines: Mapping[str, Sequence[Point]]) -> dict[str, float]:
    """The last limit by instance; one that names none is that of each."""
    return {instance: points[-1][1] for instance, points in lines.items() if points}
