"""Processes of the services: forked from one process that has imported everything, logged, restarted when they die."""

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
from sandbox.services import Service
from sandbox.settings import Settings

END_SECONDS: Final = 3
STEADY_SECONDS: Final = 5
LONGEST_DELAY_SECONDS: Final = 3.0
HELD: Final = "held"
"""The folder of the names of services that are held down, by the service `faults`."""


@dataclass
class Child:
    """A service with its process (0: none at present)."""

    service: Service
    pid: int = 0
    starts: int = 0
    since: float = 0.0
    due: float = 0.0
    quick_ends: int = 0

    def put_off(self) -> float:
        """Schedule the restart: at once after a steady run, else with a growing delay. Returns the delay in seconds."""
        now = time.monotonic()
        self.quick_ends = self.quick_ends + 1 if now - self.since < STEADY_SECONDS else 0
        delay = min(0.25 * 2 ** (self.quick_ends - 1), LONGEST_DELAY_SECONDS) if self.quick_ends else 0.0
        self.due = now + delay
        return delay


class Children:
    """The services of one sandbox."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._all: dict[str, Child] = {}

    def know(self, service: Service) -> None:
        """Take in a service that may be started later."""
        self._all.setdefault(service.name, Child(service))

    def start(self, service: Service) -> None:
        """Fork a service, for the first time or again."""
        child = self._all.setdefault(service.name, Child(service))
        # Processes of a killed service (backends of the database server) must be gone before the restart.
        processes.end_children(spare=self._pids())
        parent = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        child.pid = os.fork()
        if child.pid == 0:
            _live(service, replace(self._settings, service=service.name), parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        child.starts += 1
        child.since = time.monotonic()

    def ended(self) -> list[tuple[Child, str]]:
        """The services that have ended since the last call, each with its ending."""
        by_pid = {child.pid: child for child in self._all.values() if child.pid}
        found = []
        with contextlib.suppress(ChildProcessError):
            while (waited := os.waitpid(-1, os.WNOHANG))[0]:
                if child := by_pid.get(waited[0]):
                    child.pid = 0
                    found.append((child, _how(waited[1])))
        return found

    def waiting(self) -> list[Child]:
        """The services without a process."""
        return [child for child in self._all.values() if not child.pid]

    def is_held(self, child: Child) -> bool:
        """Whether a service is not to be started at present."""
        return (self._settings.directory / HELD / child.service.name).exists()

    def table(self) -> Mapping[str, Mapping[str, int]]:
        """Process and number of starts, by the name of each service that was ever started."""
        known = {name: {"pid": child.pid, "starts": child.starts} for name, child in self._all.items()}
        return {name: entry for name, entry in known.items() if entry["starts"]}

    def last_line(self, name: str) -> str:
        """The last line of a service's log, for a message."""
        with contextlib.suppress(OSError):
            lines = self._log(name).read_text(errors="replace").strip().splitlines()
            if lines:
                return lines[-1]
        return "its log is empty"

    def end(self) -> None:
        """End all services, the database last, and their remaining processes."""
        children = list(self._all.values())
        # The first one is the database: it ends last, so that no other service fails for its absence.
        for group in (children[1:], children[:1]):
            for child in group:
                if child.pid:
                    os.kill(child.pid, child.service.ends_on)
            deadline = time.monotonic() + END_SECONDS
            while any(child.pid for child in group) and time.monotonic() < deadline:
                self.ended()
                time.sleep(0.01)
        processes.end_children()

    def _pids(self) -> set[int]:
        return {child.pid for child in self._all.values() if child.pid}

    def _log(self, name: str) -> Path:
        return self._settings.logs / f"{name}.log"


def _live(service: Service, settings: Settings, parent: int) -> NoReturn:
    """Body of a service's process."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        processes.die_with(parent, signal.SIGKILL)
        processes.name_process(service.name)
        _redirect(settings.logs / f"{service.name}.log")
        logs.setup(service.name)
        service.run(settings)
        status = 0
    except BaseException:  # noqa: BLE001 - any error ends this process and is logged
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
