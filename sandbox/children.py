"""The parts as processes: forked from one that has imported everything, logged, started again when they die."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NoReturn

from sandbox import logs, processes
from sandbox.processes import SIGNALS
from sandbox.services import Part
from sandbox.settings import Settings

END_SECONDS: Final = 3
STEADY_SECONDS: Final = 5
LONGEST_DELAY_SECONDS: Final = 5.0


@dataclass
class Child:
    """A part with its process (0: none at present)."""

    part: Part
    pid: int = 0
    starts: int = 0
    since: float = 0.0
    due: float = 0.0
    quick_ends: int = 0

    def put_off(self) -> float:
        """Set when to start it again: at once after a steady life, else with growing delay. Returns the seconds."""
        now = time.monotonic()
        self.quick_ends = self.quick_ends + 1 if now - self.since < STEADY_SECONDS else 0
        delay = min(0.25 * 2 ** (self.quick_ends - 1), LONGEST_DELAY_SECONDS) if self.quick_ends else 0.0
        self.due = now + delay
        return delay


class Children:
    """All parts of one sandbox."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._all: dict[str, Child] = {}

    def start(self, part: Part) -> None:
        """Fork a part, for the first time or again."""
        child = self._all.setdefault(part.name, Child(part))
        # What a killed part has left (a database server: its backends) must be gone before there is a new one.
        processes.end_children(spare=self._pids())
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        child.pid = os.fork()
        if child.pid == 0:
            _live(part, replace(self._settings, part=part.name), parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        child.starts += 1
        child.since = time.monotonic()

    def ended(self) -> list[tuple[Child, str]]:
        """The parts that have ended since the last call, and how."""
        by_pid = {child.pid: child for child in self._all.values() if child.pid}
        found = []
        with contextlib.suppress(ChildProcessError):
            while (waited := os.waitpid(-1, os.WNOHANG))[0]:
                if child := by_pid.get(waited[0]):
                    child.pid = 0
                    found.append((child, _how(waited[1])))
        return found

    def waiting(self) -> list[Child]:
        """The parts that have no process."""
        return [child for child in self._all.values() if not child.pid]

    def table(self) -> Mapping[str, Mapping[str, int]]:
        """Name of each part with its process and how often it was started."""
        return {name: {"pid": child.pid, "starts": child.starts} for name, child in self._all.items()}

    def last_line(self, name: str) -> str:
        """The end of a part's log, for a message."""
        with contextlib.suppress(OSError):
            lines = self._log(name).read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "it has logged nothing"

    def end(self) -> None:
        """End all parts, in the reverse order of their start, and what they have left."""
        children = list(self._all.values())
        # The first one is the database: it goes last, so that nobody complains about its absence.
        for group in (children[1:], children[:1]):
            for child in group:
                if child.pid:
                    os.kill(child.pid, child.part.ends_on)
            deadline = time.monotonic() + END_SECONDS
            while any(child.pid for child in group) and time.monotonic() < deadline:
                self.ended()
                time.sleep(0.01)
        processes.end_children()

    def _pids(self) -> set[int]:
        return {child.pid for child in self._all.values() if child.pid}

    def _log(self, name: str) -> Path:
        return self._settings.logs / f"{name}.log"


def _live(part: Part, settings: Settings, parent: int) -> NoReturn:
    """The whole life of a part's process."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        processes.die_with(parent, signal.SIGKILL)
        processes.name_process(part.name)
        _redirect(settings.logs / f"{part.name}.log")
        logs.setup(part.name)
        part.run(settings)
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, it ends this process and stands in its log
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(log: Path) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    number = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, standard in ((nothing, 0), (number, 1), (number, 2)):
        os.dup2(target, standard)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
