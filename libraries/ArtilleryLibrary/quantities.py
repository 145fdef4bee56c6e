"""Numbers of a script: as numbers, as text, or as variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ArtilleryLibrary.source import Location, ScriptSource

SECONDS = {"": 1, "ms": 0.001, "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
PLAIN = {"": 1}


class Quantities:
    """Reads the numbers of a script; what is none becomes a problem of the source.

    Args:
        source: the script.
        rendered: a text with the variables of the environment resolved; none where that needs the running load.
    """

    def __init__(self, source: ScriptSource, rendered: Callable[[Location, str], str | None]) -> None:
        self._source = source
        self._rendered = rendered

    def read(
        self,
        where: Location,
        stated: Any,
        rule: str,
        right: Callable[[float], bool] = lambda number: number >= 0,
        units: Mapping[str, float] = PLAIN,
    ) -> float | None:
        """The number that is stated at a place; none, and a problem, where there is no right one.

        Args:
            where: the place.
            stated: a number, or a text such as `5`, `2 min` or `{{ $env.RATE }}`.
            rule: what is expected, for the message.
            right: whether a number is allowed.
            units: factors of the units that a text may end in.
        """
        rendered = self._rendered(where, stated) if isinstance(stated, str) else None
        if isinstance(stated, str):
            number = _number_in(rendered or "", units)
        else:
            number = None if isinstance(stated, bool) or not isinstance(stated, int | float) else float(stated)
        if number is not None and right(number):
            return number
        if not self._source.has_problem(where):  # as a variable that is not set
            which = "" if rendered in (None, stated) else f", which is {rendered!r}"
            self._source.problem(where, f"{rule}, found {stated!r}{which}")
        return None


def is_whole(number: float) -> bool:
    """Whether a number has no fraction."""
    return number == int(number)


def plain(number: float) -> int | float:
    """An integer where the number is one."""
    return int(number) if is_whole(number) else number


def _number_in(text: str, units: Mapping[str, float]) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip())
    if not found:
        return None
    unit = found[2] if found[2] in units else found[2].removesuffix("s")
    return round(float(found[1]) * units[unit], 6) if unit in units else None
