"""Events of jobs and workflows: the same numbered events by WebSocket and Server-Sent Events, on any API instance.

A subscriber reads the database from the last number it has seen; the hub only wakes it. Replaying and following are the
same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, LiteralString, TypeVar, cast
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import Field
from pydantic.json_schema import SkipJsonSchema
from starlette.responses import StreamingResponse

from sandbox.app import errors, events, openapi
from sandbox.app.access import Services, User, Uses
from sandbox.app.database import Row, limit_request
from sandbox.app.jobs import MOST_SKIPPED, OWN_JOB
from sandbox.app.progress import FINAL_STATES
from sandbox.app.tokens import Identity

T = TypeVar("T")

LOOK_SECONDS: Final = 5.0
COMMENT_SECONDS: Final = 15.0
OWN_WORKFLOW: Final = "select from app.workflows where id = %(workflow_id)s and user_id = %(user_id)s"

_asked: Final[dict[tuple[object, ...], asyncio.Task[Any]]] = {}

router: Final = APIRouter(tags=["realtime"])

Number = Annotated[int, Field(ge=0, le=MOST_SKIPPED)]
After = Annotated[Number | SkipJsonSchema[None], Query()]
LastEventId = Annotated[Number | SkipJsonSchema[None], Header()]


@dataclass(frozen=True)
class Channel:
    """A source of events: their queries, frames, and the last event."""

    kind: str
    key: UUID
    own: LiteralString
    events_after: LiteralString
    frame: Callable[[Row], dict[str, Any]]
    is_last: Callable[[dict[str, Any]], bool]

    async def is_of(self, user: Identity, services: Services) -> bool:
        """Whether it exists and is the user's."""
        whose = {f"{self.kind}_id": self.key, "user_id": user.user_id}
        asked = (self.own, self.key, user.user_id)
        return await together(asked, lambda: services.database.one(self.own, **whose)) is not None


def job_channel(job_id: UUID) -> Channel:
    return Channel(
        "job", job_id, OWN_JOB, events.JOB_EVENTS_AFTER, events.job_frame, lambda frame: frame["state"] in FINAL_STATES
    )


def workflow_channel(workflow_id: UUID) -> Channel:
    return Channel(
        "workflow",
        workflow_id,
        OWN_WORKFLOW,
        events.WORKFLOW_EVENTS_AFTER,
        events.workflow_frame,
        lambda frame: frame["type"] == "workflow_complete",
    )


async def replay(channel: Channel, after: int, services: Services) -> list[dict[str, Any]]:
    """The frames with a higher number, in order."""
    rows = await services.database.all(channel.events_after, key=channel.key, after=after)
    return [channel.frame(row) for row in rows]


async def together(asked: tuple[object, ...], read: Callable[[], Awaitable[T]]) -> T:
    """Share one read among concurrent callers; a later caller reads again, since there may be more."""

    async def once() -> T:
        del _asked[asked]
        return await read()

    if asked not in _asked:
        _asked[asked] = asyncio.create_task(once())
    return cast(T, await asyncio.shield(_asked[asked]))


async def follow(channel: Channel, after: int, services: Services) -> AsyncGenerator[list[dict[str, Any]], None]:
    """Events after that number, and then new ones; an empty list at intervals without events."""
    with services.hub.subscribe(f"{channel.kind}:{channel.key}") as changed:
        while True:
            changed.clear()
            seen = (channel.kind, channel.key, after)
            frames = await together(seen, partial(replay, channel, after, services))
            after = frames[-1]["sequence"] if frames else after
            yield frames
            with suppress(TimeoutError):
                now = asyncio.get_running_loop().time()
                await asyncio.wait_for(changed.wait(), LOOK_SECONDS - now % LOOK_SECONDS)  # all read at the same moment


def confirmation(channel: Channel, services: Services) -> dict[str, Any]:
    """The first frame of a WebSocket."""
    settings = services.settings
    return {
        "type": "connection_confirmed",
        f"{channel.kind}_id": str(channel.key),
        "build": settings.build,
        "version": settings.version,
        "timestamp": datetime.now(UTC).isoformat(),
    }


@router.get(
    "/api/upload-pipeline/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses={200: openapi.stream_of("job_status"), **errors.OF_OWNER},
)
async def job_events(
    job_id: UUID, user: User, services: Uses, after: After = None, last_event_id: LastEventId = None
) -> StreamingResponse:
    """A job's events, up to its last; `after` or `Last-Event-ID` resume a stream."""
    return await stream(job_channel(job_id), user, services, after if after is not None else last_event_id)


@router.get(
    "/api/workflow/{workflow_id}/status/stream",
    response_class=StreamingResponse,
    responses={200: openapi.stream_of("workflow_status", "workflow_complete"), **errors.OF_OWNER},
)
async def workflow_events(
    workflow_id: UUID, user: User, services: Uses, after: After = None, last_event_id: LastEventId = None
) -> StreamingResponse:
    """A workflow's events, up to its last; `after` or `Last-Event-ID` resume a stream."""
    return await stream(workflow_channel(workflow_id), user, services, after if after is not None else last_event_id)


async def stream(channel: Channel, user: Identity, services: Services, after: int | None) -> StreamingResponse:
    if not await channel.is_of(user, services):
        raise errors.not_found(channel.kind)
    return event_stream(lines(channel, after or 0, user, services))


def event_stream(content: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(content, media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def lines(channel: Channel, after: int, user: Identity, services: Services) -> AsyncIterator[str]:
    """Server-Sent Events until the last, or until the deletion of their source; comments keep the connection alive."""
    limit_request(None)
    yield ": connected\n\n"
    sent = asyncio.get_running_loop().time()
    try:
        async with aclosing(follow(channel, after, services)) as following:
            async for frames in following:
                now = asyncio.get_running_loop().time()
                if frames:
                    yield "".join(event(frame) for frame in frames)
                    sent = now
                    if channel.is_last(frames[-1]):
                        return
                elif not await channel.is_of(user, services):
                    return
                elif now - sent > COMMENT_SECONDS:
                    yield ": waiting\n\n"
                    sent = now
    except errors.Unavailable:
        # The client reconnects with the last number it has seen.
        return


def event(frame: dict[str, Any]) -> str:
    return f"id: {frame['sequence']}\nevent: {frame['type']}\ndata: {json.dumps(frame)}\n\n"
