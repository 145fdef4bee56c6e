"""Response times of every endpoint that changes nothing, one call at a time, without load.

They are recorded for PERF-06 under names without a limit: its rule asks for the total time of each endpoint beside the
tail under load, which alone is judged.

Percentiles come with intervals between order statistics, exact for any distribution: how many of n independent samples
lie below the true percentile is binomial, so two of the samples enclose it with a probability that can be counted
(Hahn, Meeker: Statistical Intervals, 5.2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal
from urllib.request import getproxies, proxy_bypass

import httpx

from acceptance.clients.http import ContractClient
from acceptance.errors import EnvironmentUnavailable, shortened
from acceptance.performance.database import documents_to_query
from acceptance.performance.figures import Figure, figure_of_samples, note_not_measured, recorded
from acceptance.performance.request_phases import Timing, TimingTransport
from acceptance.run import Run

CRITERION = "PERF-06"
SAMPLES = 100
WARM_UP = 10
FRESH = 13  # of each endpoint: a hundred of all, who share name, line and certificate
MODEL_BOUND = "chat"
MODEL_BOUND_SAMPLES = 10
QUESTION = "What is my annual deductible?"
READING = ("health", "user", "limits", "jobs", "job", "documents", "document_status", "conversations")
PERCENTS = (50, 95, 99)
MILLISECONDS = 1000
Requests = dict[str, dict[str, Any]]  # what is sent, by the name of the route
PARTS = {"dns_time": "look-up of the name", "connect_time": "TCP connect", "tls_time": "TLS"}
CallPart = Literal[
    "dns_time", "connect_time", "tls_time", "total_over_kept_connections", "total_over_fresh_connections",
    "server_time_to_first_byte",
]  # fmt: skip
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Percentile:
    """A percentile of samples, and between which of them the true one lies.

    Attributes:
        value: the smallest sample that so many percent do not exceed (nearest rank).
        low, high: the ends of the interval; None where there are too few samples to bound it on that side.
        confidence: the interval covers the true percentile at least so often.
    """

    percent: float
    value: float
    low: float | None
    high: float | None
    confidence: float
    samples: int

    def __str__(self) -> str:
        ends = [f"{end:.1f}" if end is not None else "not bounded" for end in (self.low, self.high)]
        return f"p{self.percent:g} {self.value:.1f} ({ends[0]} to {ends[1]})"


def percentile(samples: Sequence[float], percent: float, confidence: float = CONFIDENCE) -> Percentile:
    """A percentile with its interval; each side leaves out at most half of what the confidence leaves.

    Args:
        percent: over 0 and under 100.

    Raises:
        ValueError: there is no sample.
    """
    from scipy.stats import binom  # imported where it is needed: it takes most of a second and 60 MB

    ordered, count, share = sorted(samples), len(samples), percent / 100
    if not ordered:
        raise ValueError("a percentile needs samples")
    beyond = (1 - confidence) / 2
    # One-based ranks: the greatest below the percentile, and the smallest above it, with that confidence.
    lower = max((rank for rank in range(1, count + 1) if binom.cdf(rank - 1, count, share) <= beyond), default=None)
    upper = min((rank for rank in range(1, count + 1) if binom.sf(rank - 1, count, share) <= beyond), default=None)
    return Percentile(
        percent=percent,
        value=ordered[max(1, math.ceil(share * count)) - 1],
        low=None if lower is None else ordered[lower - 1],
        high=None if upper is None else ordered[upper - 1],
        confidence=confidence,
        samples=count,
    )


@dataclass
class ResponseTimes:
    """The phases of every call by its endpoint; `failed`: why an endpoint was not measured to the end."""

    kept: dict[str, list[Timing]]
    fresh: dict[str, list[Timing]]
    failed: dict[str, str]

    def totals(self, endpoint: str) -> list[float]:
        """Milliseconds of the calls over connections that were open already."""
        return [MILLISECONDS * one.total for one in self.kept[endpoint] if not one.fresh]

    def server(self, endpoints: Iterable[str]) -> list[float]:
        """Milliseconds from the request to the first byte of the answer, over connections that were open already."""
        return [MILLISECONDS * one.server for name in endpoints for one in self.kept[name] if not one.fresh]

    def part(self, name: str) -> list[float]:
        """Milliseconds of one part of opening a connection, where it was needed."""
        parts = (getattr(one, name) for timings in self.fresh.values() for one in timings)
        return [MILLISECONDS * one for one in parts if one is not None]


async def measured(run: Run) -> ResponseTimes:
    """The response times of all endpoints, measured once in a run."""
    return await run.once("response times", partial(measure, run))


async def measure(run: Run, *, samples: int = SAMPLES, model_samples: int = MODEL_BOUND_SAMPLES) -> ResponseTimes:
    """Call every endpoint in turn, one call at a time, so that a drift is the same for all.

    An endpoint with a wrong response is not called again; the others are.

    Raises:
        EnvironmentUnavailable: a proxy stands before the deployment.
        AssertionError: there is no user, document or conversation to ask for.
    """
    refuse_proxy(run.descriptor.services.api.url)
    upload, *_ = await documents_to_query(run)
    asked = {"token": upload.owner.access_token}
    requests: Requests = dict.fromkeys(READING, asked)
    requests |= {"health": {}, "limits": {}}
    requests["job"] = asked | {"path": {"job_id": upload.job_id}}
    requests["document_status"] = asked | {"path": {"document_id": upload.document_id}}
    chat: Requests = {MODEL_BOUND: asked | {"body": {"message": QUESTION}}}
    failed: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        kept, fresh = (TimedClient(run, stack, keep_alive=keep_alive) for keep_alive in (True, False))
        await kept.rounds(chat, 1, failed)
        await kept.rounds(requests, WARM_UP, failed)
        times = await kept.rounds(requests, samples, failed)
        times |= await kept.rounds(chat, model_samples, failed)
        await fresh.rounds(requests, 1, failed)
        return ResponseTimes(kept=times, fresh=await fresh.rounds(requests, FRESH, failed), failed=failed)


async def endpoints_failed(run: Run) -> Figure:
    """How many endpoints gave a response that is not the contract's."""
    times = await measured(run)
    return Figure(
        "endpoints with a wrong response",
        len(times.failed),
        "endpoints",
        len(times.kept),
        shortened(times.failed.values()),
    )


async def response_time(run: Run, endpoint: str) -> Figure:
    """The mean of an endpoint over kept connections; recorded with percentiles and their intervals."""
    times = await measured(run)
    return await recorded(run, f"response time {endpoint}", partial(_response_time, run, times, endpoint))


async def call_part(run: Run, part: CallPart) -> Figure:
    """The median of a part of a call, over all endpoints."""
    times = await measured(run)
    return await recorded(run, f"part {part}", partial(_call_part, run, times, part))


def _response_time(run: Run, times: ResponseTimes, endpoint: str) -> Figure:
    samples = times.totals(endpoint)
    name = f"response_time_{endpoint}" + ("_bound_by_the_model" if endpoint == MODEL_BOUND else "")
    if samples:
        found = [percentile(samples, percent) for percent in PERCENTS]
        text = f"{', '.join(map(str, found))} ms at {found[0].confidence:.0%} confidence at least"
    else:
        text = f"not measured: {times.failed.get(endpoint, 'no connection was kept open')}"
    figure = figure_of_samples(run, CRITERION, name, samples, "ms", "mean", f"mean response time of {endpoint}")
    run.observe(CRITERION, f"{name}_told", text, "text", samples=len(samples) or 1)
    return figure


def _call_part(run: Run, times: ResponseTimes, part: CallPart) -> Figure:
    if part in PARTS:
        samples = times.part(part.removesuffix("_time"))
        if not samples:
            note_not_measured(run, CRITERION, part, f"no call needed {PARTS[part]}")
    elif part == "server_time_to_first_byte":
        samples = times.server(READING)
    else:
        timings = times.kept if "kept" in part else times.fresh
        samples = [MILLISECONDS * one.total for name in READING for one in timings.get(name, ())]
    return figure_of_samples(run, CRITERION, part, samples, "ms", "median", f"median {part.replace('_', ' ')}")


class TimedClient:
    """A client of the contract that times the phases of its calls; closed with the stack."""

    def __init__(self, run: Run, stack: AsyncExitStack, *, keep_alive: bool) -> None:
        self._transport = TimingTransport(keep_alive=keep_alive)
        self._client = ContractClient(
            run.descriptor, run.contract, run.error_log, run.redactor, transport=self._transport
        )
        stack.push_async_callback(self._client.close)

    async def rounds(self, requests: Requests, rounds: int, failed: dict[str, str]) -> dict[str, list[Timing]]:
        """The timings of so many calls of each endpoint; of one that fails, those until then."""
        timings: dict[str, list[Timing]] = {name: [] for name in requests}
        for _ in range(rounds):
            for name, request in requests.items():
                if name in failed:
                    continue
                try:
                    await self._client.call(name, **request)
                except AssertionError as error:
                    failed[name] = str(error)
                else:
                    timings[name].append(self._transport.timings[-1])
        return timings


def refuse_proxy(address: str) -> None:
    """Raises EnvironmentUnavailable where a proxy stands before an address."""
    url = httpx.URL(address)
    if url.scheme in getproxies() and not proxy_bypass(url.host) and url.host not in ("127.0.0.1", "localhost", "::1"):
        raise EnvironmentUnavailable("a proxy stands before the deployment: the phases of a call cannot be measured")
