"""CLOUD-03: how quickly the edge answers its probe, without connection set-up and the line's round trip.

The line's round trip is the median TCP connect over fresh connections. A look-up of a name, TCP and TLS are measured
apart; what is judged was asked over connections that were open already.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median_low
from typing import Literal

from acceptance.errors import EnvironmentUnavailable
from acceptance.performance.database import without
from acceptance.performance.endpoint_latency import MILLISECONDS, TimedClient, refuse_proxy
from acceptance.performance.figures import Figure, figure_of_samples, note_not_measured, recorded
from acceptance.performance.request_phases import Timing
from acceptance.run import Run

CRITERION = "CLOUD-03"
ROUTE = "edge_probe"
FRESH = 30  # connections

EdgeFigure = Literal["edge_p95", "cold_start", "dns_time", "connect_time", "tls_time", "first_byte", "line_subtracted"]


@dataclass(frozen=True)
class ProbeTimes:
    """Timings of the probe: the run's first call of it, those over kept connections, those over fresh ones."""

    first: Timing
    kept: list[Timing]
    fresh: list[Timing]

    @property
    def line(self) -> float:
        """The round trip of the line, in milliseconds."""
        return MILLISECONDS * median_low([one.connect for one in self.fresh if one.connect is not None])

    @property
    def first_bytes(self) -> list[float]:
        """Milliseconds from a request over an open connection to the first byte of its response."""
        return [MILLISECONDS * one.server for one in self.kept if not one.fresh]


async def measured(run: Run, times: int) -> ProbeTimes:
    """Call the probe so often over kept connections, once in a run.

    Raises:
        AssertionError: a response is not the contract's.
        EnvironmentUnavailable: a proxy stands before the front end, or no connection was kept open.
        NotOffered: the contract has no probe.
    """
    return await run.once("edge probe", partial(_measure, run, times))


async def _measure(run: Run, times: int) -> ProbeTimes:
    refuse_proxy(run.descriptor.service(run.contract.route(ROUTE).at).url)
    failed: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        kept, fresh = (TimedClient(run, stack, keep_alive=keep_alive) for keep_alive in (True, False))
        first, timings, apart = [
            (await client.rounds({ROUTE: {}}, rounds, failed))[ROUTE]
            for client, rounds in ((fresh, 1), (kept, times + 1), (fresh, FRESH))
        ]
    if failed:
        raise AssertionError(failed[ROUTE])
    found = ProbeTimes(first[0], timings, apart)
    if not found.first_bytes:
        raise EnvironmentUnavailable("the front end closes every connection: connection set-up cannot be left out")
    return found


async def figure(run: Run, name: EdgeFigure, times: int) -> Figure:
    """A figure of the probe in milliseconds, recorded where a test first asks for it."""
    return await recorded(run, name, partial(_figure, run, await measured(run, times), name))


def _figure(run: Run, seen: ProbeTimes, name: EdgeFigure) -> Figure:
    statistic, samples = "median", seen.first_bytes
    if name == "edge_p95":
        statistic, samples = "p95", without(seen.first_bytes, seen.line)
    elif name == "cold_start":
        samples = [MILLISECONDS * seen.first.total]
    elif name == "line_subtracted":
        samples = [seen.line]
    elif name != "first_byte":
        part = name.removesuffix("_time")
        samples = [MILLISECONDS * value for one in seen.fresh if (value := getattr(one, part)) is not None]
        if not samples:
            note_not_measured(run, CRITERION, name, f"no call needed {part.upper()}")
    return figure_of_samples(run, CRITERION, name, samples, "ms", statistic, f"{name.replace('_', ' ')} of the probe")
