"""A link: a TCP proxy before one dependency, whose line can be made slow, cut or dead, or that responds by itself.

Without a fault a message costs one read and one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import h11

from sandbox import logs
from sandbox.faults.kinds import Parameters, Respond
from sandbox.settings import HOST

MOST_QUEUED: Final = 65_536  # bytes that wait in one direction, before its source has to wait
PIECE_SECONDS: Final = 0.05  # of a line with little bandwidth
ABORT: Final = struct.pack("ii", 1, 0)
ECHO: Final = b"echo "


@dataclass(eq=False)
class Disturbance:
    """One fault of one link. `left`: how often it still happens (None: always); `affected`: connections or requests."""

    kind: str
    parameters: Parameters
    left: int | None = None
    affected: int = 0

    @property
    def spent(self) -> bool:
        return self.left == 0

    def happens(self, probe: bool) -> None:
        """Count one time; probes of the control interface do not count."""
        if not probe:
            self.affected += 1
            self.left = None if self.left is None else self.left - 1


class Link:
    """The proxy before one dependency: listens on `own_port`, by `open_socket`, and connects to `port`."""

    def __init__(self, name: str, own_port: int, open_socket: Callable[[], socket.socket], port: int) -> None:
        self.name, self.own_port, self._open_socket, self.port = name, own_port, open_socket, port
        self.disturbances: dict[str, Disturbance] = {}
        self.connections: set[Connection] = set()
        self.probes: set[int] = set()
        """Local ports of connections that the control interface makes: they are answered by `Echo`."""
        self.echo_port = 0
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen, unless it does already."""
        if self._server is None and "refuse" not in self.disturbances:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(lambda: Connection(self).client, sock=self._open_socket())

    def get(self, kind: str) -> Disturbance | None:
        """The fault of this kind, if it still happens."""
        found = self.disturbances.get(kind)
        return None if found is None or found.spent else found

    def disturb(self, disturbance: Disturbance) -> None:
        """Put a fault into effect, on existing connections too."""
        self.disturbances[disturbance.kind] = disturbance
        if disturbance.kind == "refuse" and self._server:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            match disturbance.kind:
                case "refuse":
                    connection.count(disturbance)
                    connection.abort()
                case "reset" if cast(Any, disturbance.parameters).after_bytes == 0 and not disturbance.spent:
                    disturbance.happens(connection.is_probe)
                    connection.abort()
                case "respond":
                    connection.close()
                case _:
                    connection.adapt()

    async def calm(self, kind: str) -> None:
        """Undo a fault. Connections that have lost bytes are reset; delayed bytes go at once."""
        self.disturbances.pop(kind, None)
        for connection in list(self.connections):
            connection.adapt()
        await self.open()


class Connection:
    """A client's connection through a link, and the one behind it to the dependency."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.client, self.server = End(self, answers=False), End(self, answers=True)
        self.client.peer, self.server.peer = self.server, self.client
        self.is_probe = False
        self.lost_bytes = False
        self.passed = 0
        self._counted: set[Disturbance] = set()
        self._opening: asyncio.Task[None] | None = None
        self._request: h11.Connection | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Accepted: connect to the dependency, unless a fault has it otherwise."""
        link = self.link
        link.connections.add(self)
        self.is_probe = transport.get_extra_info("peername")[1] in link.probes
        self.adapt()
        reset = link.get("reset")
        if reset and cast(Any, reset.parameters).after_bytes == 0:
            reset.happens(self.is_probe)
            self.abort()
        elif not link.get("respond") and not link.get("blackhole"):
            self.connect()

    def connect(self) -> None:
        assert self.client.transport
        self.client.transport.pause_reading()
        self._opening = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        port = self.link.echo_port if self.is_probe else self.link.port
        try:
            await loop.create_connection(lambda: self.server, HOST, port)
        except OSError as error:
            logs.log("dependency not reached", link=self.link.name, error=repr(error))
            self.abort()
            return
        if self.client.transport is None or self.client.transport.is_closing():
            self.abort()
            return
        self.adapt()
        self.client.release()
        self.client.transport.resume_reading()

    def adapt(self) -> None:
        """Follow the faults of the link as they are now."""
        link = self.link
        if self.lost_bytes and not link.get("blackhole"):
            self.abort()
            return
        connected = self.server.transport is not None
        for end in (self.client, self.server):
            if not link.disturbances:
                end.hurry()
            end.undisturbed = connected and not link.disturbances and not end.queue

    def take(self, end: End, data: bytes) -> None:
        """Pass on what has arrived, as the faults allow."""
        link = self.link
        if hole := link.get("blackhole"):
            self.count(hole)
            self.lost_bytes = True
        elif self.server.transport is None and not self._opening:
            self._first_bytes(data)
        else:
            self._send_later(end, data)

    def _first_bytes(self, data: bytes) -> None:
        """Respond to a request, or connect after all."""
        respond = self.link.get("respond")
        if self.lost_bytes:
            self.abort()
        elif respond is None and self._request is None:
            self.connect()
            self._send_later(self.client, data)
        else:
            self._respond(respond, data)

    def _respond(self, disturbance: Disturbance | None, data: bytes) -> None:
        transport = self.client.transport
        assert transport
        self._request = self._request or h11.Connection(h11.SERVER)
        try:
            self._request.receive_data(data)
            while (event := self._request.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                if isinstance(event, h11.EndOfMessage):
                    if disturbance is None:  # undone meanwhile
                        return self.abort()
                    disturbance.happens(self.is_probe)
                    transport.write(answer(cast(Respond, disturbance.parameters), self._request))
                    return self.close()
                if isinstance(event, h11.ConnectionClosed):
                    return self.close()
        except h11.ProtocolError:
            self.abort()

    def _send_later(self, end: End, data: bytes) -> None:
        """Queue the pieces of a message for the moments at which the line has carried them."""
        line, now = self.link, asyncio.get_running_loop().time()
        latency, bandwidth, slicing = line.get("latency"), line.get("bandwidth"), line.get("slice")
        size, each, rate, delay = len(data), 0.0, 0.0, 0.0
        if bandwidth:
            rate = 1 / cast(Any, bandwidth.parameters).bytes_per_second
            size = min(size, max(1, int(PIECE_SECONDS / rate)))
        if slicing:
            each = cast(Any, slicing.parameters).milliseconds / 1000
            size = min(size, cast(Any, slicing.parameters).bytes)
        if latency and end.answers:
            most = cast(Any, latency.parameters).jitter_milliseconds
            delay = max(0.0, cast(Any, latency.parameters).milliseconds + random.uniform(-most, most)) / 1000
        for found in (latency, bandwidth, slicing):
            if found:
                self.count(found)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            end.free = max(end.free, now) + len(piece) * rate + each
            end.put(end.free + delay, piece)
        end.release()

    def deliver(self, end: End, data: bytes) -> None:
        """Write to the other end, or end the connection where a fault has it end."""
        target = end.peer.transport
        if target is None or target.is_closing():
            return
        if not end.answers:
            self.passed = 0  # of the answer to this
        else:
            for kind in ("reset", "cut"):
                if (found := self.link.get(kind)) and self.passed + len(data) > cast(Any, found.parameters).after_bytes:
                    found.happens(self.is_probe)
                    target.write(data[: cast(Any, found.parameters).after_bytes - self.passed])
                    end_both = self.abort if kind == "reset" else self.close
                    end_both()
                    return
            self.passed += len(data)
        target.write(data)

    def count(self, disturbance: Disturbance) -> None:
        """Count this connection as affected, once."""
        if disturbance not in self._counted:
            self._counted.add(disturbance)
            disturbance.affected += not self.is_probe

    def close(self) -> None:
        """End both connections; what has been written arrives."""
        for end in (self.client, self.server):
            if end.transport:
                end.transport.close()

    def abort(self) -> None:
        """Reset both connections."""
        for end in (self.client, self.server):
            if end.transport and not end.transport.is_closing():
                end.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                end.transport.abort()

    def ended(self, end: End, error: Exception | None) -> None:
        """One side has ended: so does the other, when it has received what was on its way."""
        if end is self.client and self._opening:
            self._opening.cancel()
        if error or end.peer.transport is None:
            self.abort()
        elif not end.queue:
            end.peer.transport.close()
        if end.peer.is_over:
            self.link.connections.discard(self)


class End(asyncio.Protocol):
    """One end of a connection: what arrives here goes to its peer."""

    peer: End

    def __init__(self, connection: Connection, answers: bool) -> None:
        self._connection, self.answers = connection, answers
        self.transport: asyncio.Transport | None = None
        self.undisturbed = False
        self.queue: deque[tuple[float, bytes]] = deque()
        self.queued = 0
        self.free = 0.0
        self.finished = self._has_ended = False
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if not self.answers:
            self._connection.begin(self.transport)

    def data_received(self, data: bytes) -> None:
        if self.undisturbed:
            self.peer.transport.write(data)  # type: ignore[union-attr]
        else:
            self._connection.take(self, data)

    @property
    def is_over(self) -> bool:
        """Whether there is no transport, or none any more."""
        return self.transport is None or self._has_ended

    def eof_received(self) -> bool:
        """Pass the end on; the connection is over when both sides have ended."""
        self.finished = True
        if self.peer.finished or self.peer.is_over:
            return False
        if not self.queue:
            self._end_peer()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self._has_ended = True
        self._connection.ended(self, error)

    def _end_peer(self) -> None:
        if self.peer.transport and not self.peer.transport.is_closing():
            self.peer.transport.write_eof()

    def pause_writing(self) -> None:
        if self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer.transport and not self.peer.transport.is_closing() and self.peer.queued < MOST_QUEUED:
            self.peer.transport.resume_reading()

    def put(self, due: float, piece: bytes) -> None:
        self._last = max(self._last, due)
        self.queue.append((self._last, piece))
        self.queued += len(piece)
        if self.queued >= MOST_QUEUED and self.transport:
            self.transport.pause_reading()

    def release(self) -> None:
        """Deliver what is due, and come back for the rest."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._connection.server.transport is None:
            return  # it is not connected yet
        loop = asyncio.get_running_loop()
        while self.queue and self.queue[0][0] <= loop.time():
            piece = self.queue.popleft()[1]
            self.queued -= len(piece)
            self._connection.deliver(self, piece)
        if self.queue:
            self._timer = loop.call_at(self.queue[0][0], self.release)
            return
        if self._has_ended and self.peer.transport:
            self.peer.transport.close()
        elif self.finished:
            self._end_peer()
        elif self.transport and not self.transport.is_closing():
            self.undisturbed = not self._connection.link.disturbances
            self.transport.resume_reading()

    def hurry(self) -> None:
        """Make everything in the queue due."""
        if self.queue:
            self.queue = deque((0.0, piece) for _, piece in self.queue)
            self.free = self._last = 0.0
            self.release()


class Echo(asyncio.Protocol):
    """Behind a link's probes: sends as many bytes as a line such as `echo 64` asks for."""

    def __init__(self) -> None:
        self._line = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._line += data
        if self._line.endswith(b"\n"):
            asked = self._line.removeprefix(ECHO).strip()
            self._transport.write(bytes(int(asked) if asked.isdigit() else 0))
            self._line = b""


def answer(parameters: Respond, request: h11.Connection) -> bytes:
    """The bytes of a response that ends its connection."""
    body = parameters.body.encode()
    named = {name.lower() for name in parameters.headers}
    headers = [*parameters.headers.items(), ("connection", "close")]
    headers += [("content-type", parameters.content_type)] if "content-type" not in named else []
    headers += [("content-length", str(len(body)))] if not named & {"content-length", "transfer-encoding"} else []
    sent = request.send(h11.Response(status_code=parameters.status, headers=headers)) or b""
    if request.their_http_version and request.states[h11.SERVER] is h11.SEND_BODY and body:
        with contextlib.suppress(h11.LocalProtocolError):  # it has no body, or another length on purpose
            sent += request.send(h11.Data(data=body)) or b""
    return sent
