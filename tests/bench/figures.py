"""Figures of a benchmark: what was measured, the limit it is held against, and how that is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Figure:
    """Something measured; texts are as they are shown.

    Args:
        name: what was measured.
        ours: of this project.
        other: of what it is compared with; empty without.
        ratio: of the two, or an error; empty without.
        limit: that it is held against; empty where it is only told.
        kept: whether it is; none where it is only told.
    """

    name: str
    ours: str
    other: str = ""
    ratio: str = ""
    limit: str = ""
    kept: bool | None = None

    @property
    def verdict(self) -> str:
        """In a word."""
        return {True: "kept", False: "NOT KEPT", None: "told"}[self.kept]

    def __str__(self) -> str:
        compared = f" against {self.other}" if self.other else ""
        ratio = f", {self.ratio}" if self.ratio else ""
        limit = f" (limit {self.limit})" if self.limit else ""
        return f"{self.verdict:8}  {self.name}: {self.ours}{compared}{ratio}{limit}"


def ratio(name: str, ours: float, other: float, unit: str, *, at_most: float) -> Figure:
    """Ours in relation to another's; where one of them was not really measured nothing can be kept.

    Raises:
        ValueError: one of them is no positive number.
    """
    if not (0 < ours < math.inf and 0 < other < math.inf):
        raise ValueError(f"{name}: {ours} against {other} {unit} is no ratio")
    found = ours / other
    return Figure(name, _shown(ours, unit), _shown(other, unit), f"{found:.3f}", f"≤ {at_most:g}", found <= at_most)


def error(name: str, told: float, true: float, *, share: float, least_ms: float, other: Figure | None = None) -> Figure:
    """How far what was told (ms) is from what was so, held against a share of it, but no less than `least_ms`."""
    off, allowed = told - true, max(share * abs(true), least_ms)
    limit = f"± {allowed:.2f} ms (the larger of {share:.0%} and {least_ms:g} ms)"
    shown = f"{told:.2f} ms told, {true:.2f} ms so"
    return Figure(name, shown, other.ratio if other else "", f"{off:+.2f} ms", limit, abs(off) <= allowed)


def share(name: str, part: float, whole: float, *, at_least: float) -> Figure:
    """So much of the whole; more than the whole is as wrong as too little."""
    found = part / whole if whole else 0.0
    kept = at_least <= found <= 2 - at_least
    return Figure(name, f"{part:g} of {whole:g}", "", f"{found:.1%}", f"≥ {at_least:.0%}", kept)


def none_lost(name: str, lost: int, whole: int) -> Figure:
    """Nothing of a whole that is something may be lost."""
    return Figure(name, f"{lost} of {whole}", "", "", "0", lost == 0 and whole > 0)


def told(name: str, value: float, other: float | None = None, *, unit: str) -> Figure:
    """A figure without a limit."""
    if other is None:
        return Figure(name, _shown(value, unit))
    return Figure(name, _shown(value, unit), _shown(other, unit), f"{value / other:.2f}" if other else "")


def gap_deviation(phases: Sequence[tuple[float, Sequence[float]]]) -> float:
    """Root mean square of (gap - scheduled gap) between neighbours, in ms.

    Args:
        phases: for each its rate (arrivals per second), and the times of its arrivals in seconds, in order.

    Raises:
        ValueError: there is no gap.
    """
    squares = [(after - before - 1 / rate) ** 2 for rate, times in phases for before, after in pairwise(times)]
    if not squares:
        raise ValueError("no two users arrived, so that there is no gap")
    return 1000 * math.sqrt(math.fsum(squares) / len(squares))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed.

    Raises:
        ValueError: there is none.
    """
    if not values:
        raise ValueError("nothing was measured")
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _shown(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()
