"""A TCP proxy on loopback that disturbs the connections through it; bytes are passed on as they are, TLS included."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from acceptance.clients.network_path import Address

CHUNK = 65_536
CONNECT_SECONDS = 10.0
_LINGER = struct.pack("ii", 1, 0)  # close with a reset

Ending = Literal["", "reset", "cut"]


@dataclass
class Disturbance:
    """How the connections through a proxy are disturbed, with what was observed of it.

    Attributes:
        latency, jitter: seconds by which each answer's bytes come later, and at most so much more.
        rate: bytes a second in either direction; None: not limited.
        slice, pause: answers come in pieces of so many bytes, with so many seconds between two.
        ending: how a connection ends after so many bytes of an answer (`after`); `times` limits to how many.
        swallows: connections are accepted, and nothing is passed on.
        refuses: connections are refused.
        affected: connections that it disturbed, other than those that look whether it is in effect.
    """

    latency: float = 0.0
    jitter: float = 0.0
    rate: float | None = None
    slice: int | None = None
    pause: float = 0.0
    ending: Ending = ""
    after: int = 0
    times: int | None = None
    swallows: bool = False
    refuses: bool = False
    affected: int = 0
    ended: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether it has disturbed as many connections as it was to."""
        return self.times is not None and self.ended >= self.times


def disturbance(kind: str, parameters: Mapping[str, Any]) -> Disturbance:
    """The disturbance of a kind; raises TypeError or ValueError for parameters that it does not have."""
    made: Disturbance = _KINDS[kind](**parameters)
    return made


def _latency(*, milliseconds: float, jitter_milliseconds: float = 0) -> Disturbance:
    return Disturbance(latency=_positive(milliseconds) / 1000, jitter=_positive(jitter_milliseconds, 0) / 1000)


def _bandwidth(*, bytes_per_second: float) -> Disturbance:
    return Disturbance(rate=_positive(bytes_per_second))


def _slice(*, bytes: int, milliseconds: float) -> Disturbance:
    return Disturbance(slice=int(_positive(bytes)), pause=_positive(milliseconds) / 1000)


def _reset(*, after_bytes: int = 0, times: int | None = None) -> Disturbance:
    return Disturbance(ending="reset", after=int(_positive(after_bytes, 0)), times=times and int(_positive(times)))


def _cut(*, after_bytes: int, times: int | None = None) -> Disturbance:
    return Disturbance(ending="cut", after=int(_positive(after_bytes, 0)), times=times and int(_positive(times)))


def _positive(value: float, least: float = 1e-9) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < 1e12:
        raise ValueError(f"expected a number above {0 if least else -1}, found {value!r}")
    return value


_KINDS: Mapping[str, Any] = {
    "latency": _latency,
    "bandwidth": _bandwidth,
    "slice": _slice,
    "reset": _reset,
    "refuse": lambda: Disturbance(refuses=True),
    "blackhole": lambda: Disturbance(swallows=True),
    "cut": _cut,
}
KINDS = tuple(_KINDS)


@dataclass(eq=False)
class _Passage:
    """One connection: the client's side, the service's side, and the bytes of the answer that it passes on."""

    client: asyncio.StreamWriter
    service: asyncio.StreamWriter | None = None
    answered: int = 0
    swallowed: bool = False
    looked: bool = False  # of one who looks whether the fault is in effect
    counted: set[int] = field(default_factory=set)

    def end(self, how: Ending) -> None:
        """End both sides: by a reset, or as if the service had closed."""
        if how == "cut":
            with suppress(OSError, RuntimeError):
                self.client.write_eof()
        for side in (self.client, self.service):
            if side is None:
                continue
            if how == "reset" or side is self.service:
                _abort(side)
            else:
                side.close()


def _abort(side: asyncio.StreamWriter) -> None:
    found = side.get_extra_info("socket")
    if found is not None:
        with suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    side.transport.abort()


class Proxy:
    """Passes connections on to one address, disturbed by every disturbance that is in force.

    Args:
        target: host and port of the service.
    """

    def __init__(self, target: Address) -> None:
        self._target = target
        self._disturbances: dict[str, Disturbance] = {}
        self._server: asyncio.Server | None = None
        self._refusing: socket.socket | None = None
        self._open: set[_Passage] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.lookers: set[int] = set()  # local ports of those who look whether a fault is in effect
        self.accepted = 0

    @property
    def disturbances(self) -> dict[str, Disturbance]:
        """Those in force, by the identifiers of their faults."""
        return self._disturbances

    @property
    def address(self) -> Address:
        """Where to connect; refused while a disturbance refuses."""
        if any(one.refuses for one in self._disturbances.values()) and self._refusing is not None:
            return self._refusing.getsockname()[:2]  # type: ignore[no-any-return]
        assert self._server is not None
        return self._server.sockets[0].getsockname()[:2]  # type: ignore[no-any-return]

    async def start(self) -> None:
        """Listen on loopback, if it does not yet."""
        if self._server is not None:
            return
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=CHUNK)
        self._refusing = socket.socket(socket.AF_INET, socket.SOCK_STREAM)  # bound, and never listening
        self._refusing.bind(("127.0.0.1", 0))

    def add(self, fault: str, one: Disturbance) -> None:
        """Let a disturbance take effect, also on what is open where it ends or swallows connections."""
        self._disturbances[fault] = one
        for passage in list(self._open):
            if one.ending and not one.is_spent and passage.answered >= one.after:
                self._end(passage, one)
            elif one.swallows or one.refuses:
                passage.swallowed = passage.swallowed or one.swallows
                if one.refuses:
                    self._count(passage, one)
                    passage.end("reset")

    def remove(self, fault: str) -> None:
        """Let a disturbance end; connections whose bytes it swallowed end, others are passed on from now on."""
        gone = self._disturbances.pop(fault, None)
        if gone is not None and gone.swallows:
            for passage in list(self._open):
                if passage.swallowed:
                    passage.end("reset")

    async def close(self) -> None:
        """Stop listening, and end what is open."""
        if self._server is not None:
            self._server.close()
        if self._refusing is not None:
            self._refusing.close()
        for passage in list(self._open):
            passage.end("reset")
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))  # a task of asyncio's own complains when cancelled
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passage = _Passage(writer)
        self._open.add(passage)
        try:
            await self._pass(passage, reader)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            passage.end("reset")  # as the service itself did
        finally:
            self._open.discard(passage)
            passage.end("")

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Address | None:
        """Where a connection goes; None: nowhere, and it ends."""
        return self._target

    async def _pass(self, passage: _Passage, reader: asyncio.StreamReader) -> None:
        self.accepted += 1
        if (target := await self._asked(reader, passage.client)) is None:
            return
        passage.looked = passage.client.get_extra_info("peername")[1] in self.lookers
        for one in self._in_force():
            self._count(passage, one)
            if one.ending and not one.is_spent and one.after == 0:
                self._end(passage, one)
                return
        if any(one.swallows for one in self._in_force()):
            passage.swallowed = True
            while await reader.read(CHUNK):  # until the client gives up, or the fault is undone
                pass
            return
        async with asyncio.timeout(CONNECT_SECONDS):
            answers, passage.service = await asyncio.open_connection(*target, limit=CHUNK)
        asking = asyncio.create_task(self._ask(passage, reader))
        try:
            await self._answer(passage, answers)
            if passage.swallowed:
                await asking
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    def _in_force(self) -> list[Disturbance]:
        return list(self._disturbances.values())

    def _count(self, passage: _Passage, one: Disturbance) -> None:
        """Count a connection that is disturbed, once; one that ends connections counts those that it ended."""
        if not passage.looked and id(one) not in passage.counted and not one.ending:
            passage.counted.add(id(one))
            one.affected += 1

    def _end(self, passage: _Passage, one: Disturbance) -> None:
        if not passage.looked:
            one.affected += 1
            one.ended += 1
        passage.end(one.ending)

    async def _ask(self, passage: _Passage, reader: asyncio.StreamReader) -> None:
        """Pass requests on."""
        assert passage.service is not None
        try:
            while data := await reader.read(CHUNK):
                passage.answered = 0  # the bytes of the next answer count
                if not passage.swallowed:
                    await self._write(passage.service, data)
            if not passage.swallowed:
                passage.service.write_eof()
        except OSError:  # one side has gone, so does the other
            passage.end("reset")

    async def _answer(self, passage: _Passage, reader: asyncio.StreamReader) -> None:
        """Pass answers on: read at once, so that latency adds to each and slows down none behind it."""
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)
        writing = asyncio.create_task(self._write_answers(passage, due))
        try:
            last = 0.0
            while data := await _read(reader, writing):
                late = sum(one.latency + random.uniform(0, one.jitter) for one in self._in_force())
                last = max(last, time.monotonic() + late)
                await due.put((last, data))
            if not writing.done():
                await due.put((last, b""))
                await writing
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write_answers(self, passage: _Passage, due: asyncio.Queue[tuple[float, bytes]]) -> None:
        while True:
            at, data = await due.get()
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            if not data:
                if passage.client.can_write_eof() and not passage.swallowed:
                    passage.client.write_eof()
                return
            if passage.swallowed:
                continue
            while data:
                for one in self._in_force():
                    self._count(passage, one)
                ending = min(
                    (one for one in self._in_force() if one.ending and not one.is_spent),
                    key=lambda one: one.after, default=None,
                )  # fmt: skip
                slicing = next((one for one in self._in_force() if one.slice is not None), None)
                most = slicing.slice if slicing is not None and slicing.slice else CHUNK
                if ending is not None:
                    most = min(most, ending.after - passage.answered) if ending.after > passage.answered else 0
                part, data = data[:most], data[most:]
                if part:
                    await self._write(passage.client, part)
                    passage.answered += len(part)
                if ending is not None and passage.answered >= ending.after:
                    self._end(passage, ending)
                    return
                if slicing is not None:
                    await asyncio.sleep(slicing.pause)

    async def _write(self, side: asyncio.StreamWriter, data: bytes) -> None:
        """Write within the bandwidth that is in force."""
        while data:
            rate = min((one.rate for one in self._in_force() if one.rate is not None), default=None)
            part = data[: max(1, int(rate / 20))] if rate is not None else data
            data = data[len(part) :]
            if rate is not None:
                await asyncio.sleep(len(part) / rate)
            side.write(part)
            await side.drain()


async def _read(reader: asyncio.StreamReader, writing: asyncio.Task[None]) -> bytes:
    """The next bytes; none where the connection has ended, also by what writes to the other side."""
    reading = asyncio.ensure_future(reader.read(CHUNK))
    try:
        await asyncio.wait({reading, writing}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            writing.result()  # its exception is that of the connection
            return b""
        return reading.result()
    finally:
        reading.cancel()
