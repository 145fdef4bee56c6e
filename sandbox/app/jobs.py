"""Jobs of a user: list, status, and retry."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from pydantic.json_schema import SkipJsonSchema

from sandbox.app import errors, events
from sandbox.app.access import User, Uses
from sandbox.app.database import Row, Session
from sandbox.app.fields import AtLeastOne, Count
from sandbox.app.progress import JobState, JobStatus, Progress, progress

JOB: Final = """
    select j.id as job_id, j.document_id, j.status, j.state, j.retry_count, j.last_error, j.updated_at,
        count(*) over () as total
      from app.jobs j join app.documents d on d.id = j.document_id """
OWN_JOBS: Final = f"""{JOB} where d.user_id = %(user_id)s and (%(state)s::text is null or j.state = %(state)s)
    order by j.created_at desc, j.id limit %(limit)s offset %(offset)s"""
COUNT_OWN_JOBS: Final = """
    select count(*) as total from app.jobs j join app.documents d on d.id = j.document_id
      where d.user_id = %(user_id)s and (%(state)s::text is null or j.state = %(state)s)"""
OWN_JOB: Final = f"{JOB} where j.id = %(job_id)s and d.user_id = %(user_id)s"
LOCK_JOB: Final = "select from app.jobs where id = %(job_id)s for update"
RETRY_NOW: Final = """
    update app.jobs set run_after = now(), retry_count = retry_count + 1, updated_at = clock_timestamp()
      where id = %(job_id)s returning pg_notify('jobs', id::text)"""
RETRYABLE_STATES: Final = ("retryable", "deadletter")
RESUMES_FROM: Final = {
    "failed_parse": "uploaded",
    "failed_chunking": "parse_validated",
    "failed_embedding": "chunks_stored",
}
MOST_A_PAGE: Final = 100
MOST_SKIPPED: Final = 2**31 - 1

router: Final = APIRouter(prefix="/api/upload-pipeline/jobs", tags=["jobs"])


class JobError(BaseModel):
    code: str
    message: str
    timestamp: datetime


class Job(BaseModel):
    job_id: UUID
    document_id: UUID
    status: JobStatus
    state: JobState
    retry_count: Count
    progress: Progress
    last_error: JobError | None
    updated_at: datetime


class Pagination(BaseModel):
    limit: AtLeastOne
    offset: Count
    total: Count
    has_more: bool


class JobList(BaseModel):
    jobs: list[Job]
    pagination: Pagination


@router.get("", responses=errors.responses(401, 422, 503))
async def jobs(
    user: User,
    services: Uses,
    limit: Annotated[int, Query(ge=1, le=MOST_A_PAGE)] = 20,
    offset: Annotated[int, Query(ge=0, le=MOST_SKIPPED)] = 0,
    state: JobState | SkipJsonSchema[None] = None,
) -> JobList:
    """The user's jobs, the newest first."""
    of_user: dict[str, Any] = {"user_id": user.user_id, "state": state}
    rows = await services.database.all(OWN_JOBS, **of_user, limit=limit, offset=offset)
    counted = rows[0] if rows else await services.database.one(COUNT_OWN_JOBS, **of_user)
    return JobList(
        jobs=[view(row) for row in rows],
        pagination=paginate(limit, offset, len(rows), counted["total"] if counted else 0),
    )


@router.get("/{job_id}", responses=errors.OF_OWNER)
async def job(job_id: UUID, user: User, services: Uses) -> Job:
    """One job of the user's."""
    row = await services.database.one(OWN_JOB, job_id=job_id, user_id=user.user_id)
    if row is None:
        raise errors.not_found("job")
    return view(row)


@router.post("/{job_id}/retry", responses=errors.responses(400, 401, 404, 422, 503))
async def retry(job_id: UUID, user: User, services: Uses) -> Job:
    """Retry a job at once that failed or waits for its next attempt."""

    async def again(session: Session) -> Row | None:
        await session.one(LOCK_JOB, job_id=job_id)
        row = await session.one(OWN_JOB, job_id=job_id, user_id=user.user_id)
        if row is None:
            raise errors.not_found("job")
        check_retry(row["state"])
        if row["state"] == "deadletter":
            await events.publish(session, job_id, RESUMES_FROM[row["status"]], "queued")
        await session.one(RETRY_NOW, job_id=job_id)
        return await session.one(OWN_JOB, job_id=job_id, user_id=user.user_id)

    row = await services.database.transaction(again)
    assert row
    return view(row)


def check_retry(state: str) -> None:
    if state not in RETRYABLE_STATES:
        raise errors.ApiError(400, "retry_not_allowed", f"A job that is {state} cannot be retried.")


def paginate(limit: int, offset: int, count: int, total: int) -> Pagination:
    return Pagination(limit=limit, offset=offset, total=total, has_more=offset + count < total)


def view(row: Row) -> Job:
    """A job's row as the API shows it."""
    return Job(**row, progress=progress(row["status"]))
