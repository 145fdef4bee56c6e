"""The line of a page: a SOCKS proxy passes everything on, and cuts it off when it is to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from acceptance.browsers.line import Line
from acceptance.clients.network_path import Address
from acceptance.faults.proxy import disturbance

BODY = b"the page" * 100


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    made = Line()
    await made.start()
    yield made
    await made.close()


async def get(listening: Address, url: str, scheme: str = "socks5h") -> bytes:
    proxy = f"{scheme}://127.0.0.1:{listening[1]}"
    with requests.Session() as session:
        session.trust_env = False
        found = await asyncio.to_thread(session.get, url, proxies={"http": proxy}, timeout=10)
        return found.content


@pytest.mark.parametrize(("scheme", "host"), [("socks5h", "localhost"), ("socks5", "127.0.0.1")])
async def test_a_browser_reaches_what_it_asks_for(scheme: str, host: str, line: Line, port: int) -> None:
    assert await get(line.address, f"http://{host}:{port}/", scheme) == BODY


async def test_a_line_that_refuses_counts_what_it_refused(line: Line, port: int) -> None:
    listening, refusing = line.address, disturbance("refuse", {})
    line.add("refuse", refusing)
    with pytest.raises(requests.ConnectionError):
        await get(listening, f"http://127.0.0.1:{port}/")
    assert refusing.affected == 1
    line.remove("refuse")
    assert await get(listening, f"http://127.0.0.1:{port}/") == BODY


async def test_what_is_open_is_ended_when_the_line_begins_to_refuse(line: Line, port: int) -> None:
    slow, refusing = disturbance("bandwidth", {"bytes_per_second": 200}), disturbance("refuse", {})
    listening = line.address
    line.add("bandwidth", slow)
    asked = asyncio.create_task(get(listening, f"http://127.0.0.1:{port}/"))
    while not slow.affected:  # noqa: ASYNC110 - a count, which no event announces
        await asyncio.sleep(0.01)
    line.add("refuse", refusing)
    with pytest.raises(requests.RequestException):
        await asked
    assert refusing.affected >= 1


async def test_another_protocol_is_ended(line: Line) -> None:
    reader, writer = await asyncio.open_connection(*line.address)
    writer.write(b"GET / HTTP/1.1")
    writer.write_eof()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
