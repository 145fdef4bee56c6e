"""Faults of the client's own path: a proxy in this process between the clients and one service, for any deployment."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from acceptance.clients.network_path import Address, NetworkPath, Origin, origin_of
from acceptance.deployment.descriptor import Descriptor, Service, is_local
from acceptance.errors import EnvironmentUnavailable, SuiteError
from acceptance.faults.model import CLIENT, Fault, Proof
from acceptance.faults.proxy import KINDS, Disturbance, Proxy, disturbance

SERVICES = ("api", "storage", "authentication", "realtime", "frontend")
LOOK_SECONDS = 5.0
SILENT_SECONDS = 0.5  # without a byte, where a look without the proxy takes less
MOST_REQUESTS = 100  # of one look


@dataclass(frozen=True)
class Look:
    """One connection to a service: how it ended, its bytes, and the seconds to its first byte and to its end."""

    how: Literal["answered", "refused", "reset", "silent", "cut off by time"]
    size: int
    first_byte: float
    elapsed: float

    def __str__(self) -> str:
        if not self.size:
            return f"{self.how} after {self.elapsed * 1000:.0f} ms"
        timing = f"first byte after {self.first_byte * 1000:.0f} ms, end after {self.elapsed * 1000:.0f} ms"
        return f"{self.how}: {self.size} bytes, {timing}"


class ClientPath:
    """Disturbs what this process sends to a service; heals with this process.

    Child processes of a run, such as Artillery and the thousand subscribers, connect by themselves and see none of it.
    """

    name = "client_path"

    def __init__(self, descriptor: Descriptor, path: NetworkPath) -> None:
        self._descriptor, self._path = descriptor, path
        self._proxies: dict[Origin, Proxy] = {}
        self._active: dict[str, tuple[Origin, Disturbance]] = {}

    async def kinds(self) -> Mapping[str, Sequence[str]]:
        """Every kind, of each service that the descriptor names."""
        services = dict(self._descriptor.services)
        return {f"{CLIENT}{name}": KINDS for name in SERVICES if isinstance(services.get(name), Service)}

    def heals(self, kind: str, target: str) -> bool:
        return True

    def by_hand(self, fault: Fault) -> str:
        return "nothing to do: the proxy ends with the process that holds it"

    async def prepare(self, fault: Fault) -> Fault:
        url = self._service(fault).url
        host = urlsplit(url).hostname or ""
        proxies = {} if is_local(url) else urllib.request.getproxies()
        if {"http", "https", "all"} & proxies.keys() and not urllib.request.proxy_bypass(host):
            raise EnvironmentUnavailable(f"{fault}: calls go through an HTTP proxy, where they cannot be disturbed")
        try:
            disturbance(fault.kind, fault.parameters)
        except (TypeError, ValueError) as error:
            raise SuiteError(f"{fault}: {str(error).removeprefix('_')}") from None
        return fault

    async def inject(self, fault: Fault) -> None:
        origin = origin_of(self._service(fault).url)
        proxy = self._proxies.get(origin)
        if proxy is None:
            proxy = self._proxies[origin] = Proxy(origin[1:])
            await proxy.start()
        made = disturbance(fault.kind, fault.parameters)
        proxy.add(fault.id, made)
        self._active[fault.id] = origin, made
        await self._path.redirect(origin, proxy.address)

    async def renew(self, fault: Fault) -> None:
        """Nothing to renew: it lasts as long as this process."""

    async def prove(self, fault: Fault) -> Proof:
        if fault.id not in self._active:
            return Proof(False, "not injected by this process")
        origin, made = self._active[fault.id]
        proxy = self._proxies[origin]
        if made.is_spent:
            return Proof(True, f"it has ended {made.ended} connections, and ends no more", made.affected)
        service = self._service(fault)
        straight = await look(service, origin[1:], self._headers(service))
        if not straight.size:
            raise EnvironmentUnavailable(
                f"{fault}: cannot be proven, since the service does not answer without it either: {straight}"
            )
        requests = _requests(made, straight.size)
        silent = max(SILENT_SECONDS, 3 * straight.first_byte) if made.swallows else LOOK_SECONDS
        through = await look(
            service, proxy.address, self._headers(service), requests=requests, proxy=proxy, within=silent
        )
        evidence = f"through the proxy {through}; straight {straight}"
        routed = self._path.address(*origin) == proxy.address
        return Proof(routed and _is_disturbed(made, through), evidence, None if made.refuses else made.affected)

    async def roll_back(self, fault: Fault) -> None:
        origin, _ = self._active.pop(fault.id, (None, None))
        if origin is None:
            return
        proxy = self._proxies[origin]
        proxy.remove(fault.id)
        if proxy.disturbances:
            await self._path.redirect(origin, proxy.address)
        else:
            await self._path.restore(origin)

    async def prove_gone(self, fault: Fault) -> Proof:
        origin = origin_of(self._service(fault).url)
        proxy = self._proxies.get(origin)
        left = proxy is not None and fault.id in proxy.disturbances
        dialled = "%s:%s" % self._path.address(*origin)  # noqa: UP031
        return Proof(left, f"connections to {origin[1]}:{origin[2]} dial {dialled}")

    async def close(self) -> None:
        for origin, proxy in self._proxies.items():
            await self._path.restore(origin)
            await proxy.close()
        self._proxies, self._active = {}, {}

    def _service(self, fault: Fault) -> Service:
        return self._descriptor.service(fault.target.removeprefix(CLIENT))

    def _headers(self, service: Service) -> dict[str, str]:
        return self._descriptor.headers_of(service.url)


def _requests(made: Disturbance, size: int) -> int:
    """How many requests on one connection show the disturbance, where each answer has so many bytes."""
    wanted = max(made.after + 1 if made.ending else 0, 2 * (made.slice or 0), int(0.1 * (made.rate or 0)))
    return max(1, min(MOST_REQUESTS, wanted // max(1, size) + 1))


def _is_disturbed(made: Disturbance, seen: Look) -> bool:
    if made.refuses:
        return seen.how == "refused"
    if made.swallows:
        return seen.how == "silent"
    if made.ending == "reset":
        return seen.how == "reset"
    if made.ending == "cut":
        return seen.how == "answered" and seen.size <= made.after
    if made.rate is not None:
        return seen.elapsed >= 0.9 * seen.size / made.rate
    if made.slice:
        return seen.elapsed >= 0.9 * (seen.size // made.slice - 1) * made.pause and seen.size > made.slice
    return seen.size > 0 and seen.first_byte >= made.latency


async def look(
    service: Service, dialled: Address, headers: Mapping[str, str], *, requests: int = 1, proxy: Proxy | None = None,
    within: float = LOOK_SECONDS,
) -> Look:  # fmt: skip
    """One connection to a service, dialled at an address, with so many requests of its probe at once.

    A proxy is not to count the connection as one that it disturbs.
    """
    parts = urlsplit(service.url)
    secure = parts.scheme in ("https", "wss")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = f"{parts.path}{service.probe or '/'}"
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept-Encoding: identity\r\n{head}"
    asked = f"{request}\r\n" * (requests - 1) + f"{request}Connection: close\r\n\r\n"
    begin = time.monotonic()
    size, first_byte = 0, 0.0
    writer: asyncio.StreamWriter | None = None

    def seen(how: Literal["answered", "refused", "reset", "silent", "cut off by time"]) -> Look:
        return Look(how, size, first_byte, time.monotonic() - begin)

    port = 0
    try:
        async with asyncio.timeout(within):
            family, *_, address = (await asyncio.get_running_loop().getaddrinfo(*dialled, type=socket.SOCK_STREAM))[0]
            own = socket.socket(family, socket.SOCK_STREAM)
            own.setblocking(False)
            if proxy is not None:
                own.bind(("127.0.0.1", 0))
                port = own.getsockname()[1]
                proxy.lookers.add(port)
            try:
                await asyncio.get_running_loop().sock_connect(own, address)
            except BaseException:
                own.close()
                raise
            reader, writer = await asyncio.open_connection(
                sock=own, ssl=ssl.create_default_context() if secure else None,
                server_hostname=parts.hostname if secure else None,
            )  # fmt: skip
            writer.write(asked.encode("latin-1", "replace"))
            while data := await reader.read(65_536):
                first_byte = first_byte or time.monotonic() - begin
                size += len(data)
        return seen("answered")
    except TimeoutError:
        return seen("cut off by time" if size else "silent")
    except ConnectionRefusedError:
        return seen("refused")
    except ssl.SSLError:
        return seen("answered" if size else "reset")
    except OSError:
        return seen("reset")
    finally:
        if writer is not None:
            writer.transport.abort()
        if proxy is not None:
            with suppress(KeyError):
                proxy.lookers.remove(port)
