"""Leases of jobs, in the database: one worker claims, renews and releases a job."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from sandbox.app.database import Database, Session

LEASE_SECONDS: Final = 5.0
LONGEST_DELAY_SECONDS: Final = 3.0
LONGEST_ASKED_SECONDS: Final = 60.0
MOST_FAILURES: Final = 60
CLAIM: Final = """
    with next as (
      select j.id from app.jobs j join app.documents d on d.id = j.document_id
        where j.state in ('queued', 'working', 'retryable') and d.stored_at is not null
          and j.run_after <= now() and (j.lease_until is null or j.lease_until < now())
        order by j.run_after limit 1 for update of j skip locked
    )
    update app.jobs j set lease = gen_random_uuid(), lease_until = now() + make_interval(secs => %(lease_seconds)s),
        attempts = attempts + case when waiting then 0 else 1 end, waiting = false,
        state = case when state = 'retryable' then 'working' else state end
      from next, app.documents d where j.id = next.id and d.id = j.document_id
      returning j.id as job_id, j.document_id, j.status, j.lease, j.failures,
        d.filename, d.mime, d.ocr, d.storage_path"""
EXTEND: Final = (
    "update app.jobs set lease_until = now() + make_interval(secs => %(lease_seconds)s) where lease = any(%(leases)s)"
)
HOLD: Final = "select from app.jobs where id = %(job_id)s and lease = %(lease)s for update"
WAIT: Final = """
    update app.jobs set waiting = true, woken = false, lease = null, lease_until = null,
        run_after = case when woken then now() else now() + make_interval(secs => %(seconds)s) end
      where id = %(job_id)s and lease = %(lease)s returning run_after <= now() as at_once"""
PUT_OFF: Final = """
    update app.jobs set state = 'retryable', retry_count = retry_count + 1, failures = failures + 1,
        last_error = %(error)s, lease = null, lease_until = null, updated_at = clock_timestamp(),
        run_after = now() + make_interval(secs => %(seconds)s)
      where id = %(job_id)s and lease = %(lease)s"""
RELEASE: Final = "update app.jobs set lease = null, lease_until = null where id = %(job_id)s and lease = %(lease)s"


class LeaseLost(Exception):
    """The job is gone, or another worker's by now."""


@dataclass
class Claim:
    """A claimed job, as of the claim; `status` follows the work."""

    job_id: UUID
    document_id: UUID
    status: str
    lease: UUID
    failures: int
    filename: str
    mime: str
    ocr: bool
    storage_path: str


async def claim(database: Database) -> Claim | None:
    """Claim the next due job without a lease, or with an expired one."""
    row = await database.one(CLAIM, lease_seconds=LEASE_SECONDS)
    return Claim(**row) if row else None


async def extend(database: Database, leases: list[UUID]) -> None:
    await database.one(EXTEND, leases=leases, lease_seconds=LEASE_SECONDS)


async def hold(session: Session, claim: Claim) -> None:
    """Lock the job until the transaction ends; raises LeaseLost if the lease is lost."""
    if await session.one(HOLD, job_id=claim.job_id, lease=claim.lease) is None:
        raise LeaseLost


async def wait(database: Database, claim: Claim, seconds: float) -> bool:
    """Release the job until the parser's webhook, or for this time; True if the webhook has come already."""
    row = await database.one(WAIT, job_id=claim.job_id, lease=claim.lease, seconds=seconds)
    return bool(row and row["at_once"])


async def put_off(database: Database, claim: Claim, error: dict[str, Any], retry_after: float) -> None:
    """Release the job until its next attempt."""
    seconds = max(backoff(claim.failures), min(retry_after, LONGEST_ASKED_SECONDS))
    await database.one(PUT_OFF, job_id=claim.job_id, lease=claim.lease, error=Jsonb(error), seconds=seconds)


async def release(session: Session, claim: Claim) -> None:
    await session.one(RELEASE, job_id=claim.job_id, lease=claim.lease)


def backoff(failures: int) -> float:
    """Seconds until the next attempt: exponential, capped, with jitter."""
    return min(LONGEST_DELAY_SECONDS, 0.5 * 2.0 ** min(failures, 10)) * random.uniform(0.8, 1.2)
