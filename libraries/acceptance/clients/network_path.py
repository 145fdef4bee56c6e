"""Where the clients' connections go: straight to a service, or through a proxy of this process while a fault is active.

TLS, its server name and the Host header stay those of the service: only the address that is dialled differs.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal
from urllib.parse import urlsplit

import httpcore
import httpx

Protocol = Literal["http", "websocket"]
Address = tuple[str, int]
Origin = tuple[Protocol, str, int]  # of connections of this protocol to a host and port

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


def origin_of(url: str) -> Origin:
    """The connections that calls of an address make."""
    parts = urlsplit(url)
    protocol: Protocol = "websocket" if parts.scheme.startswith("ws") else "http"
    return protocol, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS[parts.scheme]


class NetworkPath:
    """The detours of one run, by the connections that take them."""

    def __init__(self) -> None:
        self._detours: dict[Origin, Address] = {}
        self._pools: list[httpcore.AsyncConnectionPool] = []

    def address(self, protocol: Protocol, host: str, port: int) -> Address:
        """The address to dial for a connection to a host and port."""
        return self._detours.get((protocol, host.lower(), port), (host, port))

    def is_disturbed(self, url: str) -> bool:
        """Whether calls of an address take a detour."""
        return origin_of(url) in self._detours

    async def redirect(self, origin: Origin, via: Address) -> None:
        """Let new connections go to `via`; idle ones that were open before are closed."""
        self._detours[origin] = via
        await self._close_idle(origin)

    async def restore(self, origin: Origin) -> None:
        """Let new connections go straight; idle ones that took the detour are closed."""
        self._detours.pop(origin, None)
        await self._close_idle(origin)

    def watch(self, client: httpx.AsyncClient) -> None:
        """Let the client's connections take the detours; those through an HTTP proxy of the environment do not."""
        transport = client._transport
        if isinstance(transport, httpx.AsyncHTTPTransport):
            pool: Any = transport._pool
            pool._network_backend = Detours(self)
            self._pools.append(pool)

    async def _close_idle(self, origin: Origin) -> None:
        _, host, port = origin
        for pool in self._pools:
            for connection in pool.connections:
                ours = any(connection.can_handle_request(one) for one in _origins(host, port))
                if ours and connection.is_idle():
                    with suppress(Exception):  # it ends, one way or the other
                        await connection.aclose()


def _origins(host: str, port: int) -> list[httpcore.Origin]:
    return [httpcore.Origin(scheme, host.encode(), port) for scheme in (b"http", b"https")]


class Detours(httpcore.AnyIOBackend):
    """A network backend of httpcore that dials where the network path says."""

    def __init__(self, path: NetworkPath) -> None:
        self._path = path

    async def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return await super().connect_tcp(*self._path.address("http", host, port), *args, **options)
