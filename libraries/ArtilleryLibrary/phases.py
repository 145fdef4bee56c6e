"""Phases of a load: how many virtual users arrive, and when.

Artillery makes arrivals of a ramp second by second, in whole users, at even ticks; of anything else by busy waiting,
which costs most of a processor. So each phase is run as a ramp, one of constant rate from a rate to the same rate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ArtilleryLibrary.source import Location, ScriptSource
from ArtilleryLibrary.yaml_document import Data

KNOWN = ("name", "duration", "pause", "arrivalRate", "arrivalCount", "rampTo", "maxVusers", "mode")
HIGHEST_RATE = 1_000  # Artillery's shortest tick is a millisecond
SHORTEST = 2  # Artillery makes all arrivals of a ramp of one second at once
_UNITS = {"ms": 0.001, "s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}


class Phase(Data):
    """A phase as it is run.

    Args:
        index: its place in the script, from 0.
        name: as in the script, or `phase 1`.
        duration: seconds.
        rate: virtual users per second at its start; 0 in a pause.
        ramp_to: the same at its end.
    """

    index: int
    name: str
    duration: int
    rate: int = 0
    ramp_to: int = 0

    @property
    def per_second(self) -> tuple[int, ...]:
        """Arrivals in each second, as Artillery's one worker makes them."""
        if self.duration == 1 or self.rate == self.ramp_to:
            return (self.rate,) * self.duration
        step = (self.ramp_to - self.rate) / (self.duration - 1)
        return tuple(math.floor(self.rate + step * second + 0.5) for second in range(self.duration))

    @property
    def arrivals(self) -> int:
        """Virtual users that it starts."""
        return sum(self.per_second)

    def as_artillery(self) -> dict[str, Any]:
        """The phase in a script, of even arrivals."""
        if not self.arrivals:
            return {"name": self.name, "pause": self.duration}
        return {"name": self.name, "duration": self.duration, "arrivalRate": self.rate, "rampTo": self.ramp_to}


def checked_phases(source: ScriptSource, scale: float = 1.0) -> tuple[Phase, ...]:
    """The script's phases, durations multiplied by `scale`; what is wrong with them is a problem of the source."""
    stated = (source.content.get("config") or {}).get("phases")
    where: Location = ("config", "phases")
    if not isinstance(stated, list) or not stated:
        source.problem(where, "a list of phases is missing: Artillery would make one virtual user, and call it a load")
        return ()
    found = [_checked(source, (*where, index), index, phase, scale) for index, phase in enumerate(stated)]
    phases = tuple(phase for phase in found if phase is not None)
    for name in sorted({phase.name for phase in phases}):
        if sum(phase.name == name for phase in phases) > 1:
            source.problem(where, f"several phases are called '{name}': figures are kept by name")
    if phases and len(phases) == len(stated) and not sum(phase.arrivals for phase in phases):
        source.problem(where, "no virtual user ever arrives")
    return phases


def _checked(source: ScriptSource, where: Location, index: int, phase: Any, scale: float) -> Phase | None:
    if not isinstance(phase, dict):
        source.problem(where, "is no phase: expected fields such as duration and arrivalRate")
        return None
    before = len(source.problems)
    source.unknown(where, phase, KNOWN)
    for name, reason in _REFUSED.items():
        if name in phase:
            source.problem((*where, name), reason)
    paused = "pause" in phase
    duration = _duration(source, where, phase, "pause" if paused else "duration", scale)
    rates = (0, 0) if paused else _rates(source, where, phase, duration)
    if len(source.problems) > before or duration is None or rates is None:
        return None
    return Phase(
        index=index,
        name=str(phase.get("name", f"phase {index + 1}")),
        duration=duration,
        rate=rates[0],
        ramp_to=rates[1],
    )


_REFUSED = {
    "maxVusers": "refused: arrivals are skipped when the target is slow, which hides its slowness",
    "mode": "refused: arrivals are even here; other modes wait busily, and two runs of one script would differ",
}


def _duration(source: ScriptSource, where: Location, phase: dict[str, Any], name: str, scale: float) -> int | None:
    if name not in phase:
        source.problem(where, "duration is missing: the phase has no end")
        return None
    seconds = _seconds(phase[name])
    if seconds is None or seconds != int(seconds) or seconds < (SHORTEST if name == "duration" else 1):
        rule = f"whole seconds, at least {SHORTEST} (in a phase of one second all arrive at once)"
        source.problem((*where, name), f"{rule}, found {phase[name]!r}")
        return None
    if scale == 1.0:
        return int(seconds)
    return max(SHORTEST, round(seconds * scale))


def _seconds(stated: Any) -> float | None:
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        return float(stated)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(stated).strip())
    if not found or (found[2] and found[2] not in _UNITS and found[2].removesuffix("s") not in _UNITS):
        return None
    unit = found[2] if found[2] in _UNITS else found[2].removesuffix("s")
    return round(float(found[1]) * _UNITS.get(unit, 1), 6)


def _rates(
    source: ScriptSource, where: Location, phase: dict[str, Any], duration: int | None
) -> tuple[int, int] | None:
    if "arrivalCount" in phase:
        return _rate_of_count(source, where, phase)
    if "arrivalRate" not in phase and "rampTo" not in phase:
        source.problem(where, "arrivalRate is missing: no virtual user arrives")
        return None
    rate = _rate(source, where, phase, "arrivalRate")
    if "rampTo" in phase:
        ramp_to = _rate(source, where, phase, "rampTo")
    else:
        ramp_to = rate
        source.correction((*where, "arrivalRate"), "rampTo of the same rate added: without it Artillery waits busily")
    return None if rate is None or ramp_to is None else (rate, ramp_to)


def _rate(source: ScriptSource, where: Location, phase: dict[str, Any], name: str) -> int | None:
    stated = phase.get(name, 0)
    if isinstance(stated, bool) or not isinstance(stated, int) or not 0 <= stated <= HIGHEST_RATE:
        rule = f"a whole number of virtual users per second up to {HIGHEST_RATE}, since Artillery rounds each second"
        source.problem((*where, name), f"{rule}, found {stated!r}")
        return None
    return stated


def _rate_of_count(source: ScriptSource, where: Location, phase: dict[str, Any]) -> tuple[int, int] | None:
    seconds, count = _seconds(phase.get("duration")), phase["arrivalCount"]
    if not isinstance(count, int) or not seconds or count % seconds:
        source.problem(
            (*where, "arrivalCount"),
            "refused unless it is so many each second: Artillery waits busily, state arrivalRate",
        )
        return None
    source.correction((*where, "arrivalCount"), "run as arrivalRate and rampTo: Artillery would wait busily")
    return int(count // seconds), int(count // seconds)


def ticks(phase: Phase) -> Iterator[tuple[int, float]]:
    """Scheduled arrivals: the second of the phase, and the seconds since its start."""
    for second, arrivals in enumerate(phase.per_second):
        tick = math.floor(1000 / arrivals) / 1000 if arrivals else 0
        for number in range(arrivals):
            yield second, second + (number + 1) * tick
