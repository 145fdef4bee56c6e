"""The front end at its edge: routing middleware, the CDN's cache, the site behind it, and the proxy to the API."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import logs, serving, site, static
from sandbox.balancer import Balancer, api_ports
from sandbox.cdn import Cache
from sandbox.settings import NO_TLS, Settings
from sandbox.site import Site

REGION: Final = "local"
METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
OF_THE_LINE: Final = "connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade"
NOT_PASSED_BACK: Final = re.compile(OF_THE_LINE)
NOT_PASSED_ON: Final = re.compile(f"{OF_THE_LINE}|host|x-forwarded-.*")
RETRY: Final = {"retry-after": "1"}
TIMEOUT: Final = httpx.Timeout(connect=5, read=60, write=60, pool=5)
REWRITES: Final = tuple(
    path
    for beginning in site.FORWARDED
    for path in ([] if beginning.endswith("/") else [beginning]) + [f"{beginning.rstrip('/')}/{{path:path}}"]
)
"""The paths of the API that the page calls at its own origin; WebSockets go to the API's address."""
BY_MIDDLEWARE: Final = {"/start": "/"}
PROBE: Final = "/api/edge/probe"
ID: Final = b"x-vercel-id"


def run(settings: Settings) -> None:
    """Serve the front end, with its origin's control and the balancer beside it in the same process."""
    balancer = Balancer(api_ports(settings))
    own = Site(settings)
    edge = application(settings, own)
    control = site.control(own, edge.cache.purge, settings.platform_key)
    listening = (edge, settings.listen()), (control, settings.listen("origin"))
    serving.serve_all(*listening, beside=balancer.serve(settings.listen("api")))


def application(settings: Settings, own: Site | None = None) -> Edge:
    """The front end as an ASGI application."""
    own = own or Site(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, httpx.AsyncClient]]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50, keepalive_expiry=30)
        async with httpx.AsyncClient(
            base_url=settings.url("api"), timeout=TIMEOUT, limits=limits, verify=NO_TLS, trust_env=False
        ) as client:
            yield {"client": client}

    pages = [*static.routes(settings), *own.routes]
    origin = Starlette(
        routes=[*pages, *(Route(path, forward, methods=list(METHODS)) for path in REWRITES)],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )
    return Edge(Cache(own.serving(origin)))


class Edge:
    """Names every request, as Vercel does; its middleware answers the probe and rewrites addresses."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.cache(scope, receive, send)
            return
        path = scope["path"]
        rewritten = rewrite(path)
        headers = [(ID, request_name().encode()), *(marks() if rewritten or path == PROBE else ())]

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *headers]}
            await send(message)

        if path == PROBE:
            await self._probe(scope)(scope, receive, named)
        elif rewritten:
            await self.cache({**scope, "path": rewritten, "raw_path": rewritten.encode()}, receive, named)
        else:
            await self.cache(scope, receive, named)

    def _probe(self, scope: Scope) -> ASGIApp:
        if scope["method"] in ("GET", "HEAD"):
            return JSONResponse({"region": REGION}, headers={"cache-control": "no-store"})
        return _error(405, "method_not_allowed", "This address is only read.", {"allow": "GET, HEAD"})


def request_name() -> str:
    """`<edge>::<region of the function>::<identifier>`."""
    return f"{REGION}::{REGION}::{secrets.token_hex(3)}-{time.time_ns() // 1_000_000}-{secrets.token_hex(6)}"


def rewrite(path: str) -> str | None:
    """The address that the middleware has answer for another."""
    return BY_MIDDLEWARE.get(path)


def marks() -> list[tuple[bytes, bytes]]:
    """The headers by which the middleware marks what it handled."""
    return [(b"x-edge-middleware", b"1")]


async def forward(request: Request) -> Response:
    """Proxy a request to the API, and stream its response back."""
    client: httpx.AsyncClient = request.state.client
    query: bytes = request.scope["query_string"]
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    target = request.scope["raw_path"] + (query and b"?" + query)
    upstream = httpx.Request(
        request.method,
        client.base_url.copy_with(raw_path=target),
        headers=_passed_on(request),
        content=request.stream() if has_body else None,
        extensions={"timeout": TIMEOUT.as_dict()},
    )
    try:
        answer = await client.send(upstream, stream=True)
    except httpx.TimeoutException:
        return _error(504, "timeout", "The application takes too long to answer. Please try again.", RETRY)
    except httpx.TransportError as error:
        logs.log("the API cannot be reached", error=repr(error))
        return _error(503, "unavailable", "The application is not available at the moment. Please try again.", RETRY)
    response = StreamingResponse(_body(answer), answer.status_code)
    headers = ((name.lower(), value) for name, value in answer.headers.raw)
    response.raw_headers = [(name, value) for name, value in headers if not NOT_PASSED_BACK.fullmatch(name.decode())]
    return response


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await answer.aclose()


def _passed_on(request: Request) -> list[tuple[bytes, bytes]]:
    """The caller's headers; forwarding headers are set by the edge and never taken from the caller."""
    client = request.client.host if request.client else "unknown"
    return [
        *((name, value) for name, value in request.headers.raw if not NOT_PASSED_ON.fullmatch(name.decode())),
        (b"x-forwarded-for", client.encode()),
        (b"x-forwarded-proto", request.url.scheme.encode()),
        (b"x-forwarded-host", request.headers.get("host", "").encode("latin-1")),
    ]


async def _refused(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error(status, "not_found" if status == 404 else "refused", "There is nothing at this address.", None)


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None) -> Response:
    request_id = str(uuid.uuid4())
    body = {"error": {"code": code, "message": message, "request_id": request_id}}
    return JSONResponse(body, status, headers={**(headers or {}), "x-request-id": request_id})
