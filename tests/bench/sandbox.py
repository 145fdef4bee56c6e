"""What the embedded deployment costs: until it is ready, and while it waits."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from acceptance.deployment.provisioning import open_deployment

from tests.bench.figures import Figure, told
from tests.bench.measured import BenchError, Tell
from tests.self.processes import everything_below


def measure(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    """Start, processes and memory; shared memory counts once (PSS)."""
    tell("the sandbox starts")
    others = everything_below(os.getpid())
    begin = time.monotonic()
    with open_deployment("sandbox"):
        ready = time.monotonic() - begin
        started = everything_below(os.getpid()) - others
        memory = proportional_megabytes(started)
    yield told("sandbox: until it is ready", ready, unit="s")
    yield told("sandbox: processes", len(started), unit="")
    yield told("sandbox: memory (PSS)", memory, unit="MB")


def proportional_megabytes(processes: Iterable[int]) -> float:
    """Memory of these processes, each with its share of what it shares.

    Raises:
        BenchError: the memory of none can be read.
    """
    found = []
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue  # it has ended, or is somebody else's
        found += [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    if not found:
        raise BenchError("the memory of no process can be read")
    return sum(found) * 1024 / 1e6
