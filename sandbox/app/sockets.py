"""WebSockets of jobs and workflows: authentication, events, and incoming frames."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.websockets import WebSocket, WebSocketDisconnect

from sandbox import logs
from sandbox.app import access, realtime
from sandbox.app.access import Services, Uses
from sandbox.app.errors import ApiError, Unavailable
from sandbox.app.jobs import MOST_SKIPPED
from sandbox.app.realtime import Channel
from sandbox.app.tokens import Identity

BAD_TOKEN: Final = 4401
UNKNOWN: Final = 4404
SERVER_FAULT: Final = 1011
AUTH_SECONDS: Final = 10.0
PING_SECONDS: Final = 25.0
PING: Final = {"type": "ping"}
PONG: Final = {"type": "pong"}
MALFORMED: Final = {"type": "error", "code": "malformed_frame", "message": "A frame has to be a JSON object, as text."}

router: Final = APIRouter(tags=["realtime"])


class About(BaseModel):
    version: str
    build: str


@dataclass(eq=False)
class Refused(Exception):
    """The socket is to be closed with this code."""

    code: int
    reason: str


@router.get("/ws/health")
async def health(services: Uses) -> About:
    """The build that serves the WebSockets."""
    return About(version=services.settings.version, build=services.settings.build)


@router.websocket("/ws/jobs/{key}")
async def jobs(socket: WebSocket, key: str) -> None:
    await serve(socket, "job", key)


@router.websocket("/ws/workflow/{key}")
async def workflows(socket: WebSocket, key: str) -> None:
    await serve(socket, "workflow", key)


async def serve(socket: WebSocket, kind: str, key: str) -> None:
    """Handle one connection; to refuse by a close code, it has to be accepted first."""
    await socket.accept()
    services = access.services(socket)
    try:
        user = await authenticate(socket, services)
        channel = await find(kind, key, user, services)
        await send(socket, realtime.confirmation(channel, services))
        await converse(socket, channel, user, services)
    except Refused as refused:
        await socket.close(refused.code, refused.reason)
    except (WebSocketDisconnect, RuntimeError):
        return
    except (Unavailable, TimeoutError) as error:
        logs.log("socket ended", cause=repr(error.__cause__ or error))
        await socket.close(SERVER_FAULT, "server fault")


async def authenticate(socket: WebSocket, services: Services) -> Identity:
    """The caller's identity: by `?access_token=`, or by the first message."""
    token = socket.query_params.get("access_token")
    try:
        if token is None:
            async with asyncio.timeout(AUTH_SECONDS):
                message = parse(await receive(socket))
            token = message.get("access_token") if message and message.get("type") == "auth" else None
        return await access.identify(token if isinstance(token, str) else "", services)
    except (ApiError, TimeoutError):
        raise Refused(BAD_TOKEN, "no valid token") from None


async def find(kind: str, key: str, user: Identity, services: Services) -> Channel:
    try:
        channel = (realtime.job_channel if kind == "job" else realtime.workflow_channel)(UUID(key))
    except ValueError:
        raise Refused(UNKNOWN, f"no such {kind}") from None
    if not await channel.is_of(user, services):
        raise Refused(UNKNOWN, f"no such {kind}")
    return channel


async def converse(socket: WebSocket, channel: Channel, user: Identity, services: Services) -> None:
    """Send, receive and ping concurrently, until one of them or the token ends."""
    works = send_events(socket, channel, user, services), listen(socket), ping(socket, user, services)
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, timeout=user.expires_at - time.time(), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        raise Refused(BAD_TOKEN, "the token has expired")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def send_events(socket: WebSocket, channel: Channel, user: Identity, services: Services) -> None:
    """Send every event once, in order, until the deletion of their source."""
    async for frames in realtime.follow(channel, after(socket), services):
        if not frames and not await channel.is_of(user, services):
            raise Refused(UNKNOWN, f"no such {channel.kind} any more")
        for frame in frames:
            await send(socket, frame)


async def listen(socket: WebSocket) -> None:
    """Answer pings, and report malformed frames; neither ends the connection."""
    while True:
        message = parse(await receive(socket))
        if message is None:
            await send(socket, MALFORMED)
        elif message.get("type") == "ping":
            await send(socket, PONG)


async def ping(socket: WebSocket, user: Identity, services: Services) -> None:
    """Send pings, and end the connection once the session is over."""
    while True:
        await asyncio.sleep(PING_SECONDS)
        if not await access.session_is_active(services.database, user.session_id, user.user_id):
            raise Refused(BAD_TOKEN, "the session has ended")
        await send(socket, PING)


async def receive(socket: WebSocket) -> str | bytes:
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1000))
    return cast(str | bytes, message.get("text") if message.get("text") is not None else message["bytes"])


def parse(message: str | bytes) -> dict[str, Any] | None:
    """A frame's JSON object; None for anything else, including binary frames."""
    try:
        document = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def after(socket: WebSocket) -> int:
    """The number after which to begin; 0 without one."""
    given = socket.query_params.get("after", "")
    return min(int(given), MOST_SKIPPED) if given.isascii() and given.isdecimal() and len(given) < 20 else 0


async def send(socket: WebSocket, frame: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(frame))
