"""Harness mutants of a load: what its generator and its request log may meet meanwhile, and passing off a short one.

They are tried on a short load: its tests pass, and the gate takes none of its figures for those of the criteria.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from acceptance.polling import wait_until
from ArtilleryLibrary.figures import LOG

from tests.detection import tampering
from tests.detection.mutants import Good, HarnessMutant

SHORT_LOAD = Good(
    "short-load",
    "performance",
    "INCONCLUSIVE",
    ("--variable", "SCALE:detection", "--suite", "Preflight", "--suite", "Load"),
)
BEGINS_WITHIN = 600.0  # seconds until a load is under way, at the most
STOPPED, GOING = 0.4, 0.2  # seconds
LOGGED = 150  # requests, when something is done to their log


async def starve(folder: Path) -> str:
    """Artillery is stopped for two thirds of the time, as on a machine where others take the processor."""
    log = await _under_way(folder, requests=1)
    [generator] = _writers(log)
    times = 0
    try:
        with suppress(ProcessLookupError):
            while _runs(generator):
                os.kill(generator, signal.SIGSTOP)
                times += 1
                await asyncio.sleep(STOPPED)
                os.kill(generator, signal.SIGCONT)
                await asyncio.sleep(GOING)
    finally:
        with suppress(ProcessLookupError):
            os.kill(generator, signal.SIGCONT)
    return f"stopped {times} times" if times else ""


async def cut_log(folder: Path) -> str:
    """The last third of what the request log holds is gone, from the middle of a line; more is written after that."""
    log = await _under_way(folder, requests=LOGGED)
    length = log.stat().st_size
    at = log.read_bytes().rindex(b"\n", 0, length * 2 // 3)
    os.truncate(log, at - 1)
    return f"{length - at} bytes are gone"


async def lose_lines(folder: Path) -> str:
    """Every third line of the request log is gone, and what is left is whole; more is written after that."""
    log = await _under_way(folder, requests=LOGGED)
    lines = log.read_bytes().splitlines(keepends=True)
    with log.open("r+b") as file:  # the same file: whoever writes to it goes on
        file.truncate()
        file.write(b"".join(line for number, line in enumerate(lines) if number % 3))
    return f"{len(lines[::3])} lines are gone"


async def _under_way(folder: Path, *, requests: int) -> Path:
    """The request log of the load in a run's folder, when it holds so many."""

    async def look() -> dict[Path, int]:
        return _logged(folder)

    seen = await wait_until(
        look, lambda logs: max(logs.values(), default=0) >= requests, what="the load begins", within=BEGINS_WITHIN
    )
    return next(iter(seen))


def _logged(folder: Path) -> dict[Path, int]:
    return {log: log.read_bytes().count(b'"kind":"request"') for log in folder.glob(f"load-*/{LOG}")}


def _writers(log: Path) -> list[int]:
    """The processes of Node that have the file open."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [pid for pid in pids if log.resolve() in _open_files(pid)]


def _open_files(pid: int) -> Iterator[Path]:
    with suppress(OSError):  # it has ended, or is another user's
        if Path(f"/proc/{pid}/exe").resolve().name == "node":
            yield from (entry.resolve() for entry in Path(f"/proc/{pid}/fd").iterdir())


def _runs(pid: int) -> bool:
    """Whether the process has not ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


LOAD_MUTANTS = (
    HarnessMutant(
        "generator-starved",
        "While the load is applied, Artillery gets too little of the processor.",
        "INCONCLUSIVE",
        "generator",
        must=("PERF-01", "PERF-02", "PERF-03", "PERF-05", "PERF-06"),
        during=starve,
        each=True,
        good=SHORT_LOAD,
    ),
    HarnessMutant(
        "request-log-truncated",
        "While it is written, the request log loses its end, from the middle of a line.",
        "INCONCLUSIVE",
        "of the request log cannot be read",
        must=("PERF-01", "PERF-02", "PERF-03", "PERF-04", "PERF-05", "PERF-06"),
        during=cut_log,
        each=True,
        good=SHORT_LOAD,
    ),
    HarnessMutant(
        "request-log-thinned",
        "While it is written, the request log loses lines, and what is left of it is whole.",
        "INCONCLUSIVE",
        "the request log holds",
        must=("PERF-01", "PERF-02", "PERF-03", "PERF-04", "PERF-05", "PERF-06"),
        during=lose_lines,
        each=True,
        good=SHORT_LOAD,
    ),
    HarnessMutant(
        "short-load-passed-off",
        "Figures of a short load get the names of those of a whole one; chains and seal are made anew.",
        "NO-GO",
        "4814",
        must=("PERF-01", "PERF-02", "PERF-03"),
        do=tampering.pass_off_short_load,
        each=True,
        good=SHORT_LOAD,
    ),
)
