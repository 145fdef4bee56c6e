"""Frames of WebSockets and event streams: read by the standards, bounded, and held against the contract."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient
from acceptance.clients.sse import EventStreams
from acceptance.clients.websocket import MOST_FRAME_BYTES, MOST_FRAMES, Frame, RealtimeClient, Subscription
from acceptance.deployment.contract import Contract
from acceptance.redaction.redactor import Redactor
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websocket
from websockets.http11 import Request, Response

from tests.unit.conftest import Serve, descriptor_at

JOB = "9b2c0f6e-7c1c-4f0d-9d52-1c4a4a0f8a11"
EVENT = {
    "type": "job_status", "job_id": JOB, "sequence": 1, "status": "parsed", "state": "working",
    "progress": {"status_pct": 0, "total_pct": 10}, "timestamp": "2026-11-29T06:00:00Z",
}  # fmt: skip


@asynccontextmanager
async def websocket(
    contract: Contract,
    tell: Callable[[ServerConnection], Awaitable[None]],
    first: Callable[[ServerConnection, Request], Response | None] | None = None,
    journal: ErrorLog | None = None,
) -> AsyncIterator[Subscription]:
    async with serve_websocket(tell, "127.0.0.1", 0, process_request=first) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with RealtimeClient(contract, address, journal=journal).job(JOB, "token") as socket:
            yield socket


async def streamed(contract: Contract, address: str, journal: ErrorLog | None = None) -> Subscription:
    client = ContractClient(descriptor_at(address), contract, journal or ErrorLog(Redactor()), Redactor())
    async with EventStreams(client).job(JOB, "token") as stream:
        await stream.until_closed(within=10)
    await client.close()
    return stream


async def test_a_stream_is_utf8_whatever_its_header_says_and_may_begin_with_a_mark(
    contract: Contract, serve: Serve
) -> None:
    body = f"\ufeffdata: {json.dumps(EVENT | {'note': 'é'}, ensure_ascii=False)}\n\n".encode()
    stream = await streamed(contract, serve(200, body, {"content-type": "text/event-stream; charset=iso-8859-1"}))
    assert [frame.data["note"] for frame in stream.frames] == ["é"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ('{"type": "job_status", "sequence": NaN}', "no JSON object .NaN is no JSON"),
        ("[1]", "no JSON object .not an object"),
        ("[" * 200_000, "nested more than 100 deep"),
        (json.dumps(EVENT | {"sequence": "1"}), "job_status, sequence: expected a value as in the contract"),
        (json.dumps(EVENT | {"status": "melted"}), "job_status, status: expected a value as in the contract"),
        (json.dumps(EVENT | {"timestamp": "2026-11-29T06:00:00"}), "job_status, timestamp: expected"),
        (json.dumps({"type": "job_status"}), "expected a field 'job_id', found none"),
        ("x" * (MOST_FRAME_BYTES + 1), r"cannot take \(1009\).*1048576|cannot take \(1009\)"),
    ],
    ids=["NaN", "list", "nested", "text for number", "unknown status", "no zone", "no fields", "too large"],
)
async def test_a_frame_that_is_not_by_the_contract_fails_who_waits(contract: Contract, frame: str, reason: str) -> None:
    async def tell(connection: ServerConnection) -> None:
        await connection.send(frame)
        await connection.wait_closed()

    async with websocket(contract, tell) as socket:
        with pytest.raises(AssertionError, match=f"WebSocket .*: expected frames as in the contract, .*{reason}"):
            await socket.until(lambda seen: bool(seen.events), what="an event", within=30)


async def test_a_handshake_that_is_redirected_is_refused_and_says_where_it_leads(contract: Contract) -> None:
    def away(connection: ServerConnection, request: Request) -> Response:
        response = connection.respond(307, "")
        response.headers["Location"] = "ws://elsewhere.example/"
        return response

    async def never(connection: ServerConnection) -> None:
        raise AssertionError

    async with websocket(contract, never, away) as socket:
        assert await socket.until_refused(within=5) == 307
        assert "Location: ws://elsewhere.example/" in socket.summary()


async def test_a_flood_of_frames_is_kept_to_a_bound() -> None:
    subscription = Subscription("channel")
    for number in range(MOST_FRAMES + 5):
        subscription.add(Frame({"type": "ping" if number % 2 else "any"}, 0.0))
    assert len(subscription.frames) + len(subscription.pings) == MOST_FRAMES
    with pytest.raises(AssertionError, match=r"observed more than 10,000 frames"):
        await subscription.until_closed(within=5)


async def test_errors_of_streams_are_journalled(contract: Contract, serve: Serve) -> None:
    log = ErrorLog(Redactor())
    await streamed(contract, serve(404, {"error": "none"}, {"x-request-id": "r-1"}), log)
    stream = b'event: error\ndata: {"message": "it broke"}\n\n: end\n\n'
    await streamed(contract, serve(200, stream, {"content-type": "text/event-stream"}), log)
    kept = [(one.route, one.status, one.body, one.event) for one in log.answers]
    assert kept == [
        ("job_events", 404, '{"error": "none"}', ""),
        ("job_events", 200, '{"message": "it broke"}', "SSE event"),
    ]
    assert log.answers[0].request_id == "r-1"


async def test_errors_of_a_whole_stream_are_journalled(contract: Contract) -> None:
    log, request = ErrorLog(Redactor()), httpx.Request("POST", "https://api.example.org/chat")
    client = ContractClient(descriptor_at("https://api.example.org"), contract, log, Redactor())
    sent = "event: delta\ndata: fine\n\nevent: error\ndata: it broke\n\n"
    client.journal_stream("chat", httpx.Response(200, request=request), sent)
    client.journal_stream("chat", httpx.Response(503, request=request), "away")
    await client.close()
    assert [(one.status, one.body) for one in log.answers] == [(200, "it broke"), (503, "away")]


async def test_errors_of_a_websocket_are_journalled(contract: Contract) -> None:
    log = ErrorLog(Redactor())

    async def tell(connection: ServerConnection) -> None:
        await connection.send('{"type": "error", "message": "not JSON"}')
        await connection.close(1011, "server fault")

    async with websocket(contract, tell, journal=log) as socket:
        await socket.until_closed(within=10)

    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(403, "go away")

    async with websocket(contract, tell, refuse, log):
        pass

    async def end(connection: ServerConnection) -> None:
        await connection.close(1000, "done")

    async with websocket(contract, end, journal=log) as socket:
        await socket.until_closed(within=10)
    assert [(one.event, one.status, one.body) for one in log.answers] == [
        ("WebSocket frame", 0, '{"type": "error", "message": "not JSON"}'),
        ("WebSocket close", 1011, "server fault"),
        ("WebSocket handshake", 403, "go away"),
    ]
