"""How quickly a page is there: figures of its loads, as the script `speed.js` measured each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

CRITERION = "PERF-10"


@dataclass(frozen=True)
class PageFigure:
    """One figure of several loads; `limited` ones have a threshold."""

    name: str
    unit: str
    samples: list[float]
    limited: bool

    @property
    def median(self) -> float:
        return median(self.samples)


# What the script names -> our name, unit, the script's units in one of ours, and whether there is a threshold.
_FIGURES = {
    "load": ("load_time", "s", 1000, True),
    "lcp": ("lcp", "s", 1000, True),
    "cls": ("cls", "score", 1, True),
    "inp": ("inp", "ms", 1, True),
    "tasks": ("long_tasks", "ms", 1, False),
    "transferred": ("transferred", "kB", 1000, False),
    "requests": ("requests", "requests", 1, False),
}


def figures(loads: Sequence[Mapping[str, Any]]) -> list[PageFigure]:
    """The figures that the engine reported at every load: what it does not know is None there."""
    found = []
    for word, (name, unit, divisor, limited) in _FIGURES.items():
        values = [load.get(word) for load in loads]
        known = [float(value) / divisor for value in values if value is not None]
        if known and len(known) == len(values):
            found.append(PageFigure(name, unit, known, limited))
    return found
