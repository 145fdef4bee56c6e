"""Many subscribers in a process of their own: `python -m acceptance.performance.subscriber_process`.

The plan is the first line of standard input, tokens included; the process ends with that input, and so with its parent.
It writes a line when all listen, one for each subscriber, and a last one about its own health.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from acceptance.clients.websocket import RealtimeClient, Socket
from acceptance.deployment.contract import Contract, by_words
from acceptance.performance.generator_health import watched
from acceptance.yaml_models import Data

SPARE_FILES = 100  # that the process needs beside its connections
SETTLED_SECONDS = 10.0
JOINING_AT_ONCE = 20  # a subscriber joins with its first event: the deployment sets the pace
JOINED_SECONDS = 10.0


class Job(Data):
    """A job, and the token of its owner."""

    job_id: str
    token: str


class SubscriberPlan(Data):
    """So many subscribers of the realtime service, in turn over the jobs, joining no faster than this.

    Each waits that long for the end.
    """

    address: str
    contract: Contract
    jobs: tuple[Job, ...]
    subscribers: int
    joins_per_second: float
    within_seconds: float
    headers: dict[str, str] = {}


class Ready(Data):
    """How many of the subscribers asked for have joined, in how many seconds, and the problems of the others."""

    asked: int
    listening: int
    seconds: float
    problems: tuple[str, ...] = ()


class Received(Data):
    """The frames of one subscriber: since when it listened and when each frame came, in Unix seconds."""

    job: int
    opened: float = 0.0
    frames: tuple[tuple[float, dict[str, Any]], ...] = ()
    problem: str = ""


class Ended(Data):
    """The health of this process."""

    lags: tuple[float, ...]
    cpu: float


async def listen(plan: SubscriberPlan, report: Any) -> None:
    """Join, report `Ready`, listen until each job has ended, and report what was received."""
    contract = plan.contract
    realtime = RealtimeClient(contract, plan.address, plan.joins_per_second, lambda url: dict(plan.headers))
    joined: list[str] = []
    all_joined, joining = asyncio.Event(), asyncio.Semaphore(JOINING_AT_ONCE)
    begin = time.monotonic()

    def has_joined(problem: str = "") -> None:
        joined.append(problem)
        if len(joined) == plan.subscribers:
            problems, seconds = tuple(dict.fromkeys(filter(None, joined))), time.monotonic() - begin
            report(Ready(asked=plan.subscribers, listening=joined.count(""), seconds=seconds, problems=problems))
            all_joined.set()

    async def subscriber(number: int) -> Received:
        place = number % len(plan.jobs)
        job = plan.jobs[place]
        async with AsyncExitStack() as stack:
            try:
                async with joining:
                    socket = await stack.enter_async_context(realtime.job(job.job_id, job.token, after=0))
                    await socket.until(
                        lambda seen: bool(_last_event(seen)), what="the first event", within=JOINED_SECONDS
                    )
            except AssertionError as error:
                has_joined(str(error))
                return Received(job=place, problem=str(error))
            has_joined()
            await all_joined.wait()
            problem = await _to_its_end(socket, contract, plan.within_seconds)
            frames = tuple((frame.at, frame.data) for frame in socket.events)
            return Received.model_construct(job=place, opened=socket.opened, frames=frames, problem=problem)

    with watched() as generator:
        received = await asyncio.gather(*map(subscriber, range(plan.subscribers)))
    for one in received:
        report(one)
    report(Ended(lags=tuple(generator.lags), cpu=generator.cpu))


def enough_files(wanted: int) -> int:
    """Of so many connections as many as this process may open, after raising its soft limit as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(0, min(wanted, soft - SPARE_FILES))


async def _to_its_end(socket: Socket, contract: Contract, within: float) -> str:
    """Wait for the last event, and for a pong after it: every frame before it has come then."""
    jobs, fields = contract.jobs, contract.realtime.job_event
    try:
        ended = lambda seen: jobs.has_ended(by_words(_last_event(seen), fields))  # noqa: E731
        await socket.until(ended, what="the final event", within=within)
        await socket.ping(within=SETTLED_SECONDS)
    except AssertionError as error:
        return str(error)
    return ""


def _last_event(socket: Socket) -> dict[str, Any]:
    """The last frame with a sequence number, looked for from the end: this is asked with every frame that comes."""
    return next((frame.data for frame in reversed(socket.frames) if frame.sequence is not None), {})


async def _main() -> None:
    loop = asyncio.get_running_loop()
    incoming = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(incoming), sys.stdin)
    plan = SubscriberPlan.model_validate_json(await incoming.readline())
    plan = plan.model_copy(update={"subscribers": enough_files(plan.subscribers)})

    def report(what: Data) -> None:
        sys.stdout.write(f"{type(what).__name__} {what.model_dump_json()}\n")
        sys.stdout.flush()

    work = asyncio.ensure_future(listen(plan, report))
    left = asyncio.ensure_future(incoming.read())  # ends with the parent process
    await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
    if not work.done():
        work.cancel()
    await work


if __name__ == "__main__":
    gc.disable()  # all frames are kept to the end: a collection would only make them late
    try:
        uvloop.run(_main())  # a third less of a processor than the loop of asyncio, for a thousand connections
    except (asyncio.CancelledError, KeyboardInterrupt, BrokenPipeError):
        sys.exit(1)
