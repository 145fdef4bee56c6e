"""Documents: list, status, content, and deletion."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from sandbox.app import errors
from sandbox.app.access import Services, User, Uses
from sandbox.app.database import Row
from sandbox.app.fields import AtLeastOne, Sha256, Title
from sandbox.app.progress import JobState, JobStatus, Progress, progress
from sandbox.app.tokens import Identity

DOCUMENT: Final = """
    select d.id as document_id, j.id as job_id, d.filename, d.bytes_len, d.mime, d.sha256, d.created_at, d.storage_path,
        d.stored_at, j.status, j.state
      from app.documents d join app.jobs j on j.document_id = d.id """
OWN_DOCUMENTS: Final = f"{DOCUMENT} where d.user_id = %(user_id)s order by d.created_at desc, d.id"
OWN_DOCUMENT: Final = f"{DOCUMENT} where d.id = %(document_id)s and d.user_id = %(user_id)s"
DELETE_DOCUMENT: Final = "delete from app.documents where id = %(document_id)s"
"""Job, events, chunks and vectors go with it."""

router: Final = APIRouter(prefix="/documents", tags=["documents"])


class Document(BaseModel):
    document_id: UUID
    job_id: UUID
    filename: Title
    bytes_len: AtLeastOne
    mime: str
    sha256: Sha256
    status: JobStatus
    state: JobState
    progress: Progress
    created_at: datetime


class DocumentList(BaseModel):
    documents: list[Document]


@router.get("", responses=errors.OF_USER)
async def documents(user: User, services: Uses) -> DocumentList:
    """The user's documents, the newest first."""
    rows = await services.database.all(OWN_DOCUMENTS, user_id=user.user_id)
    return DocumentList(documents=[view(row) for row in rows])


@router.get("/{document_id}/status", responses=errors.OF_OWNER)
async def status(document_id: UUID, user: User, services: Uses) -> Document:
    """A document's metadata and its processing status."""
    return view(await own(document_id, user, services))


@router.get(
    "/{document_id}/content",
    response_class=Response,
    responses={
        200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}},
        **errors.OF_OWNER,
    },
)
async def content(document_id: UUID, user: User, services: Uses) -> Response:
    """The bytes as they were uploaded."""
    document = await own(document_id, user, services)
    if document["stored_at"] is None:
        raise errors.not_found("content")
    stored = await services.objects.fetch(document["storage_path"], document["mime"])
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(document['filename'], safe='')}"}
    return Response(stored, media_type=document["mime"], headers=headers)


@router.delete("/{document_id}", status_code=204, responses=errors.OF_OWNER)
async def delete(document_id: UUID, user: User, services: Uses) -> None:
    """Delete a document and all that belongs to it."""
    document = await own(document_id, user, services)
    # The bytes first: if the second step fails, the deletion can be repeated.
    await services.objects.remove(document["storage_path"])
    await services.database.one(DELETE_DOCUMENT, document_id=document_id)


async def own(document_id: UUID, user: Identity, services: Services) -> Row:
    """The document if it is the user's."""
    row = await services.database.one(OWN_DOCUMENT, document_id=document_id, user_id=user.user_id)
    if row is None:
        raise errors.not_found("document")
    return row


def view(row: Row) -> Document:
    return Document(**row, progress=progress(row["status"]))
