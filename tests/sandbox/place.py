"""Sandboxes observed from outside, each in a temporary folder that must be empty at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OWNER = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def until(condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Wait for a true value and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Place:
    """A folder used as the temporary folder, and the sandboxes started in it."""

    folder: Path
    owners: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "TMPDIR": str(self.folder), "XDG_RUNTIME_DIR": ""}

    def command(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m sandbox` to its end."""
        return subprocess.run(
            [sys.executable, "-m", "sandbox", *arguments],
            env={**self.environment, **environment},
            text=True,
            capture_output=True,
            timeout=60,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a process that owns a sandbox in the foreground."""
        owner = subprocess.Popen(
            [sys.executable, "-c", OWNER, sys.executable, "-m", "sandbox", "up", *arguments],
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.owners.append(owner)
        return owner

    def report(self) -> dict[str, Any]:
        """The report of `status` on the one sandbox here, once it is ready."""
        ready = until(lambda: [found for found in self.reports() if found["ready"] and found["services"]], "a sandbox")
        return dict(ready[0])

    def reports(self) -> list[dict[str, Any]]:
        return list(json.loads(self.command("status", "--json").stdout))

    def processes(self) -> set[int]:
        """Every process with the folder as working directory or in its environment (which PostgreSQL rewrites)."""
        return {
            int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and self._belongs(entry)
        } - {owner.pid for owner in self.owners}

    def is_empty(self) -> bool:
        """Whether neither a process nor a file is left."""
        return not self.processes() and not list(self.folder.iterdir())

    def _belongs(self, process: Path) -> bool:
        try:
            here = process.joinpath("cwd").readlink().is_relative_to(self.folder)
            return here or str(self.folder).encode() in process.joinpath("environ").read_bytes()
        except OSError:
            return False


def segments() -> set[int]:
    """The creators of all unused System V shared memory."""
    rows = [row.split() for row in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]]
    return {int(row[4]) for row in rows if row[6] == "0"}
