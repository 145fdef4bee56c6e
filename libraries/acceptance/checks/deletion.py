"""Deleting a document removes all that belongs to it, and nothing else (INT-14)."""

from __future__ import annotations

from dataclasses import dataclass

from acceptance.chat import ask
from acceptance.checks.fixtures import UserData, create_user_data
from acceptance.checks.upload_integrity import whole
from acceptance.errors import violation
from acceptance.fixtures.handbook import figures
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import (
    PROCESSING_SECONDS,
    Payload,
    Upload,
    announce,
    delete,
    document,
    job_of,
    listed_documents,
    listed_jobs,
    put_bytes,
)

CLOSED_SECONDS = 10.0
KEYS = {
    "documents": "document_id",
    "jobs": "job_id",
    "job_events": "job_id",
    "chunks": "chunk_id",
    "vectors": "chunk_id",
}
Held = dict[str, list[str]]  # by named query, the identifiers in the rows of one document


@dataclass(frozen=True)
class Removal:
    """A document that its owner deleted, another of theirs that stays, and what each held before (with `sql`)."""

    owner: User
    gone: UserData
    stays: UserData
    gone_held: Held | None
    stays_held: Held | None


async def removal(run: Run) -> Removal:
    """Made once in a run."""

    async def make() -> Removal:
        owner = await run.users.signed_in()
        gone, stays = await together(*(create_user_data(run, owner, seed=1400 + number) for number in (1, 2)))
        looks = "sql" in run.descriptor.capabilities
        held = [await held_by(run, each.upload) if looks else None for each in (gone, stays)]
        await delete(run, gone.upload)
        return Removal(owner, gone, stays, *held)

    return await run.once("removal", make)


async def no_route_knows_it(run: Run, upload: Upload) -> None:
    """Every route that names the document or its job answers 404, the WebSocket closes with 4404, no list shows it."""
    token, unknown = upload.owner.access_token, run.contract.errors.unknown_identifier
    identifiers = {"document_id": upload.document_id, "job_id": upload.job_id}
    routes = [
        name
        for name, route in run.contract.routes.items()
        if route.kind == "owner" and any(f"{{{word}}}" in route.path for word in identifiers)
    ]
    await together(*(run.client.call(name, path=identifiers, token=token, status=unknown) for name in routes))
    async with run.websocket.job(upload.job_id, token, after=0) as socket:
        code = run.contract.realtime.close.unknown
        if await socket.until_closed(within=CLOSED_SECONDS) != code or socket.application_frames:
            raise violation(socket.what, expected=f"closed with {code}, untold", observed=socket.summary())
    documents = [entry["document_id"] for entry in await listed_documents(run, upload.owner)]
    jobs = [entry["job_id"] for entry in await listed_jobs(run, upload.owner)]
    if upload.document_id in documents or upload.job_id in jobs:
        raise violation("lists", expected=f"nothing of document {upload.document_id}", observed=[documents, jobs])


async def nothing_is_answered_from_it(run: Run, removed: Removal) -> None:
    """Neither a new conversation nor the one about it gives a figure of the document, or names it as a source."""
    first, second, *_ = removed.gone.handbook.facts
    known = removed.gone.answer.conversation_id
    answers = await together(
        ask(run, removed.owner, first.question),
        ask(run, removed.owner, second.question),
        ask(run, removed.owner, second.question, conversation_id=known),
    )
    told = figures(removed.gone.handbook.text)
    for answer in answers:
        sources = [source.document_id for source in answer.sources]
        if figures(answer.text) & told or removed.gone.upload.document_id in sources:
            seen = f"'{answer.text}' from {sources}"
            wanted = f"nothing of the deleted document {removed.gone.upload.document_id}"
            raise violation(f"'{answer.question}'", expected=wanted, observed=seen, look=answer.response.look)


async def same_content_is_new(run: Run, removed: Removal) -> None:
    """The content of a deleted document is no duplicate of anything; what is made for it is deleted again."""
    again = await announce(run, removed.owner, removed.gone.upload.payload)
    if again.document_id == removed.gone.upload.document_id or again.job_id == removed.gone.upload.job_id:
        seen = f"document {again.document_id}, job {again.job_id}"
        raise violation(
            "the same content after its deletion", expected="a document and a job of its own", observed=seen
        )
    await delete(run, again)
    await no_route_knows_it(run, again)


async def no_row_is_left(run: Run, removed: Removal) -> None:
    """The database holds nothing of what the document held (needs `sql`)."""
    run.descriptor.need("sql")
    assert removed.gone_held is not None
    what = f"deleted document {removed.gone.upload.document_id}"
    if not all(removed.gone_held.values()):
        raise violation(f"{what}, before that", expected=f"rows in {', '.join(KEYS)}", observed=removed.gone_held)
    left = await _rows_with(run, removed.gone_held)
    if any(left.values()):
        raise violation(what, expected="no row", observed=left)
    orphans = await run.database.rows("orphans")
    own = {identifier for identifiers in removed.gone_held.values() for identifier in identifiers}
    mine = [f"{row['kind']}: {row['id']}" for row in orphans if any(one in str(row["id"]) for one in own)]
    if mine:
        raise violation(what, expected="no orphan", observed="; ".join(mine))


async def other_document_is_untouched(run: Run, removed: Removal) -> None:
    """The owner's other document is there in full, and answers its question."""
    await whole(run, removed.stays.upload)
    fact = removed.stays.handbook.facts[0]
    answer = await ask(run, removed.owner, fact.question)
    if not fact.answered_by(answer.text) or removed.stays.upload.document_id not in [
        s.document_id for s in answer.sources
    ]:
        raise violation(
            f"'{fact.question}'", expected=fact.figure, observed=f"'{answer.text}'", look=answer.response.look
        )
    if removed.stays_held is not None:
        held = await held_by(run, removed.stays.upload)
        if held != removed.stays_held:
            raise violation("rows of the owner's other document", expected=removed.stays_held, observed=held)


async def delete_while_processed(run: Run) -> Upload:
    """A document whose owner deletes it as soon as its processing has begun."""
    owner = await run.users.signed_in()
    note = await document(run, "handbook", 1400)
    upload = await announce(run, owner, Payload.of(note))
    await put_bytes(run, upload)
    first = run.contract.jobs.statuses[0]
    await wait_until(
        lambda: job_of(run, upload), lambda job: job["status"] != first,
        what=f"processing of job {upload.job_id} begins", within=PROCESSING_SECONDS, every=0.02,
        describe=lambda job: job["status"],
    )  # fmt: skip
    await delete(run, upload)
    return upload


async def held_by(run: Run, upload: Upload) -> Held:
    """What the database holds of a document just now."""
    chunks = await run.database.rows("chunks", columns=("chunk_id",), document_id=upload.document_id)
    mine = {
        "document_id": [upload.document_id],
        "job_id": [upload.job_id],
        "chunk_id": [str(row["chunk_id"]) for row in chunks],
    }
    return await _rows_with(run, {query: mine[key] for query, key in KEYS.items()})


async def _rows_with(run: Run, identifiers: Held) -> Held:
    found = {
        query: await run.database.rows(query, columns=(key,), **{key: identifiers[query]})
        for query, key in KEYS.items()
    }
    return {query: sorted(str(row[KEYS[query]]) for row in rows) for query, rows in found.items()}
