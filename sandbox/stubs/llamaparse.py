"""LlamaParse v2 on the wire, as its official client speaks it."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import logs
from sandbox.serving import has_bearer
from sandbox.stubs import extraction

NAME: Final = "llamaparse-standin"
_KEPT_JOBS: Final = 2000
_AT_ONCE: Final = 2
_DELIVERY_ATTEMPTS: Final = 3
_DELIVERY_TIMEOUT: Final = 30


@dataclass
class Job:
    """One document being parsed, kept in memory."""

    tier: str
    webhooks: list[dict[str, Any]]
    id: str = field(default_factory=lambda: f"standin-{uuid.uuid4().hex}")
    status: str = "PENDING"
    error_message: str | None = None
    pages: list[str] = field(default_factory=list)

    def seen(self) -> dict[str, Any]:
        """The job as the API renders it."""
        known = {"id": self.id, "status": self.status, "error_message": self.error_message, "tier": self.tier}
        return {**known, "project_id": NAME}


def application(key: str) -> Starlette:
    """The stub's HTTP application."""
    service = Service(key)
    routes = [
        Route("/api/v2/parse/upload", service.upload, methods=["POST"]),
        Route("/api/v2/parse/{job_id}", service.get, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _error}, lifespan=service.lifespan)


class Service:
    """The jobs and their processing."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=_DELIVERY_TIMEOUT, trust_env=False) as self._http:
            yield
            for task in self._tasks:
                task.cancel()

    async def upload(self, request: Request) -> Response:
        self._authorise(request)
        parts = multipart(request.headers.get("content-type", ""), await request.body())
        if "file" not in parts or "configuration" not in parts:
            raise HTTPException(422, "the parts `file` and `configuration` are needed")
        try:
            configuration = json.loads(parts["configuration"])
            job = Job(configuration["tier"], configuration.get("webhook_configurations") or [])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise HTTPException(422, "`configuration` has to be a JSON object with `tier`") from None
        self._jobs[job.id] = job
        while len(self._jobs) > _KEPT_JOBS:
            self._jobs.popitem(last=False)
        task = asyncio.create_task(self._process(job, parts["file"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return JSONResponse(job.seen())

    async def get(self, request: Request) -> Response:
        self._authorise(request)
        job = self._jobs.get(request.path_params["job_id"])
        if job is None:
            raise HTTPException(404, "Parse job not found")
        return JSONResponse(result(job, set(request.query_params.getlist("expand"))))

    def _authorise(self, request: Request) -> None:
        if not has_bearer(request, self._key):
            raise HTTPException(401, "Invalid API Key")

    async def _process(self, job: Job, data: bytes) -> None:
        async with self._slots:
            job.status = "RUNNING"
            await asyncio.to_thread(parse, job, data)
        logs.log("parsed", parser_job_id=job.id, status=job.status, reason=job.error_message)
        event = "parse.success" if job.status == "COMPLETED" else "parse.error"
        await asyncio.gather(*(self._notify(job, event, webhook) for webhook in job.webhooks))

    async def _notify(self, job: Job, event: str, webhook: dict[str, Any]) -> None:
        url, events = webhook.get("webhook_url"), webhook.get("webhook_events")
        if not url or (events and event not in events):
            return
        body = payload(job, event, webhook.get("webhook_output_format"))
        headers = {"content-type": "application/json", **(webhook.get("webhook_headers") or {})}
        if secret := webhook.get("webhook_signing_secret"):
            headers["LC-Signature"] = sign(secret, body)
        for attempt in range(_DELIVERY_ATTEMPTS):
            try:
                answer = await self._http.post(url, content=body, headers=headers)
                if answer.is_success:
                    return
                outcome = str(answer.status_code)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                outcome = type(error).__name__
            logs.log("webhook not taken", parser_job_id=job.id, attempt=attempt + 1, outcome=outcome)
            if attempt + 1 < _DELIVERY_ATTEMPTS:
                await asyncio.sleep(2**attempt)


def parse(job: Job, data: bytes) -> None:
    """Finish a job; runs in a thread, so that the event loop is not blocked."""
    try:
        job.pages = extraction.extract_text(data)
    except extraction.DocumentError as error:
        job.error_message = f"{error.code}: {error}"
        job.status = "FAILED"
    else:
        job.status = "COMPLETED"


def result(job: Job, expand: set[str]) -> dict[str, Any]:
    """The response to a poll: the job, and the results that `expand` names when it has finished."""
    answer: dict[str, Any] = {"job": job.seen()}
    if "job_metadata" in expand:
        answer["job_metadata"] = identity()
    if job.status == "COMPLETED" and "markdown" in expand:
        pages = [{"page_number": n, "markdown": page, "success": True} for n, page in enumerate(job.pages, 1)]
        answer["markdown"] = {"pages": pages}
    return answer


def identity() -> dict[str, Any]:
    """The parser's name of itself."""
    return {"parser": NAME}


def payload(job: Job, event: str, output_format: str | None) -> bytes:
    """A webhook's body; unless `json` is asked for, the provider sends JSON packed into a JSON string."""
    data = {"id": job.id, "job_id": job.id}
    text = json.dumps({"event_id": str(uuid.uuid4()), "event_type": event, "timestamp": time.time(), "data": data})
    return (text if output_format == "json" else json.dumps(text)).encode()


def sign(secret: str, body: bytes) -> str:
    """The value of `LC-Signature` for a body."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def multipart(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form by name."""
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    parts: dict[str, bytes] = {}
    for part in body.split(b"--" + boundary[1].encode())[1:-1] if boundary else []:
        head, _, content = part.partition(b"\r\n\r\n")
        if name := re.search(rb'[;\s]name="([^"]*)"', head):
            parts[name[1].decode()] = content.removesuffix(b"\r\n")
    return parts


async def _error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code)
