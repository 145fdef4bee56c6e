"""Defects of workers that die: leases, take-over, and steps that are done twice."""

from __future__ import annotations

import functools
from typing import Any
from uuid import UUID

from sandbox import postgres
from sandbox.app import events
from sandbox.app.database import Session
from sandbox.defects import Rewritten, defect, mark_active, patch
from sandbox.worker import chunking, claims, stages
from sandbox.worker import main as worker
from sandbox.worker.claims import Claim

UNFINISHED = {"INT-14": "jobs stay begun", "ERR-01": "workers lose their leases there too"}
EXPIRED = "select from app.jobs where lease_until < now() and state not in ('done', 'deadletter') limit 1"
FAIL_BEGUN = """
    update app.jobs set state = 'deadletter', status = 'failed_parse', lease = null, lease_until = null
      where lease is not null and state = 'working' returning id"""


@defect("leases-never-expire", "ERR", must=["ERR-05"], may=UNFINISHED)
def leases_never_expire() -> None:
    """A job that a dead worker had stays claimed for ever."""
    claim = claims.CLAIM
    kept = claim.replace("(j.lease_until is null or j.lease_until < now())", "j.lease_until is null")
    if kept == claim:
        raise AttributeError("claims.CLAIM does not say when a lease expires")
    take = claims.claim

    async def leave(database: Any) -> Claim | None:
        if await database.one(EXPIRED) is not None:
            mark_active()
        return await take(database)

    patch(claims, "CLAIM", kept)
    patch(claims, "claim", leave)


@defect("chunks-are-added-again", "ERR", must=["ERR-05"], may={"ERR-01": "a stage begins anew there too"})
def chunks_are_added_again() -> None:
    """A worker that takes over adds all chunks of a document to those that are there already."""
    begun: set[UUID] = set()
    patch(postgres, "SCHEMA", Rewritten(postgres.SCHEMA, ",\n  unique (document_id, ordinal)", ""))

    async def add(claim: Claim, tools: stages.Tools, status: str) -> str:
        pieces = chunking.split(await stages.read_text(claim, tools))

        async def save(session: Session) -> None:
            await session.one(
                stages.SAVE_CHUNKS,
                document_id=claim.document_id,
                ordinals=[piece.ordinal for piece in pieces],
                starts=[piece.start for piece in pieces],
                ends=[piece.end for piece in pieces],
                texts=[piece.text for piece in pieces],
            )

        return await stages.reach(status, claim, tools, save)

    async def begin(claim: Claim, tools: stages.Tools) -> str:
        begun.add(claim.lease)
        return await add(claim, tools, "chunking")

    async def go_on(claim: Claim, tools: stages.Tools) -> str:
        if claim.lease in begun:
            return await stages.reach("chunks_stored", claim, tools)
        mark_active()
        return await add(claim, tools, "chunks_stored")

    stages.STEPS["parse_validated"] = begin
    stages.STEPS["chunking"] = go_on


@defect("begun-jobs-fail-at-start", "ERR", must=["ERR-05"], may={"ERR-01": "workers start anew there too"})
def begun_jobs_fail_at_start() -> None:
    """A worker that starts takes all jobs that are under way for remains of its last life, and fails them."""
    run = worker.Worker.run

    async def tidy(self: worker.Worker) -> None:
        await self._database.open()
        if await self._database.one(FAIL_BEGUN):
            mark_active()
        await run(self)

    patch(worker.Worker, "run", tidy)


@defect("worker-without-a-lease-writes-on", "ERR", must=["ERR-05"], may={"INT-14": "jobs move back"})
def worker_without_a_lease_writes_on() -> None:
    """What a worker does is saved without a look at its lease, also when another one has taken the job over."""
    publish, hold = events.publish, claims.hold

    async def careless(session: Session, claim: Claim) -> None:
        try:
            await hold(session, claim)
        except claims.LeaseLost:
            mark_active()

    @functools.wraps(publish)
    async def unleased(
        session: Any, job_id: UUID, status: str, state: str, *, lease: UUID | None = None, error: Any = None
    ) -> bool:
        return await publish(session, job_id, status, state, error=error)

    patch(claims, "hold", careless)
    patch(events, "publish", unleased)
