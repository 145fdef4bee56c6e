"""PERF-08: the figures of each step of a rising load, which steps held, and the capacity of several repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from ArtilleryLibrary.figures import HIGHEST_CPU, figures_of
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.requestlog import LoggedRequest, RequestLog

from acceptance.evidence.histogram import Distribution
from acceptance.verdict.criteria import Limit

LEAST_ARRIVALS = 0.99
RESOLUTION = 0.001  # of times in milliseconds
TURNS = 3  # of the generator's loop that a request waits for: to connect, to send, to take the first byte


class Held(StrEnum):
    """How a step ended; where the generator was the limit, nothing is known about the deployment."""

    HELD = "held"
    BROKE = "broke"
    GENERATOR = "generator"


@dataclass(frozen=True)
class Bounds:
    """Limits of a step: percent of errors, first byte (ms) where no model is asked, share of what is offered."""

    error_rate: Limit
    p95: Limit
    p99: Limit
    least_of_offered: float
    lag_ms: float


@dataclass(frozen=True)
class Step:
    """One step of one repeat.

    Args:
        rate: users that arrive in a second.
        began: seconds since the epoch.
        offered: requests that its users make in a second without waiting.
        achieved: requests in a second that were answered rightly within the step.
        first_byte: milliseconds, of calls that no model bounds; none where none was answered.
        error_rate: percent of the requests begun in it that ended.
        lag, cpu: of the generator: p99 of its loop's lag in its middle second, ms; share of a core.
        broken: the limits that it broke, one line each.
        busy: why the generator itself may have been the limit; empty where it kept up.
        short: fewer users arrived than this step is of.
    """

    rate: int
    began: float
    seconds: float
    offered: float
    achieved: float
    requests: tuple[LoggedRequest, ...]
    first_byte: Distribution | None
    error_rate: float
    lag: float
    cpu: float
    broken: tuple[str, ...]
    busy: str
    short: bool = False

    @property
    def ended(self) -> float:
        """Seconds since the epoch."""
        return self.began + self.seconds

    @property
    def held(self) -> Held:
        """A late generator makes responses seem slower: limits that are kept under it count, if all users arrived."""
        if not self.broken and not self.short:
            return Held.HELD
        return Held.GENERATOR if self.busy else Held.BROKE

    @property
    def reason(self) -> str:
        """Why it did not hold."""
        reasons = "; ".join(self.broken)
        return "; but ".join(filter(None, (reasons, self.busy))) if self.held is Held.GENERATOR else reasons


@dataclass(frozen=True)
class Capacity:
    """The capacity of all repeats.

    Args:
        rate: users a second in the last step that held; 0 where not even the first did.
        each: the same of each repeat.
        at_least: why it may be more; empty where the deployment broke its limits in the next step.
        broke: how the step after it went in the repeats, one line each.
    """

    rate: int
    each: tuple[int, ...]
    at_least: str
    broke: tuple[str, ...]
    first: int = 0

    def __str__(self) -> str:
        spread = f"the repeats held {', '.join(map(str, self.each))}"
        if not self.rate:
            return f"less than {self.first} users/s, the first step ({spread})"
        return f"{'at least ' if self.at_least else ''}{self.rate} users/s ({spread})" + (
            f": {self.at_least}" if self.at_least else ""
        )


def phases_of(rates: Sequence[int], seconds: int) -> list[Phase]:
    """The steps as phases of a load."""
    return [
        Phase(index=index, name=f"{rate} users/s", duration=seconds, rate=rate, ramp_to=rate)
        for index, rate in enumerate(rates)
    ]


def steps_of(
    log: RequestLog, phases: Sequence[Phase], each: float, bounds: Bounds, model_bound: Sequence[str], until: float
) -> list[Step]:
    """The steps that were over at a time (seconds since the epoch).

    Args:
        each: requests that a user makes on average.
    """
    begun = [(phase, log.phases[phase.index]) for phase in phases if phase.index in log.phases]
    return [
        _step(log, phase, at, each, bounds, model_bound, until) for phase, at in begun if at + phase.duration <= until
    ]  # fmt: skip


def until_broken(steps: Sequence[Step]) -> list[Step]:
    """The steps up to the first that did not hold, that one included."""
    first = next((at for at, step in enumerate(steps) if step.held is not Held.HELD), len(steps))
    return list(steps[: first + 1])


def capacity_of(repeats: Sequence[Sequence[Step]], held_in: int) -> Capacity:
    """The last step that held in at least so many repeats."""
    went = [until_broken(steps) for steps in repeats]
    each = [max((step.rate for step in steps if step.held is Held.HELD), default=0) for steps in went]
    rate = sorted(each, reverse=True)[held_in - 1]
    ends = [steps[-1] for steps in went]
    above = [end for end in ends if end.held is Held.BROKE and _next_or_below(end, rate, went)]
    at_least = ""
    if len(above) < held_in:
        busy = [end.busy for end in ends if end.held is Held.GENERATOR]
        at_least = busy[0] if busy else "no higher step was asked for that broke them"
    broke = tuple(
        f"{end.rate} users/s: {end.reason}" if end.reason else f"every step held, the last was {end.rate} users/s"
        for end in ends
    )
    return Capacity(rate, tuple(each), at_least, broke, went[0][0].rate)


def _next_or_below(end: Step, rate: int, went: Sequence[Sequence[Step]]) -> bool:
    """Whether a repeat broke no later than in the step after this rate."""
    higher = [step.rate for steps in went for step in steps if step.rate > rate]
    return bool(higher) and end.rate <= min(higher)


def _step(
    log: RequestLog, phase: Phase, began: float, each: float, bounds: Bounds, model_bound: Sequence[str], until: float
) -> Step:
    end, seconds = began + phase.duration, float(phase.duration)
    assert bounds.p95.threshold is not None and bounds.p99.threshold is not None
    patient = until - bounds.p99.threshold / 1000  # earlier requests without a response have waited beyond the limit
    requests = [one for one in log.requests if began <= one.at < end and (not one.is_unfinished or one.at < patient)]
    within = sum(one.ok and one.total is not None and began <= one.at + one.total / 1000 < end for one in log.requests)
    times = [one.first_byte for one in requests if one.first_byte is not None and one.endpoint not in model_bound]
    first_byte = Distribution.of(times, resolution=RESOLUTION) if times else None
    half = 0.5 / phase.rate  # users come at the ends of even gaps, the last as the step ends
    arrived = sum(began + half <= at < end + half for at in log.users.values())
    error_rate = 100 * figures_of(requests).error_rate
    lag, worst, cpu = _generator(log, began, end)
    late = 0.0  # by so many ms a first byte was over its limit
    if first_byte is not None:
        over = (first_byte.percentile(95) - bounds.p95.threshold, first_byte.percentile(99) - bounds.p99.threshold)
        late = max(late, *over)
    missing, most = (
        phase.arrivals - arrived,
        max(1, (1 - LEAST_ARRIVALS) * phase.arrivals),
    )  # one may come a moment late
    reasons = {
        f"it made {arrived} of {phase.arrivals} arrivals in time": missing > most,
        f"its loop came {lag:.0f} ms late (at most {bounds.lag_ms:g})": lag > bounds.lag_ms and late <= TURNS * worst,
        f"it used {cpu:.0%} of a core (at most {HIGHEST_CPU:.0%})": cpu > HIGHEST_CPU,
    }
    busy = ", ".join(reason for reason, true in reasons.items() if true)
    return Step(
        rate=round(phase.rate),  # a step's is whole
        began=began,
        seconds=seconds,
        offered=phase.rate * each,
        achieved=within / seconds,
        requests=tuple(requests),
        first_byte=first_byte,
        error_rate=error_rate,
        lag=lag,
        cpu=cpu,
        broken=tuple(_broken(bounds, phase.rate * each, within / seconds, error_rate, first_byte)),
        busy=f"the generator did not keep up: {busy}" if busy else "",
        short=missing > most,
    )


def _broken(
    bounds: Bounds, offered: float, achieved: float, error_rate: float, first_byte: Distribution | None
) -> list[str]:
    broken = []
    if not bounds.error_rate.kept_by(error_rate):
        broken.append(f"{error_rate:.3g} % of the requests failed ({bounds.error_rate})")
    for name, limit in (("p95", bounds.p95), ("p99", bounds.p99)):
        if first_byte is not None and not limit.kept_by(value := first_byte.statistic(name)):
            broken.append(f"first byte {name} {value:.0f} ms ({limit})")
    if achieved < bounds.least_of_offered * offered:
        least = f"at least {bounds.least_of_offered:.0%}"
        broken.append(f"{achieved:.0f} of {offered:.0f} requests a second were answered in time ({least})")
    return broken


def _generator(log: RequestLog, began: float, end: float) -> tuple[float, float, float]:
    """Of the generator within a step: lag of its middle and of its worst second (ms), and its CPU (share of a core).

    Without a record of it, it was too busy.
    """
    lags = [lag for at, lag in log.lags if began < at <= end + 1]
    used = [(at, cpu) for at, cpu, *_ in log.health if began - 1 <= at <= end + 1]
    if not lags or len(used) < 2:
        return float("inf"), float("inf"), float("inf")
    (first, before), (last, after) = used[0], used[-1]
    return median(lags), max(lags), (after - before) / 1000 / (last - first)
