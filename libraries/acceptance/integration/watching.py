"""Handbooks watched while they are processed: what REST and realtime say, and what is there when they say it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from acceptance.contract import Complete
from acceptance.documents.catalogue import TestDocument
from acceptance.inspection import Connection
from acceptance.integration.following import Event, View, events_of, has_ended
from acceptance.people import Person
from acceptance.realtime import Socket
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, job_of, put_bytes
from acceptance.waiting import together, wait_until

SEEDS = (1, 2, 3)  # each has all topics, in an order of its own; several are needed to tell vectors apart
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Claim:
    """That a document is complete, by REST or realtime, and what was there at that moment."""

    by: str
    chunks: frozenset[str]
    without_vector: frozenset[str]


@dataclass
class Watched:
    """One handbook on its way: the events as they came and as they were replayed, the views of REST, and the claims."""

    document: TestDocument
    upload: Upload
    events: list[Event] = field(default_factory=list)
    replayed: list[Event] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)


async def handbooks(run: Run) -> list[Watched]:
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


def wrong_progress(steps: Sequence[Event | View], complete: Complete) -> Iterator[str]:
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


async def _make(run: Run) -> list[Watched]:
    run.descriptor.need("sql")
    documents = await together(*(document(run, "handbook", seed) for seed in SEEDS), at_once=2)
    people = await together(*(run.people.signed_in() for _ in SEEDS))
    return await together(*(_watch(run, *each) for each in zip(people, documents, strict=True)))


async def _watch(run: Run, person: Person, document: TestDocument) -> Watched:
    upload = await announce(run, person, Payload.of(document))
    watched, token = Watched(document, upload), person.access_token
    async with await run.inspection.connect() as connection, run.realtime.job(upload.job_id, token, after=0) as socket:
        look = partial(_look, run, watched, connection)
        await together(put_bytes(run, upload), _by_realtime(run, socket, look), _by_rest(run, watched, look))
        watched.events = events_of(run, upload.job_id, socket.events)
    async with run.event_streams.job(upload.job_id, token, after=0) as stream:
        await stream.until(lambda seen: has_ended(run, seen), what="the final event", within=5)
        watched.replayed = events_of(run, upload.job_id, stream.events)
    return watched


async def _by_realtime(run: Run, socket: Socket, look: Callable[[str], Awaitable[None]]) -> None:
    await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
    if any(event.data.get("status") == run.contract.jobs.complete.status for event in socket.events):
        await look("realtime")


async def _by_rest(run: Run, watched: Watched, look: Callable[[str], Awaitable[None]]) -> None:
    async def view() -> View:
        asked = time.time()
        job = await job_of(run, watched.upload)
        words = (job["status"], job["state"], job["status_pct"], job["total_pct"])
        watched.views.append(View(*words, asked=asked, answered=time.time(), look=job.look))
        return watched.views[-1]

    last = await wait_until(
        view, lambda seen: seen.state in run.contract.jobs.final_states,
        what=f"job {watched.upload.job_id} ends", within=PROCESSING_SECONDS, every=POLL_SECONDS,
    )  # fmt: skip
    if last.status == run.contract.jobs.complete.status:
        await look("REST")


async def _look(run: Run, watched: Watched, connection: Connection, by: str) -> None:
    rows = partial(run.inspection.rows_over, connection, columns=["chunk_id"])
    chunks = frozenset(str(row["chunk_id"]) for row in await rows("chunks", document_id=watched.upload.document_id))
    vectors = {str(row["chunk_id"]) for row in await rows("vectors", chunk_id=sorted(chunks))}
    watched.claims.append(Claim(by, chunks, chunks - vectors))
