"""Which sandboxes this user has: a small file for each in the user's runtime folder, for `down` and `status`."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sandbox import processes
from sandbox.errors import StartError

DEFECT_MARKER: Final = "defect-active"
PARTS: Final = "parts.json"


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: its runtime directory, its descriptor, and the two processes that look after it."""

    directory: str
    descriptor: str
    detached: bool
    defect: str | None
    reaper: int = 0
    reaper_started: str | None = None
    supervisor: int = 0
    supervisor_started: str | None = None

    @property
    def alive(self) -> bool:
        """Whether one of the two is there, by number and start time, since numbers are used again."""
        pairs = ((self.reaper, self.reaper_started), (self.supervisor, self.supervisor_started))
        return any(started is not None and processes.start_time(pid) == started for pid, started in pairs)

    def register(self) -> None:
        """Write or overwrite the sandbox's file."""
        replace(self._file, json.dumps(asdict(self)))

    def remove(self) -> None:
        """Remove all that the sandbox has on disk; its processes have ended."""
        directory = Path(self.directory)
        processes.remove_shared_memory(directory / "postgres" / "data")
        shutil.rmtree(directory, ignore_errors=True)
        entry = self._file
        for file in (*written(Path(self.descriptor)), entry):
            for path in (file, _unfinished(file)):
                with contextlib.suppress(OSError):
                    path.unlink()
        with contextlib.suppress(OSError):
            entry.parent.rmdir()

    def write_parts(self, parts: Mapping[str, Mapping[str, int]]) -> None:
        """Note which process each part is at present."""
        # A disk that has filled up since the start must not end what runs.
        with contextlib.suppress(OSError):
            replace(Path(self.directory, PARTS), json.dumps(parts))

    def report(self) -> dict[str, Any]:
        """What `status` tells."""
        try:
            parts = json.loads(Path(self.directory, PARTS).read_text())
        except (OSError, ValueError):
            parts = {}
        active = Path(self.directory, DEFECT_MARKER).exists()
        return {**asdict(self), "ready": Path(self.descriptor).exists(), "defect_active": active, "parts": parts}

    @property
    def _file(self) -> Path:
        return _folder() / f"{Path(self.directory).name}.json"


def written(descriptor: Path) -> tuple[Path, Path]:
    """The files that a sandbox writes for its user: the descriptor, and the secrets beside it."""
    return descriptor, descriptor.with_suffix(".env")


def make_directory() -> Path:
    """A new private runtime directory."""
    return Path(tempfile.mkdtemp(prefix="sandbox-", dir=_temporary())).resolve()


def alive() -> list[Sandbox]:
    """The sandboxes of this user that run. What dead ones have left is removed on the way."""
    found = []
    for file in sorted(_folder().glob("*.json")):
        try:
            sandbox = Sandbox(**json.loads(file.read_text()))
        except FileNotFoundError:
            continue
        except (ValueError, TypeError):
            file.unlink(missing_ok=True)
            continue
        if sandbox.alive:
            found.append(sandbox)
        else:
            sandbox.remove()
    return found


def replace(path: Path, text: str) -> None:
    """Write a file that nobody else may read, in one step."""
    unfinished = _unfinished(path)
    number = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(number, "w") as file:
            file.write(text)
        unfinished.replace(path)
    except OSError:
        unfinished.unlink()
        raise


def _unfinished(path: Path) -> Path:
    """Where a file is written before it takes its name: known, to be removed when its writer was killed."""
    return path.with_name(f".{path.name}.unfinished")


def _temporary() -> str:
    """Where temporary files go. Who names a folder means it: unlike the standard library, this looks no further."""
    return os.environ.get("TMPDIR") or tempfile.gettempdir()


def _folder() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base, "acceptance-sandbox") if base else Path(_temporary(), f"acceptance-sandbox-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise StartError(f"{folder} is not a private folder of this user; remove it, or set XDG_RUNTIME_DIR")
    return folder
