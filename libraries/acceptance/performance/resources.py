"""PERF-09: the resources of a deployment, looked at about each second while it is loaded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg

from acceptance.errors import CapabilityMissing
from acceptance.inspection import Connection
from acceptance.performance.counters import Reading, read_counters
from acceptance.performance.database import opened
from acceptance.run import Run

LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Look:
    """One look at the database: `at` in seconds since the epoch, jobs under way, connections by application."""

    at: float
    reading: Reading
    under_way: int
    applications: dict[str, int]


@dataclass
class Watched:
    """What was seen; `problems` says by kind of resource why it was not."""

    looks: list[Look] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def watched(run: Run) -> AsyncIterator[Watched]:
    """Resources, watched for as long as this is entered."""
    seen = Watched()
    task = asyncio.ensure_future(_look_on(run, seen))
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _look_on(run: Run, seen: Watched) -> None:
    try:
        async with await opened(run.inspection) as connection:
            while True:
                begin = time.monotonic()
                seen.looks.append(await _look(run, connection))
                await asyncio.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - begin)))
    except CapabilityMissing as missing:
        seen.problems["database"] = str(missing)
    except (AssertionError, psycopg.Error) as error:
        seen.problems["database"] = f"it could not be looked at any more: {' '.join(str(error).split())}"


async def _look(run: Run, connection: Connection) -> Look:
    at, reading = time.time(), await read_counters(connection)
    states = await run.inspection.counts_over(connection, "jobs", "state")
    applications = await run.inspection.counts_over(connection, "backends", "application")
    under_way = sum(count for state, count in states.items() if state not in run.contract.jobs.final_states)
    return Look(at, reading, under_way, {name: count for name, count in applications.items() if name != "acceptance"})
