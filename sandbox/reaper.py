"""The process that a user starts: starts the supervisor, and cleans up when the supervisor or the owner ends.

It is small, so that little can go wrong. The kernel reparents every orphan of the sandbox to it (`adopt_orphans`) and
signals the supervisor when it dies (`die_with`): when one of the two is killed, the other cleans up.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from sandbox import processes, state
from sandbox.console import complain
from sandbox.errors import StartError, in_a_line
from sandbox.processes import SIGNALS

STATUS_CANNOT_START: Final = 3
PATIENCE_SECONDS: Final = 10


def up(
    defect: str | None,
    descriptor: Path | None,
    detach: bool,
    hostile: str | None = None,
    dialect: str | None = None,
    tls: bool = False,
) -> int:
    """Run a sandbox until a signal or the end of its owner. Returns the exit status.

    With `detach` the sandbox has no owner, and the call returns when it is ready.
    """
    state.alive()
    if descriptor:
        _check(descriptor)
    # An owner outside this process namespace has the number 0 and cannot be watched.
    owner = os.pidfd_open(os.getppid()) if os.getppid() and not detach else None
    directory = state.make_directory()
    file = (descriptor or directory / "deployment.yaml").absolute()
    sandbox = state.Sandbox(str(directory), str(file), detach, defect, hostile, dialect, tls)
    return _detached(sandbox) if detach else _keep(sandbox, owner, None)


def _check(descriptor: Path) -> None:
    if not os.access(descriptor.absolute().parent, os.W_OK | os.X_OK):
        raise StartError(f"cannot write into {descriptor.absolute().parent}; name another --descriptor")
    for file in state.written(descriptor):
        if file.exists():
            raise StartError(f"{file} exists already and may be another's; remove it, or name another --descriptor")


def _detached(sandbox: state.Sandbox) -> int:
    """Run the sandbox in a process without an owner; wait until it is ready or has failed."""
    ready, ready_pipe = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(ready)
        os.setsid()
        os._exit(_keep(sandbox, None, ready_pipe))
    os.close(ready_pipe)
    with contextlib.suppress(KeyboardInterrupt):
        if os.read(ready, 1):
            return 0
    os.kill(keeper, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])


def _keep(sandbox: state.Sandbox, owner: int | None, ready_pipe: int | None) -> int:
    """Start the supervisor, wait for its end, and remove what is left. `owner` is a pidfd."""
    processes.name_process("sandbox-reaper")
    processes.adopt_orphans()
    wake = processes.hear_signals()
    me, begun = os.getpid(), time.monotonic()
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        supervisor = os.fork()
        if supervisor == 0:
            _supervise(sandbox, me, begun, ready_pipe)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if ready_pipe is not None:
            os.close(ready_pipe)
            _to_log(Path(sandbox.directory, "reaper.log"))
        _stay(os.pidfd_open(supervisor), wake, owner, partial(os.kill, supervisor))
        status = os.waitstatus_to_exitcode(os.waitpid(supervisor, 0)[1])
    finally:
        processes.end_children()
        sandbox.remove()
    if status < 0:
        complain(f"the supervisor was killed by {signal.Signals(-status).name}; everything has been ended and removed")
        return 1
    return status


def _stay(supervisor: int, wake: int, owner: int | None, send: Callable[[signal.Signals], None]) -> None:
    """Wait for the end of the supervisor, and pass on a signal to this process or the end of the owner."""
    watched = select.poll()
    for number in (supervisor, wake, *([] if owner is None else [owner])):
        watched.register(number, select.POLLIN)
    deadline: float | None = None
    while supervisor not in (seen := {number for number, _ in watched.poll(None if deadline is None else 500)}):
        asked = wake in seen and processes.wants_end(os.read(wake, 100))
        if owner in seen:
            watched.unregister(owner)
        if asked or owner in seen:
            send(signal.SIGTERM)
            deadline = deadline or time.monotonic() + PATIENCE_SECONDS
        if deadline and time.monotonic() > deadline:
            send(signal.SIGKILL)


def _supervise(sandbox: state.Sandbox, reaper: int, begun: float, ready_pipe: int | None) -> NoReturn:
    """The supervisor's process: in its own session, so that Ctrl-C reaches the reaper alone."""
    status = STATUS_CANNOT_START
    try:
        os.setsid()
        processes.lower_priority()
        me = os.getpid()
        processes.name_process("sandbox-superv")
        sandbox = replace(sandbox, reaper=reaper, reaper_started=processes.start_time(reaper))
        sandbox = replace(sandbox, supervisor=me, supervisor_started=processes.start_time(me))
        sandbox.register()
        # Imported here: only this process, from which the services are forked, pays for these imports.
        from sandbox.supervisor import Supervisor

        Supervisor(sandbox, reaper, begun, lambda: _ready(sandbox, ready_pipe)).run()
        status = 0
    except Exception as error:  # noqa: BLE001 - a traceback does not help the user of the command
        complain(in_a_line(error))
    finally:
        os._exit(status)


def _ready(sandbox: state.Sandbox, ready_pipe: int | None) -> None:
    if ready_pipe is not None:
        _to_log(Path(sandbox.directory, "supervisor.log"))
        os.write(ready_pipe, b"1")
        os.close(ready_pipe)


def _to_log(path: Path) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (sys.stdout, sys.stderr):
        standard.flush()
        os.dup2(number, standard.fileno())
    os.close(number)
