"""PERF-09: samples of a deployment's resources, about each second of a load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg

from acceptance.clients.database import Connection
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable
from acceptance.performance.database import opened
from acceptance.performance.pg_stats import Reading, read_counters
from acceptance.providers.render import Line, Render
from acceptance.run import Run

SAMPLE_SECONDS = 1.0
METRICS = ("cpu", "cpu-limit", "memory", "memory-limit")
VALUES = 2  # of a metric, in each step at least
DATABASE = "database"  # kinds of problems: what could not be sampled
PLATFORM = "platform"


@dataclass(frozen=True)
class ResourceSample:
    """One sample of the database: `at` in seconds since the epoch, jobs under way, connections by application."""

    at: float
    reading: Reading
    under_way: int
    applications: dict[str, int]


@dataclass
class ResourceSamples:
    """Samples of the database, the platform's series by metric, and why one of them is missing."""

    looks: list[ResourceSample] = field(default_factory=list)
    metrics: dict[str, list[Line]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def watched(run: Run, *, steps_of: float) -> AsyncIterator[ResourceSamples]:
    """Samples resources while the block runs; the platform's own series of that time are read at its end.

    Args:
        steps_of: seconds of a step; a platform with coarser metrics is not read.
    """
    seen, begin = ResourceSamples(), time.time()
    task = asyncio.ensure_future(_sample_on(run, seen))
    try:
        yield seen
    finally:
        task.cancel()
        [ending] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(ending, Exception):
            seen.problems[DATABASE] = f"{type(ending).__name__}: {ending}"
    resolution = run.descriptor.platform.resolution_seconds if run.descriptor.platform else 0
    if VALUES * resolution > steps_of:
        seen.problems[PLATFORM] = f"its metrics have a value every {resolution:g} s, and a step lasts {steps_of:g} s"
    else:
        await _read_platform(run, seen, begin)


async def _read_platform(run: Run, seen: ResourceSamples, begin: float) -> None:
    try:
        async with Render.of(run.descriptor, "metrics") as platform:
            end = time.time()
            for metric in METRICS:
                seen.metrics[metric] = await platform.metric(metric, begin, end)
    except (CapabilityMissing, EnvironmentUnavailable, ConfigurationError) as error:
        seen.problems[PLATFORM] = str(error)


async def _sample_on(run: Run, seen: ResourceSamples) -> None:
    try:
        async with await opened(run.database) as connection:
            while True:
                begin = time.monotonic()
                seen.looks.append(await _sample(run, connection))
                await asyncio.sleep(max(0.0, SAMPLE_SECONDS - (time.monotonic() - begin)))
    except CapabilityMissing as missing:
        seen.problems[DATABASE] = str(missing)
    except (AssertionError, psycopg.Error) as error:
        seen.problems[DATABASE] = f"it could not be sampled any more: {' '.join(str(error).split())}"


async def _sample(run: Run, connection: Connection) -> ResourceSample:
    at, reading = time.time(), await read_counters(connection)
    states = await run.database.counts_over(connection, "jobs", "state")
    applications = await run.database.counts_over(connection, "backends", "application")
    under_way = sum(count for state, count in states.items() if state not in run.contract.jobs.final_states)
    return ResourceSample(
        at, reading, under_way, {name: count for name, count in applications.items() if name != "acceptance"}
    )
