"""The front end streams requests and responses unchanged; the edge handles its own routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox import frontend, serving
from sandbox.settings import HOST, Settings, reserve


def settings_for(api_port: int) -> Settings:
    return Settings(Path("/nonexistent"), {"api": api_port, "supabase": api_port}, build="abc123")


class QuietServer(uvicorn.Server):
    """Leaves signals to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    """Serve an application in this loop; yields its port, on which connections wait until it has started."""
    sock = reserve()
    sock.listen()
    server = QuietServer(serving.configuration(app))
    task = asyncio.create_task(server.serve(sockets=[sock]))
    yield sock.getsockname()[1]
    server.should_exit = True
    await task


@asynccontextmanager
async def front_end_before(api: Callable[[Request], Response]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a front end whose API is the given handler."""
    upstream = Starlette(routes=[Route("/{path:path}", api, methods=["GET", "POST", "PUT"])])
    async with (
        served(upstream) as api_port,
        served(frontend.application(settings_for(api_port))) as port,
        httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=10) as client,
    ):
        yield client


def echo(request: Request) -> Response:
    raw = [(name.decode(), value.decode()) for name, value in request.headers.raw]
    response = JSONResponse({"path": request.scope["raw_path"].decode(), "query": request.url.query, "headers": raw})
    response.headers["x-request-id"] = "from-the-api"
    response.headers["connection"] = "keep-alive"
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    return response


async def test_headers_of_the_caller_arrive_and_those_of_the_line_do_not() -> None:
    async with front_end_before(echo) as client:
        sent = {"traceparent": "00-1-2-01", "x-request-id": "mine", "x-forwarded-for": "10.9.8.7", "te": "trailers"}
        answer = await client.get("/api/thing", headers=sent)
    headers = dict(answer.json()["headers"])
    assert headers["traceparent"] == "00-1-2-01"
    assert headers["x-request-id"] == "mine"
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == answer.url.netloc.decode()
    assert "te" not in headers
    assert answer.headers["x-request-id"] == "from-the-api"
    assert answer.headers.get_list("set-cookie") == ["one=1; Path=/; SameSite=lax", "two=2; Path=/; SameSite=lax"]


@pytest.mark.parametrize(
    "target",
    [
        *("/api/a%2Fb", "/api/%00", "/api/ä%20b", "/api/x?limit=-1&state=%ff&a+b", "/api/x?"),
        *("/auth/login", "/documents", "/documents/1/content", "/conversations", "/conversations/1"),
    ],
)
async def test_path_and_query_arrive_as_they_were_written(target: str) -> None:
    async with front_end_before(echo) as client:
        seen = (await client.get(target)).json()
    path, _, query = target.partition("?")
    assert seen["path"] == path.replace("ä", "%C3%A4")
    assert seen["query"] == query


async def test_an_answer_arrives_while_it_is_made() -> None:
    first_has_arrived = asyncio.Event()

    async def events() -> AsyncIterator[str]:
        yield "id: 1\n\n"
        await first_has_arrived.wait()
        yield "id: 2\n\n"

    async with (
        front_end_before(lambda _: StreamingResponse(events(), media_type="text/event-stream")) as client,
        client.stream("GET", "/api/events") as answer,
    ):
        parts = answer.aiter_text()
        assert await anext(parts) == "id: 1\n\n"
        first_has_arrived.set()
        assert await anext(parts) == "id: 2\n\n"


async def test_a_request_arrives_while_it_is_sent() -> None:
    first_has_arrived = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await first_has_arrived.wait()
        yield b" second"

    async def api(request: Request) -> Response:
        parts = []
        async for part in request.stream():
            parts.append(part)
            first_has_arrived.set()
        return Response(b"".join(parts))

    async with front_end_before(api) as client:  # type: ignore[arg-type]
        assert (await client.put("/api/bytes", content=body())).content == b"first second"


async def test_a_client_that_leaves_ends_the_request_to_the_api() -> None:
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield ": still here\n\n"
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    async with front_end_before(lambda _: StreamingResponse(endless())) as client:
        async with client.stream("GET", "/api/events") as answer:
            await anext(answer.aiter_text())
        async with asyncio.timeout(10):
            await ended.wait()


async def test_an_api_that_is_not_there_is_said_to_be_unavailable() -> None:
    with reserve() as unused:
        app = frontend.application(settings_for(unused.getsockname()[1]))
        async with served(app) as port, httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{HOST}:{port}/api/thing")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["code"] == "unavailable"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


async def test_the_edge_answers_for_itself() -> None:
    async with front_end_before(echo) as client:
        page, start, probe = await client.get("/"), await client.get("/start"), await client.get("/api/edge/probe")
        refused, nothing = await client.post("/api/edge/probe"), await client.get("/nothing")
    assert page.headers["x-build"] == "abc123"
    assert page.headers["x-version"] == "1.0.0"
    assert "x-edge-middleware" not in page.headers
    assert start.text == page.text
    assert start.headers["x-edge-middleware"] == probe.headers["x-edge-middleware"] == "1"
    assert probe.json() == {"region": "local"}
    assert (refused.status_code, refused.headers["x-edge-middleware"]) == (405, "1")
    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "not_found")
