"""Percentiles with what is known of them: intervals between order statistics, exact for any distribution.

How many of n independent samples lie below the true percentile is binomial, whatever the samples are of; so two of the
samples themselves enclose it with a probability that can be counted (Hahn, Meeker: Statistical Intervals, 5.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binom

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Percentile:
    """A percentile of samples, and between which of them the true one lies.

    Attributes:
        value: the smallest sample that so many percent do not exceed (nearest rank).
        low, high: the ends of the interval; None where so few samples enclose the percentile on no side.
        confidence: what was asked for; the interval covers the true percentile at least so often.
    """

    percent: float
    value: float
    low: float | None
    high: float | None
    confidence: float
    samples: int

    def __str__(self) -> str:
        ends = [f"{end:.1f}" if end is not None else "not bounded" for end in (self.low, self.high)]
        return f"p{self.percent:g} {self.value:.1f} ({ends[0]} to {ends[1]})"


def percentile(samples: Sequence[float], percent: float, confidence: float = CONFIDENCE) -> Percentile:
    """A percentile with its interval; each side leaves out at most half of what the confidence leaves.

    Args:
        percent: over 0 and under 100.

    Raises:
        ValueError: there is no sample.
    """
    ordered, count, share = sorted(samples), len(samples), percent / 100
    if not ordered:
        raise ValueError("a percentile needs samples")
    beyond = (1 - confidence) / 2
    # One-based ranks: the greatest that lies below the percentile surely enough, the smallest that lies above it so.
    lower = max((rank for rank in range(1, count + 1) if binom.cdf(rank - 1, count, share) <= beyond), default=None)
    upper = min((rank for rank in range(1, count + 1) if binom.sf(rank - 1, count, share) <= beyond), default=None)
    return Percentile(
        percent=percent,
        value=ordered[max(1, math.ceil(share * count)) - 1],
        low=None if lower is None else ordered[lower - 1],
        high=None if upper is None else ordered[upper - 1],
        confidence=confidence,
        samples=count,
    )
