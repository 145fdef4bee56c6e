"""Defects of uploads."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request

from sandbox.app import errors
from sandbox.app import uploads as app
from sandbox.app.access import Services
from sandbox.app.database import Session
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.settings import Settings
from sandbox.supabase import storage

WHOLE = dict.fromkeys(("INT-04", "INT-11", "INT-14"), "documents are compared with what was sent there too")
AGAIN = {"INT-16": "the baseline knows the refusal", "INT-12": "so do the bad inputs"}


@defect("duplicate-makes-a-second-job", "INT", must=["INT-05"], may=AGAIN)
def duplicate_makes_a_second_job() -> None:
    """The same content again is processed again."""
    find = app.find_duplicate

    async def blind(session: Session, user_id: UUID, sha256: str) -> app.Duplicate | None:
        if await find(session, user_id, sha256):
            mark_active()
        return None

    patch(app, "find_duplicate", blind)


@defect("duplicates-race", "INT", must=["INT-05"])
def duplicates_race() -> None:
    """The search for a duplicate and the creation of the job are two steps: concurrent uploads are all accepted."""
    patch_query(app, "LOCK_USER", "pg_advisory_xact_lock(hashtextextended(%(user_id)s::text, 0))", "%(user_id)s::text")
    find = app.find_duplicate

    async def slow(session: Session, user_id: UUID, sha256: str) -> app.Duplicate | None:
        found = await find(session, user_id, sha256)
        await session.one("select pg_sleep(0.2)")
        return found

    patch(app, "find_duplicate", slow)


@defect(
    "long-names-are-cut",
    "INT",
    must=["INT-05"],
    may={"INT-12": "the name of 120 characters", "INT-07": "titles", **WHOLE},
)
def long_names_are_cut() -> None:
    """Names of documents are silently cut to forty characters."""
    patch_query(app, "INSERT_DOCUMENT", "%(filename)s, %(bytes_len)s", "left(%(filename)s, 40), %(bytes_len)s")


@defect(
    "stored-bytes-are-altered",
    "INT",
    must=["INT-05"],
    may={
        "INT-11": "at the limit as well",
        "INT-12": "bytes sent a second time",
        **WHOLE,
        "INT-03": "bytes are compared there",
    },
)
def stored_bytes_are_altered() -> None:
    """Uploads pass through a text layer, which appends a line break."""
    patch_query(storage, "STORE", "%(content)s)", "%(content)s || '\\x0a'::bytea)")


@defect(
    "limit-refused",
    "INT",
    must=["INT-11"],
    may=dict.fromkeys(("INT-06", "INT-13", "INT-15", "INT-16"), "it is one of the valid documents"),
)
def limit_refused() -> None:
    """A document of exactly the largest size is refused."""
    check = app.check_size

    def exclusive(length: int, settings: Settings) -> None:
        if length == settings.max_file_size:
            mark_active()
        check(length + 1, settings)

    patch(app, "check_size", exclusive)


@defect("limit-not-enforced", "INT", must=["INT-11"], may=AGAIN)
def limit_not_enforced() -> None:
    """The largest size is published and not enforced."""
    check = app.check_size

    def lax(length: int, settings: Settings) -> None:
        try:
            check(length, settings)
        except errors.ApiError:
            mark_active()

    patch(app, "check_size", lax)


@defect("bytes-taken-before-refused", "INT", must=["INT-11"])
def bytes_taken_before_refused() -> None:
    """An upload over the limit is refused only after all of it has arrived."""
    receive = storage.receive

    async def patient(request: Request, length: int) -> bytes:
        if int(request.headers.get("content-length", 0)) <= length:
            return await receive(request, length)
        mark_active()
        await request.body()
        raise storage.wrong_length(length)

    patch(storage, "receive", patient)


@defect(
    "hash-never-compared",
    "INT",
    must=["INT-12"],
    may={"INT-16": "the baseline knows the refusal", "INT-03": "wrong bytes to a signed address"},
)
def hash_never_compared() -> None:
    """The announced hash is stored and never compared with the bytes."""
    check = storage.check_hash

    def lax(content: bytes, sha256: str) -> None:
        try:
            check(content, sha256)
        except errors.ApiError:
            mark_active()

    patch(storage, "check_hash", lax)


@defect(
    "refused-upload-leaves-a-job",
    "INT",
    must=["INT-12"],
    may={
        "INT-14": "the job never ends",
        "INT-11": "also of one that is too large",
        "INT-16": "requests of the baseline",
    },
)
def refused_upload_leaves_a_job() -> None:
    """Document and job are created before the upload is refused."""
    refusal: ContextVar[errors.ApiError | None] = ContextVar("refusal", default=None)
    check, admit = app.check_type, app.admit

    def put_off(mime: str) -> None:
        try:
            check(mime)
        except errors.ApiError as error:
            refusal.set(error)

    async def admit_all(session: Session, document: dict[str, Any], services: Services) -> UUID:
        if (error := refusal.get()) is None:
            return await admit(session, document, services)
        await services.database.transaction(lambda own: admit(own, document, services))
        mark_active()
        raise error

    patch(app, "check_type", put_off)
    patch(app, "admit", admit_all)


@defect("malformed-identifier-is-a-fault", "INT", must=["INT-12"], may={"INT-16": "the baseline knows the refusal"})
def malformed_identifier_is_a_fault() -> None:
    """A malformed identifier reaches the database, and the response is 500."""
    invalid = errors.invalid

    def fault(error: RequestValidationError) -> errors.ApiError:
        if error.errors()[0]["type"] != "uuid_parsing":
            return invalid(error)
        mark_active()
        return errors.internal()

    patch(errors, "invalid", fault)


@defect(
    "unknown-is-a-fault",
    "INT",
    must=["INT-12"],
    may={
        **dict.fromkeys(
            ("INT-03", "INT-04", "INT-05", "INT-08", "INT-14"), "whatever is someone else's or gone answers 500"
        ),
        "INT-16": "the baseline knows the refusal",
    },
)
def unknown_is_a_fault() -> None:
    """A missing object is a server error, since the exception is not handled."""

    def fault(what: str) -> errors.ApiError:
        mark_active()
        return errors.internal()

    patch(errors, "not_found", fault)
