"""Events, numbered without a gap: written in the transaction of the change, and notified to all API instances."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from sandbox.app.database import Row, Session
from sandbox.app.progress import progress

MOVE: Final = """
    with moved as (
      update app.jobs set status = %(status)s, state = %(state)s, sequence = sequence + 1, last_error = %(error)s,
          failures = 0, updated_at = clock_timestamp()
        where id = %(job_id)s and (%(lease)s::uuid is null or lease = %(lease)s)
        returning id, sequence, status, state, updated_at
    ), recorded as (
      insert into app.job_events (job_id, sequence, status, state, at) select * from moved returning job_id
    ) select pg_notify('events', 'job:' || job_id) from recorded"""
RECORD_WORKFLOW: Final = """
    with numbered as (
      update app.workflows set sequence = sequence + 1, ended = %(type)s = 'workflow_complete'
        where id = %(workflow_id)s and not ended returning id, sequence
    ), recorded as (
      insert into app.workflow_events (workflow_id, sequence, type, body)
        select id, sequence, %(type)s, %(body)s from numbered returning workflow_id
    ) select pg_notify('events', 'workflow:' || workflow_id) from recorded"""
END_ABANDONED: Final = """
    with abandoned as (
      update app.workflows set sequence = sequence + 1, ended = true
        where not ended and begun_at < now() - make_interval(secs => %(seconds)s) returning id, sequence
    ), recorded as (
      insert into app.workflow_events (workflow_id, sequence, type, body)
        select id, sequence, 'workflow_complete', '{"success": false, "response": null}' from abandoned
        returning workflow_id
    ) select pg_notify('events', 'workflow:' || workflow_id) from recorded"""
"""Workflows whose API instance has died."""

JOB_EVENTS_AFTER: Final = """
    select job_id, sequence, status, state, at from app.job_events
      where job_id = %(key)s and sequence > %(after)s order by sequence"""
WORKFLOW_EVENTS_AFTER: Final = """
    select sequence, type, body, at from app.workflow_events
      where workflow_id = %(key)s and sequence > %(after)s order by sequence"""


async def publish(
    session: Session,
    job_id: UUID,
    status: str,
    state: str,
    *,
    lease: UUID | None = None,
    error: dict[str, Any] | None = None,
) -> bool:
    """Change a job's status and record the event; False when the job is gone or its lease is another worker's."""
    given = Jsonb(error) if error else None
    return await session.one(MOVE, job_id=job_id, status=status, state=state, lease=lease, error=given) is not None


async def publish_workflow(session: Session, workflow_id: UUID, kind: str, body: dict[str, Any]) -> None:
    """Record one event of a workflow."""
    await session.one(RECORD_WORKFLOW, workflow_id=workflow_id, type=kind, body=Jsonb(body))


def job_frame(row: Row) -> dict[str, Any]:
    """An event of a job as WebSocket and Server-Sent Events carry it."""
    return {
        "type": "job_status",
        "job_id": str(row["job_id"]),
        "sequence": row["sequence"],
        "status": row["status"],
        "state": row["state"],
        "progress": progress(row["status"]).model_dump(),
        "timestamp": timestamp(row["at"]),
    }


def workflow_frame(row: Row) -> dict[str, Any]:
    """An event of a workflow as WebSocket and Server-Sent Events carry it."""
    if row["type"] == "workflow_status":
        return {
            "type": row["type"],
            "sequence": row["sequence"],
            "status": {**row["body"], "timestamp": timestamp(row["at"])},
        }
    return {"type": row["type"], "sequence": row["sequence"], **row["body"], "timestamp": timestamp(row["at"])}


def timestamp(at: datetime) -> str:
    return at.isoformat()
