"""Everything that a person has in the deployment, and a check that nothing was added to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields

from acceptance.chat import listed_conversations
from acceptance.clients.database import Row
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import listed_documents, listed_jobs


@dataclass(frozen=True)
class Records:
    """Everything that a person has, as the lists show it and (with `sql`) as the database holds it."""

    documents: list[tuple[str, ...]]
    jobs: list[tuple[str, ...]]
    conversations: list[str]
    stored_documents: set[str]
    stored_jobs: set[tuple[str, ...]]
    orphans: set[tuple[str, str]]


async def records(run: Run, user: User) -> Records:
    """What there is now."""
    documents, jobs = await together(listed_documents(run, user), listed_jobs(run, user))
    stored: list[Row] = []
    stored_jobs: list[Row] = []
    orphans: list[Row] = []
    if "sql" in run.descriptor.capabilities:
        stored = await run.database.rows("documents", user_id=user.user_id)
        stored_jobs = await run.database.rows("jobs", document_id=[row["document_id"] for row in stored])
        orphans = await run.database.rows("orphans")
    return Records(
        sorted(tuple(map(str, entry.values())) for entry in documents),
        sorted(tuple(map(str, entry.values())) for entry in jobs),
        sorted(await listed_conversations(run, user)),
        {str(row["document_id"]) for row in stored},
        {(str(row["job_id"]), row["status"], row["state"]) for row in stored_jobs},
        {(row["kind"], row["id"]) for row in orphans},
    )


@asynccontextmanager
async def nothing_is_left(run: Run, user: User) -> AsyncIterator[None]:
    """What is done inside leaves no record to this person, whole or half; raises AssertionError naming what it left."""
    before = await records(run, user)
    yield
    after = await records(run, user)
    for field in fields(Records):
        was, now = getattr(before, field.name), getattr(after, field.name)
        if was != now and not (field.name == "orphans" and now <= was):
            raise violation(f"{field.name.replace('_', ' ')} after bad input", expected=was, observed=now)
