"""Defects of interrupted uploads, of storage, and of calls without a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx
import httpx2
from openai import AsyncOpenAI
from starlette.requests import ClientDisconnect, Request

from sandbox.app import auth, chat, edge, errors, model, objects
from sandbox.app.errors import Unavailable
from sandbox.defects import defect, mark_active, patch
from sandbox.settings import NO_TLS, Settings
from sandbox.supabase import storage
from sandbox.worker import stages
from sandbox.worker.claims import Claim
from sandbox.worker.parser import Refused

T = TypeVar("T")
LONG = 3600.0


@defect("partial-upload-accepted", "ERR", must=["ERR-07"], may={"INT-14": "what is stored is not what was announced"})
def partial_upload_accepted() -> None:
    """An upload whose connection breaks off is stored as far as it came."""
    check_length, check_hash = storage.check_length, storage.check_hash

    async def what_came(request: Request, length: int) -> bytes:
        content = bytearray()
        try:
            async for piece in request.stream():
                content += piece
        except ClientDisconnect:
            mark_active()
        return bytes(content)

    def shorter(content: bytes, length: int) -> None:
        if len(content) > length or not content:
            check_length(content, length)

    def of_whole(content: bytes, sha256: str) -> None:
        if content[-6:].strip().endswith(b"EOF"):
            check_hash(content, sha256)

    patch(storage, "receive", what_came)
    patch(storage, "check_length", shorter)
    patch(storage, "check_hash", of_whole)


@defect("failed-upload-uses-its-address-up", "ERR", must=["ERR-07"])
def failed_upload_uses_its_address_up() -> None:
    """A signed address can be used once, and an attempt that failed was that once."""
    verify = storage.verify
    used: set[str] = set()

    def once(token: str, path: str, secret: str) -> dict[str, Any]:
        claims = verify(token, path, secret)
        if token in used:
            mark_active()
            raise storage.forbidden()
        used.add(token)
        return claims

    patch(storage, "verify", once)


@defect("storage-outage-fails-the-document", "ERR", must=["ERR-07"], may={"ERR-01": "storage needs its database"})
def storage_outage_fails_the_document() -> None:
    """A document whose bytes cannot be fetched at once is failed as damaged."""
    submit = stages.submit

    async def damaged(claim: Claim, tools: stages.Tools) -> str:
        try:
            return await submit(claim, tools)
        except Unavailable as error:
            if error.service != "storage":
                raise
            mark_active()
            raise Refused("damaged_document", "This document is damaged and could not be read.") from None

    stages.STEPS["uploaded"] = damaged


@defect("storage-outage-is-a-fault", "ERR", must=["ERR-07"], may={"ERR-04": "storage is cut off there"})
def storage_outage_is_a_fault() -> None:
    """The exception of a storage that is away is not handled, and the response is 500."""
    unavailable = errors.unavailable

    def fault(error: Unavailable) -> errors.ApiError:
        if error.service != "storage":
            return unavailable(error)
        mark_active()
        return errors.internal()

    patch(errors, "unavailable", fault)


async def unbounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """In place of `bounded`: the result, however long it takes."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        mark_active()
    return await task


def patient_client(timeout: float = LONG) -> httpx.AsyncClient:
    """In place of `edge.client`: its calls have no time limit."""
    return httpx.AsyncClient(
        timeout=None, verify=NO_TLS, trust_env=False, event_hooks={"request": [edge.pass_trace_on]}
    )


@defect("no-time-limit-on-storage", "ERR", must=["ERR-04"], may={"ERR-07": "storage is slow there"})
def no_time_limit_on_storage() -> None:
    """A call of the storage service may take for ever."""

    def init(self: objects.ObjectStorage, settings: Settings) -> None:
        begin(self, settings)
        self._http.timeout = httpx.Timeout(None)

    begin = objects.ObjectStorage.__init__
    patch(objects.ObjectStorage, "__init__", init)
    patch(objects, "bounded", unbounded)


@defect("no-time-limit-on-authentication", "ERR", must=["ERR-04"], may={"ERR-06": "authentication is slow there"})
def no_time_limit_on_authentication() -> None:
    """A call of the authentication service may take for ever."""

    async def ask(call: Coroutine[Any, Any, T], seconds: float) -> T:
        return await unbounded(call, seconds)

    patch(auth, "bounded", ask)
    patch(edge, "client", patient_client)


@defect("no-time-limit-on-the-model", "ERR", must=["ERR-04"], may={"ERR-03": "the model is slow there"})
def no_time_limit_on_the_model() -> None:
    """A question waits for the model as long as that takes."""
    begin, embed = model.Model.__init__, model.Model.embed

    def init(self: model.Model, settings: Settings) -> None:
        begin(self, settings)
        client = httpx2.AsyncClient(verify=NO_TLS, trust_env=False, event_hooks={"request": [edge.pass_trace_on]})
        self._client = AsyncOpenAI(
            api_key=settings.openai_key, base_url=settings.model_link, max_retries=0, timeout=LONG, http_client=client
        )

    async def wait(self: model.Model, texts: Any, seconds: float) -> model.Embeddings:
        return await unbounded(embed(self, texts, LONG), min(seconds, chat.EMBED_SECONDS))

    patch(model.Model, "__init__", init)
    patch(model.Model, "embed", wait)
    patch(chat, "WHOLE_SECONDS", LONG)
