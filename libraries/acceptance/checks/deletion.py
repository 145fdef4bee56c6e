"""Deleting a document removes all that belongs to it, and nothing else (INT-14)."""

from __future__ import annotations

from dataclasses import dataclass

from acceptance.chat import ask
from acceptance.checks.fixtures import CHAT, UserData, create_user_data, signed_in
from acceptance.checks.retrieval_qa import same_questions
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import (
    Upload,
    delete,
)

KEYS = {
    "documents": "document_id",
    "jobs": "job_id",
    "job_events": "job_id",
    "chunks": "chunk_id",
    "vectors": "chunk_id",
}
ASKED = 1  # facts that both documents were asked for before one of them was deleted
Held = dict[str, list[str]]  # by named query, the identifiers in the rows of one document


@dataclass(frozen=True)
class Removal:
    """A document that its owner deleted, its twin that stays, and what each held before (with `sql`).

    Both were asked the same questions before.
    """

    owner: User
    gone: UserData
    stays: UserData
    gone_held: Held | None
    stays_held: Held | None


async def removal(run: Run) -> Removal:
    """Made once in a run."""

    async def make() -> Removal:
        owner = await signed_in(run)
        gone, stays = await together(*(create_user_data(run, owner, seed=1401, twin=twin) for twin in (False, True)))
        chats = run.contract.offers(CHAT)
        for asked in same_questions(run.contract, gone.upload, stays.upload, ASKED) if chats else ():
            await ask(run, owner, asked.question, document_id=asked.about and asked.about.document_id)
        looks = "sql" in run.descriptor.capabilities
        held = [await held_by(run, each.upload) if looks else None for each in (gone, stays)]
        await delete(run, gone.upload)
        return Removal(owner, gone, stays, *held)

    return await run.once("removal", make)


async def held_by(run: Run, upload: Upload) -> Held:
    """What the database holds of a document just now."""
    chunks = await run.database.rows("chunks", columns=("chunk_id",), document_id=upload.document_id)
    mine = {
        "document_id": [upload.document_id],
        "job_id": [upload.job_id],
        "chunk_id": [str(row["chunk_id"]) for row in chunks],
    }
    return await rows_with(run, {query: mine[key] for query, key in KEYS.items()})


async def rows_with(run: Run, identifiers: Held) -> Held:
    """Those of the identifiers that the named queries find (needs `sql`)."""
    found = {
        query: await run.database.rows(query, columns=(key,), **{key: identifiers[query]})
        for query, key in KEYS.items()
    }
    return {query: sorted(str(row[KEYS[query]]) for row in rows) for query, rows in found.items()}
