"""The stages of a document. Each step leads from one status to the next, in one transaction with its effects.

A step that a dead worker left unfinished is repeated from its beginning; its effects replace those of the first
attempt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sandbox.app import events
from sandbox.app.database import Database, Session
from sandbox.app.errors import Unavailable
from sandbox.app.model import Model
from sandbox.app.objects import ObjectStorage
from sandbox.settings import Settings
from sandbox.worker import chunking, claims
from sandbox.worker.claims import Claim
from sandbox.worker.parser import REFUSALS, Forgotten, Parser, Refused

Save = Callable[[Session], Awaitable[None]]

POLL_SECONDS: Final = 1.0
EMBED_AT_ONCE: Final = 64
EMBED_SECONDS: Final = 30.0
SAVE_PARSER_JOB: Final = (
    "update app.documents set parser_job_id = %(parser_job_id)s, parser = null where id = %(document_id)s"
)
PARSER_JOB: Final = "select parser_job_id from app.documents where id = %(document_id)s"
SAVE_TEXT: Final = "update app.documents set parsed_text = %(text)s, parser = %(parser)s where id = %(document_id)s"
TEXT: Final = "select parsed_text from app.documents where id = %(document_id)s"
DROP_CHUNKS: Final = "delete from app.chunks where document_id = %(document_id)s"
SAVE_CHUNKS: Final = """
    insert into app.chunks (document_id, ordinal, start_offset, end_offset, text)
      select %(document_id)s, *
        from unnest(%(ordinals)s::int[], %(starts)s::int[], %(ends)s::int[], %(texts)s::text[])"""
WITHOUT_VECTOR: Final = """
    select c.id, c.text from app.chunks c left join app.vectors v on v.chunk_id = c.id
      where c.document_id = %(document_id)s and v.chunk_id is null order by c.ordinal limit %(most)s"""
SAVE_VECTORS: Final = """
    insert into app.vectors (chunk_id, model, embedding)
      select chunk_id, %(model)s, embedding::vector
        from unnest(%(chunk_ids)s::uuid[], %(embeddings)s::text[]) as given(chunk_id, embedding)
      on conflict (chunk_id) do nothing"""
WHOLE: Final = """
    select count(*) > 0 and bool_and(coalesce(vector_dims(v.embedding) = %(dimensions)s, false)) as whole
      from app.chunks c left join app.vectors v on v.chunk_id = c.id where c.document_id = %(document_id)s"""


@dataclass(frozen=True)
class Tools:
    """The resources of a worker."""

    settings: Settings
    database: Database
    objects: ObjectStorage
    parser: Parser
    model: Model


class Waiting(Exception):
    """The parser is not done yet."""


async def submit(claim: Claim, tools: Tools) -> str:
    """Submit the bytes to the parser."""
    return await reach("parse_queued", claim, tools, await hand_over(claim, tools))


async def hand_over(claim: Claim, tools: Tools) -> Save:
    content = await tools.objects.fetch(claim.storage_path, claim.mime)
    parser_job_id = await tools.parser.submit(claim.job_id, claim.filename, content, claim.mime, claim.ocr)

    async def save(session: Session) -> None:
        await session.one(SAVE_PARSER_JOB, document_id=claim.document_id, parser_job_id=parser_job_id)

    return save


async def fetch_text(claim: Claim, tools: Tools) -> str:
    """Store the parsed text."""
    row = await tools.database.one(PARSER_JOB, document_id=claim.document_id)
    if row is None:
        raise claims.LeaseLost
    try:
        if not row["parser_job_id"]:
            raise Forgotten
        parsed = await tools.parser.result(row["parser_job_id"])
    except Forgotten:
        await keep(claim, tools, await hand_over(claim, tools))
        raise Waiting from None
    if parsed is None:
        raise Waiting
    text, parser = parsed.text, parsed.parser

    async def save(session: Session) -> None:
        await session.one(SAVE_TEXT, document_id=claim.document_id, text=text, parser=parser)

    return await reach("parsed", claim, tools, save)


async def validate(claim: Claim, tools: Tools) -> str:
    """Refuse a document without text."""
    if not (await read_text(claim, tools)).strip():
        raise Refused("no_text_found", REFUSALS["no_text_found"])
    return await reach("parse_validated", claim, tools)


async def begin_chunking(claim: Claim, tools: Tools) -> str:
    return await reach("chunking", claim, tools)


async def chunk(claim: Claim, tools: Tools) -> str:
    """Split the text, and replace the chunks of an earlier attempt."""
    chunks = chunking.split(await read_text(claim, tools))

    async def save(session: Session) -> None:
        await session.one(DROP_CHUNKS, document_id=claim.document_id)
        await session.one(
            SAVE_CHUNKS,
            document_id=claim.document_id,
            ordinals=[chunk.ordinal for chunk in chunks],
            starts=[chunk.start for chunk in chunks],
            ends=[chunk.end for chunk in chunks],
            texts=[chunk.text for chunk in chunks],
        )

    return await reach("chunks_stored", claim, tools, save)


async def queue_embedding(claim: Claim, tools: Tools) -> str:
    return await reach("embedding_queued", claim, tools)


async def begin_embedding(claim: Claim, tools: Tools) -> str:
    return await reach("embedding_in_progress", claim, tools)


async def embed(claim: Claim, tools: Tools) -> str:
    """Embed every chunk without a vector; an interrupted attempt is resumed, and no chunk is paid for twice."""
    while rows := await tools.database.all(WITHOUT_VECTOR, document_id=claim.document_id, most=EMBED_AT_ONCE):
        embeddings = await tools.model.embed([row["text"] for row in rows], EMBED_SECONDS)
        given = pair([row["id"] for row in rows], embeddings.vectors)

        async def save(session: Session, model: str = embeddings.model, given: dict[str, Any] = given) -> None:
            await session.one(SAVE_VECTORS, model=model, **given)

        await keep(claim, tools, save)
    return await reach("embeddings_stored", claim, tools)


def pair(chunk_ids: list[Any], vectors: list[list[float]]) -> dict[str, Any]:
    """Each chunk with its own vector."""
    if len(chunk_ids) != len(vectors):
        raise Unavailable("model")
    return {"chunk_ids": chunk_ids, "embeddings": [str(vector) for vector in vectors]}


async def finalize(claim: Claim, tools: Tools) -> str:
    """Complete the job, if the document is whole."""
    if not await is_whole(claim, tools):
        raise Refused("incomplete_document", "Parts of this document are missing. Please try again.")
    return await reach("complete", claim, tools)


async def is_whole(claim: Claim, tools: Tools) -> bool:
    """Whether every chunk has a vector of the right dimension."""
    row = await tools.database.one(WHOLE, document_id=claim.document_id, dimensions=tools.settings.embedding_dimensions)
    return bool(row and row["whole"])


async def read_text(claim: Claim, tools: Tools) -> str:
    row = await tools.database.one(TEXT, document_id=claim.document_id)
    if row is None:
        raise claims.LeaseLost
    return str(row["parsed_text"] or "")


async def reach(status: str, claim: Claim, tools: Tools, save: Save | None = None) -> str:
    """Save a step's effects and its status atomically; raises LeaseLost."""
    state = "done" if status == "complete" else "working"

    async def finish(session: Session) -> None:
        if save:
            await save(session)
        await events.publish(session, claim.job_id, status, state, lease=claim.lease)
        if state == "done":
            await claims.release(session, claim)

    await keep(claim, tools, finish)
    return status


async def keep(claim: Claim, tools: Tools, save: Save) -> None:
    """Save effects while the lease is held; raises LeaseLost."""

    async def held(session: Session) -> None:
        await claims.hold(session, claim)
        await save(session)

    await tools.database.transaction(held)


STEPS: Final[dict[str, Callable[[Claim, Tools], Awaitable[str]]]] = {
    "uploaded": submit,
    "parse_queued": fetch_text,
    "parsed": validate,
    "parse_validated": begin_chunking,
    "chunking": chunk,
    "chunks_stored": queue_embedding,
    "embedding_queued": begin_embedding,
    "embedding_in_progress": embed,
    "embeddings_stored": finalize,
}
"""What is done at each status."""

FAILED: Final = {
    **dict.fromkeys(("uploaded", "parse_queued", "parsed"), "failed_parse"),
    **dict.fromkeys(("parse_validated", "chunking"), "failed_chunking"),
    **dict.fromkeys(
        ("chunks_stored", "embedding_queued", "embedding_in_progress", "embeddings_stored"), "failed_embedding"
    ),
}
"""What a job is when it fails at each status."""
