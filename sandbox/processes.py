"""Linux process control: processes that die with their parent, adopted orphans, complete removal."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR1)
"""What the supervisor and the reaper listen for; blocked while one forks the other, so that none is lost between.

SIGUSR1 tells the supervisor that other instances are to run, and a service that it is to end without haste.
"""

_libc: Final = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36
_IPC_RMID: Final = 0
_NICENESS: Final = 5
_TICKS: Final = os.sysconf("SC_CLK_TCK")


def name_process(name: str) -> None:
    """Set the name that `ps` and `top` display (15 characters)."""
    _libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def die_with(parent: int, number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends, for any reason."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def lower_priority() -> None:
    """Lower the priority of the sandbox below that of the process that measures it.

    Where the kernel schedules by session (autogroup), a process's niceness counts within its session only.
    """
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # a kernel that does not has no such file
        Path("/proc/self/autogroup").write_text(f"{_NICENESS}", encoding="ascii")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, in any process group or session."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hear_signals() -> int:
    """A file descriptor that delivers the numbers of arriving SIGNALS; they have no other effect."""
    reading, writing = socket.socketpair()
    for end in (reading, writing):
        end.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    for number in SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    return reading.detach()


def wants_end(signals: bytes) -> bool:
    """Whether one of the signals asks for the end; SIGCHLD only reports a child, SIGUSR1 a change."""
    return bool(signals.strip(bytes([signal.SIGCHLD, signal.SIGUSR1])))


def start_time(pid: int) -> str | None:
    """Start time of a process in ticks since boot, which identifies it together with its number; None if it is gone."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None


def started_at(pid: int) -> float:
    """When a process was started, in seconds since the epoch; 0 for one that is gone."""
    fields = _stat(pid)
    rows = (line.split() for line in Path("/proc/stat").read_text().splitlines())
    boot = next(int(row[1]) for row in rows if row[0] == "btime")
    return boot + int(fields[19]) / _TICKS if fields else 0.0


def state_of(pid: int) -> str | None:
    """The state of a process as a letter of proc(5), such as T for one that is stopped; None if it is gone."""
    fields = _stat(pid) if pid else None
    return fields[0] if fields else None


def families() -> Callable[[int], set[int]]:
    """A function that gives a process with all of its descendants, as of now."""
    children: dict[str, set[int]] = defaultdict(set)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[fields[1]].add(int(entry.name))

    def family(pid: int) -> set[int]:
        return {pid}.union(*(family(child) for child in children[str(pid)]))

    return family


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and its ended children; 0 for one that is gone."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def memory_bytes(pid: int) -> int:
    """Proportional memory (PSS) of a process in bytes; 0 for one that is gone."""
    try:
        rows = [line.split() for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    except OSError:
        return 0
    return 1024 * sum(int(row[1]) for row in rows if row[0] == "Pss:")


def end_children(spare: Collection[int] = (), patience: float = 10.0) -> None:
    """Kill and reap all children except those spared, then those inherited from them, until none is left."""
    deadline = time.monotonic() + patience
    while (children := _children() - set(spare)) and time.monotonic() < deadline:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                time.sleep(0.005)


def remove_shared_memory(data: Path) -> None:
    """Remove the System V segment of a killed PostgreSQL.

    Its key is the inode of the data directory, or the next free number. The record in postmaster.pid is written too
    late for a process that is killed while it starts.
    """
    try:
        found = data.stat()
        table = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    except OSError:
        return
    keys = {(found.st_ino + step) & 0xFFFFFFFF for step in range(3)}
    for key, segment, _, _, _, _, attached, owner in (map(int, row.split()[:8]) for row in table):
        if key & 0xFFFFFFFF in keys and owner == found.st_uid and not attached:
            _libc.shmctl(segment, _IPC_RMID, None)


def _children() -> set[int]:
    me = str(os.getpid())
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return {pid for pid in pids if (fields := _stat(pid)) and fields[1] == me}


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on (field 3 of proc(5) is the first here)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
