"""Whether this machine was left to the run: processor time that others used, or that the hypervisor took."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MOST_OF_OTHERS = 0.25  # of a processor: what others may use of all of them together
MOST_STOLEN = 0.05  # of the time
_SYSTEM = Path("/proc/stat")


@dataclass(frozen=True)
class Reading:
    """Processor time in clock ticks since the start: of everything, of the run's processes, and stolen; `idle` too."""

    busy: int
    idle: int
    stolen: int
    own: int


@dataclass
class MachineLoad:
    """What others had of this machine while a load was applied.

    Attributes:
        others: processors that processes outside of the run used on average; None where it cannot be told.
        stolen: share of the time, from 0 to 1, that the hypervisor took.
    """

    others: float | None = None
    stolen: float = 0.0
    _begun: Reading | None = field(default=None, repr=False)

    @property
    def crowded(self) -> str:
        """Why figures of this machine are not those of the deployment alone; empty where they are."""
        reasons = []
        if self.others is not None and self.others > MOST_OF_OTHERS:
            reasons.append(f"other processes used {self.others:.2f} processors (at most {MOST_OF_OTHERS:g})")
        if self.stolen > MOST_STOLEN:
            reasons.append(f"the hypervisor took {100 * self.stolen:.0f} % of the time (at most {100 * MOST_STOLEN:g})")
        return f"this machine was short of processor time: {', '.join(reasons)}" if reasons else ""


@contextmanager
def machine_watched(*, with_deployment: bool) -> Iterator[MachineLoad]:
    """The load of this machine by others, from entering to leaving.

    Args:
        with_deployment: the deployment is on this machine too, and belongs to nobody else: its processes are of the
            run where the run brought it up. Where it did not, what others used cannot be told from it.
    """
    seen = MachineLoad()
    root = _root()
    before = _read(root)
    try:
        yield seen
    finally:
        after = _read(root)
        if before and after:
            ticks = max(1, after.busy + after.idle + after.stolen - before.busy - before.idle - before.stolen)
            processors = os.cpu_count() or 1
            seen.stolen = (after.stolen - before.stolen) / ticks
            if with_deployment:
                others = (after.busy - before.busy) - (after.own - before.own)
                seen.others = max(0.0, processors * others / ticks)


def _root() -> int:
    """The process that all of the run descends from: the runner, where there is one, else this process."""
    return os.getppid() if "ACCEPTANCE_RUN" in os.environ else os.getpid()


def _read(root: int) -> Reading | None:
    try:
        user, nice, system, idle, waiting, *rest = map(int, _SYSTEM.read_text().splitlines()[0].split()[1:])
    except (OSError, ValueError):
        return None
    interrupts, steal = sum(rest[:2]), rest[2] if len(rest) > 2 else 0
    return Reading(user + nice + system + interrupts, idle + waiting, steal, used_below(root))


def used_below(root: int) -> int:
    """Ticks of a process and all that descend from it, those that ended and were waited for among them."""
    used: dict[int, int] = {}
    children: Mapping[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children[int(fields[1])].append(int(entry.name))
            used[int(entry.name)] = sum(map(int, fields[11:15]))
    pending, total = [root], 0
    while pending:
        process = pending.pop()
        total += used.get(process, 0)
        pending += children[process]
    return total
