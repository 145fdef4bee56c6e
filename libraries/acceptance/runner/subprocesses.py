"""Runs the child process of a run in a group of its own, forwards signals to it, and ends it in every case."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ArtilleryLibrary.process_group import own_group, signal_group


def run_subprocess(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], forced_after: int = 2
) -> int:
    """Run a command; returns its exit status, negative for the signal that killed it.

    SIGINT and SIGTERM are forwarded to its group, SIGHUP as SIGTERM; after `forced_after` of them, SIGKILL is sent.
    The rest of its group is killed at its end; on Linux it ends with this process.

    Raises:
        KeyboardInterrupt: a signal was forwarded; the command has ended.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        **own_group(signal.SIGTERM),
    ) as child:
        received = 0

        def forward(number: int, frame: FrameType | None) -> None:
            nonlocal received
            received += 1
            number = signal.SIGTERM if number == signal.SIGHUP else number  # robot only knows the other
            signal_group(child.pid, number if received <= forced_after else signal.SIGKILL)

        with handling(forward):
            try:
                status = child.wait()
            finally:
                signal_group(child.pid, signal.SIGKILL)
        if received:
            raise KeyboardInterrupt
        return status


@contextmanager
def handling(handler: Any) -> Iterator[None]:
    """Handle SIGINT, SIGTERM, and SIGHUP unless `nohup` ignores it, with `handler` inside the context."""
    hangup = (signal.SIGHUP,) if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN else ()
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM, *hangup)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
