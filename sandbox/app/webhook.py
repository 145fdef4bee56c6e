"""The parser's webhook: makes the worker poll the parser earlier; its content is not trusted."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Security
from fastapi.security import APIKeyHeader
from pydantic import BaseModel
from starlette.requests import Request

from sandbox.app import errors
from sandbox.app.access import Uses
from sandbox.app.database import Row, Session

HEADER: Final = "LC-Signature"
EXISTS: Final = "select from app.jobs where id = %(job_id)s"
WAKE_UP: Final = """
    update app.jobs set run_after = case when waiting then now() else run_after end, woken = true
      where id = %(job_id)s and status in ('uploaded', 'parse_queued') and state in ('queued', 'working', 'retryable')
      returning pg_notify('jobs', id::text)"""

SIGNATURE: Final = APIKeyHeader(name=HEADER, scheme_name="WebhookSignature", auto_error=False)
SIGNED: Final = {"type": "string", "pattern": "^sha256=[0-9a-f]{64}$"}
OPENAPI: Final[dict[str, Any]] = {
    "parameters": [{"name": HEADER, "in": "header", "required": True, "schema": SIGNED}],
    "requestBody": {
        "required": True,
        "description": "The parser's event. It is signed and has to be JSON; what it says is not trusted.",
        "content": {"application/json": {"schema": {}}},
    },
}

router: Final = APIRouter(prefix="/api/upload-pipeline/webhook", tags=["webhook"])


class Received(BaseModel):
    received: bool = True


@router.post(
    "/llamaparse/{job_id}",
    responses=errors.responses(401, 404, 422, 503),
    openapi_extra=OPENAPI,
    dependencies=[Security(SIGNATURE)],
)
async def llamaparse(
    job_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})], request: Request, services: Uses
) -> Received:
    """Signed over its body with `LC-Signature: sha256=` and the HMAC-SHA256 in hexadecimal digits; may be repeated."""
    body = await request.body()
    verify(request.headers.get(HEADER, ""), body, services.settings.webhook_secret)
    job = read(job_id, body)

    async def wake(session: Session) -> Row | None:
        if (row := await session.one(EXISTS, job_id=job)) is not None:
            await session.one(WAKE_UP, job_id=job)
        return row

    if await services.database.transaction(wake) is None:
        raise errors.not_found("job")
    return Received()


def verify(signature: str, body: bytes, secret: str) -> None:
    """Refuse bodies that are not signed with the secret, before anything else is read."""
    expected = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
    if not hmac.compare_digest(signature.encode(), expected.encode()):
        raise errors.ApiError(401, "invalid_signature", "The signature is missing or wrong.")


def read(job_id: str, body: bytes) -> UUID:
    """The job's identifier; refuses an invalid one, and a body that is not JSON."""
    try:
        json.loads(body)
        return UUID(job_id)
    except (ValueError, RecursionError):
        raise errors.ApiError(422, "invalid_request", "A job's identifier and a JSON body are needed.") from None
