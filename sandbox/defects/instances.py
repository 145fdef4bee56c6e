"""Defects of API instances that die, and of clients that reconnect."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from starlette.websockets import WebSocket

from sandbox import balancer
from sandbox.app import realtime, sockets
from sandbox.app.access import Services
from sandbox.app.realtime import Channel
from sandbox.defects import defect, mark_active, patch
from sandbox.defects.realtime import Frames
from sandbox.settings import HOST


@defect(
    "messages-lost-on-reconnect",
    "ERR",
    must=["ERR-08"],
    may={"ERR-04": "subscribers reconnect there", "ERR-01": "there too", "ERR-05": "there too"},
)
def messages_lost_on_reconnect() -> None:
    """What a client that reconnects has missed is taken as sent, and lost."""
    follow = realtime.follow

    async def forgetful(channel: Channel, after: int, services: Services) -> AsyncIterator[Frames]:
        missed = after > 0
        async for frames in follow(channel, after, services):
            if missed and frames and not channel.is_last(frames[-1]):
                mark_active()
                missed = False
                continue
            yield frames

    patch(realtime, "follow", forgetful)


@defect("balancer-keeps-the-dead-instance", "ERR", must=["ERR-08"])
def balancer_keeps_the_dead_instance() -> None:
    """The balancer goes on sending every second connection to an instance that takes none."""
    connect = balancer.Balancer.connect

    async def next_one(self: balancer.Balancer, client: balancer.Client, but: int = 0) -> balancer.Instance | None:
        port = self._ports[(self._turn + 1) % len(self._ports)]
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(HOST, port)
            writer.close()
            return await connect(self, client, but)
        self._turn += 1
        mark_active()
        return None

    patch(balancer.Balancer, "connect", next_one)


@defect(
    "instance-exits-on-a-reconnect",
    "ERR",
    must=["ERR-08"],
    may={"ERR-04": "subscribers reconnect there", "ERR-01": "there too", "INT-14": "streams are cut"},
)
def instance_exits_on_a_reconnect() -> None:
    """A WebSocket that says where it left off ends the whole process."""
    after = sockets.after

    def fatal(socket: WebSocket) -> int:
        if after(socket):
            mark_active()
            os._exit(139)
        return 0

    patch(sockets, "after", fatal)
