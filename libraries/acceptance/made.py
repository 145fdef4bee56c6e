"""What runs made, noted on disk at once, so that it can be removed even when the run was killed."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

NAME = Path("journal") / "created.jsonl"


class Made:
    """The notes in one run's folder. Who holds them open says that the run is under way.

    Args:
        folder: the run's folder.
        deployment: name of the deployment in which things are made.
    """

    def __init__(self, folder: Path, deployment: str) -> None:
        self._path = folder / NAME
        self._deployment = deployment
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def note(self, kind: str, identifier: str, *, gone: bool = False) -> None:
        """Something was made, or is gone again."""
        line = {"kind": kind, "id": identifier, "deployment": self._deployment, "gone": gone, "at": time.time()}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def ever(self, kind: str) -> list[str]:
        """Identifiers of everything of a kind that was made, by any process of the run, in that order."""
        return [entry["id"] for entry in self._entries() if entry["kind"] == kind and not entry["gone"]]

    def gone(self, kind: str) -> list[str]:
        """Identifiers of what was removed again."""
        return [entry["id"] for entry in self._entries() if entry["kind"] == kind and entry["gone"]]

    def standing(self, kind: str) -> list[str]:
        """Identifiers of what was made and is not known to be gone."""
        gone = set(self.gone(kind))
        return [identifier for identifier in self.ever(kind) if identifier not in gone]

    def under_way(self) -> bool:
        """Whether anybody else holds these notes open."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            fcntl.flock(self._file, fcntl.LOCK_SH)
        return False

    def close(self) -> None:
        """Nothing more is noted by this process."""
        os.close(self._file)

    def _entries(self) -> list[dict[str, str]]:
        """Every whole line about this deployment; half of one is what a killed process left."""
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        entries = [json.loads(line) for line in lines if line.endswith("\n")]
        return [entry for entry in entries if entry["deployment"] == self._deployment]
