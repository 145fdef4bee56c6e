"""Faults of the services' processes: killed, held down, or frozen."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sandbox import processes
from sandbox.children import HELD
from sandbox.state import SERVICES_FILE

PATIENCE_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.02
ENDS_ON: Final = {"database": signal.SIGQUIT}


@dataclass
class Victims:
    """The services that one fault hits, with the processes that they had before."""

    folder: Path
    kind: str
    names: tuple[str, ...]
    before: dict[str, int] = field(default_factory=dict)

    async def hit(self) -> None:
        """Put the fault into effect."""
        self.before = {name: pid for name, pid in running(self.folder).items() if name in self.names}
        if self.kind == "stop":
            await self._hold()
            return
        number = signal.SIGKILL if self.kind == "kill" else signal.SIGSTOP
        send(number, family_of(self.before.values()) if self.kind == "freeze" else self.before.values())

    async def _hold(self) -> None:
        (self.folder / HELD).mkdir(mode=0o700, exist_ok=True)
        for name in self.names:
            (self.folder / HELD / name).touch(0o600)
        for name, pid in self.before.items():
            send(ENDS_ON.get(name, signal.SIGTERM), [pid])
        await until(lambda: not any(map(processes.start_time, self.before.values())), PATIENCE_SECONDS)
        send(signal.SIGKILL, self.before.values())

    def release(self) -> None:
        """Undo the fault; may be repeated."""
        for name in self.names:
            (self.folder / HELD / name).unlink(missing_ok=True)
        if self.kind == "freeze":
            send(signal.SIGCONT, family_of(self.before.values()))

    def shows(self) -> tuple[bool, str]:
        """Whether every process is dead, gone or frozen as the fault has it."""
        now = running(self.folder)
        found = [self._shows(name, self.before.get(name, 0), now.get(name, 0)) for name in self.names]
        return all(in_effect for in_effect, _ in found), "; ".join(evidence for _, evidence in found)

    def _shows(self, name: str, before: int, now: int) -> tuple[bool, str]:
        alive = bool(before and processes.start_time(before))
        if self.kind == "freeze":
            state = processes.state_of(before) if before else None
            return state == "T", f"{name}: process {before} is {'frozen' if state == 'T' else 'not frozen'}"
        after = f"process {now} runs" if now and processes.start_time(now) else "no process runs"
        in_effect = not alive and (before > 0 if self.kind == "kill" else after.startswith("no"))
        return in_effect, f"{name}: process {before} {'still runs' if alive else 'has ended'}, {after}"

    def are_well(self) -> tuple[bool, str]:
        """Whether every service has a process that runs and is not frozen."""
        now = running(self.folder)
        states = {name: processes.state_of(now.get(name, 0)) for name in self.names}
        evidence = "; ".join(
            f"{name}: process {now.get(name) or 'none'} {states[name] or ''}".strip() for name in states
        )
        return all(state not in (None, "T", "Z", "X") for state in states.values()), evidence


def running(folder: Path) -> Mapping[str, int]:
    """The process of each service, as the supervisor has written it; none before it has."""
    try:
        table = json.loads((folder / SERVICES_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return {name: entry["pid"] for name, entry in table.items() if entry["pid"]}


def undo_all(folder: Path) -> None:
    """What a control process before this one has left: held names and frozen processes."""
    for file in (folder / HELD).glob("*"):
        file.unlink(missing_ok=True)
    send(signal.SIGCONT, [pid for pid in family_of(running(folder).values()) if processes.state_of(pid) == "T"])


def family_of(pids: Iterable[int]) -> set[int]:
    """These processes with all of their descendants."""
    family = processes.families()
    return {one for pid in pids for one in family(pid)}


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


async def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until a condition holds; whether it did in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True
