"""Console output of the sandbox."""

from __future__ import annotations

import contextlib
import os
import sys


def say(line: str) -> None:
    """Print a line on standard output; ignored when the reader has gone."""
    _write(sys.stdout.fileno(), line)


def complain(line: str) -> None:
    """Print an error line on standard error."""
    _write(sys.stderr.fileno(), f"sandbox: {line}")


def _write(number: int, line: str) -> None:
    # Unbuffered: a buffered stream would raise again for unwritten lines at exit.
    with contextlib.suppress(OSError):
        os.write(number, f"{line}\n".encode())
