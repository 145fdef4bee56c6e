"""WebSocket client of the contract; keeps every frame with the time of its arrival."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal, Self

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from acceptance.clients.body import parse_json
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.network_path import NetworkPath, origin_of
from acceptance.deployment.contract import Contract, Realtime, compiled, mistake_in, nested, pick, with_query
from acceptance.deployment.descriptor import is_local
from acceptance.errors import UnansweredOnDisturbedPath, cut, violation, visible
from acceptance.polling import RateLimiter

CONTROL = ("ping", "pong")
ERROR_FRAME = "error"  # the type of a frame that reports a failure
Subject = Literal["job", "workflow"]
JOINS_PER_SECOND = 50  # plans allow 100 or 500
MOST_FRAMES = 10_000  # of one channel
MOST_FRAME_BYTES = 1_048_576  # of a frame that is received


@dataclass(frozen=True)
class Frame:
    """One frame; received `at` (Unix seconds); `problem` says why it is not by the contract.

    It has the type and the number of the contract's `shape`; without one, those in its fields `type` and `sequence`.
    """

    data: dict[str, Any]
    at: float
    problem: str = ""
    shape: FrameShape | None = field(default=None, repr=False)
    count: int = 0

    @property
    def type(self) -> str:
        return self.shape.type_of(self.data) if self.shape else str(self.data.get("type"))

    @property
    def sequence(self) -> int | None:
        if self.shape and self.shape.sequence is None:
            return self.count if self.type in self.shape.schemas else None
        number = pick(self.data, self.shape.sequence if self.shape and self.shape.sequence else "sequence")
        return number if isinstance(number, int) else None


@dataclass
class Subscription:
    """An event channel with everything it has received.

    Attributes:
        what: names the channel in messages.
        subject, key: whose events it carries, where it was opened for a job or a workflow.
        opened, closed_at: Unix seconds.
        problem: what it received that is not by the contract; whoever waits for something then fails.
        closed: how it ended, None while it is open: WebSocket close code, HTTP status, or 0.
        release: closes the channel, where a caller keeps it open.
    """

    what: str
    subject: Subject | None = None
    key: str = ""
    opened: float = field(default_factory=time.time)
    frames: list[Frame] = field(default_factory=list, repr=False)
    pings: list[float] = field(default_factory=list, repr=False)
    closed: int | None = None
    closed_at: float = 0.0
    reason: str = ""
    problem: str = ""
    release: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)
    _waiting: dict[asyncio.Future[None], Callable[[], bool]] = field(default_factory=dict, repr=False)

    @property
    def application_frames(self) -> list[Frame]:
        """The frames that are no heartbeats, in order of arrival."""
        return [frame for frame in self.frames if frame.type not in CONTROL]

    @property
    def events(self) -> list[Frame]:
        """The frames that carry a sequence number, in order of arrival."""
        return [frame for frame in self.frames if frame.sequence is not None]

    async def until(self, satisfied: Callable[[Self], bool], *, what: str, within: float) -> None:
        """Wait for a condition on the frames received; raises AssertionError with the last of them."""
        self._raise_problem()
        if satisfied(self):
            return
        self._waiting[came := asyncio.get_running_loop().create_future()] = lambda: (
            bool(self.problem) or satisfied(self)
        )
        try:
            async with asyncio.timeout(within):
                await came
        except TimeoutError:
            raise violation(f"{self.what}: {what}", expected=f"within {within:g} s", observed=self.summary()) from None
        finally:
            del self._waiting[came]
        self._raise_problem()

    def _raise_problem(self) -> None:
        if self.problem:
            raise violation(self.what, expected="frames as in the contract", observed=self.problem)

    async def until_frame(self, kind: str, *, within: float, **having: object) -> Frame:
        """The first frame of a type that has these values."""

        def found() -> Frame | None:
            fits = (f for f in self.frames if f.type == kind and all(f.data.get(k) == v for k, v in having.items()))
            return next(fits, None)

        await self.until(lambda _: found() is not None, what=f"frame {kind} {having or ''}".strip(), within=within)
        frame = found()
        assert frame is not None
        return frame

    async def until_closed(self, *, within: float) -> int:
        """The code with which the other side ended the channel."""
        await self.until(lambda _: self.closed is not None, what="is closed", within=within)
        assert self.closed is not None
        return self.closed

    async def until_refused(self, *, within: float) -> int:
        """The code with which the other side ended the channel before any application frame, which is a violation."""

        def ended(_: Subscription) -> bool:
            return self.closed is not None or bool(self.application_frames)

        await self.until(ended, what="is closed", within=within)
        if self.closed is None or self.application_frames:
            raise violation(self.what, expected="to be closed before any frame", observed=self.summary())
        return self.closed

    def summary(self) -> str:
        """The last frames and the state of the channel, for messages."""
        last = [f"#{f.sequence} {f.data.get('status', f.type)}" if f.sequence else f.type for f in self.frames[-5:]]
        return f"{len(self.frames)} frames, the last {', '.join(last) or 'none'}; {self.state}"

    @property
    def state(self) -> str:
        """`open`, or `closed with` the code and the reason."""
        return "open" if self.closed is None else f"closed with {self.closed} {self.reason}".strip()

    def add(self, frame: Frame) -> None:
        """Keep a frame; one that is not by the contract, or one too many, is the channel's problem."""
        if not self.problem:
            too_many = len(self.frames) + len(self.pings) >= MOST_FRAMES
            self.problem = f"more than {MOST_FRAMES:,} frames" if too_many else frame.problem
        if len(self.frames) + len(self.pings) >= MOST_FRAMES:
            return
        if frame.shape and frame.shape.sequence is None:
            frame = replace(frame, count=len(self.events) + 1)
        (self.pings.append(frame.at) if frame.type == "ping" else self.frames.append(frame))
        self.changed()

    def end(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            self.closed, self.closed_at, self.reason = code, time.time(), reason
        self.changed()

    def changed(self) -> None:
        """Resume the waiters whose condition now holds; thousands of subscriptions share the loop."""
        for came, satisfied in self._waiting.items():
            try:
                if not came.done() and satisfied():
                    came.set_result(None)
            except Exception as error:  # noqa: BLE001  # belongs to the waiter, not to the reader
                came.set_exception(error)


@dataclass
class Socket(Subscription):
    """A WebSocket; answers the server's pings."""

    connection: ClientConnection | None = field(default=None, repr=False)

    async def send(self, message: str | bytes | dict[str, Any]) -> None:
        """Send a frame: a mapping as JSON text, else as it is (bytes as a binary frame)."""
        try:
            await self._live().send(json.dumps(message) if isinstance(message, dict) else message)
        except ConnectionClosed:
            raise violation(self.what, expected="a connection that is open", observed=self.summary()) from None

    async def ping(self, *, within: float) -> float:
        """Send a ping frame; returns the seconds to its pong. Everything sent before the pong has then arrived."""
        answered = self._pongs()
        begin = time.monotonic()
        await self.send({"type": "ping"})
        await self.until(lambda _: self._pongs() > answered, what="pong", within=within)
        return time.monotonic() - begin

    async def protocol_ping(self, *, within: float) -> float:
        """Send a ping of the WebSocket protocol; returns the seconds to its pong."""
        begin = time.monotonic()
        try:
            async with asyncio.timeout(within):
                await (await self._live().ping())
        except (TimeoutError, ConnectionClosed):
            response = f"an answer to a ping of the protocol within {within:g} s"
            raise violation(self.what, expected=response, observed=self.summary()) from None
        return time.monotonic() - begin

    async def cut(self) -> None:
        """Drop the connection without a closing handshake, as a lost network does."""
        self._live().transport.abort()

    def _pongs(self) -> int:
        return sum(frame.type == "pong" for frame in self.frames)

    def _live(self) -> ClientConnection:
        if self.connection is None:
            raise violation(self.what, expected="an open connection", observed=self.summary())
        return self.connection


class RealtimeClient:
    """Subscribes to jobs and workflows over WebSocket.

    Channels are context managers: leaving one closes it. A handshake refused by HTTP ends the subscription with that
    status as `closed`; a refusal after the handshake ends it with the close code.
    """

    def __init__(
        self, contract: Contract, base: str, joins_per_second: float = JOINS_PER_SECOND,
        headers_of: Callable[[str], dict[str, str]] = lambda url: {}, journal: ErrorLog | None = None,
        path: NetworkPath | None = None,
    ) -> None:  # fmt: skip
        self._journal, self._path = journal, path or NetworkPath()
        self._whole = contract
        self._base = base.replace("http", "ws", 1) if base.startswith("http") else base
        self._proxy: Literal[True] | None = None if is_local(base) else True
        self._pace = RateLimiter(joins_per_second)
        self._headers_of = headers_of

    @property
    def _contract(self) -> Realtime:
        return self._whole.realtime

    @cached_property
    def _shape(self) -> FrameShape:
        return frame_shape(self._whole)

    def first_message(self, token: str | None) -> dict[str, Any]:
        """The message that authenticates a connection whose handshake holds no token."""
        words = {self._contract.type: self._contract.token_message}
        return nested((words | ({self._contract.token_parameter: token} if token else {})).items())

    def job(self, job_id: str, token: str | None, *, after: int | None = None) -> AbstractAsyncContextManager[Socket]:
        """WebSocket of a job's events; `after` replays the events later than that sequence number."""
        return self.channel("job", job_id, token, after=after)

    def workflow(
        self, workflow_id: str, token: str | None, *, after: int | None = None
    ) -> AbstractAsyncContextManager[Socket]:
        """WebSocket of a workflow's events."""
        return self.channel("workflow", workflow_id, token, after=after)

    @asynccontextmanager
    async def channel(
        self, subject: Subject, key: str, token: str | None, *, after: int | None = None
    ) -> AsyncIterator[Socket]:
        """WebSocket of the events of a job or a workflow."""
        path = (
            self._contract.job.format(job_id=key)
            if subject == "job"
            else self._contract.workflow.format(workflow_id=key)
        )
        async with self.socket(path, token, after=after) as socket:
            socket.subject, socket.key = subject, key
            yield socket

    @asynccontextmanager
    async def socket(
        self, path: str, token: str | None, *, after: int | str | bytes | None = None, within: float = 10.0
    ) -> AsyncIterator[Socket]:
        """WebSocket of any path; `after` may be invalid."""
        query: dict[str, int | str | bytes] = {}
        url = f"{self._base}{path}"
        headers = self._headers_of(url)
        if token is not None and self._whole.offers("realtime.token_parameter"):
            query[self._contract.token_parameter] = token
        elif token is not None:
            url = self._whole.token.on(token, url, headers)
        if after is not None:
            query[self._contract.after_parameter] = after
        url = with_query(url, query)
        socket = Socket(f"WebSocket {path}")
        await self._pace.turn()
        begin = time.monotonic()
        try:
            connection = await _Connect(
                url, open_timeout=within, compression=None, ping_interval=None, close_timeout=2,
                max_size=MOST_FRAME_BYTES, additional_headers=headers, **self._dialled(url),
            )  # fmt: skip
        except InvalidStatus as refused:
            location = refused.response.headers.get("location")
            body = (refused.response.body or b"").decode("utf-8", "replace")
            self._keep(url, refused.response.status_code, body, "WebSocket handshake")
            socket.end(
                refused.response.status_code, "handshake refused" + (f", Location: {location}" if location else "")
            )
            yield socket
            return
        except (OSError, TimeoutError, websockets.InvalidHandshake) as error:
            seen, timed_out = f"{type(error).__name__}: {error}", isinstance(error, TimeoutError)
            elapsed = time.monotonic() - begin
            if self._path.is_disturbed(url):
                raise UnansweredOnDisturbedPath(
                    socket.what, visible(seen), "handshake", elapsed=elapsed, timed_out=timed_out
                ) from None
            raise violation(socket.what, expected="a handshake", observed=seen) from None
        socket.connection, socket.opened = connection, time.time()
        reader = asyncio.create_task(_read_socket(socket, connection, self._shape, partial(self._keep, url)))
        try:
            yield socket
        finally:
            reader.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await connection.close()
            await asyncio.gather(reader, return_exceptions=True)

    def _keep(self, url: str, status: int, text: str, event: str) -> None:
        """Journal the body of a refusal, the reason of a close, or a frame that reports a failure."""
        if self._journal is not None and text:
            self._journal.record(method="GET", url=url, status=status, body=text, request_id="", event=event)

    def _dialled(self, url: str) -> dict[str, Any]:
        """Where to connect to: a fault of the client's path lets the connection take a detour."""
        if not self._path.is_disturbed(url):
            return {"proxy": self._proxy}
        host, port = self._path.address(*origin_of(url))
        return {"proxy": None, "host": host, "port": port}


class _Connect(connect):
    """Follows no redirect: it leads where no contract says."""

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


async def _read_socket(
    socket: Socket, connection: ClientConnection, shape: FrameShape, keep: Callable[[int, str, str], None]
) -> None:
    try:
        async for message in connection:
            frame = frame_of(message, shape)
            socket.add(frame)
            if frame.type == ERROR_FRAME:
                keep(0, json.dumps(frame.data), "WebSocket frame")
            if socket.problem:
                break
            if frame.type == "ping":
                await connection.send('{"type": "pong"}')
    except ConnectionClosed as error:
        if error.rcvd is not None:
            keep(error.rcvd.code, error.rcvd.reason, "WebSocket close")
        if error.sent is not None and error.sent.code != 1000 and not error.rcvd:
            reason = error.sent.reason or error.__cause__ or "not as RFC 6455 says"
            socket.problem = f"what this client cannot take ({error.sent.code}): {reason}"
    finally:
        if connection.close_code is not None:
            socket.end(connection.close_code, connection.close_reason or "")
        socket.changed()


@dataclass(frozen=True)
class FrameShape:
    """What frames are, by the contract: a schema for each type, and the paths of type and sequence, or None."""

    schemas: Mapping[str, Any]
    type: str | None
    sequence: str | None

    def type_of(self, data: Mapping[str, Any]) -> str:
        """The type of a frame; where frames have none, that of a job's events, which is the first."""
        return next(iter(self.schemas), "") if self.type is None else str(pick(data, self.type))


def frame_shape(contract: Contract) -> FrameShape:
    """What the contract says of frames; raises NotOffered where there is no realtime."""
    realtime, schemas = contract.realtime, {}
    for part in ("job_event", "step", "answer"):
        if contract.offers(f"realtime.{part}") and contract.offers(f"realtime.{part}_type"):
            schemas[getattr(realtime, f"{part}_type")] = compiled(contract.schema_of(getattr(realtime, part)))
    places = ("realtime.type", "realtime.job_event.sequence")
    type_of, sequence = (contract.value(place) if contract.offers(place) else None for place in places)
    return FrameShape(schemas, type_of, sequence)


def frame_of(message: str | bytes, shape: FrameShape) -> Frame:
    """A frame received now; content that is no JSON object becomes a frame of a type that says so."""
    now = time.time()
    try:
        data = parse_json(message)
    except ValueError as error:
        data, reason = None, str(error)
    else:
        reason = "not an object"
    if not isinstance(data, dict):
        begins = cut(message if isinstance(message, str) else repr(message), 200)
        return Frame(
            {"type": "not a JSON object", "text": begins}, now, f"a frame that is no JSON object ({reason}): {begins}"
        )
    kind = shape.type_of(data)
    schema = shape.schemas.get(kind)
    if schema is None or schema.is_valid(data) or not (mistake := mistake_in(data, schema)):
        return Frame(data, now, shape=shape)
    where, expected, found = mistake
    problem = f"{', '.join(filter(None, (kind, where)))}: expected {expected}, found {cut(found)}"
    return Frame(data, now, problem, shape)
