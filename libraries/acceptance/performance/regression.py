"""PERF-06 and 07: whether a deployment is slower than a recorded local run, endpoint by endpoint.

Requests of one run are no independent samples: what slows one slows its neighbours. So each endpoint is taken as the
means of successive spans of time (batch means), and two runs are compared by Welch's test on those. An endpoint is
worse when the lower confidence bound of its worsening exceeds the margin; Holm's method shares the level among them.

A short load has shorter spans. Welch's test takes each run's scatter from its own spans, so they need not be as long as
the recorded ones; but what lasts for seconds then slows several neighbours, which are less independent than they are
taken for, and the true level is lower. It shows what is broken, and its figures are those of no criterion.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Any

from acceptance.recordings import Endpoint

SPAN_SECONDS = 10.0  # of the whole load: 24 spans
SHORTEST_SECONDS = 2.0  # in which every endpoint is called a few times
LEAST_SPANS = 5
LEVEL = 0.01  # of all endpoints together: a bound of 99 %
MARGIN_SHARE = 0.10
MARGIN_MS = 10.0


@dataclass(frozen=True)
class Margin:
    """By how much an endpoint may be worse: the larger of a share of its mean before, and so many ms."""

    share: float
    ms: float

    def of(self, before: float) -> float:
        """In ms, for a mean of so many ms before."""
        return max(self.share * before, self.ms)


@dataclass(frozen=True)
class Comparison:
    """A time of an endpoint in two runs, all in ms: `bound` is the lower confidence bound of the worsening."""

    name: str
    time: str
    before: float
    now: float
    bound: float
    margin: float
    worse: bool

    def __str__(self) -> str:
        return (
            f"{self.name}: mean {self.time} {self.now:.1f} ms, recorded {self.before:.1f} ms, so at least "
            f"{self.bound:.1f} ms worse at {100 * (1 - LEVEL):g} % confidence; allowed are {self.margin:.1f} ms"
        )


def span_seconds(share: float) -> float:
    """How long a span is in a load that takes this share of the whole one's time."""
    return max(SHORTEST_SECONDS, share * SPAN_SECONDS)


def means(samples: Iterable[tuple[float, float]], seconds: float = SPAN_SECONDS) -> dict[int, float]:
    """The mean of each span, by its number, out of (seconds since the start of the load, ms)."""
    spans: dict[int, list[float]] = defaultdict(list)
    for at, value in samples:
        spans[math.floor(at / seconds)].append(value)
    return {span: round(fmean(spans[span]), 3) for span in sorted(spans)}


def endpoint_of(samples: Sequence[tuple[float, float]], seconds: float = SPAN_SECONDS) -> Endpoint:
    """An endpoint out of (seconds since the start of the load, ms), by spans of so many seconds.

    Raises:
        ValueError: there is no sample.
    """
    return Endpoint(spans=tuple(means(samples, seconds).values()), requests=len(samples))


def compare(
    before: Mapping[str, Endpoint],
    now: Mapping[str, Endpoint],
    time: str = "first byte",
    margin: Margin | None = None,
) -> list[Comparison]:
    """Each endpoint that both runs have often enough, by name.

    Args:
        time: names the compared time.
        margin: by how much an endpoint may be worse; default: the margin of PERF-07.
    """
    allowed = margin or Margin(MARGIN_SHARE, MARGIN_MS)
    shared = sorted(
        name for name in before.keys() & now.keys() if min(len(before[name].spans), len(now[name].spans)) >= LEAST_SPANS
    )
    tried = {name: _worsening(before[name].spans, now[name].spans) for name in shared}
    chances = {name: one.p_value(allowed.of(before[name].mean)) for name, one in tried.items()}
    levels = _levels(chances, LEVEL)
    return [
        Comparison(
            name=name,
            time=time,
            before=before[name].mean,
            now=now[name].mean,
            bound=tried[name].lower_bound(levels[name]),
            margin=allowed.of(before[name].mean),
            worse=chances[name] <= levels[name],
        )
        for name in shared
    ]


def not_compared(before: Mapping[str, Endpoint], now: Mapping[str, Endpoint], parts: str = "spans") -> list[str]:
    """Each endpoint that could not be compared, with the reason; `parts` names its spans."""
    problems = [f"{name}: is not in the recording" for name in sorted(now.keys() - before.keys())]
    problems += [f"{name}: was recorded, and not called now" for name in sorted(before.keys() - now.keys())]
    for name in sorted(before.keys() & now.keys()):
        spans = min(len(before[name].spans), len(now[name].spans))
        if spans < LEAST_SPANS:
            problems.append(f"{name}: {spans} {parts}, at least {LEAST_SPANS} are needed")
    return problems


@dataclass(frozen=True)
class _Worsening:
    difference: float
    error: float
    freedom: float

    def p_value(self, margin: float) -> float:
        """Of: it is not worse by more than the margin."""
        if self.error == 0:
            return 0.0 if self.difference > margin else 1.0
        return float(_student().sf((self.difference - margin) / self.error, self.freedom))

    def lower_bound(self, level: float) -> float:
        return self.difference - (self.error * float(_student().isf(level, self.freedom)) if self.error else 0.0)


def _worsening(before: Sequence[float], now: Sequence[float]) -> _Worsening:
    parts = [variance(values) / len(values) for values in (before, now)]
    total = sum(parts)
    shares = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (before, now), strict=True))
    return _Worsening(fmean(now) - fmean(before), math.sqrt(total), total**2 / shares if shares else math.inf)


def _levels(p_values: Mapping[str, float], level: float) -> dict[str, float]:
    """Holm: the share of the level that each is held against, from the smallest p on; after one that fails, all as it.

    So the confidence bound at this level exceeds the margin exactly where an endpoint is worse.
    """
    levels: dict[str, float] = {}
    share, failed = 0.0, False
    for number, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        share = share if failed else level / (len(p_values) - number)
        failed = failed or p_values[name] > share
        levels[name] = share
    return levels


def _student() -> Any:
    """Student's t: imported where it is needed, since that takes most of a second and 60 MB."""
    from scipy.stats import t

    return t
