"""Response times of every endpoint that changes nothing, one call at a time: what a user waits for at rest.

They are recorded for PERF-06 under names that no limit asks for: its rule wants the total time of each endpoint beside
the tail under load, which alone is judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.request import getproxies, proxy_bypass

import httpx

from acceptance.clients.http import ContractClient
from acceptance.errors import EnvironmentUnavailable, expect_none
from acceptance.performance.percentiles import percentile
from acceptance.performance.queries import documents_to_look_for
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
SHOWN = (50, 95, 99)
MILLISECONDS = 1000
Requests = dict[str, dict[str, Any]]  # what is sent, by the name of the route
PARTS = {"dns": "look-up of the name", "connect": "TCP connect", "tls": "TLS"}


@dataclass
class ResponseTimes:
    """Every call, taken apart, by its endpoint; `failed` says of an endpoint why it was not measured to the end."""

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
    """The response times of all endpoints, once for all who ask."""
    return await run.once("response times", partial(measure, run))


async def measure(run: Run, *, samples: int = SAMPLES, model_samples: int = MODEL_BOUND_SAMPLES) -> ResponseTimes:
    """Call every endpoint in turn, so that whatever drifts drifts for all; not together.

    An endpoint that answers wrongly is not called again; the others are.

    Raises:
        EnvironmentUnavailable: a proxy stands between, so that the parts of a call cannot be told apart.
        AssertionError: there is no user, document or conversation to ask for.
    """
    _refuse_proxy(run.descriptor.services.api.url)
    upload, *_ = await documents_to_look_for(run)
    asked = {"token": upload.owner.access_token}
    requests: Requests = dict.fromkeys(READING, asked)
    requests |= {"health": {}, "limits": {}}
    requests["job"] = asked | {"path": {"job_id": upload.job_id}}
    requests["document_status"] = asked | {"path": {"document_id": upload.document_id}}
    chat: Requests = {MODEL_BOUND: asked | {"body": {"message": QUESTION}}}
    failed: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        kept, fresh = (_Timed(run, stack, keep_alive=keep_alive) for keep_alive in (True, False))
        await kept.rounds(chat, 1, failed)
        await kept.rounds(requests, WARM_UP, failed)
        times = await kept.rounds(requests, samples, failed)
        times |= await kept.rounds(chat, model_samples, failed)
        await fresh.rounds(requests, 1, failed)
        return ResponseTimes(kept=times, fresh=await fresh.rounds(requests, FRESH, failed), failed=failed)


async def endpoints_answer(run: Run) -> None:
    """Every answer was the contract's; raises AssertionError naming each endpoint that gave another."""
    failed = (await measured(run)).failed
    expect_none(failed.values(), "endpoints", expected="the contract's answer each time")


async def times_are_told(run: Run) -> None:
    """Of each endpoint all samples, and percentiles with their intervals."""
    times = await measured(run)
    for name in times.kept:
        samples = times.totals(name)
        figure = f"response_time_{name}" + ("_bound_by_the_model" if name == MODEL_BOUND else "")
        if not samples:
            why = times.failed.get(name, "no connection was kept open")
            run.observe(CRITERION, f"{figure}_told", f"not measured: {why}", "text", samples=1)
            continue
        run.observe(CRITERION, figure, samples, "ms", statistic="mean")
        told = [percentile(samples, percent) for percent in SHOWN]
        text = f"{', '.join(map(str, told))} ms at {told[0].confidence:.0%} confidence at least"
        run.observe(CRITERION, f"{figure}_told", text, "text", samples=len(samples))


async def parts_are_told(run: Run) -> None:
    """What of a call is the name's look-up, TCP, TLS, and the server."""
    times = await measured(run)
    for name, words in PARTS.items():
        samples = times.part(name)
        if samples:
            run.observe(CRITERION, f"{name}_time", samples, "ms", statistic="median")
        else:
            run.observe(CRITERION, f"{name}_time_told", f"not measured: no call needed {words}", "text", samples=1)
    for figure, timings in (("kept", times.kept), ("fresh", times.fresh)):
        samples = [MILLISECONDS * one.total for name in READING for one in timings.get(name, ())]
        if samples:
            run.observe(CRITERION, f"total_over_{figure}_connections", samples, "ms", statistic="median")
    if server := times.server(READING):
        run.observe(CRITERION, "server_time_to_first_byte", server, "ms", statistic="median")


class _Timed:
    """A client of the contract whose calls are taken apart; closed with the stack."""

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


def _refuse_proxy(address: str) -> None:
    url = httpx.URL(address)
    if url.scheme in getproxies() and not proxy_bypass(url.host) and url.host not in ("127.0.0.1", "localhost", "::1"):
        raise EnvironmentUnavailable("a proxy stands before the deployment: the parts of a call cannot be told apart")
