"""Registry of a user's sandboxes: a file for each in the user's runtime folder, for `down` and `status`."""

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
SERVICES_FILE: Final = "services.json"


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: runtime directory, descriptor, and the processes of reaper and supervisor."""

    directory: str
    descriptor: str
    detached: bool
    defect: str | None
    hostile: str | None = None
    dialect: str | None = None
    tls: bool = False
    reaper: int = 0
    reaper_started: str | None = None
    supervisor: int = 0
    supervisor_started: str | None = None

    @property
    def alive(self) -> bool:
        """Whether reaper or supervisor runs, by number and start time, since numbers are reused."""
        pairs = ((self.reaper, self.reaper_started), (self.supervisor, self.supervisor_started))
        return any(started is not None and processes.start_time(pid) == started for pid, started in pairs)

    def register(self) -> None:
        """Write or overwrite the sandbox's file."""
        replace(self._file, json.dumps(asdict(self)))

    def remove(self) -> None:
        """Remove all files of the sandbox; its processes have ended."""
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

    def write_services(self, services: Mapping[str, Mapping[str, int]]) -> None:
        """Record the current process of each service."""
        # A full disk must not end a running sandbox.
        with contextlib.suppress(OSError):
            replace(Path(self.directory, SERVICES_FILE), json.dumps(services))

    def report(self) -> dict[str, Any]:
        """The report of `status`."""
        try:
            services = json.loads(Path(self.directory, SERVICES_FILE).read_text())
        except (OSError, ValueError):
            services = {}
        active = Path(self.directory, DEFECT_MARKER).exists()
        return {**asdict(self), "ready": Path(self.descriptor).exists(), "defect_active": active, "services": services}

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
    """The running sandboxes of this user; files of dead ones are removed."""
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
    """Write a private file atomically."""
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
    """The temporary name of a file while it is written: fixed, to be removed after its writer was killed."""
    return path.with_name(f".{path.name}.unfinished")


def _temporary() -> str:
    """The folder of temporary files: TMPDIR without a fallback, unlike the standard library's rule."""
    return os.environ.get("TMPDIR") or tempfile.gettempdir()


def _folder() -> Path:
    base = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(base, "acceptance-sandbox") if base else Path(_temporary(), f"acceptance-sandbox-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise StartError(f"{folder} is not a private folder of this user; remove it, or set XDG_RUNTIME_DIR")
    return folder
