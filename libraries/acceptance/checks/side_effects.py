"""Side effects: everything that a user has in the deployment, and whether it has changed."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from acceptance.chat import listed_conversations
from acceptance.clients.database import Row
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.run import Run
from acceptance.uploads import listed_documents, listed_jobs


@dataclass(frozen=True)
class Records:
    """Everything that a user has, by the lists and (with `sql`) by the database."""

    user: User = field(repr=False, compare=False)
    documents: list[tuple[str, ...]]
    jobs: list[tuple[str, ...]]
    conversations: list[str]
    stored_documents: set[str]
    stored_jobs: set[tuple[str, ...]]
    orphans: set[tuple[str, str]]


async def records(run: Run, user: User) -> Records:
    """Everything that a user has now."""
    documents = await listed_documents(run, user) if run.is_offered("routes.documents") else []
    jobs = await listed_jobs(run, user) if run.is_offered("routes.jobs") else []
    conversations = await listed_conversations(run, user) if run.is_offered("routes.conversations") else []
    stored: list[Row] = []
    stored_jobs: list[Row] = []
    orphans: list[Row] = []
    if "sql" in run.descriptor.capabilities:
        stored = await run.database.rows("documents", user_id=user.user_id)
        stored_jobs = await run.database.rows("jobs", document_id=[row["document_id"] for row in stored])
        orphans = await run.database.rows("orphans")
    return Records(
        user,
        sorted(tuple(map(str, entry.values())) for entry in documents),
        sorted(tuple(map(str, entry.values())) for entry in jobs),
        sorted(conversations),
        {str(row["document_id"]) for row in stored},
        {(str(row["job_id"]), row["status"], row["state"]) for row in stored_jobs},
        {(row["kind"], row["id"]) for row in orphans},
    )


async def unchanged(run: Run, before: Records) -> None:
    """Nothing was added to a user's records, or taken from them; raises AssertionError naming what is different."""
    after = await records(run, before.user)
    for part in fields(Records):
        was, now = getattr(before, part.name), getattr(after, part.name)
        if was != now and not (part.name == "orphans" and now <= was):
            raise violation(
                f"{part.name.replace('_', ' ')} of {before.user.email}", expected=f"no change of {was}", observed=now
            )
