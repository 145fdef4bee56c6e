"""Defects of the dialect `plain`, which planted elsewhere would be nowhere: each needs `--dialect plain`."""

from __future__ import annotations

from functools import wraps
from typing import Any
from uuid import UUID

import psycopg
from fastapi import FastAPI
from psycopg.rows import dict_row
from starlette.requests import Request

from sandbox.app import documents, uploads, webhook
from sandbox.app.database import Session
from sandbox.app.errors import ApiError
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.dialects import plain
from sandbox.settings import Settings

KNOWN = "the baseline knows the answer"
FOLLOWED = (3, 4, 5, 6, 7, 10, 11, 12, 14, 15, 16)


@defect(
    "plain-job-status-500",
    "PLAIN",
    must=["INT-13"],
    may={f"INT-{number:02}": "documents are followed to their end there too" for number in FOLLOWED},
    dialect="plain",
)
def plain_job_status_500() -> None:
    """A job's own view has no word for one of the stages, so its owner gets a 500 once it is there."""

    @wraps(plain.job)
    async def without_a_word(**given: Any) -> plain.Job:
        job = await plain.job(**given)
        if job.stage == plain.STAGES["complete"]:
            mark_active()
            raise KeyError(job.stage)
        return job

    patch(next(route for route in plain.router.routes if route.name == "job"), "endpoint", without_a_word)  # type: ignore[attr-defined]


@defect(
    "plain-debug-route-open",
    "PLAIN",
    must=["INT-03"],
    may={"INT-04": "it has the documents of all users", "INT-16": KNOWN},
    dialect="plain",
)
def plain_debug_route_open() -> None:
    """A route that somebody debugged with lists the documents of all users, without a token, as OpenAPI says too."""
    build = plain.build

    async def everything(request: Request) -> list[dict[str, Any]]:
        mark_active()
        settings: Settings = request.app.state.settings
        async with await psycopg.AsyncConnection.connect(settings.application_dsn, row_factory=dict_row) as connection:
            listed = await connection.execute("select id, user_id, filename from app.documents order by created_at")
            return await listed.fetchall()

    def with_it(*arguments: Any) -> FastAPI:
        app: FastAPI = build(*arguments)
        app.get("/debug/documents")(everything)
        return app

    patch(plain, "build", with_it)


@defect(
    "plain-foreign-identifier-accepted",
    "PLAIN",
    must=["INT-04"],
    may={"INT-03": "another user's token is tried there too", "INT-16": KNOWN},
    dialect="plain",
)
def plain_foreign_identifier_accepted() -> None:
    """A document is found by its identifier alone, whoever asks."""
    patch_query(documents, "OWN_DOCUMENT", "and d.user_id = %(user_id)s", "and %(user_id)s::uuid is not null")


@defect(
    "plain-webhook-unsigned",
    "PLAIN",
    must=["INT-03"],
    may={"INT-12": "nonsense gets further than the signature", "INT-16": KNOWN},
    dialect="plain",
)
def plain_webhook_unsigned() -> None:
    """The parser's webhook is believed without a look at its signature."""
    verify = webhook.verify

    def believing(signature: str, body: bytes, secret: str) -> None:
        try:
            verify(signature, body, secret)
        except ApiError:
            mark_active()

    patch(webhook, "verify", believing)


@defect(
    "plain-limit-not-enforced",
    "PLAIN",
    must=["INT-12"],
    may={"INT-16": KNOWN},
    dialect="plain",
)
def plain_limit_not_enforced() -> None:
    """Users may upload as often as they like in a day, whatever the limits say."""
    count = uploads.count_upload

    async def counting(session: Session, user_id: UUID, settings: Settings) -> None:
        try:
            await count(session, user_id, settings)
        except ApiError:
            mark_active()

    patch(uploads, "count_upload", counting)
