"""What the sandbox tells the person who started it."""

from __future__ import annotations

import contextlib
import os
import sys


def say(line: str) -> None:
    """One line on standard output, unless nobody listens any more."""
    _write(sys.stdout.fileno(), line)


def complain(line: str) -> None:
    """One line on standard error."""
    _write(sys.stderr.fileno(), f"sandbox: {line}")


def _write(number: int, line: str) -> None:
    # Not through the buffered stream: what it could not write would come up again when the program ends.
    with contextlib.suppress(OSError):
        os.write(number, f"{line}\n".encode())
