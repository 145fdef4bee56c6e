"""Which instances the platform has taken out of service: one file, written by the platform and read by others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

from sandbox.settings import API_INSTANCES, SPARE_INSTANCES
from sandbox.state import replace

FILE: Final = "instances.json"


class State(StrEnum):
    """What an instance is, where it is not in service."""

    STARTING = "starting"  # runs, and takes no requests yet
    LEAVING = "leaving"  # takes no new requests, and is not started again when it ends
    OFF = "off"


class Instances:
    """The states of all instances that are not in service; each reader has its own, which is never older than the file.

    Args:
        directory: of the sandbox.
    """

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE
        self._version: tuple[int, int, int] | None = None
        self._states: Mapping[str, State] = dict.fromkeys(SPARE_INSTANCES, State.OFF)

    @property
    def states(self) -> Mapping[str, State]:
        """The state of each, by name; no name of one in service."""
        try:
            found = self._file.stat()
        except OSError:
            return self._states  # nothing was changed yet
        version = (found.st_ino, found.st_mtime_ns, found.st_size)
        if version != self._version:
            self._states = {name: State(state) for name, state in json.loads(self._file.read_text()).items()}
            self._version = version
        return self._states

    def put(self, name: str, state: State | None) -> None:
        """Change the state of one; None: it is in service."""
        states = {other: known for other, known in self.states.items() if other != name}
        replace(self._file, json.dumps(states | ({name: state} if state else {})))

    def in_service(self, names: Iterable[str] = API_INSTANCES) -> list[str]:
        """Those of these names that take requests."""
        states = self.states
        return [name for name in names if name not in states]

    def are_to_run(self, name: str) -> bool:
        """Whether this one is to be started, and again when it ends."""
        return self.states.get(name) in (None, State.STARTING)
