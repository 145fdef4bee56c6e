"""Servers of the benchmark, each in a process of its own that keeps its own record."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measured import BenchError

ENDING_SECONDS = 10.0


@contextmanager
def serving(module: str, folder: Path, *arguments: str) -> Iterator[tuple[str, Path]]:
    """The address of a server, and its record, which is there when this is left.

    Args:
        module: what is run with `python -m`; it prints its address and ends with its standard input.
        folder: for the record; it is made.
        arguments: come before the record's path.

    Raises:
        BenchError: it did not start.
    """
    folder.mkdir(parents=True)
    record = folder / "served.json"
    words = [sys.executable, "-m", module, *arguments, str(record)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise BenchError(f"{module} did not start")
        yield address, record
        process.communicate(timeout=ENDING_SECONDS)
    finally:
        process.kill()
        process.wait()
