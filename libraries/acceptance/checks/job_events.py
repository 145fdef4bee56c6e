"""Events of jobs and workflows over WebSocket and SSE, compared with REST, the clock and the database."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Literal

from acceptance.chat import Answer, ask
from acceptance.checks.fixtures import signed_in
from acceptance.clients.database import Connection
from acceptance.clients.sse import EventStreams
from acceptance.clients.websocket import Frame, RealtimeClient, Socket, Subscription
from acceptance.deployment.contract import MISSING, Complete, Contract, Partial, by_words, names, pick
from acceptance.errors import NotOffered, SuiteError, violation
from acceptance.fixtures.documents import TestDocument
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, job_of, put_bytes

SEEDS = (1, 2, 3)  # each has all topics, in an order of its own; several are needed to tell vectors apart
POLL_SECONDS = 0.05
REST_POLL_SECONDS = 0.03
Channel = Literal["WebSocket", "SSE"]
FINAL_SECONDS = 5.0  # until the final event, after REST had it
QUIET_SECONDS = 0.5
ANSWER_SECONDS = 15.0
AGAIN_SECONDS = 0.05


@dataclass(frozen=True)
class Claim:
    """A report of completeness, by REST or realtime, and the chunks stored at that moment."""

    by: str
    chunks: frozenset[str]
    without_vector: frozenset[str]


@dataclass
class ObservedJob:
    """The job of one handbook: events live and replayed, snapshots of REST, and claims of completeness."""

    document: TestDocument
    upload: Upload
    events: list[Event] = field(default_factory=list)
    replayed: list[Event] = field(default_factory=list)
    views: list[RestSnapshot] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


async def handbooks(run: Run) -> list[ObservedJob]:
    """The jobs of handbooks of different users, observed once in a run (needs `sql`)."""
    return await run.once("watched handbooks", lambda: _make(run))


def early_claims(claims: Sequence[Claim], chunks: frozenset[str]) -> Iterator[str]:
    """Claims made before all of `chunks`, those of the complete document, were stored with their vectors."""
    for claim in claims:
        missing = len(chunks - claim.chunks)
        if missing or claim.without_vector or not claim.chunks:
            yield (
                f"{claim.by} reported complete with {len(claim.chunks)} chunks stored, {missing} missing, "
                f"{len(claim.without_vector)} without a vector"
            )


def wrong_progress(steps: Sequence[Event | RestSnapshot], complete: Complete) -> Iterator[str]:
    """Steps where progress decreases, or is at its end without being complete, or the other way round."""
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
    users = await together(*(signed_in(run) for _ in SEEDS))
    return await together(*(_watch(run, *each) for each in zip(users, documents, strict=True)))


async def _watch(run: Run, user: User, document: TestDocument) -> ObservedJob:
    upload = await announce(run, user, Payload.of(document))
    watched, token = ObservedJob(document, upload), user.access_token
    async with await run.database.connect() as connection, AsyncExitStack() as stack:
        look = partial(_look, run, watched, connection)
        views = [put_bytes(run, upload), _by_rest(run, watched, look)]
        if run.is_offered("realtime.job"):
            socket = await stack.enter_async_context(run.websocket.job(upload.job_id, token, after=0))
            await together(*views, _by_realtime(run, socket, look))
            watched.events = events_of(run, upload.job_id, socket.events)
        else:
            await together(*views)
    if run.is_offered("routes.job_events"):
        async with run.sse.job(upload.job_id, token, after=0) as stream:
            await stream.until(lambda seen: has_ended(run, seen), what="the final event", within=5)
            watched.replayed = events_of(run, upload.job_id, stream.events)
    return watched


async def _by_realtime(run: Run, socket: Socket, look: Callable[[str], Awaitable[None]]) -> None:
    await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
    path = run.contract.realtime.job_event["status"]
    if any(pick(event.data, path) == run.contract.jobs.complete.status for event in socket.events):
        await look("realtime")


async def _by_rest(run: Run, watched: ObservedJob, look: Callable[[str], Awaitable[None]]) -> None:
    last = await _poll(run, watched.upload, watched.views, every=POLL_SECONDS)
    if last.status == run.contract.jobs.complete.status:
        await look("REST")


async def _look(run: Run, watched: ObservedJob, connection: Connection, by: str) -> None:
    rows = partial(run.database.rows_over, connection, columns=["chunk_id"])
    chunks = frozenset(str(row["chunk_id"]) for row in await rows("chunks", document_id=watched.upload.document_id))
    vectors = {str(row["chunk_id"]) for row in await rows("vectors", chunk_id=sorted(chunks))}
    watched.claims.append(Claim(by, chunks, chunks - vectors))


@dataclass(frozen=True)
class Event(Partial):
    """One event of a job: `at` is its arrival, `timestamp` its own time of what happened (Unix seconds)."""

    sequence: int
    status: str
    state: str
    status_pct: float
    total_pct: float
    timestamp: float
    at: float

    @property
    def step(self) -> str:
        return _step(self.status, self.total_pct)


@dataclass(frozen=True)
class RestSnapshot(Partial):
    """The job in one REST response; `asked` and `answered` are Unix seconds."""

    status: str
    state: str
    status_pct: float
    total_pct: float
    asked: float
    answered: float
    look: str = ""

    @property
    def step(self) -> str:
        return _step(self.status, self.total_pct)


def _step(status: str, total_pct: Any) -> str:
    return f"{status} at {total_pct:g} %" if isinstance(total_pct, int | float) else f"{status} at {total_pct!r}"


class Trace:
    """Both channels of one job or workflow, with all that they received."""

    channels: dict[Channel, Subscription]

    @property
    def first(self) -> Subscription:
        """The WebSocket where there is one, else the SSE stream."""
        return next(iter(self.channels.values()))

    @property
    def websocket(self) -> Subscription:
        return self.channels["WebSocket"]

    @property
    def sse(self) -> Subscription:
        return self.channels["SSE"]


@dataclass
class JobTrace(Trace):
    """One job as seen by every view.

    Attributes:
        snapshots: responses of REST while the job was processed.
        clock: seconds, at least, that the deployment's clock is ahead of ours.
    """

    upload: Upload
    channels: dict[Channel, Subscription] = field(default_factory=dict)
    snapshots: list[RestSnapshot] = field(default_factory=list, repr=False)
    clock: float = 0.0

    @property
    def name(self) -> str:
        return f"job {self.upload.job_id} of '{self.upload.payload.filename}'"


@dataclass
class WorkflowTrace(Trace):
    """One answer as given by REST, at `answered` (Unix seconds), and the events on the way to it."""

    workflow_id: str
    answer: Answer
    answered: float
    channels: dict[Channel, Subscription] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"workflow {self.workflow_id}"


async def trace_job(run: Run, user: User, payload: Payload) -> JobTrace:
    """Announce a document, subscribe over both channels, send its bytes, and poll REST until the job has ended."""
    upload = await announce(run, user, payload)
    token, trace = user.access_token, JobTrace(upload)
    async with AsyncExitStack() as stack:
        if run.is_offered("realtime.job"):
            opened = stack.enter_async_context(run.websocket.job(upload.job_id, token, after=0))
            trace.channels["WebSocket"] = await opened
        if run.is_offered("routes.job_events"):
            trace.channels["SSE"] = await stack.enter_async_context(run.sse.job(upload.job_id, token, after=0))
        if not trace.channels:
            raise NotOffered("realtime.job, routes.job_events")
        await together(put_bytes(run, upload), _poll(run, upload, trace.snapshots, every=REST_POLL_SECONDS))
        for each in trace.channels.values():
            await each.until(lambda seen: has_ended(run, seen), what="the final event", within=FINAL_SECONDS)
        await together(*(settled(run, each) for each in trace.channels.values()))
    trace.clock = await clock_ahead(run)
    return trace


async def trace_workflow(run: Run, user: User, question: str) -> WorkflowTrace:
    """Ask under an identifier of our own, and follow the workflow over both channels at the same time."""
    workflow_id = str(uuid.uuid4())

    async def asked() -> tuple[Answer, float]:
        return await ask(run, user, question, workflow_id=workflow_id), time.time()

    clients: dict[Channel, RealtimeClient | EventStreams] = {}
    if run.is_offered("realtime.workflow"):
        clients["WebSocket"] = run.websocket
    if run.is_offered("routes.workflow_stream"):
        clients["SSE"] = run.sse
    followed = (_workflow_events(run, client, workflow_id, user) for client in clients.values())
    results: list[Any] = await together(asked(), *followed)
    (answer, answered), *channels = results
    return WorkflowTrace(workflow_id, answer, answered, dict(zip(clients, channels, strict=True)))


def has_ended(run: Run, channel: Subscription, after: int = 0) -> bool:
    """Whether the event that ends a job or a workflow has arrived, with a number later than `after`."""
    later = [frame for frame in channel.events if (frame.sequence or 0) > after]
    if channel.subject == "workflow":
        return any(frame.type == run.contract.realtime.answer_type for frame in later)
    fields = run.contract.realtime.job_event
    return any(run.contract.jobs.has_ended(by_words(frame.data, fields)) for frame in later)


async def settled(run: Run, channel: Subscription) -> None:
    """Wait until nothing more is in transit: a pong came behind it, the channel has ended, or it is quiet."""
    if isinstance(channel, Socket) and run.contract.offers("realtime.pong_within_seconds"):
        await channel.ping(within=run.contract.realtime.pong_within_seconds)
        return
    while channel.closed is None:
        latest = max([channel.opened, *(frame.at for frame in channel.frames)])
        if (left := latest + QUIET_SECONDS - time.time()) <= 0:
            return
        with suppress(AssertionError):
            await channel.until(lambda seen: seen.closed is not None, what="ends", within=left)


def events_of(run: Run, job_id: str, frames: Sequence[Frame]) -> list[Event]:
    """The events in frames; raises AssertionError for one of another job, or without a field of the contract."""
    events = []
    for frame in frames:
        fields = by_words(frame.data, run.contract.realtime.job_event)
        if (
            MISSING in fields.values()
            or fields.get("job_id", job_id) != job_id
            or frame.type != run.contract.realtime.job_event_type
        ):
            wanted = f"{run.contract.realtime.job_event_type} of job {job_id} with {', '.join(fields)}"
            raise violation(f"realtime of job {job_id}", expected=wanted, observed=frame.data)
        if "timestamp" in fields:
            fields["timestamp"] = moment(fields["timestamp"], f"realtime of job {job_id}")
        own = {**fields, **getattr(run.contract.realtime.job_event, "absent", {}), "sequence": frame.sequence}
        events.append(Event(**{word: value for word, value in own.items() if word != "job_id"}, at=frame.at))
    return events


def event_fields(run: Run, channel: Subscription, field: str, type: str | None = None) -> list[Any]:
    """A field of every event of a channel, or of those of one type, in order of arrival.

    Args:
        field: of a job as in the contract's `job_event`, of a workflow as in its `step` and `answer`; `timestamp` is
            in Unix seconds, to the millisecond. Or `type`, `sequence`, or `data` (the whole frame); of a job also
            `step`, such as `parsed at 40 %`.

    Raises:
        AssertionError: an event is of another job, or lacks a field.
    """
    frames = [frame for frame in channel.events if type in (None, frame.type)]
    events = events_of(run, channel.key, frames) if channel.subject == "job" else []
    if field == "sequence":
        run.contract.value("realtime.job_event.sequence")
    if field in ("type", "sequence", "data"):
        return [getattr(frame, field) for frame in frames]
    if channel.subject == "job" and field in ("status", "state", "status_pct", "total_pct", "step"):
        return [getattr(event, field) for event in events]
    path = path_of(run.contract, channel, field)
    values = []
    for frame in frames:
        value = pick(frame.data, path)
        if value is MISSING:
            raise violation(channel.what, expected=f"'{field}' in each event", observed=frame.data)
        values.append(round(moment(value, channel.what), 3) if field == "timestamp" else value)
    return values


def path_of(contract: Contract, channel: Subscription, field: str) -> str:
    """Where the events of a channel have a field; raises SuiteError where they have none of this name."""
    realtime = contract.realtime
    parts = (realtime.job_event,) if channel.subject == "job" else (realtime.step, realtime.answer)
    for paths in (*parts, {"type": "type", "sequence": "sequence"}):
        if field in names(paths):
            return str(paths[field])
    known = ", ".join(dict.fromkeys(word for paths in parts for word in ("type", "sequence", *paths)))
    raise SuiteError(f"events of a {channel.subject} have no field '{field}'; they have {known}")


def expected_statuses(contract: Contract, outcome: str, length: int) -> list[str]:
    """The statuses of a job up to its outcome, in order.

    Args:
        outcome: the final status. A failure, such as `failed_parse`, ends the job before the end of its stage.
        length: number of statuses observed; a failing job may have passed one or more of those before its failure.

    Raises:
        SuiteError: there is no such status.
    """
    statuses, known = contract.jobs.statuses, [*contract.jobs.statuses, *contract.jobs.failures]
    if outcome not in known:
        raise SuiteError(f"no status of a job is called '{outcome}'; there are {', '.join(known)}")
    if outcome not in contract.jobs.failures:
        return statuses[: statuses.index(outcome) + 1]
    stage = contract.jobs.failed_in.get(outcome)
    end = statuses.index(getattr(contract.jobs.stages, stage)) if stage else len(statuses)
    return [*statuses[: max(1, min(length - 1, end))], outcome]


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
    """Every status exactly once and in order, numbered from 1 without a gap or a duplicate."""
    observed = [(event.sequence, event.status) for event in events]
    if observed != list(enumerate(statuses, 1)):
        raise violation(what, expected=format_events(list(enumerate(statuses, 1))), observed=format_events(observed))


def format_events(events: Sequence[tuple[int, str]]) -> str:
    """Numbered statuses, for messages."""
    return ", ".join(f"#{sequence} {status}" for sequence, status in events) or "nothing"


def lags(events: Sequence[Event], snapshots: Sequence[RestSnapshot]) -> list[float]:
    """For each event, the seconds by which realtime came after REST or REST after realtime; 0 where neither did."""
    order = {event.status: number for number, event in enumerate(events)}
    result = []
    for number, event in enumerate(events):
        reached = [each.answered for each in snapshots if order.get(each.status, -1) >= number]
        stale = [each.asked for each in snapshots if order.get(each.status, len(events)) < number]
        frame_late = event.at - min(reached, default=event.at)
        rest_late = max(stale, default=event.at) - event.at
        result.append(max(0.0, frame_late, rest_late))
    return result


def ages(events: Sequence[Event], clock: float, opened: float) -> list[float]:
    """Seconds, at least, from the timestamp of each event, the channel being open, to its arrival."""
    return [event.at - max(event.timestamp - clock, opened) for event in events]


def realtime_lags(run: Run, trace: JobTrace | WorkflowTrace) -> list[tuple[float, str]]:
    """The lag of each event in seconds, and which event it is.

    Of a job: behind REST, before REST, or behind the event's own timestamp, whichever is largest. Of a workflow: the
    answer's behind REST.

    Raises:
        AssertionError: there is no event.
    """
    result: list[tuple[float, str]] = []
    for name, channel in trace.channels.items():
        if isinstance(trace, WorkflowTrace):
            result += [
                (max(0.0, frame.at - trace.answered), f"the answer over {name}") for frame in channel.events[-1:]
            ]
            continue
        events = events_of(run, channel.key, channel.events)
        both = zip(events, lags(events, trace.snapshots), ages(events, trace.clock, channel.opened), strict=True)
        result += [(max(0.0, lag, age), f"'{event.status}' over {name}") for event, lag, age in both]
    if not result:
        raise violation(trace.name, expected="events", observed="none")
    return result


async def clock_ahead(run: Run) -> float:
    """Seconds, at least, that the deployment's clock is ahead of ours.

    A health document may be some moments old, so each gives a lower bound: the largest counts.
    """
    ahead = []
    for _ in range(3):
        health = await run.client.call("health")
        ahead.append(moment(health["timestamp"], "health") - time.time())
    return max(ahead)


async def _poll(run: Run, upload: Upload, snapshots: list[RestSnapshot], *, every: float) -> RestSnapshot:
    """Take snapshots of the job until it has ended; returns the last."""
    return await wait_until(
        partial(_snapshot, run, upload, snapshots), lambda seen: run.contract.jobs.has_ended(seen.offered),
        what=f"job {upload.job_id} of '{upload.payload.filename}' ends", within=PROCESSING_SECONDS, every=every,
        describe=lambda seen: seen.offered,
    )  # fmt: skip


async def _snapshot(run: Run, upload: Upload, snapshots: list[RestSnapshot]) -> RestSnapshot:
    asked = time.time()
    job = await job_of(run, upload)
    fields = {word: job.partly(word) for word in ("status", "state", "status_pct", "total_pct")}
    snapshots.append(RestSnapshot(**fields, asked=asked, answered=time.time(), look=job.look))
    return snapshots[-1]


async def _workflow_events(
    run: Run, client: RealtimeClient | EventStreams, workflow_id: str, user: User
) -> Subscription:
    """A channel of the workflow up to its answer. It is refused as unknown until the question has arrived."""
    unknown = {run.contract.realtime.close.unknown, run.contract.errors.unknown_identifier}
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        async with client.workflow(workflow_id, user.access_token, after=0) as channel:
            await channel.until(
                lambda seen: seen.closed in unknown or has_ended(run, seen),
                what="the answer", within=max(0.0, deadline - time.monotonic()),
            )  # fmt: skip
            if channel.closed not in unknown:
                await settled(run, channel)
                return channel
        await asyncio.sleep(AGAIN_SECONDS)
