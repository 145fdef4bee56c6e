"""The child process of a run: in a group of its own, told of our signals, and never left behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def run_subprocess(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], forced_after: int = 2
) -> int:
    """Exit status of a command, negative for the signal that it died of.

    SIGINT and SIGTERM are handed on to its group, so that it ends in its own way; after so many, SIGKILL ends it.
    What it leaves in its group is killed; where the system can do that, it ends with us when we are killed.

    Raises:
        KeyboardInterrupt: a signal was handed on; the command has ended.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    ) as child:
        received = 0

        def hand_on(number: int, frame: FrameType | None) -> None:
            nonlocal received
            received += 1
            _signal_group(child.pid, number if received <= forced_after else signal.SIGKILL)

        with handling(hand_on):
            try:
                status = child.wait()
            finally:
                _signal_group(child.pid, signal.SIGKILL)
        if received:
            raise KeyboardInterrupt
        return status


@contextmanager
def handling(handler: Any) -> Iterator[None]:
    """SIGINT and SIGTERM are handled so, for as long as this is entered."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _signal_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
