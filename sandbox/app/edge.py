"""Middleware of every request: request identifier, limit on the body, and a response in every case."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import secrets
import uuid
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final

import httpx
import httpx2
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import logs
from sandbox.app import errors
from sandbox.app.database import limit_request
from sandbox.settings import NO_TLS

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")
DRAIN_BYTES: Final = 32 * 1024 * 1024
DRAIN_SECONDS: Final = 5.0
BODY_SECONDS: Final = 30.0
REQUEST_SECONDS: Final = 9.0  # for everything that a request waits for
Streams = Callable[[str], bool]
Render = Callable[[errors.ApiError, HTTPConnection], Response]
HEADERS: Final = {"x-content-type-options": "nosniff", "cache-control": "no-store"}
_traceparent: Final[ContextVar[str | None]] = ContextVar("traceparent", default=None)


class Edge:
    """Wraps an application. Bodies over `body_bytes` get 413; routes for which `streams` holds read them themselves.

    Every response has `headers`, where it does not have others of these names.
    """

    def __init__(
        self, app: ASGIApp, body_bytes: int, streams: Streams = lambda path: False, render: Render = errors.render,
        headers: Mapping[str, str] = HEADERS,
    ) -> None:  # fmt: skip
        self._app, self._body_bytes, self._streams, self._render = app, body_bytes, streams, render
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        request_id = identify(headers)
        scope.setdefault("state", {})["request_id"] = request_id
        trace = headers.get("traceparent", "")
        _traceparent.set(trace if TRACEPARENT.fullmatch(trace) else None)
        logs.bind(request_id=request_id, traceparent=_traceparent.get())
        if scope["type"] == "websocket":
            return await self._app(scope, receive, send)
        started = False

        async def mark(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                answer = MutableHeaders(scope=message)
                answer["x-request-id"] = request_id
                for name, value in self._headers.items():
                    answer.setdefault(name, value)
            await send(message)

        async def take() -> Message:
            message = await receive()
            scope["state"]["body_ended"] = not message.get("more_body", False)
            return message

        try:
            streams = self._streams(scope["path"])
            read = take if streams else await read_body(scope, take, self._body_bytes)
            limit_request(None if streams else REQUEST_SECONDS)
            await self._app(scope, read, mark)
        except errors.ApiError as error:
            await Refusal(self._render(error, HTTPConnection(scope)))(scope, take, mark)
        except Exception:
            logging.exception("unexpected error")
            if not started:
                await self._render(errors.internal(), HTTPConnection(scope))(scope, take, mark)


def identify(headers: Headers) -> str:
    """The caller's request identifier if it is well-formed, else a new one."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


async def read_body(scope: Scope, receive: Receive, most: int) -> Receive:
    """Read the body before the route runs, so that the limit holds for every transfer encoding."""
    announced = Headers(scope=scope).get("content-length", "0")
    if not announced.isdecimal() or int(announced) > most:
        raise errors.body_too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > most:
                    raise errors.body_too_large()
                if not message.get("more_body"):
                    break
    except TimeoutError:
        raise errors.ApiError(408, "request_timeout", "The request did not arrive in time.") from None
    waiting: list[Message] = [
        message if message["type"] == "http.disconnect" else {"type": "http.request", "body": bytes(body)}
    ]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


class Refusal(Response):
    """Responds at once and lets the client finish sending: closing with unread bytes would reset the connection."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.body, answer.status_code)
        self.raw_headers = answer.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        drained, more = 0, not scope["state"].get("body_ended")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while more and drained < DRAIN_BYTES:
                    message = await receive()
                    drained, more = drained + len(message.get("body", b"")), message.get("more_body", False)
        await send({"type": "http.response.body"})


async def pass_trace_on(request: httpx.Request | httpx2.Request) -> None:
    """A hook of HTTP clients: propagates the trace of the current request."""
    if current := TRACEPARENT.fullmatch(_traceparent.get() or ""):
        request.headers["traceparent"] = f"00-{current[1]}-{secrets.token_hex(8)}-{current[2]}"


def client(timeout: float = 6.0) -> httpx.AsyncClient:
    """An HTTP client for calls to other services."""
    return httpx.AsyncClient(timeout=timeout, verify=NO_TLS, trust_env=False, event_hooks={"request": [pass_trace_on]})
