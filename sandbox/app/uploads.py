"""Uploads: limits, announcements and signed addresses. The bytes go directly to the storage service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from sandbox.app import errors, events
from sandbox.app.access import Services, User, Uses
from sandbox.app.database import Session
from sandbox.app.fields import WHOLE, AtLeastOne, Body, FileName, Text, Title, described
from sandbox.settings import Settings

MIME_TYPES: Final = ["application/pdf"]
LOCK_USER: Final = "select pg_advisory_xact_lock(hashtextextended(%(user_id)s::text, 0))"
DROP_EXPIRED: Final = """
    delete from app.documents
      where user_id = %(user_id)s and sha256 = %(sha256)s and stored_at is null and upload_expires_at < now()"""
DUPLICATE: Final = """
    select filename, coalesce(stored_at, created_at) as last_uploaded from app.documents
      where user_id = %(user_id)s and sha256 = %(sha256)s"""
CONCURRENT_JOBS: Final = """
    select count(*) from app.jobs j join app.documents d on d.id = j.document_id
      where d.user_id = %(user_id)s and j.state in ('queued', 'working', 'retryable')"""
COUNT_UPLOAD: Final = """
    insert into app.daily_uploads (user_id, day, uploads) values (%(user_id)s, (now() at time zone 'utc')::date, 1)
      on conflict (user_id, day) do update set uploads = daily_uploads.uploads + 1
      returning uploads, extract(epoch from day + 1 - (now() at time zone 'utc'))::float as seconds_left"""
INSERT_DOCUMENT: Final = """
    insert into app.documents (id, user_id, filename, bytes_len, mime, sha256, ocr, storage_path, upload_expires_at)
      values (%(document_id)s, %(user_id)s, %(filename)s, %(bytes_len)s, %(mime)s, %(sha256)s,
        coalesce(%(ocr)s, false), %(path)s, %(expires_at)s)"""
INSERT_JOB: Final = (
    "insert into app.jobs (document_id, status, state) values (%(document_id)s, 'uploaded', 'queued') returning id"
)

router: Final = APIRouter(prefix="/api/upload-pipeline", tags=["uploads"])


class Limits(BaseModel):
    max_file_size_bytes: AtLeastOne
    supported_mime_types: list[str]
    max_concurrent_jobs_per_user: AtLeastOne
    max_uploads_per_day_per_user: AtLeastOne
    signed_url_ttl_seconds: AtLeastOne


class Upload(Body):
    filename: FileName
    bytes_len: Annotated[int, Field(gt=0), described(maximum=Settings.max_file_size), WHOLE]
    mime: Annotated[Text, described(enum=MIME_TYPES)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]
    ocr: bool | None = None


class Accepted(BaseModel):
    job_id: UUID
    document_id: UUID
    signed_url: Annotated[str, described(format="uri")]
    upload_expires_at: datetime


class Duplicate(BaseModel):
    """The user already has this content; the body is flat."""

    error_type: Annotated[str, described(const="duplicate_document")] = "duplicate_document"
    message: str
    document_title: Title
    last_uploaded: datetime


@router.get("/upload/limits")
async def limits(services: Uses) -> Limits:
    """The limits of uploads."""
    settings = services.settings
    return Limits(
        max_file_size_bytes=settings.max_file_size,
        supported_mime_types=MIME_TYPES,
        max_concurrent_jobs_per_user=settings.max_concurrent_jobs_per_user,
        max_uploads_per_day_per_user=settings.max_uploads_per_day_per_user,
        signed_url_ttl_seconds=settings.signed_url_ttl_seconds,
    )


@router.post("/upload", responses={409: {"model": Duplicate}, **errors.responses(401, 415, 422, 429, 503)})
async def upload(upload: Upload, user: User, services: Uses) -> Accepted:
    """Announce a document. Processing begins when the bytes have arrived at the signed address."""
    check_type(upload.mime)
    check_size(upload.bytes_len, services.settings)
    document_id = uuid4()
    lifetime = timedelta(seconds=services.settings.signed_url_ttl_seconds)
    expires_at = (datetime.now(UTC) + lifetime).replace(microsecond=0)  # as the storage counts
    path = f"{user.user_id}/{document_id}"
    whose = {"document_id": document_id, "user_id": user.user_id, "path": path, "expires_at": expires_at}
    document = upload.model_dump() | whose
    signed_url = await services.objects.sign(document)
    job_id = await services.database.transaction(lambda session: admit(session, document, services))
    return Accepted(job_id=job_id, document_id=document_id, signed_url=signed_url, upload_expires_at=expires_at)


async def admit(session: Session, document: dict[str, Any], services: Services) -> UUID:
    """Create document and job. The user's lock makes it atomic, so that two at once cannot both be first."""
    user_id, sha256 = document["user_id"], document["sha256"]
    await session.one(LOCK_USER, user_id=user_id)
    await session.one(DROP_EXPIRED, user_id=user_id, sha256=sha256)
    if duplicate := await find_duplicate(session, user_id, sha256):
        raise errors.ApiError(409, duplicate.error_type, duplicate.message, body=duplicate.model_dump(mode="json"))
    await check_concurrent_jobs(session, user_id, services.settings)
    await count_upload(session, user_id, services.settings)
    await session.one(INSERT_DOCUMENT, **document)
    job = await session.one(INSERT_JOB, document_id=document["document_id"])
    assert job
    await events.publish(session, job["id"], "uploaded", "queued")
    return UUID(str(job["id"]))


def check_type(mime: str) -> None:
    if mime not in MIME_TYPES:
        raise errors.ApiError(415, "unsupported_media_type", f"Only {', '.join(MIME_TYPES)} can be uploaded.")


def check_size(length: int, settings: Settings) -> None:
    if length > settings.max_file_size:
        raise errors.ApiError(413, "file_too_large", f"A document may have {settings.max_file_size} bytes at most.")


async def find_duplicate(session: Session, user_id: UUID, sha256: str) -> Duplicate | None:
    """The same user's document with the same content."""
    row = await session.one(DUPLICATE, user_id=user_id, sha256=sha256)
    if row is None:
        return None
    message = "You have uploaded this document already."
    return Duplicate(message=message, document_title=row["filename"], last_uploaded=row["last_uploaded"])


async def check_concurrent_jobs(session: Session, user_id: UUID, settings: Settings) -> None:
    row = await session.one(CONCURRENT_JOBS, user_id=user_id)
    if row and row["count"] >= settings.max_concurrent_jobs_per_user:
        raise errors.too_many(
            "too_many_jobs", "Too many of your documents are being processed. Please wait for one to finish.", 5
        )


async def count_upload(session: Session, user_id: UUID, settings: Settings) -> None:
    """Count this upload; a refusal rolls the count back with the transaction."""
    row = await session.one(COUNT_UPLOAD, user_id=user_id)
    if row and row["uploads"] > settings.max_uploads_per_day_per_user:
        raise errors.too_many("too_many_uploads", "You have reached today's number of uploads.", row["seconds_left"])
