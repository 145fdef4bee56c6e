"""Phases of a load: how many virtual users arrive, and when.

Artillery makes arrivals of a ramp second by second, in whole users, at even ticks; of anything else by busy waiting,
which costs most of a processor. So each phase of whole users per second is run as a ramp, one of constant rate from a
rate to the same rate. Any other constant rate is run as a number of users at even gaps, by a timer of ours
(`even-arrivals.mjs`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ArtilleryLibrary.quantities import SECONDS, Quantities, is_whole, plain
from ArtilleryLibrary.source import Location, ScriptSource
from ArtilleryLibrary.yaml_document import Data

KNOWN = ("name", "duration", "pause", "arrivalRate", "arrivalCount", "rampTo", "maxVusers", "mode")
HIGHEST_RATE = 1_000  # Artillery's shortest tick is a millisecond
SHORTEST = 2  # Artillery makes all arrivals of a ramp of one second at once


class Phase(Data):
    """A phase as it is run.

    Args:
        index: its place in the script, from 0.
        name: as in the script, or `phase 1`.
        duration: seconds.
        rate: virtual users per second at its start; 0 in a pause. A rate that is not whole is constant.
        ramp_to: the same at its end.
    """

    index: int
    name: str
    duration: int
    rate: int | float = 0
    ramp_to: int | float = 0

    @property
    def whole(self) -> bool:
        """Whether whole users arrive in each second."""
        return is_whole(self.rate)

    @property
    def per_second(self) -> tuple[int, ...]:
        """Arrivals in each second, as Artillery's one worker makes them."""
        if not self.whole:
            found = Counter(math.ceil(number / self.rate - 1e-6) - 1 for number in range(1, self.arrivals + 1))
            return tuple(found[second] for second in range(self.duration))
        if self.duration == 1 or self.rate == self.ramp_to:
            return (int(self.rate),) * self.duration
        step = (self.ramp_to - self.rate) / (self.duration - 1)
        return tuple(math.floor(self.rate + step * second + 0.5) for second in range(self.duration))

    @property
    def arrivals(self) -> int:
        """Virtual users that it starts."""
        return sum(self.per_second) if self.whole else _rounded(self.rate * self.duration)

    def as_artillery(self) -> dict[str, Any]:
        """The phase in a script, of even arrivals."""
        if not self.arrivals:
            return {"name": self.name, "pause": self.duration}
        if not self.whole:
            return {"name": self.name, "duration": self.duration, "arrivalCount": self.arrivals}
        return {"name": self.name, "duration": self.duration, "arrivalRate": self.rate, "rampTo": self.ramp_to}


def checked_phases(source: ScriptSource, quantities: Quantities, scale: float = 1.0) -> tuple[Phase, ...]:
    """The script's phases, durations multiplied by `scale`; what is wrong with them is a problem of the source."""
    stated = (source.content.get("config") or {}).get("phases")
    where: Location = ("config", "phases")
    if not isinstance(stated, list) or not stated:
        source.problem(where, "a list of phases is missing: Artillery would make one virtual user, and call it a load")
        return ()
    reader = _Reader(source, quantities)
    found = [reader.phase((*where, index), index, phase, scale) for index, phase in enumerate(stated)]
    phases = tuple(phase for phase in found if phase is not None)
    for name in sorted({phase.name for phase in phases}):
        if sum(phase.name == name for phase in phases) > 1:
            source.problem(where, f"several phases are called '{name}': figures are kept by name")
    if phases and len(phases) == len(stated) and not sum(phase.arrivals for phase in phases):
        source.problem(where, "no virtual user ever arrives")
    return phases


_REFUSED = {
    "maxVusers": "refused: arrivals are skipped when the target is slow, which hides its slowness",
    "mode": "refused: arrivals are even here; other modes wait busily, and two runs of one script would differ",
}


class _Reader:
    """Reads the phases of a script."""

    def __init__(self, source: ScriptSource, quantities: Quantities) -> None:
        self._source = source
        self._read = quantities.read

    def phase(self, where: Location, index: int, stated: Any, scale: float) -> Phase | None:
        source = self._source
        if not isinstance(stated, dict):
            source.problem(where, "is no phase: expected fields such as duration and arrivalRate")
            return None
        before = len(source.problems)
        source.unknown(where, stated, KNOWN)
        for name, reason in _REFUSED.items():
            if name in stated:
                source.problem((*where, name), reason)
        paused = "pause" in stated
        seconds = self._duration(where, stated, "pause" if paused else "duration")
        rates = (0.0, 0.0) if paused or seconds is None else self._rates(where, stated, seconds)
        if len(source.problems) > before or seconds is None or rates is None:
            return None
        duration = seconds if scale == 1.0 else max(SHORTEST, round(seconds * scale))
        rate, ramp_to = rates
        if not is_whole(rate):
            rate = ramp_to = max(1, _rounded(rate * duration)) / duration
        name = str(stated.get("name", f"phase {index + 1}"))
        return Phase(index=index, name=name, duration=duration, rate=plain(rate), ramp_to=plain(ramp_to))

    def _duration(self, where: Location, stated: dict[str, Any], name: str) -> int | None:
        if name not in stated:
            self._source.problem(where, "duration is missing: the phase has no end")
            return None
        least = SHORTEST if name == "duration" else 1
        rule = f"whole seconds, at least {SHORTEST} (in a phase of one second all arrive at once)"
        found = self._read((*where, name), stated[name], rule, lambda one: is_whole(one) and one >= least, SECONDS)
        return None if found is None else int(found)

    def _rates(self, where: Location, stated: dict[str, Any], seconds: int) -> tuple[float, float] | None:
        if "arrivalCount" in stated:
            return self._rate_of_count(where, stated["arrivalCount"], seconds)
        if "arrivalRate" not in stated and "rampTo" not in stated:
            self._source.problem(where, "arrivalRate is missing: no virtual user arrives")
            return None
        if "rampTo" in stated:
            rule = f"the ends of a ramp are whole numbers up to {HIGHEST_RATE}, since Artillery rounds each second"
            first, last = (
                self._read((*where, name), stated.get(name, 0), rule, lambda one: is_whole(one) and _in_range(one))
                for name in ("arrivalRate", "rampTo")
            )
            return None if first is None or last is None else (first, last)
        place = (*where, "arrivalRate")
        rule = f"a number of virtual users per second up to {HIGHEST_RATE}"
        rate = self._read(place, stated["arrivalRate"], rule, _in_range)
        if rate is None:
            return None
        if is_whole(rate):
            self._source.correction(place, "rampTo of the same rate added: without it Artillery waits busily")
        elif not _rounded(rate * seconds):
            self._source.problem(place, f"no virtual user arrives in {seconds} s at {rate:g} per second")
        else:
            self._even(place, _rounded(rate * seconds), seconds)
        return rate, rate

    def _rate_of_count(self, where: Location, stated: Any, seconds: int) -> tuple[float, float] | None:
        place = (*where, "arrivalCount")
        rule = f"a whole number of virtual users, up to {HIGHEST_RATE} per second"
        count = self._read(place, stated, rule, lambda one: is_whole(one) and _in_range(one / seconds))
        if count is None:
            return None
        if count % seconds:
            self._even(place, int(count), seconds)
        else:
            self._source.correction(place, "run as arrivalRate and rampTo: Artillery would wait busily")
        return count / seconds, count / seconds

    def _even(self, place: Location, count: int, seconds: int) -> None:
        reason = f"run as {count} users, one each {seconds / count:g} s, by a timer: Artillery would wait busily"
        self._source.correction(place, reason)


def _in_range(rate: float) -> bool:
    return 0 <= rate <= HIGHEST_RATE


def _rounded(number: float) -> int:
    return math.floor(number + 0.5 + 1e-9)


def ticks(phase: Phase) -> Iterator[tuple[int, float]]:
    """Scheduled arrivals: the second of the phase, and the seconds since its start."""
    number = 0
    for second, arrivals in enumerate(phase.per_second):
        tick = math.floor(1000 / arrivals) / 1000 if arrivals else 0
        for place in range(1, arrivals + 1):
            number += 1
            yield second, second + place * tick if phase.whole else number / phase.rate
