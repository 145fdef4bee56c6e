"""A server that answers after a fixed delay and keeps its own record: `python -m tests.bench.fixed_delay RECORD`.

It prints its address, ends when its standard input does, and then writes a line for each request into the record:
path, when its last byte was read, when the first byte of the answer was handed over (monotonic clock, seconds).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

DELAY, LATE = 0.05, 0.2  # seconds
LATE_ONES = 50  # one in so many is late: 2 %, so that the p99 is one of them
BODY = json.dumps({"id": "d-1", "token": "t" * 200, "user": {"id": "u-1", "email": "ann@example.org"}}).encode()
ANSWER = (
    f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
)  # in one piece: its first byte is its last


class Recorded:
    """Requests that were answered, in the order of their answers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, float, float]] = []
        self.begun = 0


class Connection(asyncio.Protocol):
    """One connection; requests on it come one after the other."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        self._received = b""
        recorded = self._recorded
        recorded.begun += 1
        delay = DELAY if recorded.begun % LATE_ONES else LATE
        asyncio.get_running_loop().call_at(now + delay, self._answer, head.split(b" ", 2)[1].decode(), now)

    def _answer(self, path: str, read: float) -> None:
        first = time.monotonic()
        self._transport.write(ANSWER)
        self._recorded.lines.append((path, read, first))


def _length(head: bytes) -> int:
    found = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(found[0]) if found else 0


async def _main(record: Path) -> None:
    loop, recorded = asyncio.get_running_loop(), Recorded()
    server = await loop.create_server(lambda: Connection(recorded), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    written = "".join(json.dumps(line) + "\n" for line in recorded.lines)
    await loop.run_in_executor(None, record.write_text, written)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
