"""Defects of the processing stages and of deletion."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from sandbox import postgres
from sandbox.app import documents, events
from sandbox.app.errors import Unavailable
from sandbox.defects import Rewritten, defect, mark_active, patch, patch_query, when_query
from sandbox.defects.realtime import FOLLOWED
from sandbox.worker import chunking, claims, stages
from sandbox.worker import main as worker
from sandbox.worker.claims import Claim
from sandbox.worker.parser import REFUSALS, Refused
from sandbox.worker.stages import Tools

ANSWERS = {
    "INT-07": "answers come from what is stored",
    "INT-10": "answers come from what is stored",
    "INT-04": "answers come from what is stored",
    "INT-16": "the baseline knows the chunks",
}


@defect("last-chunk-dropped", "INT", must=["INT-06"], may={**ANSWERS, "INT-13": "sentinels are looked for there too"})
def last_chunk_dropped() -> None:
    """The loop over the chunks stops one too early."""
    split = chunking.split

    def short(text: str) -> list[chunking.Chunk]:
        chunks = split(text)
        if len(chunks) > 1:
            mark_active()
            chunks.pop()
        return chunks

    patch(chunking, "split", short)


@defect(
    "a-vector-is-missing",
    "INT",
    must=["INT-06", "INT-14"],
    may={**ANSWERS, "INT-15": "every chunk's model is looked at"},
)
def a_vector_is_missing() -> None:
    """A batch of embeddings lacks its last vector."""

    async def lose(claim: Claim, tools: Tools) -> bool:
        mark_active()
        await tools.database.one(
            """delete from app.vectors where chunk_id = (
                 select id from app.chunks where document_id = %(document_id)s order by ordinal desc limit 1)""",
            document_id=claim.document_id,
        )
        return True

    patch(stages, "is_whole", lose)


@defect("vectors-of-the-neighbours", "INT", must=["INT-06"], may=ANSWERS)
def vectors_of_the_neighbours() -> None:
    """Each chunk gets the vector of its neighbour."""
    pair = stages.pair

    def shifted(chunk_ids: list[Any], vectors: list[list[float]]) -> dict[str, Any]:
        if len(vectors) > 1:
            mark_active()
        return pair(chunk_ids, vectors[1:] + vectors[:1])

    patch(stages, "pair", shifted)


@defect(
    "a-stage-is-skipped",
    "INT",
    must=["INT-06", "INT-08"],
    may={"INT-16": "the baseline knows the statuses", **FOLLOWED},
)
def a_stage_is_skipped() -> None:
    """Embedding begins without having been queued, so one status never occurs."""

    async def at_once(claim: Claim, tools: Tools) -> str:
        mark_active()
        return await stages.begin_embedding(claim, tools)

    stages.STEPS["chunks_stored"] = at_once


@defect(
    "complete-too-early",
    "INT",
    must=["INT-06"],
    may={
        **ANSWERS,
        "INT-03": "nothing should change while refused calls are made",
        "INT-05": "processing goes on behind the end",
        "INT-13": "what is complete is looked at there too",
        "INT-14": "chunks without vectors while it goes on",
        "INT-15": "vectors are looked at there too",
    },
)
def complete_too_early() -> None:
    """The job is complete before its vectors are stored."""
    reach = stages.reach
    late: set[asyncio.Task[None]] = set()

    async def afterwards(claim: Claim, tools: Tools) -> None:
        await asyncio.sleep(1.5)
        rows = await tools.database.all(stages.WITHOUT_VECTOR, document_id=claim.document_id, most=1000)
        if rows:
            embeddings = await tools.model.embed([row["text"] for row in rows], stages.EMBED_SECONDS)
            given = stages.pair([row["id"] for row in rows], embeddings.vectors)
            await tools.database.one(stages.SAVE_VECTORS, model=embeddings.model, **given)

    async def promise(claim: Claim, tools: Tools) -> str:
        mark_active()
        task = asyncio.create_task(afterwards(claim, tools))
        late.add(task)
        task.add_done_callback(late.discard)
        return await reach("embeddings_stored", claim, tools)

    async def believed(claim: Claim, tools: Tools) -> bool:
        return True

    patch(stages, "is_whole", believed)
    stages.STEPS["embedding_in_progress"] = promise


@defect(
    "right-to-left-refused",
    "INT",
    must=["INT-13"],
    may={
        "INT-16": "the baseline knows its end",
        **dict.fromkeys(("INT-06", "INT-15"), "it is among the real documents"),
    },
)
def right_to_left_refused() -> None:
    """A text that is not in Latin script is refused as damaged."""
    read = stages.read_text

    async def latin(claim: Claim, tools: Tools) -> str:
        text = await read(claim, tools)
        if any("\u0600" <= character <= "\u06ff" for character in text):
            mark_active()
            raise Refused("damaged_document", REFUSALS["damaged_document"])
        return text

    patch(stages, "read_text", latin)


@defect(
    "several-pages-never-end",
    "INT",
    must=["INT-13"],
    may={
        **ANSWERS,
        **dict.fromkeys((f"INT-{n:02}" for n in (5, 6, 8, 9, 11, 12, 14, 15)), "its documents do not end"),
    },
)
def several_pages_never_end() -> None:
    """Texts of more than six chunks wait for a batch that is never full."""
    embed = stages.embed

    async def waiting(claim: Claim, tools: Tools) -> str:
        rows = await tools.database.all(stages.WITHOUT_VECTOR, document_id=claim.document_id, most=7)
        if len(rows) <= 6:
            return await embed(claim, tools)
        mark_active()
        raise Unavailable("model", retry_after=5)

    stages.STEPS["embedding_in_progress"] = waiting


@defect("deletion-leaves-vectors", "INT", must=["INT-14"], may={"INT-12": "orphans are counted there"})
def deletion_leaves_vectors() -> None:
    """Chunks and vectors have no foreign key, and survive the deletion of their document."""
    patch(
        postgres,
        "SCHEMA",
        Rewritten(
            postgres.SCHEMA,
            "chunk_id uuid primary key references app.chunks on delete cascade",
            "chunk_id uuid primary key",
        ),
    )
    when_query(documents.DELETE_DOCUMENT, mark_active)


@defect(
    "deleted-only-in-the-list",
    "INT",
    must=["INT-14"],
    may={"INT-04": "deleting one of two", "INT-07": "its answers", "INT-12": "a retry of what was deleted"},
)
def deleted_only_in_the_list() -> None:
    """Deletion hides a document from its owner, and keeps all of its data."""
    patch_query(
        documents,
        "DELETE_DOCUMENT",
        "delete from app.documents where id = %(document_id)s",
        "update app.documents set stored_at = null, filename = 'deleted' where id = %(document_id)s",
    )
    patch_query(documents, "OWN_DOCUMENT", "where d.id", "where d.filename <> 'deleted' and d.id")
    patch_query(documents, "OWN_DOCUMENTS", "where d.user_id", "where d.filename <> 'deleted' and d.user_id")


@defect("abandoned-uploads-stay", "INT", must=["INT-14"])
def abandoned_uploads_stay() -> None:
    """An upload that was announced and never sent is kept for ever."""
    patch_query(worker, "SWEEP", "upload_expires_at < now()", "upload_expires_at < now() - interval '1 year'")


@defect(
    "failed-jobs-stay-working",
    "INT",
    must=["INT-12", "INT-14"],
    may={"INT-16": "the baseline knows their end", "INT-08": "a failed job is followed there", "INT-09": "there too"},
)
def failed_jobs_stay_working() -> None:
    """A failed job has the status of a failure and the state of one in progress."""
    publish = events.publish

    async def unfinished(session: Any, job_id: UUID, status: str, state: str, **options: Any) -> bool:
        if state != "deadletter":
            return await publish(session, job_id, status, state, **options)
        mark_active()
        return await publish(session, job_id, status, "working", **options)

    patch(events, "publish", unfinished)
    patch_query(claims, "CLAIM", "where j.state in", "where j.status not like 'failed%%' and j.state in")
