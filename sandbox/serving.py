"""HTTP and WebSocket serving of all services, with one access log."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import uvicorn
import uvicorn.lifespan.on  # imported before the fork; uvicorn would import it in each service
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from sandbox import logs

MAX_FRAME_BYTES: Final = 65_536
KEEP_ALIVE_SECONDS: Final = 75
GRACE_SECONDS: Final = 2
DRAIN_SECONDS: Final = 15  # for the requests and streams of an instance that the platform takes out of service


def has_bearer(request: HTTPConnection, key: str) -> bool:
    """Whether a request carries this key as its bearer token."""
    return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {key}".encode())


def serve(app: ASGIApp, sock: socket.socket) -> None:
    """Serve one application on one listening socket until SIGTERM or SIGINT."""
    serve_all((app, sock))


def serve_all(
    *served: tuple[ASGIApp, socket.socket],
    beside: Coroutine[Any, Any, None] | None = None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> None:
    """Serve several applications in one process, and run one more coroutine beside them, until SIGTERM or SIGINT.

    SIGUSR1 ends it too: new connections are refused at once, WebSockets closed with 1012, and what is under way may
    take its time.
    """
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve_all(served, beside))


async def _serve_all(
    served: tuple[tuple[ASGIApp, socket.socket], ...], beside: Coroutine[Any, Any, None] | None
) -> None:
    servers = [_Server(configuration(app)) for app, _ in served]
    background = asyncio.create_task(beside) if beside else None

    def leave(*_: object) -> None:
        for server in servers:
            server.should_exit = True

    def drain() -> None:
        for server in servers:
            server.config.timeout_graceful_shutdown = DRAIN_SECONDS
        leave()

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, drain)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave)
    if background:
        background.add_done_callback(leave)
    await asyncio.gather(*(server.serve(sockets=[sock]) for server, (_, sock) in zip(servers, served, strict=True)))
    if background and not background.cancel():
        background.result()


def configuration(app: ASGIApp) -> uvicorn.Config:
    """The uvicorn configuration of any service."""
    return uvicorn.Config(
        AccessLog(app),
        loop="asyncio",
        http=H11Protocol,
        ws=WebSocketsSansIOProtocol,
        ws_max_size=MAX_FRAME_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve_all`: all servers of one process must receive them."""
        yield


class AccessLog:
    """Logs each request and WebSocket with its status and duration; never the query, which may hold tokens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        started = time.perf_counter()
        headers = Headers(scope=scope)
        seen: dict[str, Any] = {"status": None, "request_id": headers.get("x-request-id")}

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen["status"] = message["status"]
                seen["request_id"] = Headers(raw=message["headers"]).get("x-request-id", seen["request_id"])
            elif message["type"] == "websocket.accept":
                seen["status"] = 101
            elif message["type"] == "websocket.close":
                seen["close_code"] = message.get("code")
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            logs.log(
                "access",
                protocol=scope["type"],
                method=scope.get("method"),
                path=scope["path"],
                traceparent=headers.get("traceparent"),
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
                **seen,
            )
