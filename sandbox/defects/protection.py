"""Defects of protection: accepted bad credentials, and access to data of another user."""

from __future__ import annotations

from typing import Any

import jwt

from sandbox.app import access, jobs, tokens, webhook
from sandbox.app import documents as app_documents
from sandbox.app.errors import ApiError
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.supabase import storage

LISTS = dict.fromkeys((f"INT-{n:02}" for n in (3, 5, 10, 12, 14)), "lists are compared there too")


@defect("alg-none-accepted", "INT", must=["INT-03"], may={"INT-09": "such a token opens a WebSocket"})
def alg_none_accepted() -> None:
    """A token with the algorithm `none` is accepted without a signature."""
    decode = tokens.decode

    def trusting(token: str, secret: str) -> dict[str, Any]:
        try:
            unsigned = str(jwt.get_unverified_header(token).get("alg", "")).lower() == "none"
        except jwt.InvalidTokenError:
            unsigned = False
        if not unsigned:
            return decode(token, secret)
        mark_active()
        return jwt.decode(token, options={"verify_signature": False})

    patch(tokens, "decode", trusting)


@defect(
    "signatures-not-verified",
    "INT",
    must=["INT-03"],
    may={"INT-09": "such a token opens a WebSocket", "INT-01": "expiry is not looked at", "INT-02": "nor here"},
)
def signatures_not_verified() -> None:
    """Tokens are decoded without a check of their signature."""

    def careless(token: str, secret: str) -> dict[str, Any]:
        mark_active()
        return jwt.decode(token, options={"verify_signature": False, "require": tokens.CLAIMS})

    patch(tokens, "decode", careless)


@defect(
    "unsigned-webhooks-believed",
    "INT",
    must=["INT-03"],
    may={"INT-12": "nonsense gets further than the signature", "INT-16": "the baseline knows the refusal"},
)
def unsigned_webhooks_believed() -> None:
    """A webhook without a signature is accepted."""
    verify = webhook.verify

    def lenient(signature: str, body: bytes, secret: str) -> None:
        if signature:
            verify(signature, body, secret)
        else:
            mark_active()

    patch(webhook, "verify", lenient)


@defect(
    "signed-address-for-any-path",
    "INT",
    must=["INT-03"],
    may={"INT-12": "a signature that cannot be read ends in a fault", "INT-16": "the baseline knows the refusal"},
)
def signed_address_for_any_path() -> None:
    """A signed address opens every path of the bucket, not only its own."""
    verify = storage.verify

    def anywhere(token: str, path: str, secret: str) -> dict[str, Any]:
        try:
            return verify(token, path, secret)
        except ApiError:
            signed = jwt.decode(token, secret, algorithms=["HS256"]) if token.count(".") == 2 else {}
            if "url" not in signed:
                raise
            mark_active()
            return signed

    patch(storage, "verify", anywhere)


@defect(
    "job-of-anybody",
    "INT",
    must=["INT-03", "INT-04"],
    may={
        "INT-09": "its events reach the wrong subscriber",
        "INT-08": "the same, by Server-Sent Events",
        "INT-16": "the baseline knows the refusal",
    },
)
def job_of_anybody() -> None:
    """A job can be read by its identifier, without a check of its owner."""
    patch_query(jobs, "OWN_JOB", "and d.user_id = %(user_id)s", "and %(user_id)s::uuid is not null")


@defect("list-of-everybodys-jobs", "INT", must=["INT-04"], may=LISTS)
def list_of_everybodys_jobs() -> None:
    """The list of jobs holds those of all users."""
    patch_query(jobs, "OWN_JOBS", "d.user_id = %(user_id)s", "%(user_id)s::uuid is not null")


@defect("list-of-everybodys-documents", "INT", must=["INT-04"], may=LISTS)
def list_of_everybodys_documents() -> None:
    """The list of documents holds those of all users."""
    patch_query(app_documents, "OWN_DOCUMENTS", "d.user_id = %(user_id)s", "%(user_id)s::uuid is not null")


@defect(
    "logged-out-tokens-work",
    "INT",
    must=["INT-02"],
    may={"INT-03": "the token of a session that ended", "INT-09": "it opens a WebSocket"},
)
def logged_out_tokens_work() -> None:
    """The API ignores a logout: the access token works until it expires."""
    patch_query(access, "SESSION_IS_ACTIVE", " and revoked_at is null", "")
