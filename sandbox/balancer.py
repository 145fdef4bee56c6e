"""The load balancer of the API instances: distributes TCP connections round-robin, for HTTP, streams and WebSockets.

It reads of HTTP only what it needs to replace an instance that dies or hangs with a request: a request without an
answer is sent to another instance if it only reads, and else answered 503. An instance that is taken out of service
gets no new request, on no connection, and a client does not notice when it ends. Nothing else is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final, cast

from sandbox import logs
from sandbox.instances import Instances
from sandbox.settings import HOST, Settings

CONNECT_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.5
SLOW_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 1.0
FAILED_CHECKS: Final = 2
FAILED_CHECKS_OF_ALL: Final = 4  # where no instance responds, it may be the machine that is busy
MOST_KEPT: Final = 65_536
REQUEST: Final = re.compile(rb"[A-Z]+ \S+ HTTP/1\.1\r\n")
READS: Final = re.compile(rb"(?:GET|HEAD) ")
HAS_BODY: Final = re.compile(rb"\r\n(?:content-length: *[1-9]|transfer-encoding:)", re.IGNORECASE)
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
BARE: Final = re.compile(rb"HTTP/1\.1 (?:204|304)")
UPGRADED: Final = b"HTTP/1.1 101"
END: Final = b"\r\n\r\n"
CHECK: Final = b"GET /ws/health HTTP/1.1\r\nhost: balancer\r\nconnection: close\r\n\r\n"


class Balancer:
    """Forwards each connection to the next instance; passes over one that refuses or does not respond.

    Args:
        in_service: gives the ports of the instances that take requests.
    """

    def __init__(self, in_service: Callable[[], Sequence[int]]) -> None:
        self._in_service = in_service
        self._turn = 0
        self._failed_checks: dict[int, int] = defaultdict(int)
        self.clients: set[Client] = set()

    @property
    def _ports(self) -> Sequence[int]:
        return self._in_service()

    def has_left(self, port: int) -> bool:
        """Whether an instance is to get no new requests."""
        return port not in self._ports

    async def serve(self, sock: socket.socket) -> None:
        """Serve until cancelled."""
        server = await asyncio.get_running_loop().create_server(lambda: Client(self), sock=sock)
        async with server:
            await self._watch()

    async def connect(self, client: Client, but: int = 0) -> Instance | None:
        """A connection to the next instance that takes one, though not to this one; None if none does."""
        self._turn += 1
        ports = self._ports
        order = [ports[(self._turn + place) % len(ports)] for place in range(len(ports))]
        for port in sorted((port for port in order if port != but), key=lambda port: self._failed_checks[port] > 0):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    _, instance = await asyncio.get_running_loop().create_connection(
                        lambda port=port: Instance(client, port),  # type: ignore[misc]
                        HOST,
                        port,
                    )
                    return instance
        return None

    async def _watch(self) -> None:
        """Check instances that are slow; replace one that does not respond, or refuse where none does."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            slow = {client.instance.port for client in self.clients if client.instance and client.waits(SLOW_SECONDS)}
            if not slow | {port for port, failed in self._failed_checks.items() if failed}:
                continue
            ports = self._ports
            responding = await asyncio.gather(*(_responds(port) for port in ports))
            most = FAILED_CHECKS if any(responding) else FAILED_CHECKS_OF_ALL
            for port, responds in zip(ports, responding, strict=True):
                self._failed_checks[port] = 0 if responds else self._failed_checks[port] + 1
                if self._failed_checks[port] >= most:
                    logs.log("an API instance does not respond", port=port)
                    for client in [one for one in self.clients if one.instance and one.instance.port == port]:
                        client.lose_instance(any(responding))


class Client(asyncio.Protocol):
    """A client's connection. `pending` is the request without any answer so far."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self.transport: asyncio.Transport
        self.instance: Instance | None = None
        self.pending = bytearray()
        self.upgraded = self.ended = False
        self._since = 0.0
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._balancer.clients.add(self)
        self._connect()

    def data_received(self, data: bytes) -> None:
        if not self.upgraded:
            begins = not self.pending
            if begins:
                self._since = asyncio.get_running_loop().time()
            self.pending += data if begins else data[: max(0, MOST_KEPT + 1 - len(self.pending))]
            if begins and self._needs_instance():
                self._connect()
                return
        if self.instance:
            self.instance.transport.write(data)

    def _needs_instance(self) -> bool:
        """Whether a new request is another instance's, since that of the request before was taken out of service."""
        if self.instance and self.instance.idle and self._balancer.has_left(self.instance.port):
            left, self.instance = self.instance, None
            left.transport.close()
        return self.instance is None

    def eof_received(self) -> bool:
        self.ended = True
        if self.instance and not self.instance.ended and self.instance.transport.can_write_eof():
            self.instance.transport.write_eof()
            return True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True
        self._balancer.clients.discard(self)
        if self._connecting:
            self._connecting.cancel()
        if self.instance:
            self.instance.transport.close()

    def pause_writing(self) -> None:
        if self.instance:
            self.instance.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.instance:
            self.instance.transport.resume_reading()

    def waits(self, seconds: float) -> bool:
        """Whether a request has had no answer for so long."""
        return bool(self.pending) and asyncio.get_running_loop().time() - self._since > seconds

    def lose_instance(self, is_another: bool = True) -> None:
        """Its instance has ended or hangs: ask another one, or answer that none is available."""
        assert self.instance
        lost, self.instance = self.instance, None
        lost.transport.abort()
        if lost.idle and not self.pending and not self.upgraded and self._balancer.has_left(lost.port):
            return  # the next request, if one comes, is another instance's
        if self.ended or not REQUEST.match(self.pending) or self.transport.is_closing():
            self.transport.close()  # who has hung up is not asked for again, on one instance after the other
        elif (
            is_another
            and READS.match(self.pending)
            and self.pending.endswith(b"\r\n\r\n")
            and not HAS_BODY.search(self.pending)
        ):
            self._connect(but=lost.port)
        else:
            self._refuse()

    def _connect(self, but: int = 0) -> None:
        self.transport.pause_reading()
        self._connecting = asyncio.create_task(self._connect_to_next(but))

    async def _connect_to_next(self, but: int) -> None:
        instance = await self._balancer.connect(self, but)
        if instance is None:
            logs.log("no API instance takes connections")
            self._refuse()
            return
        self.instance = instance
        if self.pending:
            instance.transport.write(self.pending)
        self.transport.resume_reading()

    def _refuse(self) -> None:
        self.transport.write(_unavailable())
        self.transport.close()


class Instance(asyncio.Protocol):
    """The connection to an instance behind a client's."""

    def __init__(self, client: Client, port: int) -> None:
        self._client, self.port = client, port
        self.transport: asyncio.Transport
        self.ended = False
        self.idle = True  # the last response is complete
        self._left: int | None = 0  # bytes of its body; None where chunks say their end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        body = data
        if self._client.pending:
            is_head, (head, _, body) = self._client.pending.startswith(b"HEAD "), data.partition(END)
            self._client.upgraded = data.startswith(UPGRADED)
            self._client.pending.clear()
            self._left = 0 if is_head else _length(head)
        if self._left is not None:
            self._left -= len(body)
        self.idle = data.endswith(b"0" + END) if self._left is None else self._left <= 0
        self._client.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended = True
        if self._client.instance is self:
            self._client.lose_instance()

    def pause_writing(self) -> None:
        self._client.transport.pause_reading()

    def resume_writing(self) -> None:
        self._client.transport.resume_reading()


def api_ports(settings: Settings) -> Callable[[], Sequence[int]]:
    """Gives the ports of the API's instances in service."""
    instances = Instances(settings.directory)
    return lambda: [settings.ports[name] for name in instances.in_service()]


def _length(head: bytes) -> int | None:
    """The bytes of a response's body; None where it comes in chunks."""
    if BARE.match(head):
        return 0
    found = LENGTH.search(head)
    return int(found[1]) if found else None


async def _responds(port: int) -> bool:
    """Whether an instance answers a request in time."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CHECK_SECONDS):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(CHECK)
                return bool(await reader.read(1))
            finally:
                writer.close()
    return False


def _unavailable() -> bytes:
    request_id = str(uuid.uuid4())
    message = "No instance of the application is available at the moment. Please try again shortly."
    body = json.dumps({"error": {"code": "unavailable", "message": message, "request_id": request_id}}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
