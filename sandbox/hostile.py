"""A server in place of the whole deployment that answers in one hostile way; so that suites are seen to bear it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from websockets.utils import accept_key

from sandbox.settings import Settings

BEHIND: Final = "-behind-good-probes"
MEGABYTE: Final = 1_048_576
MOST_SECONDS: Final = 120  # of one answer
PROBES: Final = ("/", "/health", "/status", "/ws/health", "/api/upload-pipeline/upload/limits")
NO_JOB: Final = f"/ws/jobs/{UUID(int=0)}"  # whose WebSocket the preflight opens
NAN, INFINITE = float("nan"), float("inf")

Writer = asyncio.StreamWriter
Answer = Callable[[Writer, str, str, dict[str, Any]], Awaitable[None]]


def _document(text: object = "x", number: object = 1, time: object = "", token: object = "t" * 40) -> dict[str, Any]:
    """Every field of every answer at once, of these values."""
    now, some = time or datetime.now(UTC).isoformat(), str(uuid4()) if text == "x" else text
    job = {
        "job_id": some, "document_id": some, "status": "complete", "state": "done", "retry_count": number,
        "progress": {"status_pct": number, "total_pct": number}, "last_error": None, "updated_at": now,
    }  # fmt: skip
    document = {"document_id": some, "filename": text, "bytes_len": number, "mime": text, "status": "complete"}
    user = {"id": some, "email": "x@example.com" if text == "x" else text}
    source = {"document_id": some, "title": text, "chunk": some}
    return job | document | user | {
        "sequence": number, "timestamp": now, "type": "job_status", "user": user, "token_type": "bearer",
        "access_token": token, "refresh_token": token, "expires_in": number, "jobs": [job], "documents": [document],
        "conversations": [{"conversation_id": some}], "sources": [source], "text": text, "region": text,
        "pagination": {"limit": number, "offset": number, "total": number, "has_more": False},
        "conversation_id": some, "workflow_id": some, "upload_expires_at": now, "signed_url": "",
        "metadata": {"model": text, "processing_time": number, "confidence": number}, "sha256": "0" * 64,
        "environment": "sandbox", "version": text, "build": "hostile", "signed_url_ttl_seconds": number,
        "services": dict.fromkeys(("database", "authentication", "storage", "parser", "model", "worker"), "healthy"),
        "workers": [{"build": "hostile", "heartbeat_age_seconds": number}], "supported_mime_types": ["application/pdf"],
        "max_file_size_bytes": number, "max_concurrent_jobs_per_user": number, "max_uploads_per_day_per_user": number,
    }  # fmt: skip


def _health() -> dict[str, Any]:
    healthy = _document(number=1000) | {"status": "healthy"}
    return healthy | {"workers": [{"build": "hostile", "heartbeat_age_seconds": 0.1}]}


async def _send(writer: Writer, status: int, body: bytes | AsyncIterator[bytes] = b"", **headers: str) -> None:
    lines = [f"HTTP/1.1 {status} As It Is", "connection: close", "x-build: hostile", "x-version: 0"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    if isinstance(body, bytes):
        writer.write(body)
        return
    async for part in body:
        writer.write(part)
        await writer.drain()


def _json(**values: object) -> Answer:
    """Every answer a success with all its fields, of these values; a WebSocket delivers them."""

    async def answer(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
        document = _document(**values)
        if isinstance(document["id"], str) and "email" in asked:  # a session of who asks
            document["email"] = document["user"]["email"] = asked["email"]
        document["signed_url"] = f"http://{asked['host']}/signed?token={'t' * 40}"
        if path == "/health":
            document |= {"status": "healthy"}
        body = json.dumps(document).encode()
        if path.startswith("/ws/") and path not in PROBES:
            writer.write(_frame(body))
            await asyncio.sleep(MOST_SECONDS)
        status = _status(method, path)
        await _send(writer, status, b"" if status == 204 else body, content_type="application/json")

    return answer


def _status(method: str, path: str) -> int:
    """That of the contract's success."""
    return {"/auth/signup": 201, "/auth/logout": 204}.get(path, 204 if method == "DELETE" else 200)


def _body(status: int | None, body: bytes, **headers: str) -> Answer:
    async def answer(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
        await _send(writer, status or _status(method, path), body, **headers)

    return answer


def _stream(parts: Callable[[], AsyncIterator[bytes]], **headers: str) -> Answer:
    async def answer(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
        await _send(writer, 200, parts(), content_type="application/json", **headers)

    return answer


async def _drops() -> AsyncIterator[bytes]:
    for _ in range(MOST_SECONDS):
        yield b" "
        await asyncio.sleep(1)


async def _spaces() -> AsyncIterator[bytes]:
    for _ in range(20_000):
        yield b" " * MEGABYTE


async def _bomb() -> AsyncIterator[bytes]:
    packing = zlib.compressobj(9, wbits=16 + zlib.MAX_WBITS)
    for _ in range(12_000):
        yield packing.compress(b" " * MEGABYTE)


async def _redirect(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
    await _send(writer, 307, location=path)


async def _close(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
    """Answers nothing and closes."""


async def _half(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
    await _send(writer, 200, b'{"status": "hea', content_type="application/json", content_length="1000")


async def _silence(writer: Writer, method: str, path: str, asked: dict[str, Any]) -> None:
    await asyncio.sleep(MOST_SECONDS)


MODES: Final[dict[str, Answer]] = {
    "drip": _stream(_drops),
    "endless": _stream(_spaces),
    "bomb": _stream(_bomb, content_encoding="gzip"),
    "redirect": _redirect,
    "html": _body(200, b"<!doctype html><title>Welcome</title><h1>It works!</h1>", content_type="text/html"),
    "drop": _half,
    "of-1970": _json(time="1970-01-01T00:00:00Z"),
    "long-token": _json(token="t" * MEGABYTE),
    "bad-encoding": _body(None, b'{"status": "\xff\xfe\xfa"}', content_type="application/json; charset=utf-8"),
    "nesting": _body(None, b"[" * 200_000, content_type="application/json"),
    "nan": _json(number=NAN),
    "infinite": _json(number=INFINITE),
    "null": _json(text=None, number=None, time=None, token=None),
    "negative": _json(number=-1_000_000_000),
    "unauthorized": _body(401, b'{"detail": "Not authenticated"}', content_type="application/json"),
    "unknown": _body(404, b'{"detail": "Not Found"}', content_type="application/json"),
    "fault": _body(500, b'{"detail": "Internal Server Error"}', content_type="application/json"),
    "empty": _body(None, b"{}", content_type="application/json"),
    "close": _close,
    "silence": _silence,
}
NAMES: Final = (*MODES, *(f"{mode}{BEHIND}" for mode in MODES))


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    mode = settings.hostile
    answer, behind = MODES[mode.removesuffix(BEHIND)], mode.endswith(BEHIND)

    async def handle(reader: asyncio.StreamReader, writer: Writer) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(MOST_SECONDS):
                await _serve_one(reader, writer, answer, behind)
        writer.close()

    async def serve() -> None:
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        server = await asyncio.start_server(handle, sock=settings.listen("api"))
        await told.wait()
        server.close()

    asyncio.run(serve())


async def _serve_one(reader: asyncio.StreamReader, writer: Writer, answer: Answer, behind: bool) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
    headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in head.split("\r\n")[1:]}
    path = target.partition("?")[0]
    body = await reader.readexactly(min(int(headers.get("content-length", 0)), 16 * MEGABYTE))
    asked: dict[str, Any] = {}
    with contextlib.suppress(ValueError, TypeError):
        asked = dict(json.loads(body))
    asked["host"] = headers.get("host", "")
    if "sec-websocket-key" in headers and (answer in _JSON or (behind and path == NO_JOB)):
        accepted = f"sec-websocket-accept: {accept_key(headers['sec-websocket-key'])}"
        writer.write(f"HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n{accepted}\r\n\r\n".encode())
    if behind and path == NO_JOB:
        writer.write(b"\x88\x02" + (4401).to_bytes(2, "big"))
    elif behind and path in PROBES:
        await _send(writer, 200, json.dumps(_health()).encode(), content_type="application/json")
    else:
        await answer(writer, method, path, asked)
    await writer.drain()


_JSON: Final = tuple(MODES[name] for name in ("of-1970", "long-token", "nan", "infinite", "null", "negative"))


def _frame(body: bytes) -> bytes:
    """A WebSocket text frame of a server."""
    size = len(body)
    return b"\x81" + (b"\x7e" + size.to_bytes(2, "big") if size < 65_536 else b"\x7f" + size.to_bytes(8, "big")) + body
