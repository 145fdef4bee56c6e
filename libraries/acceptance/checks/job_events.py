"""Handbooks watched while they are processed: what REST and realtime say, and what is there when they say it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import Any, Literal

from acceptance.chat import Answer, ask
from acceptance.clients.database import Connection
from acceptance.clients.websocket import Frame, Socket, Subscription
from acceptance.deployment.contract import MISSING, Complete, pick
from acceptance.errors import violation
from acceptance.fixtures.documents import TestDocument
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, job_of, put_bytes

SEEDS = (1, 2, 3)  # each has all topics, in an order of its own; several are needed to tell vectors apart
POLL_SECONDS = 0.05
Channel = Literal["WebSocket", "Server-Sent Events"]
CHANNELS: tuple[Channel, ...] = ("WebSocket", "Server-Sent Events")
Kind = Literal["a readable document", "an unreadable document"]
DOCUMENTS: dict[Kind, str] = {"a readable document": "note", "an unreadable document": "encrypted"}
FAILURE = "failed_parse"
SEED = 800
LAG_SECONDS = 1.0  # between REST and realtime, either way; a deployment's own threshold takes its place
REST_POLL_SECONDS = 0.03
QUIET_SECONDS = 0.5
ANSWER_SECONDS = 15.0
AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class Claim:
    """That a document is complete, by REST or realtime, and what was there at that moment."""

    by: str
    chunks: frozenset[str]
    without_vector: frozenset[str]


@dataclass
class ObservedJob:
    """One handbook on its way: the events as they came and as they were replayed, the views of REST, and the claims."""

    document: TestDocument
    upload: Upload
    events: list[Event] = field(default_factory=list)
    replayed: list[Event] = field(default_factory=list)
    views: list[RestSnapshot] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


async def handbooks(run: Run) -> list[ObservedJob]:
    """Handbooks of different users, watched once in a run (needs `sql`)."""
    return await run.once("watched handbooks", lambda: _make(run))


def early_claims(claims: Sequence[Claim], chunks: frozenset[str]) -> Iterator[str]:
    """Claims of completeness at whose moment not everything was there; `chunks` are those that there are in the end."""
    for claim in claims:
        missing = len(chunks - claim.chunks)
        if missing or claim.without_vector or not claim.chunks:
            yield (
                f"{claim.by} said complete when {len(claim.chunks)} chunks were there, {missing} were yet to come, and "
                f"{len(claim.without_vector)} had no vector"
            )


def wrong_progress(steps: Sequence[Event | RestSnapshot], complete: Complete) -> Iterator[str]:
    """Where progress goes back, or is at its end without being complete, or the other way round."""
    reached = 0.0
    for step in steps:
        if not isinstance(step.total_pct, int | float) or not 0 <= step.total_pct <= complete.total_pct:
            yield f"'{step.status}' is at {step.total_pct!r} %"
            continue
        if step.total_pct < reached:
            yield f"'{step.status}' is at {step.total_pct:g} %, after {reached:g} %"
        reached = max(reached, step.total_pct)
        if (step.total_pct == complete.total_pct) != (step.status == complete.status):
            yield f"'{step.status}' is at {step.total_pct:g} %"


async def _make(run: Run) -> list[ObservedJob]:
    run.descriptor.need("sql")
    documents = await together(*(document(run, "handbook", seed) for seed in SEEDS), at_once=2)
    users = await together(*(run.users.signed_in() for _ in SEEDS))
    return await together(*(_watch(run, *each) for each in zip(users, documents, strict=True)))


async def _watch(run: Run, user: User, document: TestDocument) -> ObservedJob:
    upload = await announce(run, user, Payload.of(document))
    watched, token = ObservedJob(document, upload), user.access_token
    async with await run.database.connect() as connection, run.websocket.job(upload.job_id, token, after=0) as socket:
        look = partial(_look, run, watched, connection)
        await together(put_bytes(run, upload), _by_realtime(run, socket, look), _by_rest(run, watched, look))
        watched.events = events_of(run, upload.job_id, socket.events)
    async with run.sse.job(upload.job_id, token, after=0) as stream:
        await stream.until(lambda seen: has_ended(run, seen), what="the final event", within=5)
        watched.replayed = events_of(run, upload.job_id, stream.events)
    return watched


async def _by_realtime(run: Run, socket: Socket, look: Callable[[str], Awaitable[None]]) -> None:
    await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
    if any(event.data.get("status") == run.contract.jobs.complete.status for event in socket.events):
        await look("realtime")


async def _by_rest(run: Run, watched: ObservedJob, look: Callable[[str], Awaitable[None]]) -> None:
    async def view() -> RestSnapshot:
        asked = time.time()
        job = await job_of(run, watched.upload)
        words = (job["status"], job["state"], job["status_pct"], job["total_pct"])
        watched.views.append(RestSnapshot(*words, asked=asked, answered=time.time(), look=job.look))
        return watched.views[-1]

    last = await wait_until(
        view, lambda seen: seen.state in run.contract.jobs.final_states,
        what=f"job {watched.upload.job_id} ends", within=PROCESSING_SECONDS, every=POLL_SECONDS,
    )  # fmt: skip
    if last.status == run.contract.jobs.complete.status:
        await look("REST")


async def _look(run: Run, watched: ObservedJob, connection: Connection, by: str) -> None:
    rows = partial(run.database.rows_over, connection, columns=["chunk_id"])
    chunks = frozenset(str(row["chunk_id"]) for row in await rows("chunks", document_id=watched.upload.document_id))
    vectors = {str(row["chunk_id"]) for row in await rows("vectors", chunk_id=sorted(chunks))}
    watched.claims.append(Claim(by, chunks, chunks - vectors))


@dataclass(frozen=True)
class Event:
    """One event of a job: `at` is when it was received, `timestamp` when it says that it happened (Unix seconds)."""

    sequence: int
    status: str
    state: str
    status_pct: float
    total_pct: float
    timestamp: float
    at: float


@dataclass(frozen=True)
class RestSnapshot:
    """The job in one REST answer; `asked` and `answered` are Unix seconds."""

    status: str
    state: str
    status_pct: float
    total_pct: float
    asked: float
    answered: float
    look: str = ""


@dataclass
class JobTrace:
    """One job as every view told it; `clock` is the least that the deployment's clock is ahead of ours, in seconds."""

    upload: Upload
    frames: dict[Channel, list[Frame]] = field(default_factory=dict)
    opened: dict[Channel, float] = field(default_factory=dict)  # Unix seconds
    views: list[RestSnapshot] = field(default_factory=list)
    clock: float = 0.0

    @property
    def name(self) -> str:
        return f"job {self.upload.job_id} of '{self.upload.payload.filename}'"


async def followed(run: Run, kind: Kind) -> JobTrace:
    """A document of this kind, followed once in a run."""

    async def make() -> JobTrace:
        user, made = await run.users.signed_in(), await document(run, DOCUMENTS[kind], SEED)
        return await follow(run, user, Payload.of(made))

    return await run.once(f"{kind}, followed", make)


def check_each_status_once(run: Run, kind: Kind, followed: JobTrace, channel: Channel) -> None:
    """The channel told every status once and in order, and ended with the right one; raises AssertionError."""
    events = events_of(run, followed.upload.job_id, followed.frames[channel])
    statuses = run.contract.jobs.statuses
    if kind == "an unreadable document":
        stage = statuses.index(run.contract.jobs.stages.parse)
        statuses = [*statuses[: max(1, min(len(events) - 1, stage))], FAILURE]
    check_order(events, statuses, f"{followed.name} over {channel}")


async def follow(run: Run, user: User, payload: Payload) -> JobTrace:
    """Announce a document, follow its job over everything, send its bytes, and stay until the job has ended."""
    upload = await announce(run, user, payload)
    token, followed = user.access_token, JobTrace(upload)
    async with (
        run.websocket.job(upload.job_id, token, after=0) as socket,
        run.sse.job(upload.job_id, token, after=0) as stream,
    ):
        await together(put_bytes(run, upload), _poll(run, followed))
        for each in (socket, stream):
            await each.until(lambda seen: has_ended(run, seen), what="the final event", within=5 * LAG_SECONDS)
        await together(settled(run, socket), settled(run, stream))
        for name, channel in zip(CHANNELS, (socket, stream), strict=True):
            followed.frames[name], followed.opened[name] = channel.events, channel.opened
    followed.clock = await clock_ahead(run)
    return followed


def has_ended(run: Run, channel: Subscription) -> bool:
    """Whether the channel told an event with which a job ends."""
    return any(frame.data.get("state") in run.contract.jobs.final_states for frame in channel.events)


async def settled(run: Run, channel: Subscription) -> None:
    """Wait until nothing more is on its way: a pong came behind it, the channel has ended, or it stayed quiet."""
    if isinstance(channel, Socket):
        await channel.ping(within=run.contract.realtime.pong_within_seconds)
        return
    try:
        await channel.until(lambda seen: seen.closed is not None, what="ends", within=QUIET_SECONDS)
    except AssertionError:
        return


def events_of(run: Run, job_id: str, frames: Sequence[Frame]) -> list[Event]:
    """The events in frames; raises AssertionError for one of another job, or without what the contract asks."""
    events = []
    for frame in frames:
        said = {word: pick(frame.data, path) for word, path in run.contract.realtime.job_event.items()}
        if MISSING in said.values() or said["job_id"] != job_id or frame.type != run.contract.realtime.job_event_type:
            wanted = f"{run.contract.realtime.job_event_type} of job {job_id} with {', '.join(said)}"
            raise violation(f"realtime of job {job_id}", expected=wanted, observed=frame.data)
        happened = moment(said.pop("timestamp"), f"realtime of job {job_id}")
        events.append(Event(**{k: v for k, v in said.items() if k != "job_id"}, timestamp=happened, at=frame.at))
    return events


def moment(text: Any, what: str) -> float:
    """Unix seconds of a time with its zone; raises AssertionError for anything else."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise violation(what, expected="a time with its zone", observed=repr(text))
    return at.timestamp()


def check_order(events: Sequence[Event], statuses: Sequence[str], what: str) -> None:
    """Every status exactly once and in order, numbered from 1 without a hole or a double."""
    told = [(event.sequence, event.status) for event in events]
    if told != list(enumerate(statuses, 1)):
        raise violation(what, expected=format_events(list(enumerate(statuses, 1))), observed=format_events(told))


def format_events(told: Sequence[tuple[int, str]]) -> str:
    """Numbered statuses, for messages."""
    return ", ".join(f"#{sequence} {status}" for sequence, status in told) or "nothing"


def difference(expected: Sequence[object], seen: Sequence[object]) -> tuple[object, object] | None:
    """The first two that differ; `nothing` stands for what one of both has not. None where all are the same."""
    pairs = zip_longest(expected, seen, fillvalue="nothing")
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


def lags(events: Sequence[Event], views: Sequence[RestSnapshot]) -> list[float]:
    """For each event, the seconds by which realtime came after REST or REST after realtime; 0 where neither did."""
    order = {event.status: number for number, event in enumerate(events)}
    result = []
    for number, event in enumerate(events):
        shown_at = [view.answered for view in views if order.get(view.status, -1) >= number]
        stale = [view.asked for view in views if order.get(view.status, len(events)) < number]
        frame_late = event.at - min(shown_at, default=event.at)
        view_late = max(stale, default=event.at) - event.at
        result.append(max(0.0, frame_late, view_late))
    return result


def ages(events: Sequence[Event], clock: float, opened: float) -> list[float]:
    """Seconds, at least, from when each event happened by its own word, the channel being open, to when it came."""
    return [event.at - max(event.timestamp - clock, opened) for event in events]


async def tells_in_time(run: Run, followed: JobTrace) -> None:
    """Each event within a second of the REST view and of its own time, on both channels; raises AssertionError."""
    own = run.descriptor.thresholds.get("INT-08")
    allowed = own.value if own else LAG_SECONDS
    worst: list[tuple[float, str]] = []
    for channel, frames in followed.frames.items():
        events = events_of(run, followed.upload.job_id, frames)
        told = ages(events, followed.clock, followed.opened[channel])
        both = zip(events, lags(events, followed.views), told, strict=True)
        worst += [(max(lag, age), f"'{event.status}' over {channel}") for event, lag, age in both]
    if not worst:
        raise violation(followed.name, expected="events", observed="none")
    seconds, which = max(worst)
    run.observe("INT-08", "realtime_lag", [max(0.0, lag) for lag, _ in worst], "s", statistic="max")
    if seconds > allowed:
        raise violation(
            followed.name, expected=f"each event within {allowed:g} s", observed=f"{which} after {seconds:.2f} s"
        )


async def views_agree(run: Run, followed: JobTrace) -> None:
    """Both channels and REST told the same; raises AssertionError naming the difference."""
    first, second = ([frame.data for frame in followed.frames[channel]] for channel in CHANNELS)
    if differing := difference(first, second):
        raise violation(
            f"{followed.name} over {CHANNELS[1]}",
            expected=f"{differing[0]} as over {CHANNELS[0]}",
            observed=differing[1],
        )
    events = events_of(run, followed.upload.job_id, followed.frames[CHANNELS[0]])
    told = {event.status: (number, event.total_pct) for number, event in enumerate(events)}
    reached = 0
    for view in followed.views:
        number, total = told.get(view.status, (-1, -1.0))
        if number < reached or view.total_pct != total:
            wanted = f"what realtime told, never going back ({format_events([(e.sequence, e.status) for e in events])})"
            raise violation(f"REST of {followed.name}", expected=wanted, observed=view, look=view.look)
        reached = number
    last, end = followed.views[-1], events[-1]
    seen = (last.status, last.state, last.status_pct, last.total_pct)
    if seen != (end.status, end.state, end.status_pct, end.total_pct):
        raise violation(
            f"REST of {followed.name}", expected=f"to end as realtime did: {end}", observed=seen, look=last.look
        )


async def database_agrees(run: Run, followed: JobTrace) -> None:
    """The events in the database are those that realtime told; raises AssertionError."""
    rows = sorted(
        await run.database.rows("job_events", job_id=followed.upload.job_id), key=lambda row: int(row["sequence"])
    )
    events = events_of(run, followed.upload.job_id, followed.frames[CHANNELS[0]])
    recorded = [(row["sequence"], row["status"], round(row["at"].timestamp(), 3)) for row in rows]
    told = [(event.sequence, event.status, round(event.timestamp, 3)) for event in events]
    if differing := difference(told, recorded):
        raise violation(f"named query 'job_events' of {followed.name}", expected=differing[0], observed=differing[1])
    (job,) = await run.database.rows("jobs", job_id=followed.upload.job_id) or [{}]
    if (job.get("status"), job.get("state")) != (events[-1].status, events[-1].state):
        raise violation(f"named query 'jobs' of {followed.name}", expected=events[-1], observed=job)


async def replay_is_exact(run: Run, followed: JobTrace, channel: Channel) -> None:
    """Whoever comes later and names the last event seen gets exactly those after it; raises AssertionError."""
    whole = [frame.data for frame in followed.frames[channel]]
    token, job_id = followed.upload.owner.access_token, followed.upload.job_id
    subscribe = run.websocket.job if channel == "WebSocket" else run.sse.job

    async def replay(after: int) -> None:
        async with subscribe(job_id, token, after=after) as channel_again:
            if after < len(whole):
                await channel_again.until(lambda seen: has_ended(run, seen), what="the final event again", within=5)
            await settled(run, channel_again)
            replayed = [frame.data for frame in channel_again.events]
        if differing := difference(whole[after:], replayed):
            wanted = f"what it told before: {differing[0]}"
            raise violation(f"{channel} of {followed.name} after {after}", expected=wanted, observed=differing[1])

    await together(*(replay(after) for after in range(len(whole) + 1)))


async def _poll(run: Run, followed: JobTrace) -> None:
    """Ask REST again and again until the job has ended."""
    final = run.contract.jobs.final_states

    async def look() -> RestSnapshot:
        asked = time.time()
        job = await job_of(run, followed.upload)
        words = (job["status"], job["state"], job["status_pct"], job["total_pct"])
        followed.views.append(RestSnapshot(*words, asked=asked, answered=time.time(), look=job.look))
        return followed.views[-1]

    await wait_until(
        look,
        lambda view: view.state in final,
        what=f"{followed.name} ends",
        within=PROCESSING_SECONDS,
        every=REST_POLL_SECONDS,
    )


async def clock_ahead(run: Run) -> float:
    """Seconds, at least, that the deployment's clock is ahead of ours.

    A health document may be some moments old, so each can only say less than the truth: the largest counts.
    """
    ahead = []
    for _ in range(3):
        health = await run.client.call("health")
        ahead.append(moment(health["timestamp"], "health") - time.time())
    return max(ahead)


@dataclass
class ObservedWorkflow:
    """One answer as REST gave it and as each channel told it; `answered` is when REST did (Unix seconds)."""

    workflow_id: str
    answer: Answer
    answered: float
    frames: dict[Channel, list[Frame]]


async def watched(run: Run) -> ObservedWorkflow:
    """An answer that was watched once in a run, from the document that was followed."""

    async def make() -> ObservedWorkflow:
        upload = (await followed(run, "a readable document")).upload
        note = await document(run, DOCUMENTS["a readable document"], SEED)
        assert note.handbook is not None
        return await watch(run, upload.owner, note.handbook.facts[0].question)

    return await run.once("watched answer", make)


async def watch(run: Run, user: User, question: str) -> ObservedWorkflow:
    """Ask under an identifier of our own, and follow the way to the answer over both channels at once."""
    workflow_id = str(uuid.uuid4())

    async def asked() -> tuple[Answer, float]:
        return await ask(run, user, question, workflow_id=workflow_id), time.time()

    told = [_told(run, channel, workflow_id, user) for channel in CHANNELS]
    results: list[Any] = await together(asked(), *told)
    (answer, answered), frames = results[0], results[1:]
    return ObservedWorkflow(workflow_id, answer, answered, dict(zip(CHANNELS, frames, strict=True)))


def check_steps(run: Run, watched: ObservedWorkflow, channel: Channel) -> None:
    """Numbered from 1, steps that never go back, and at last the answer as REST gave it; raises AssertionError."""
    what = f"workflow {watched.workflow_id} over {channel}"
    frames, realtime = watched.frames[channel], run.contract.realtime
    if [frame.sequence for frame in frames] != list(range(1, len(frames) + 1)):
        numbers = [frame.sequence for frame in frames]
        raise violation(what, expected="numbers from 1 without a hole or a double", observed=numbers)
    kinds = [frame.type for frame in frames]
    if len(kinds) < 2 or kinds != [realtime.step_type] * (len(kinds) - 1) + [realtime.answer_type]:
        raise violation(
            what, expected=f"{realtime.step_type}, one or more, then {realtime.answer_type}", observed=kinds
        )
    _check_progress(run, frames[:-1], what)
    success, reported = (pick(frames[-1].data, realtime.answer[word]) for word in ("success", "response"))
    response = watched.answer.response
    if success is not True or reported != response.json():
        raise violation(what, expected=f"success and {response.json()}", observed=frames[-1].data, look=response.look)


def check_agreement(watched: ObservedWorkflow) -> None:
    """Both channels told the same, and the answer within a second of REST; raises AssertionError."""
    what = f"workflow {watched.workflow_id}"
    first, second = ([frame.data for frame in watched.frames[channel]] for channel in CHANNELS)
    if differing := difference(first, second):
        wanted = f"{differing[0]} as over {CHANNELS[0]}"
        raise violation(f"{what} over {CHANNELS[1]}", expected=wanted, observed=differing[1])
    for channel, frames in watched.frames.items():
        late = frames[-1].at - watched.answered
        if late > LAG_SECONDS:
            wanted = f"the answer within {LAG_SECONDS:g} s of REST"
            raise violation(f"{what} over {channel}", expected=wanted, observed=f"{late:.2f} s later")


def _check_progress(run: Run, steps: Sequence[Frame], what: str) -> None:
    reached = 0.0
    for frame in steps:
        said = {word: pick(frame.data, path) for word, path in run.contract.realtime.step.items()}
        named = all(isinstance(said[word], str) and said[word] for word in ("step", "message"))
        progress = said["progress"]
        if MISSING in said.values() or not named or isinstance(progress, bool) or not isinstance(progress, int | float):
            raise violation(
                what, expected="a step and a message in words, and progress as a number", observed=frame.data
            )
        if not reached <= progress <= 1:
            raise violation(what, expected=f"progress from {reached:g} to 1", observed=progress)
        moment(said["timestamp"], what)
        reached = progress


async def _told(run: Run, channel: Channel, workflow_id: str, user: User) -> list[Frame]:
    """What the channel tells until the answer. Before the question has arrived, nothing has this identifier yet."""
    unknown = {run.contract.realtime.close.unknown, run.contract.errors.unknown_identifier}
    subscribe = run.websocket.workflow if channel == "WebSocket" else run.sse.workflow
    response = run.contract.realtime.answer_type
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        async with subscribe(workflow_id, user.access_token, after=0) as subscription:
            await subscription.until(
                lambda seen: seen.closed in unknown or any(frame.type == response for frame in seen.events),
                what=f"{response} of workflow {workflow_id}", within=max(0.0, deadline - time.monotonic()),
            )  # fmt: skip
            if subscription.closed not in unknown:
                await settled(run, subscription)
                return subscription.events
        await asyncio.sleep(AGAIN_SECONDS)
