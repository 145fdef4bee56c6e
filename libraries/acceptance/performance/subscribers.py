"""A thousand subscribers at the same time: nothing lost, doubled or out of order, and how late it came.

INT-08 says so of one subscriber; here it is held against many, as what PERF-12's users see of one another's load.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import TypeVar

from acceptance.checks.job_events import Event, clock_ahead, events_of
from acceptance.clients.websocket import JOINS_PER_SECOND, Frame
from acceptance.errors import EnvironmentUnavailable, expect_none, violation
from acceptance.fixtures.users import User
from acceptance.performance.generator_health import Generator
from acceptance.performance.load_profiles import profile
from acceptance.performance.measured import measured_once
from acceptance.performance.subscriber_process import Ended, Job, Ready, Received, SubscriberPlan
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, put_bytes
from acceptance.yaml_models import Data

CRITERION = "PERF-12"
SEED = 90_000  # of the documents of this module
AT_ONCE = 8
JOBS_OF_A_USER = 5
SHARE_OF_PLAN = 0.8  # the rest is for whoever else is there
SHARE_OF_LIFETIME = 0.8  # of a signed address: within it all have to have joined
JOINING_SECONDS = 10.0  # beside what joining takes: the process has to start
SLOWEST_PACE = 4  # times slower than the pace at which they may join
ENDING_SECONDS = 5.0
LINE_BYTES = 2**24
LAST_WORDS = 800  # characters
COMMAND = (sys.executable, "-m", "acceptance.performance.subscriber_process")

SAYS: dict[type[Data], str] = {
    Ready: "that everybody has joined",
    Received: "what the next of them was told",
    Ended: "how it kept up",
}
Said = TypeVar("Said", bound=Data)


@dataclass(frozen=True)
class Delivery:
    """What is wrong with what one subscriber was told, as counts; `late` is how old each live event was, in ms."""

    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    late: tuple[float, ...] = ()

    @property
    def problem(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        counts = {"lost": self.lost, "doubled": self.doubled, "out of order": self.disordered}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


@dataclass(frozen=True)
class SubscriberRun:
    """What all subscribers were told: the jobs, how many were asked to join, each one's word and its events."""

    uploads: Sequence[Upload]
    wanted: int
    ready: Ready
    received: Sequence[Received]
    events: Sequence[Sequence[Event]]
    clock: float
    generator: Generator


async def subscribers_listen_at_once(run: Run, scale: str) -> None:
    """As many as were asked for are connected at the same time; raises AssertionError naming why others are not."""
    seen = await listened(run, scale)
    figures = {
        "subscribers_at_once": (seen.ready.listening, "subscribers"),
        "subscribers_asked_for": (seen.wanted, "subscribers"),
        "subscribers_cpu": (seen.generator.cpu, "%"),
        "subscribers_lag_p99": (seen.generator.lag_p99_ms, "ms"),
    }
    for name, (value, unit) in figures.items():
        run.observe(CRITERION, _name(name, scale), value, unit, samples=1)
    if reason := fewer(profile().of(scale).subscribers, seen.wanted, seen.ready.asked):
        run.observe(CRITERION, "fewer_subscribers_because", reason, "text", samples=1)
    if seen.ready.listening < seen.ready.asked:
        shown = f"{seen.ready.listening}, in {seen.ready.seconds:.1f} s; {'; '.join(seen.ready.problems[:3])}"
        raise violation("subscribers", expected=f"{seen.ready.asked} at once", observed=shown)


async def everybody_is_told_everything(run: Run, scale: str) -> None:
    """Every status to every subscriber, once and in order; raises AssertionError with counts of what is not so."""
    seen = await listened(run, scale)
    statuses = run.contract.jobs.statuses
    each = list(zip(seen.received, seen.events, strict=True))
    deliveries = [delivered(events, statuses, seen.clock, one.opened) for one, events in each]
    for name in ("lost", "doubled", "disordered"):
        count = sum(getattr(delivery, name) for delivery in deliveries)
        run.observe(CRITERION, _name(f"events_{name}", scale), count, "events", samples=len(statuses) * len(each))
    late = [milliseconds for delivery in deliveries for milliseconds in delivery.late]
    if late:
        run.observe(CRITERION, _name("delivery_latency", scale), late, "ms", statistic="p99")
    problems = (
        f"a subscriber of job {seen.uploads[one.job].job_id}: {told}"
        for one, delivery in zip(seen.received, deliveries, strict=True)
        if (told := "; ".join(filter(None, (delivery.problem, one.problem))))
    )
    expect_none(problems, f"{len(each)} subscribers", expected="every status once and in order")


async def listened(run: Run, scale: str) -> SubscriberRun:
    """The subscribers and what they were told, once in a run; raises EnvironmentUnavailable where they are too slow."""
    seen = await measured_once(run, f"subscribers, {scale}", lambda: _listened(run, scale))
    seen.generator.check(profile().generator)
    return seen


def delivered(events: Sequence[Event], statuses: Sequence[str], clock: float, opened: float) -> Delivery:
    """What a subscriber who listened since `opened` was told of a job, held against the statuses that it went through.

    Args:
        clock: the least that the deployment's clock is ahead of ours, in seconds.
    """
    told = [(event.sequence, event.status) for event in events]
    expected = list(enumerate(statuses, 1))
    firsts = list(dict.fromkeys(told))
    live = [event for event in events if event.timestamp - clock > opened]
    return Delivery(
        lost=len(set(expected) - set(told)),
        doubled=len(told) - len(firsts) + len(set(told) - set(expected)),
        disordered=sum(later < earlier for earlier, later in pairwise(firsts)),
        late=tuple(max(0.0, 1000 * (event.at - event.timestamp + clock)) for event in live),
    )


def clock_of(least: float, events: Iterable[Event]) -> float:
    """The least that the deployment's clock is ahead of ours, knowing that nothing arrives before it has happened."""
    return max([least, *(event.timestamp - event.at for event in events)])


def how_many(most: int, connections: int | None, joins: float, lifetime: float) -> int:
    """Of so many subscribers as many as the plan allows, and as can join in half of a signed address's life."""
    allowed = most if connections is None else int(SHARE_OF_PLAN * connections)
    return min(most, allowed, int(joins * lifetime / 2))


def fewer(most: int, allowed: int, opened: int) -> str:
    """Why there are fewer subscribers than the scale has; nothing where there are not.

    Args:
        allowed: what the plan and the life of signed addresses leave of them.
        opened: as many of these as this machine may have files open for.
    """
    reasons = [
        f"the plan's connections and joins a second, and the life of a signed address, allow {allowed} of {most}"
    ] * (allowed < most)
    reasons += [f"this machine's limit of open files allows {opened} of {allowed}"] * (opened < allowed)
    return "; ".join(reasons)


class Child:
    """The process that listens, and what it says."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def said(self, kind: type[Said], *, within: float) -> Said:
        """The next that it says, of this kind; raises EnvironmentUnavailable when it says nothing, or ended."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), within)
        except TimeoutError:
            raise EnvironmentUnavailable(
                f"the subscribers' process did not say {SAYS[kind]} within {within:g} s"
            ) from None
        name, _, said = line.partition(b" ")
        if name.decode() != kind.__name__:
            raise EnvironmentUnavailable(f"the subscribers' process ended: {await self._last_words()}")
        return kind.model_validate_json(said)

    async def _last_words(self) -> str:
        assert self._process.stderr is not None
        with contextlib.suppress(TimeoutError):
            told = await asyncio.wait_for(self._process.stderr.read(), ENDING_SECONDS)
            return told.decode("utf-8", "replace").strip()[-LAST_WORDS:] or "it said nothing"
        return "it is still there"


@asynccontextmanager
async def child(plan: SubscriberPlan) -> AsyncIterator[Child]:
    """The process that listens by this plan; it is gone when this is left, whatever the reason."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True, limit=LINE_BYTES
    )
    try:
        assert process.stdin is not None
        process.stdin.write(plan.model_dump_json().encode() + b"\n")
        yield Child(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listened(run: Run, scale: str) -> SubscriberRun:
    settings, plan = profile(), run.descriptor.plan
    chosen = settings.of(scale)
    limits = await run.once("limits", lambda: run.client.call("limits"))
    joins = min(plan.realtime_joins_per_second or JOINS_PER_SECOND, settings.joins_per_second)
    lifetime = limits["signed_url_ttl_seconds"]
    wanted = how_many(chosen.subscribers, plan.realtime_connections, joins, lifetime)
    owners = await _owners(run, chosen.jobs, min(JOBS_OF_A_USER, limits["max_concurrent_jobs_per_user"]))
    notes = [Payload.of(await document(run, "note", SEED + number)) for number in range(chosen.jobs)]
    begin = time.monotonic()
    announcements = (announce(run, owner, note) for owner, note in zip(owners, notes, strict=True))
    uploads = await together(*announcements, at_once=AT_ONCE)
    listening = SubscriberPlan(
        address=run.descriptor.services.realtime.url,
        contract=run.contract,
        jobs=tuple(Job(job_id=each.job_id, token=each.owner.access_token) for each in uploads),
        subscribers=wanted,
        joins_per_second=joins,
        within_seconds=PROCESSING_SECONDS,
    )
    async with child(listening) as process:
        ready = await process.said(Ready, within=JOINING_SECONDS + SLOWEST_PACE * wanted / joins)
        if time.monotonic() - begin > SHARE_OF_LIFETIME * lifetime:
            taken = f"{ready.listening} subscribers joined in {ready.seconds:.0f} s"
            raise EnvironmentUnavailable(f"{taken}, which is too long: signed addresses live {lifetime} s")
        await together(*(put_bytes(run, upload) for upload in uploads), at_once=AT_ONCE)
        received = [await process.said(Received, within=2 * PROCESSING_SECONDS) for _ in range(ready.asked)]
        ended = await process.said(Ended, within=ENDING_SECONDS)
    events = [events_of(run, uploads[one.job].job_id, [Frame(data, at) for at, data in one.frames]) for one in received]
    clock = clock_of(await clock_ahead(run), chain.from_iterable(events))
    return SubscriberRun(uploads, wanted, ready, received, events, clock, Generator(list(ended.lags), ended.cpu))


async def _owners(run: Run, jobs: int, each: int) -> list[User]:
    """Who owns each of the jobs, so many of them the same person."""
    users = await together(*(run.users.signed_in() for _ in range(-(-jobs // each))), at_once=AT_ONCE)
    return [users[number // each] for number in range(jobs)]


def _name(figure: str, scale: str) -> str:
    return figure if scale == "full" else f"{figure}_at_scale_{scale}"
