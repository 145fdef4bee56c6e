"""One call taken apart: the look-up of the name, TCP connect, TLS, the time to the first byte, the body.

    transport = TimingTransport()
    async with httpx.AsyncClient(transport=transport) as client:
        await client.get("https://example.org/")
        print(transport.timings[-1])

Any httpx client takes the transport, and so does the client of the contract. HTTP/1.1, straight, without a proxy.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpcore
import httpx


@dataclass(frozen=True)
class Timing:
    """The parts of one call, in seconds.

    Attributes:
        dns: look-up of the name; None where the address needs none, or the connection was open already.
        connect: TCP; None where the connection was open already. It is one round trip of the line.
        tls: None without TLS, or where the connection was open already.
        server: from when the request was sent to the first byte of the answer: the server, and one round trip.
        body: from the first byte to the last.
        total: from the call's beginning to the last byte; what is in none of the parts is this client's own.
    """

    dns: float | None
    connect: float | None
    tls: float | None
    server: float
    body: float
    total: float

    @property
    def fresh(self) -> bool:
        """Whether a connection was opened for this call."""
        return self.connect is not None


class TimingTransport(httpx.AsyncBaseTransport):
    """Takes every call apart; `timings` holds one entry for each that was answered, in their order.

    Args:
        keep_alive: whether a connection is used again; without, each call opens its own.
        verify: where certificates are checked; by default the usual authorities.
    """

    def __init__(self, *, keep_alive: bool = True, verify: Any = None) -> None:
        self.timings: list[Timing] = []
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=verify or httpx.create_ssl_context(),
            max_connections=10,
            max_keepalive_connections=10 if keep_alive else 0,
            keepalive_expiry=4.0,
            network_backend=_Resolving(),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises what httpx raises where no answer came."""
        moments = _Moments()
        token = _CURRENT.set(moments)
        try:
            response = await self._pool.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=request.url.raw_scheme,
                        host=request.url.raw_host,
                        port=request.url.port,
                        target=request.url.raw_path,
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions={**request.extensions, "trace": moments.note},
                )
            )
        except _FAILURES as error:  # httpx has exceptions of the same names
            raise getattr(httpx, type(error).__name__)(str(error), request=request) from error
        finally:
            _CURRENT.reset(token)
        body = _Body(response, lambda: self.timings.append(moments.ended()))
        return httpx.Response(response.status, headers=response.headers, stream=body, request=request)

    async def aclose(self) -> None:
        await self._pool.aclose()


_FAILURES = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol)


class _Body(httpx.AsyncByteStream):
    """The body as it arrives; `ended` is called when all of it is there."""

    def __init__(self, response: httpcore.Response, ended: Callable[[], None]) -> None:
        self._response, self._ended = response, ended

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.aiter_stream():
                yield part
        except _FAILURES as error:
            raise getattr(httpx, type(error).__name__)(str(error)) from error
        self._ended()

    async def aclose(self) -> None:
        await self._response.aclose()


@dataclass
class _Moments:
    """When each thing happened, by the event's name."""

    began: float = field(default_factory=time.perf_counter)
    dns: float | None = None
    connect: float | None = None
    last_byte: float = 0.0
    events: dict[str, float] = field(default_factory=dict)

    async def note(self, event: str, info: Any) -> None:
        self.events[event.partition(".")[2]] = time.perf_counter()

    def ended(self) -> Timing:
        """The timing of a call whose body is there now."""
        self.last_byte = time.perf_counter()
        return self.timing()

    def timing(self) -> Timing:
        events = self.events
        first_byte = events["receive_response_headers.complete"]
        tls = "start_tls.complete" in events
        return Timing(
            dns=self.dns,
            connect=self.connect,
            tls=events["start_tls.complete"] - events["start_tls.started"] if tls else None,
            server=first_byte - events["send_request_body.complete"],
            body=self.last_byte - first_byte,
            total=self.last_byte - self.began,
        )


_CURRENT: ContextVar[_Moments] = ContextVar("moments")


class _Resolving(httpcore.AnyIOBackend):
    """Looks a name up by itself, and connects to its addresses in their order: the two are timed apart."""

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *args: Any, **options: Any
    ) -> httpcore.AsyncNetworkStream:
        moments = _CURRENT.get()
        begin = time.perf_counter()
        try:
            addresses = await asyncio.wait_for(addresses_of(host, port), timeout)
        except TimeoutError:
            raise httpcore.ConnectTimeout(f"the look-up of {host} did not end") from None
        except OSError as error:
            raise httpcore.ConnectError(f"{host}: {error.strerror or error}") from None
        if not _is_address(host):
            moments.dns = time.perf_counter() - begin
        begin = time.perf_counter()
        for last, address in enumerate(addresses, start=1 - len(addresses)):
            try:
                stream = await super().connect_tcp(address, port, timeout, *args, **options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last == 0:
                    raise
            else:
                moments.connect = time.perf_counter() - begin
                return stream
        raise httpcore.ConnectError(f"{host} has no address")


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which they are to be tried; raises OSError where it has none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
