"""A WebSocket server that tells each subscriber of a job the same: `python -m tests.bench.events SUBSCRIBERS RECORD`.

It prints its address, tells the first event to whoever connects and the others when all have, in even steps; it ends
when its standard input does, and then writes how many it served and how many messages it sent.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from acceptance.performance.subscriber_process import enough_files
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed

EVENTS = 20  # of each job
JOB = "00000000-0000-4000-8000-0000000000"  # and two digits: the identifier of a job
FIRST_JOB = 10
STEP_SECONDS = 0.5
JOINING_SECONDS = 60.0  # until it goes on without who is missing


@dataclass
class Told:
    """Who listens to which job, and what was told: subscribers, messages."""

    wanted: int
    listening: defaultdict[str, set[ServerConnection]] = field(default_factory=lambda: defaultdict(set))
    subscribers: int = 0
    messages: int = 0
    all_there: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        job = connection.request.path.partition("?")[0].rpartition("/")[2]
        await connection.send(event(job, 1))
        self.messages += 1
        self.subscribers += 1
        self.listening[job].add(connection)
        if self.subscribers == self.wanted:
            self.all_there.set()
        try:
            async for message in connection:
                if json.loads(message) == {"type": "ping"}:
                    await connection.send('{"type": "pong"}')
        except ConnectionClosed:
            pass
        finally:
            self.listening[job].discard(connection)

    async def tell(self) -> None:
        """The events from the second on, to all who listen."""
        try:
            await asyncio.wait_for(self.all_there.wait(), JOINING_SECONDS)
        except TimeoutError:
            print(f"{self.subscribers} of {self.wanted} came", file=sys.stderr, flush=True)
        for sequence in range(2, EVENTS + 1):
            await asyncio.sleep(STEP_SECONDS)
            for job, connections in self.listening.items():
                broadcast(connections, event(job, sequence))
                self.messages += len(connections)


def event(job: str, sequence: int) -> str:
    """An event as the contract has it; the last one ends the job."""
    state = "done" if sequence == EVENTS else "working"
    percent = {"status_pct": 100, "total_pct": 100 * sequence // EVENTS}
    return json.dumps(
        {"type": "job_status", "job_id": job, "sequence": sequence, "status": "parsed", "state": state,
         "progress": percent, "timestamp": datetime.now(UTC).isoformat()}
    )  # fmt: skip


async def _main(subscribers: int, record: Path) -> None:
    if enough_files(subscribers) < subscribers:
        raise SystemExit(f"{subscribers} connections need more open files than this machine allows")
    told = Told(subscribers)
    async with serve(told.serve, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1024) as server:
        telling = asyncio.ensure_future(told.tell())
        print(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", flush=True)
        await asyncio.to_thread(sys.stdin.read)
        telling.cancel()
        written = {"subscribers": told.subscribers, "messages": told.messages}
        await asyncio.to_thread(record.write_text, json.dumps(written), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), Path(sys.argv[2])))
