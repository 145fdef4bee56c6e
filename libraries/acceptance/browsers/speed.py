"""How quickly a page is there: figures of its loads, as the script `speed.js` measured each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

CRITERION = "PERF-10"


# What the script names -> our name, unit, and the script's units in one of ours.
_FIGURES = {
    "load": ("load_time", "s", 1000),
    "lcp": ("lcp", "s", 1000),
    "cls": ("cls", "score", 1),
    "inp": ("inp", "ms", 1),
    "tasks": ("long_tasks", "ms", 1),
    "transferred": ("transferred", "kB", 1000),
    "requests": ("requests", "requests", 1),
}


def figures(loads: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, list[float]]]:
    """Name, unit and samples of what the engine reported at every load: what it does not know is None there."""
    for word, (name, unit, divisor) in _FIGURES.items():
        values = [load.get(word) for load in loads]
        known = [float(value) / divisor for value in values if value is not None]
        if known and len(known) == len(values):
            yield name, unit, known
