"""The line between a page and everything: a SOCKS proxy that can disturb the connections of a browser."""

from __future__ import annotations

import asyncio
import socket

from acceptance.clients.network_path import Address
from acceptance.faults.proxy import Proxy

VERSION, SUCCEEDED, REFUSED = 5, 0, 5  # of RFC 1928
IPV4, NAME, IPV6 = 1, 3, 4


class Line(Proxy):
    """Passes connections on to the address that each asks for by SOCKS 5, disturbed as those of any proxy."""

    def __init__(self) -> None:
        super().__init__(("", 0))

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Address | None:
        """Raises IncompleteReadError where a client says something else, or ends."""
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(bytes([VERSION, 0]))
        *_, kind = await reader.readexactly(4)
        if kind == NAME:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode("idna")
        else:
            family = socket.AF_INET6 if kind == IPV6 else socket.AF_INET
            host = socket.inet_ntop(family, await reader.readexactly(16 if kind == IPV6 else 4))
        port = int.from_bytes(await reader.readexactly(2))
        refusing = [one for one in self.disturbances.values() if one.refuses]
        for one in refusing:
            one.affected += 1
        writer.write(bytes([VERSION, REFUSED if refusing else SUCCEEDED, 0, IPV4, 0, 0, 0, 0, 0, 0]))
        await writer.drain()
        return None if refusing else (host, port)
