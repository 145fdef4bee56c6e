"""Figures of a load, exact: computed from each request's record, without sketches or means of means."""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from ArtilleryLibrary.phases import ticks
from ArtilleryLibrary.plan import PLAN, lost
from ArtilleryLibrary.plan import Ending as Ending
from ArtilleryLibrary.plan import LoadPlan as LoadPlan
from ArtilleryLibrary.requestlog import LoggedRequest, RequestLog, read_log

LOG = "requests.jsonl"
HIGHEST_LAG, HIGHEST_CPU = 10.0, 0.8


@dataclass(frozen=True)
class Samples:
    """Exact samples of one figure, at least one, in ascending order."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Samples | None:
        """The samples among the values; none without any."""
        found = sorted(value for value in values if value is not None)
        return cls(tuple(found)) if found else None

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return math.fsum(self.values) / self.count

    def percentile(self, percent: float) -> float:
        """The smallest sample that `percent` of all do not exceed (nearest rank)."""
        return self.values[max(1, math.ceil(percent / 100 * self.count)) - 1]

    def statistic(self, name: str) -> float:
        """`mean`, `median`, `min`, `max`, or a percentile such as `p95`.

        Raises:
            ValueError: there is no such statistic.
        """
        if name == "mean":
            return self.mean
        percent = {"median": "50", "min": "0", "max": "100"}.get(name, name.removeprefix("p"))
        return self.percentile(float(percent))


@dataclass(frozen=True)
class Figures:
    """Figures of some requests.

    Args:
        attempted: requests begun.
        succeeded: with the expected status, fields and user.
        first_byte: milliseconds from the last byte sent to the first byte received; none without a response.
        total: milliseconds from beginning to last byte, connecting included; none without a response.
        errors: reasons of failures, with their counts.
    """

    attempted: int
    succeeded: int
    first_byte: Samples | None
    total: Samples | None
    errors: dict[str, int]

    @property
    def failed(self) -> int:
        """Requests that failed."""
        return self.attempted - self.succeeded

    @property
    def error_rate(self) -> float:
        """Share of the attempted that failed, 0 to 1; 1 where nothing was attempted."""
        return self.failed / self.attempted if self.attempted else 1.0


@dataclass(frozen=True)
class Arrivals:
    """Virtual users, scheduled and actual.

    Args:
        scheduled: virtual users to arrive.
        actual: virtual users that arrived.
        gap_deviation: root mean square of (gap - scheduled gap) between neighbours in phases of constant rate, ms.
        per_second: (second, scheduled, actual) since the first phase began.
    """

    scheduled: int
    actual: int
    gap_deviation: float
    per_second: tuple[tuple[int, int, int], ...]

    @property
    def share(self) -> float:
        """Actual / scheduled."""
        return self.actual / self.scheduled if self.scheduled else 0.0


@dataclass(frozen=True)
class Generator:
    """Health of the load generator.

    Args:
        cpu_share: of one core, 0 to 1 and more.
        lag_p99: 99th percentile of the event loop's lag, ms.
        lag_max: its maximum, ms.
        saturated: the figures may include the generator's own slowness; the reasons are in `why`.
    """

    cpu_share: float
    lag_p99: float
    lag_max: float
    saturated: bool
    why: str


@dataclass(frozen=True)
class LoadResult:
    """The measurements of a load."""

    plan: LoadPlan
    log: RequestLog
    ending: Ending
    reason: str

    @property
    def complete(self) -> bool:
        """The whole load was applied and recorded."""
        return self.ending is Ending.COMPLETE

    @property
    def requests(self) -> Sequence[LoggedRequest]:
        """All requests, in the order of their ends."""
        return self.log.requests

    @cached_property
    def started(self) -> float:
        """When the first phase began, seconds since the epoch."""
        times = [*self.log.phases.values(), *self.log.users.values()]
        return min(times, default=0.0)

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Their names, as in the script."""
        return tuple(one.name for one in self.plan.scenarios)

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Names of the requests, as in the script."""
        return tuple(dict.fromkeys(endpoint for one in self.plan.scenarios for endpoint in one.endpoints))

    @property
    def phases(self) -> tuple[str, ...]:
        """Their names, as in the script."""
        return tuple(phase.name for phase in self.plan.phases)

    @property
    def counters(self) -> dict[str, int]:
        """Artillery's own, at its end; empty without one."""
        return self.log.counters or {}

    def phase_of(self, request: LoggedRequest) -> str:
        """The phase in which a request began."""
        return self._phase_at(request.at)

    def _phase_at(self, time: float) -> str:
        times, indexes = self._begun
        if not times:
            return self.plan.phases[0].name
        return self.plan.phases[indexes[max(0, bisect_right(times, time) - 1)]].name

    @cached_property
    def _begun(self) -> tuple[list[float], list[int]]:
        """Start times of the phases, in order, and their indexes."""
        begun = sorted((at, index) for index, at in self.log.phases.items())
        return [at for at, _ in begun], [index for _, index in begun]

    def select(
        self, scenario: str | None = None, endpoint: str | None = None, phase: str | None = None
    ) -> list[LoggedRequest]:
        """The requests of a scenario, endpoint or phase, or all.

        Raises:
            KeyError: the script has nothing of that name.
        """
        for name, known in ((scenario, self.scenarios), (endpoint, self.endpoints), (phase, self.phases)):
            if name is not None and name not in known:
                raise KeyError(f"'{name}' is not in the script (known: {', '.join(known)})")
        return [
            one
            for one in self.requests
            if scenario in (None, one.scenario)
            and endpoint in (None, one.endpoint)
            and (phase is None or phase == self.phase_of(one))
        ]

    def figures(self, scenario: str | None = None, endpoint: str | None = None, phase: str | None = None) -> Figures:
        """Figures of a scenario, endpoint or phase, or of all.

        Raises:
            KeyError: the script has nothing of that name.
        """
        return figures_of(self.select(scenario, endpoint, phase))

    @cached_property
    def arrivals(self) -> Arrivals:
        """Scheduled and actual virtual users."""
        arrived = sorted(self.log.users.values())
        scheduled, actual, squares = Counter[int](), Counter[int](), list[float]()
        offset = 0
        for phase in self.plan.phases:
            scheduled.update(offset + second for second, _ in ticks(phase))
            begun = self.log.phases.get(phase.index, self.started + offset)
            if phase.rate == phase.ramp_to and phase.rate:
                within = [at for at in arrived if begun <= at < begun + phase.duration]
                squares += [(later - earlier - 1 / phase.rate) ** 2 for earlier, later in pairwise(within)]
            offset += phase.duration
        for at in arrived:
            actual[self._second_of(at)] += 1
        seconds = range(max([*scheduled, *actual], default=-1) + 1)
        deviation = 1000 * math.sqrt(sum(squares) / len(squares)) if squares else 0.0
        per_second = tuple((second, scheduled[second], actual[second]) for second in seconds)
        return Arrivals(scheduled.total(), len(arrived), deviation, per_second)

    def _second_of(self, arrival: float) -> int:
        """The second of an arrival: users arrive at the ends of even gaps, the last as the second ends."""
        phase = next((one for one in self.plan.phases if one.name == self._phase_at(arrival)), self.plan.phases[0])
        gap = 1 / max(phase.rate, phase.ramp_to, 1)
        return max(0, int(arrival - self.started - gap / 2))

    @cached_property
    def generator(self) -> Generator:
        """CPU and loop lag of the generator; without records it counts as saturated."""
        health = self.log.health
        if len(health) < 2 or health[-1][0] <= health[0][0] or not math.isfinite(health[-1][2]):
            return Generator(0.0, 0.0, 0.0, saturated=True, why="the generator kept no record of itself")
        (begin, used, *_), (end, used_then, lag, highest) = health[0], health[-1]
        share = (used_then - used) / 1000 / (end - begin)
        why = []
        if lag > HIGHEST_LAG:
            why.append(f"event loop lag p99 {lag:.1f} ms is over {HIGHEST_LAG:g} ms")
        if share > HIGHEST_CPU:
            why.append(f"CPU {share:.0%} of a core is over {HIGHEST_CPU:.0%}")
        return Generator(share, lag, highest, saturated=bool(why), why="; ".join(why))

    @cached_property
    def throughput(self) -> tuple[tuple[int, int], ...]:
        """(second since the start, responses in it)."""
        responses = Counter(
            int(one.at + one.total / 1000 - self.started) for one in self.requests if one.total is not None
        )
        return tuple((second, responses[second]) for second in range(max(responses, default=-1) + 1))


def figures_of(requests: Sequence[LoggedRequest]) -> Figures:
    """Figures of these requests."""
    errors = Counter(reason for one in requests for reason in one.failures)
    return Figures(
        attempted=len(requests),
        succeeded=sum(one.ok for one in requests),
        first_byte=Samples.of(one.first_byte for one in requests),
        total=Samples.of(one.total for one in requests),
        errors=dict(sorted(errors.items(), key=lambda each: (-each[1], each[0]))),
    )


def read_result(folder: Path) -> LoadResult:
    """Read the plan and the log of a load from its folder, whatever its ending.

    Raises:
        OSError: the folder holds no plan.
        ValueError: the plan is invalid.
    """
    plan = LoadPlan.model_validate(json.loads((folder / PLAN).read_text(encoding="utf-8")))
    log = read_log(folder / LOG)
    ending, reason = plan.ending, plan.reason
    if ending is Ending.COMPLETE and (lacking := "; ".join(lost(plan, log))):
        ending, reason = Ending.TRUNCATED, lacking
    return LoadResult(plan, log, ending, reason)
