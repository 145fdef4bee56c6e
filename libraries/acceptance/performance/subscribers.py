"""Concurrent subscribers (PERF-12): events lost, doubled or out of order, and how late they came.

INT-08 requires the same of one subscriber.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from typing import Literal, TypeVar

from acceptance.checks.job_events import Event, clock_ahead, events_of
from acceptance.clients.websocket import JOINS_PER_SECOND, Frame, frame_shape
from acceptance.errors import EnvironmentUnavailable, shortened
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, limits_of
from acceptance.performance.figures import Figure, figure_of_samples, measured_once, recorded
from acceptance.performance.generator_health import Generator
from acceptance.performance.load_profiles import FULL, profile
from acceptance.performance.subscriber_process import Ended, Job, Ready, Received, SubscriberPlan
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, put_bytes
from acceptance.yaml_models import Data

CRITERION = "PERF-12"
SEED = 90_000  # of the documents of this module
AT_ONCE = 8
JOBS_OF_A_USER = 5
SHARE_OF_PLAN = 0.8  # the rest is for other clients
SHARE_OF_LIFETIME = 0.8  # of a signed address: within it all have to have joined
JOINING_SECONDS = 10.0  # beside what joining takes: the process has to start
SLOWEST_PACE = 4  # times slower than the pace at which they may join
ENDING_SECONDS = 5.0
LINE_BYTES = 2**24
LAST_WORDS = 800  # characters
COMMAND = (sys.executable, "-m", "acceptance.performance.subscriber_process")

LINES: dict[type[Data], str] = {
    Ready: "that all have joined",
    Received: "what the next subscriber received",
    Ended: "its own health",
}
Line = TypeVar("Line", bound=Data)


@dataclass(frozen=True)
class Delivery:
    """Deviations of the events of one subscriber, as counts; `late` is how old each live event was, in ms."""

    lost: int = 0
    doubled: int = 0
    disordered: int = 0
    late: tuple[float, ...] = ()

    @property
    def problem(self) -> str:
        """The deviations in words; empty where there are none."""
        counts = {"lost": self.lost, "doubled": self.doubled, "out of order": self.disordered}
        return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


@dataclass(frozen=True)
class SubscriberRun:
    """The subscribers of one run: their jobs, how many were asked to join, what each received, and its events."""

    uploads: Sequence[Upload]
    wanted: int
    ready: Ready
    received: Sequence[Received]
    events: Sequence[Sequence[Event]]
    clock: float
    generator: Generator

    def deliveries(self, statuses: Sequence[str]) -> list[Delivery]:
        """Each subscriber's events, compared with the statuses of its job."""
        pairs = zip(self.received, self.events, strict=True)
        return [delivered(events, statuses, self.clock, one.opened) for one, events in pairs]

    def problems(self, statuses: Sequence[str]) -> Iterator[str]:
        """One line for each subscriber that did not receive every status once and in order."""
        for one, delivery in zip(self.received, self.deliveries(statuses), strict=True):
            if problem := "; ".join(filter(None, (delivery.problem, one.problem))):
                yield f"a subscriber of job {self.uploads[one.job].job_id}: {problem}"


SubscribersFigure = Literal[
    "subscribers_at_once", "subscribers_asked_for", "subscribers_allowed", "subscribers_cpu", "subscribers_lag_p99",
    "events_lost", "events_doubled", "events_disordered", "delivery_latency", "subscribers_with_a_problem",
]  # fmt: skip


async def figure(run: Run, scale: str, name: SubscribersFigure) -> Figure:
    """A figure of the subscribers, who listen once in a run; raises EnvironmentUnavailable where they are too slow."""
    seen = await listened(run, scale)
    make = partial(_numbers if name.startswith("subscribers") else _events, run, seen, scale, name)
    return await recorded(run, f"subscribers {name}", make)


def _numbers(run: Run, seen: SubscriberRun, scale: str, name: SubscribersFigure) -> Figure:
    ready = seen.ready
    if name == "subscribers_with_a_problem":
        problems = list(seen.problems(run.contract.jobs.statuses))
        what = f"subscribers that did not receive every status once and in order, of {len(seen.received)}"
        return Figure(what, len(problems), "subscribers", len(seen.received), shortened(problems))
    if name == "subscribers_allowed":  # of those asked for, as many as this machine may open
        return Figure("subscribers allowed", ready.asked, "subscribers", 1)
    value, unit = {
        "subscribers_at_once": (ready.listening, "subscribers"),
        "subscribers_asked_for": (seen.wanted, "subscribers"),
        "subscribers_cpu": (seen.generator.cpu, "%"),
        "subscribers_lag_p99": (seen.generator.lag_p99_ms, "ms"),
    }[name]
    run.observe(CRITERION, _name(name, scale), value, unit, samples=1)
    reason = fewer(profile().of(scale).subscribers, seen.wanted, ready.asked)
    if reason and name == "subscribers_asked_for":
        run.observe(CRITERION, "fewer_subscribers_because", reason, "text", samples=1)
    details = f"in {ready.seconds:.1f} s; {'; '.join(ready.problems[:3])}" if name == "subscribers_at_once" else ""
    return Figure(name.replace("_", " "), value, unit, 1, details)


def _events(run: Run, seen: SubscriberRun, scale: str, name: SubscribersFigure) -> Figure:
    statuses = run.contract.jobs.statuses
    deliveries = seen.deliveries(statuses)
    if name == "delivery_latency":
        late = [milliseconds for delivery in deliveries for milliseconds in delivery.late]
        what = "delivery latency of live events"
        return figure_of_samples(run, CRITERION, _name(name, scale), late, "ms", "p99", what)
    count = sum(getattr(one, name.removeprefix("events_")) for one in deliveries)
    samples = len(statuses) * len(deliveries)
    run.observe(CRITERION, _name(name, scale), count, "events", samples=samples)
    return Figure(name.replace("_", " "), count, "events", samples, shortened(seen.problems(statuses)))


async def listened(run: Run, scale: str) -> SubscriberRun:
    """The subscribers, once in a run; raises EnvironmentUnavailable where their process is too slow."""
    seen = await measured_once(run, f"subscribers, {scale}", lambda: _listened(run, scale))
    seen.generator.check(profile().generator)
    return seen


def delivered(events: Sequence[Event], statuses: Sequence[str], clock: float, opened: float) -> Delivery:
    """The events of a subscriber who listened since `opened`, compared with the statuses of the job.

    Args:
        clock: the least that the deployment's clock is ahead of ours, in seconds.
    """
    received = [(event.sequence, event.status) for event in events]
    expected = list(enumerate(statuses, 1))
    firsts = list(dict.fromkeys(received))
    live = [event for event in events if event.timestamp - clock > opened]
    return Delivery(
        lost=len(set(expected) - set(received)),
        doubled=len(received) - len(firsts) + len(set(received) - set(expected)),
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
    """Why there are fewer subscribers than the scale has; empty where there are not.

    Args:
        allowed: what the plan and the life of signed addresses leave of them.
        opened: how many of these this machine may have files open for.
    """
    reasons = [
        f"the plan's connections and joins a second, and the life of a signed address, allow {allowed} of {most}"
    ] * (allowed < most)
    reasons += [f"this machine's limit of open files allows {opened} of {allowed}"] * (opened < allowed)
    return "; ".join(reasons)


class Child:
    """The subscriber process, and the lines that it writes."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def read(self, kind: type[Line], *, within: float) -> Line:
        """Its next line, of this kind; raises EnvironmentUnavailable where none comes, or the process ended."""
        assert self._process.stdout is not None
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), within)
        except TimeoutError:
            raise EnvironmentUnavailable(
                f"the subscriber process did not report {LINES[kind]} within {within:g} s"
            ) from None
        name, _, content = line.partition(b" ")
        if name.decode() != kind.__name__:
            raise EnvironmentUnavailable(f"the subscriber process ended: {await self._last_words()}")
        return kind.model_validate_json(content)

    async def _last_words(self) -> str:
        assert self._process.stderr is not None
        with contextlib.suppress(TimeoutError):
            written = await asyncio.wait_for(self._process.stderr.read(), ENDING_SECONDS)
            return written.decode("utf-8", "replace").strip()[-LAST_WORDS:] or "it wrote nothing"
        return "it still runs"


@asynccontextmanager
async def child(plan: SubscriberPlan) -> AsyncIterator[Child]:
    """The subscriber process of this plan; it is ended with the block."""
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
    run.descriptor.need_load()
    limits = await limits_of(run)
    joins = min(plan.realtime_joins_per_second or JOINS_PER_SECOND, settings.joins_per_second)
    lifetime = limits["signed_url_ttl_seconds"]
    wanted = how_many(chosen.subscribers, plan.realtime_connections, joins, lifetime)
    owners = await _owners(run, chosen.jobs, limits.at_most(JOBS, JOBS_OF_A_USER))
    notes = [Payload.of(await document(run, "note", SEED + number)) for number in range(chosen.jobs)]
    begin = time.monotonic()
    announcements = (announce(run, owner, note) for owner, note in zip(owners, notes, strict=True))
    uploads = await together(*announcements, at_once=AT_ONCE)
    listening = SubscriberPlan(
        address=run.descriptor.service("realtime").url,
        headers=run.descriptor.headers_of(run.descriptor.service("realtime").url),
        contract=run.contract,
        jobs=tuple(Job(job_id=each.job_id, token=each.owner.access_token) for each in uploads),
        subscribers=wanted,
        joins_per_second=joins,
        within_seconds=PROCESSING_SECONDS,
    )
    async with child(listening) as process:
        ready = await process.read(Ready, within=JOINING_SECONDS + SLOWEST_PACE * wanted / joins)
        if time.monotonic() - begin > SHARE_OF_LIFETIME * lifetime:
            taken = f"{ready.listening} subscribers joined in {ready.seconds:.0f} s"
            raise EnvironmentUnavailable(f"{taken}, which is too long: signed addresses live {lifetime} s")
        await together(*(put_bytes(run, upload) for upload in uploads), at_once=AT_ONCE)
        received = [await process.read(Received, within=2 * PROCESSING_SECONDS) for _ in range(ready.asked)]
        ended = await process.read(Ended, within=ENDING_SECONDS)
    shape = frame_shape(run.contract)

    def frames(one: Received) -> list[Frame]:
        return [Frame(data, at, shape=shape, count=count) for count, (at, data) in enumerate(one.frames, 1)]

    events = [events_of(run, uploads[one.job].job_id, frames(one)) for one in received]
    clock = clock_of(await clock_ahead(run), chain.from_iterable(events))
    return SubscriberRun(uploads, wanted, ready, received, events, clock, Generator(list(ended.lags), ended.cpu))


async def _owners(run: Run, jobs: int, each: int) -> list[User]:
    """The owner of each job; a user owns so many of them."""
    users = await together(*(run.users.signed_in() for _ in range(-(-jobs // each))), at_once=AT_ONCE)
    return [users[number // each] for number in range(jobs)]


def _name(figure: str, scale: str) -> str:
    return figure if scale == FULL else f"{figure}_at_scale_{scale}"
