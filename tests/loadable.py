"""A server to load, which answers after fixed delays and keeps its own record of what it was asked; scripts for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ArtilleryLibrary.script import LoadScript, checked_script

FIRST, REST = 0.05, 0.10  # seconds
PATIENCE = 60.0  # seconds
SECRET, HIDDEN = "canary-4c1f0d97", "canary-9e0b77a2"
PEOPLE = json.dumps([{"name": "ann", "key": HIDDEN}])
ENVIRONMENT = {"KEY": SECRET, "PEOPLE": PEOPLE}
PROCESSOR = """\
module.exports = {
  async tagged(context) { context.vars.tag = 'own'; },
  sign(params, context, events, done) { params.headers = { 'x-key': process.env.KEY }; done(); },
  judge(params, answer, context, events, done) {
    const { key } = JSON.parse(process.env.PEOPLE)[0];
    done(JSON.parse(answer.body).id === 'd-2' ? null : new Error(`wrong document ${process.env.KEY} ${key}`));
  },
};
"""
READING = """\
    - get:
        name: quick
        url: /quick
        beforeRequest: sign
        capture: [{json: $.user.id, as: user}, {json: $.id, as: document}]
        expect: [{statusCode: 200}, {contentType: json}, {hasProperty: user.id}]
        record: [document, tag]
    - get: {url: /late, expect: [{statusCode: 200}]}
    - get: {name: moved, url: /moved, followRedirect: true, expect: [{statusCode: 200}]}
    - get:
        name: other
        url: /other
        capture: [{json: $.user.id, as: seen}]
        expect: [{statusCode: 200}, {equals: ["{{ seen }}", "{{ user }}"]}]
"""


@dataclass(frozen=True)
class Served:
    """A request as the server saw it: when it was read, when the first and the last byte were handed over."""

    path: str
    read: float
    first: float
    last: float


@dataclass
class LoadServer:
    """What a test knows of its server."""

    url: str = ""
    served: list[Served] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)

    def of(self, path: str) -> list[Served]:
        return [one for one in self.served if one.path == path]


@contextmanager
def load_server() -> Iterator[LoadServer]:
    """A server on loopback for as long as this is entered.

    `/quick` responds after 50 ms; `/late` sends its first byte then, and its body 100 ms later; `/cut` promises more
    than it sends; `/broken` is 500; `/empty` is 200 without a body; `/other` responds as another user; `/html` is 500
    in HTML; `/hang` never responds; `/moved` redirects to `/quick`.
    """
    server, ready, loop = LoadServer(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        listening = await asyncio.start_server(lambda reader, writer: _connection(server, reader, writer), "127.0.0.1")
        server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await listening.serve_forever()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    task = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(task), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)


async def _connection(server: LoadServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
            )
            server.seen.append(head + await reader.readexactly(length))
            path, read = head.split()[1].decode(), time.perf_counter()
            if path == "/hang":
                await asyncio.sleep(60)
            await asyncio.sleep(FIRST)
            status, kind, promised, body = _answer(path)
            first = time.perf_counter()
            location = "Location: /quick\r\n" if status == 302 else ""
            headers = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{location}Content-Length: {promised}\r\n\r\n"
            writer.write(headers.encode())
            if path == "/late":
                await asyncio.sleep(REST)
            writer.write(body)
            server.served.append(Served(path, read, first, time.perf_counter()))
            await writer.drain()
            if len(body) != promised:
                break
    writer.close()


def _answer(path: str) -> tuple[int, str, int, bytes]:
    body = json.dumps({"id": "d-1", "user": {"id": "somebody-else" if path == "/other" else "u-1"}}).encode()
    match path:
        case "/broken":
            return 500, "application/json", 2, b"{}"
        case "/html":
            return 500, "text/html", 11, b"<html>x</hm"
        case "/empty":
            return 200, "application/json", 0, b""
        case "/cut":
            return 200, "application/json", len(body) + 100, body
        case "/moved":
            return 302, "text/plain", 0, b""
    return 200, "application/json", len(body), body


def script(folder: Path, target: str, scenarios: str, *, seconds: int, rate: int = 10, **options: Any) -> LoadScript:
    (folder / "flows.cjs").write_text(PROCESSOR)
    path = folder / "load.yml"
    path.write_text(
        f"config:\n  target: http://nowhere.invalid\n  processor: ./flows.cjs\n  http: {{timeout: 2}}\n"
        f"  phases: [{{name: one, duration: 2, arrivalRate: {rate}}},"
        f" {{name: two, duration: {seconds - 2}, arrivalRate: {rate}}}]\nscenarios:\n{scenarios}"
    )
    return checked_script(path, target=target, environment=ENVIRONMENT, **options)


def reading(name: str = "reading", weight: int = 1) -> str:
    return f"- name: {name}\n  weight: {weight}\n  flow:\n    - function: tagged\n{READING}"
