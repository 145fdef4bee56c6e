"""The load balancer of the API instances: distributes TCP connections round-robin, for HTTP, streams and WebSockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import uuid
from collections.abc import Sequence
from typing import Final

from sandbox import logs
from sandbox.settings import HOST

CONNECT_SECONDS: Final = 1.0
_CHUNK: Final = 65_536


class Balancer:
    """Forwards each connection to the next instance; skips an instance that refuses."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = 0

    async def serve(self, sock: socket.socket) -> None:
        """Serve until cancelled."""
        server = await asyncio.start_server(self._handle, sock=sock)
        async with server:
            await server.serve_forever()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        instance = await self._connect()
        try:
            if instance is None:
                logs.log("no API instance takes connections")
                writer.write(_unavailable())
                await writer.drain()
                return
            there, back = _pump(reader, instance[1]), _pump(instance[0], writer)
            async with asyncio.TaskGroup() as both:
                both.create_task(there)
                both.create_task(back)
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            for open_writer in (writer, *(instance[1:] if instance else ())):
                open_writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for place in range(len(self._ports)):
            port = self._ports[(self._turn + place) % len(self._ports)]
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(HOST, port)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def _unavailable() -> bytes:
    request_id = str(uuid.uuid4())
    message = "No instance of the application is available at the moment. Please try again shortly."
    body = json.dumps({"error": {"code": "unavailable", "message": message, "request_id": request_id}}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
