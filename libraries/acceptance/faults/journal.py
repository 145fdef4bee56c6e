"""The faults that runs inject, on disk before they take effect, so that they can be undone whatever ends the run.

One folder for each deployment below the user's state folder, one file for each fault, and one lock for each process
that injects: the kernel frees the lock of a process that ends, however it ends. See docs/decisions/0015.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from acceptance.errors import EnvironmentUnavailable
from acceptance.faults.model import Fault

APPLICATION = "robot-acceptance"
STALE_SECONDS = 60.0  # without a heartbeat; decides only where the file system has no locks
LOCK, FAULT, NEW = ".lock", ".json", ".new"


@dataclass(frozen=True)
class Entry:
    """A fault as it is journalled, with what a later process needs to find the deployment.

    Attributes:
        deployment: its name; `api` is its address.
        descriptor: path of its descriptor's file.
        provisioned: whether the deployment ends with the run that injected the fault.
        control: address of its control interface, where it has one.
        owner: name of the lock of the process that injected it.
        run: identifier of the run; `pid` of the process, `since` in seconds since the epoch.
        by_hand: how a person undoes it.
    """

    fault: Fault
    deployment: str
    api: str
    descriptor: str
    provisioned: bool
    control: str
    owner: str
    run: str
    pid: int
    since: float
    by_hand: str

    def __str__(self) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(self.since))
        return f"{self.fault} in {self.deployment} ({self.api}), since {at} by process {self.pid} of run {self.run}"


@dataclass(frozen=True)
class Place:
    """Which deployment the faults are of; `descriptor` is the path of its file."""

    deployment: str
    api: str
    descriptor: str = ""
    provisioned: bool = False
    control: str = ""

    @property
    def folder(self) -> Path:
        """Where faults of this deployment are journalled."""
        digest = hashlib.sha256(f"{self.deployment}\n{self.api.rstrip('/')}".encode()).hexdigest()[:12]
        return root() / f"{_word(self.deployment)[:40]}-{digest}"


def _word(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text)


def root() -> Path:
    """The folder of all deployments' journals: below the user's state folder, such as `~/.local/state`."""
    return platformdirs.user_state_path(APPLICATION) / "faults"


class Journal:
    """The faults of this process in one deployment; it holds their lock from the first of them to its end.

    Raises (each method): EnvironmentUnavailable: the journal cannot be written.
    """

    def __init__(self, place: Place, run: str) -> None:
        self._place, self._run = place, run
        self._owner = f"{_word(run)}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lock: int | None = None

    def write(self, fault: Fault, by_hand: str) -> None:
        """Note a fault, on the disk when this returns."""
        entry = Entry(
            fault, self._place.deployment, self._place.api, self._place.descriptor, self._place.provisioned,
            self._place.control, self._owner, self._run, os.getpid(), time.time(), by_hand,
        )  # fmt: skip
        with _reported():
            if self._lock is None:
                self._lock = _locked(self._place.folder, self._owner)
            new = self._place.folder / f"{self._owner}{NEW}"
            _write(self._place.folder / f"{fault.id}{FAULT}", new, json.dumps(asdict(entry), default=str))

    def remove(self, fault: Fault) -> None:
        """Forget a fault that is gone."""
        with _reported():
            (self._place.folder / f"{fault.id}{FAULT}").unlink(missing_ok=True)
            _sync(self._place.folder)

    def beat(self) -> None:
        """Note that the owner is alive."""
        if self._lock is not None:
            with suppress(OSError):
                os.utime(self._lock)

    def close(self) -> None:
        """Release the lock: what is journalled still is anybody's to undo."""
        if self._lock is not None:
            left = any(entry.owner == self._owner for entry in entries(self._place.folder))
            if not left:
                with suppress(OSError):
                    (self._place.folder / f"{self._owner}{LOCK}").unlink()
            os.close(self._lock)
            self._lock = None


def entries(folder: Path) -> list[Entry]:
    """Every fault journalled in a folder, the latest first; what is no entry is left alone."""
    found = []
    for path in folder.glob(f"*{FAULT}"):
        with suppress(OSError, ValueError, TypeError, KeyError):
            document = json.loads(path.read_text(encoding="utf-8"))
            found.append(Entry(**document | {"fault": Fault(**document["fault"])}))
    return sorted(found, key=lambda entry: entry.since, reverse=True)


def folders() -> list[Path]:
    """The folders of all deployments with a journal."""
    with suppress(OSError):
        return sorted(path for path in root().iterdir() if path.is_dir())
    return []


@contextmanager
def adopted(folder: Path, owner: str) -> Iterator[bool]:
    """Whether the owner is dead and its faults are ours to undo, for as long as the context lasts.

    Two processes never undo the faults of one owner at the same time.
    """
    path = folder / f"{owner}{LOCK}"
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    except OSError:
        yield False
        return
    try:
        free = _take(lock)
        yield free
        if free and not any(entry.owner == owner for entry in entries(folder)):
            path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def tidy(folder: Path) -> None:
    """Remove what dead owners left beside faults: locks without faults, and files of an interrupted write."""
    for owner in {path.name.removesuffix(path.suffix) for kind in (LOCK, NEW) for path in folder.glob(f"*{kind}")}:
        with adopted(folder, owner) as ours:
            if ours:
                (folder / f"{owner}{NEW}").unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def _take(lock: int) -> bool:
    """Take the lock of an owner unless it lives; where there are no locks, its heartbeat decides."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL):
            raise
        return time.time() - os.fstat(lock).st_mtime > STALE_SECONDS
    return True


def _locked(folder: Path, owner: str) -> int:
    path = folder / f"{owner}{LOCK}"
    while True:  # until the lock is one that no other process has taken for a dead owner's, and removed
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(lock).st_ino:
                return lock
            os.close(lock)


def _write(path: Path, new: Path, text: str) -> None:
    """Write a file as a whole or not at all, under another name first."""
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _reported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or root()
        raise EnvironmentUnavailable(
            f"no fault can be injected, since its journal {where} cannot be written: {error.strerror}"
        ) from None
