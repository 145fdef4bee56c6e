"""Defects of realtime events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from starlette.websockets import WebSocket

from sandbox.app import events, realtime, sockets
from sandbox.app.access import Services
from sandbox.app.realtime import Channel
from sandbox.app.tokens import Identity
from sandbox.defects import defect, mark_active, patch

FOLLOWED = dict.fromkeys((f"INT-{n:02}" for n in (3, 4, 5, 9, 10, 11)), "jobs are followed there, status by status")
FRAMES = {**FOLLOWED, "INT-06": "events are compared with the stored state"}
Frames = list[dict[str, Any]]


@defect("a-frame-is-lost", "INT", must=["INT-08"], may=FRAMES)
def a_frame_is_lost() -> None:
    """The event of one status is not sent to subscribers."""
    replay = realtime.replay

    async def lossy(channel: Channel, after: int, services: Services) -> Frames:
        frames = await replay(channel, after, services)
        kept = [frame for frame in frames if frame.get("status") != "chunks_stored"]
        if len(kept) < len(frames):
            mark_active()
        return kept

    patch(realtime, "replay", lossy)


@defect("a-frame-comes-twice", "INT", must=["INT-08"], may=FRAMES)
def a_frame_comes_twice() -> None:
    """The event of one status is sent twice."""
    replay = realtime.replay

    async def doubled(channel: Channel, after: int, services: Services) -> Frames:
        frames = await replay(channel, after, services)
        again = [frame for frame in frames if frame.get("status") == "parsed"]
        if again:
            mark_active()
        return sorted([*frames, *again], key=lambda frame: int(frame["sequence"]))

    patch(realtime, "replay", doubled)


@defect("frames-come-late", "INT", must=["INT-08"], may=FRAMES)
def frames_come_late() -> None:
    """Events are collected for two seconds before they are sent."""
    follow = realtime.follow

    async def slow(channel: Channel, after: int, services: Services) -> AsyncIterator[Frames]:
        async for frames in follow(channel, after, services):
            if frames:
                mark_active()
                await asyncio.sleep(2)
            yield frames

    patch(realtime, "follow", slow)


@defect("streams-begin-anew", "INT", must=["INT-08"], may={"INT-09": "a client that comes again gets all of it again"})
def streams_begin_anew() -> None:
    """A resumed stream begins with the first event again."""
    follow = realtime.follow

    async def from_the_beginning(channel: Channel, after: int, services: Services) -> AsyncIterator[Frames]:
        if after:
            mark_active()
        async for frames in follow(channel, 0, services):
            yield frames

    patch(realtime, "follow", from_the_beginning)


@defect(
    "pings-unanswered", "INT", must=["INT-09"], may=dict.fromkeys(("INT-08", "INT-12"), "a ping proves a line there")
)
def pings_unanswered() -> None:
    """The server no longer answers a ping."""
    send = sockets.send

    async def silent(socket: WebSocket, frame: dict[str, Any]) -> None:
        if frame.get("type") == "pong":
            mark_active()
        else:
            await send(socket, frame)

    patch(sockets, "send", silent)


@defect(
    "sockets-open-to-anybody",
    "INT",
    must=["INT-09"],
    may={"INT-03": "the same by its matrix", "INT-04": "other users' jobs"},
)
def sockets_open_to_anybody() -> None:
    """A WebSocket with an invalid token is accepted as long as its job exists."""
    authenticate = sockets.authenticate

    async def lax(socket: WebSocket, services: Services) -> Identity:
        try:
            return await authenticate(socket, services)
        except sockets.Refused:
            key = socket.path_params.get("key", "")
            try:
                row = await services.database.one(
                    """select d.user_id from app.jobs j join app.documents d on d.id = j.document_id
                       where j.id = %(job_id)s""",
                    job_id=UUID(key),
                )
            except ValueError:
                row = None
            if row is None:
                raise
            mark_active()
            return Identity(row["user_id"], "", UUID(int=0), 4_000_000_000.0)

    patch(sockets, "authenticate", lax)


@defect("a-bad-frame-ends-the-line", "INT", must=["INT-09"])
def a_bad_frame_ends_the_line() -> None:
    """A frame that is not JSON ends the connection with a server error."""
    parse = sockets.parse

    def strict(message: str | bytes) -> dict[str, Any] | None:
        document = parse(message)
        if document is None:
            mark_active()
            raise TimeoutError
        return document

    patch(sockets, "parse", strict)


@defect("quiet-lines-are-cut", "INT", must=["INT-09"])
def quiet_lines_are_cut() -> None:
    """A proxy closes connections that are idle for half a minute."""
    serve = sockets.ping

    async def cut(socket: WebSocket, user: Identity, services: Services) -> None:
        task = asyncio.create_task(serve(socket, user, services))
        try:
            await asyncio.sleep(30)
            mark_active()
        finally:
            task.cancel()
        raise sockets.Refused(1001, "idle")

    patch(sockets, "ping", cut)


@defect(
    "events-of-everybody",
    "INT",
    must=["INT-09"],
    may=dict.fromkeys((f"INT-{n:02}" for n in (3, 4, 5, 6, 8, 10, 11, 15)), "frames of other jobs among one's own"),
)
def events_of_everybody() -> None:
    """The last event of any job is sent to all subscribers."""
    follow = realtime.follow

    async def mixed(channel: Channel, after: int, services: Services) -> AsyncIterator[Frames]:
        async for frames in follow(channel, after, services):
            if frames and channel.kind == "job":
                row = await services.database.one(
                    "select * from app.job_events where job_id <> %(job_id)s order by at desc limit 1",
                    job_id=channel.key,
                )
                if row:
                    mark_active()
                    yield [*frames, {**events.job_frame(row), "sequence": frames[-1]["sequence"]}]
                    continue
            yield frames

    patch(realtime, "follow", mixed)
