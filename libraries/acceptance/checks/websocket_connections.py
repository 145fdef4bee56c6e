"""Many WebSocket connections beside one another: none harms another, and each sees what is its own (INT-09)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Literal

from acceptance.chat import ask
from acceptance.checks.auth import expired_session
from acceptance.checks.forged_tokens import Genuine, forgeries
from acceptance.checks.job_events import check_order, events_of, has_ended
from acceptance.clients.websocket import Frame, RealtimeClient, Socket
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, put_bytes, upload_complete

USERS = 5
SUBSCRIBERS_EACH = 10
NEIGHBOURS = 4
DEPTH = 20_000
MALFORMED: dict[str, str | bytes] = {
    "half a JSON object": '{"type": "ping"',
    "a word": "hello",
    "deeply nested JSON": "[" * DEPTH,
    "an empty frame": "",
    "a binary frame": bytes(range(256)),
}
Path = Literal["job", "workflow"]
IDLE_SECONDS = 60.0
IDLE_CONNECTIONS = 2  # behind one address there may be several instances
PINGS = 20
REFUSED_SECONDS = 10.0
SILENT_SECONDS = 30.0  # how long a deployment may wait for the first message
CUT_AFTER = (1, 2, 4, 7, 9)
PONG_SECONDS = 5.0
FOREVER = 3600.0  # whoever calls has a deadline of their own


async def malformed_frame_is_answered(run: Run, name: str) -> None:
    """What cannot be understood is answered with an error, and the connection stays."""
    on = await ground(run)
    async with run.websocket.job(on.upload.job_id, on.owner.access_token, after=0) as socket:
        await socket.send(MALFORMED[name])
        await _is_told_and_stays(run, socket)


async def oversized_frame_is_closed(run: Run, binary: bool) -> None:
    """One byte more than the contract allows closes the connection that sent it with 1009."""
    on = await ground(run)
    async with run.websocket.job(on.upload.job_id, on.owner.access_token, after=0) as socket:
        await socket.send(_oversized(run, binary))
        await _is_closed_as_too_large(run, socket)


async def largest_frame_is_taken(run: Run) -> None:
    """A frame of just the size that the contract allows is answered as any other."""
    on, most = await ground(run), run.contract.realtime.max_frame_bytes
    async with run.websocket.job(on.upload.job_id, on.owner.access_token, after=0) as socket:
        await socket.send('{"type": "ping"}'.ljust(most))
        await socket.until_frame("pong", within=run.contract.realtime.pong_within_seconds)


async def harmful_frames_harm_nobody(run: Run) -> None:
    """While some send nonsense, neighbours on the same job and the senders that stay miss nothing of it."""
    user = await run.users.signed_in()
    upload = await announce(run, user, Payload.of(await document(run, "note", 910)))
    async with AsyncExitStack() as stack:
        neighbours = [await _subscribe(run, stack, upload) for _ in range(NEIGHBOURS)]
        senders = {name: await _subscribe(run, stack, upload) for name in MALFORMED}
        too_large = {binary: await _subscribe(run, stack, upload) for binary in (False, True)}
        await together(*(socket.send(MALFORMED[name]) for name, socket in senders.items()))
        await together(*(socket.send(_oversized(run, binary)) for binary, socket in too_large.items()))
        await together(put_bytes(run, upload), *(_is_told_and_stays(run, socket) for socket in senders.values()))
        for socket in too_large.values():
            await _is_closed_as_too_large(run, socket)
        everyone = [*neighbours, *senders.values()]
        await together(*(_ends(run, socket) for socket in everyone))
        for socket in everyone:
            if problem := disturbance(run, upload, [upload], socket):
                raise violation(socket.what, expected="everything in spite of its neighbours", observed=problem)


async def subscribers_see_what_is_theirs(run: Run) -> None:
    """Fifty subscribers of several users at once: each sees all of its own job and nothing of another."""
    users = await together(*(run.users.signed_in() for _ in range(USERS)))
    notes = [await document(run, "note", 920 + number) for number in range(USERS)]
    uploads = await together(*(announce(run, who, Payload.of(note)) for who, note in zip(users, notes, strict=True)))
    async with AsyncExitStack() as stack:
        sockets = await together(
            *(_subscribe(run, stack, upload) for upload in uploads for _ in range(SUBSCRIBERS_EACH))
        )
        mine = [upload for upload in uploads for _ in range(SUBSCRIBERS_EACH)]
        await together(*(put_bytes(run, upload) for upload in uploads))
        await together(*(_ends(run, socket) for socket in sockets))
        both = zip(mine, sockets, strict=True)
        disturbed = list(filter(None, (disturbance(run, upload, uploads, socket) for upload, socket in both)))
    share = 100 * (len(sockets) - len(disturbed)) / len(sockets)
    run.observe("INT-09", "subscribers_undisturbed", share, "%", samples=len(sockets))
    if disturbed:
        wanted = "each sees all that is its own, and nothing else"
        raise violation(
            f"{len(sockets)} subscribers", expected=wanted, observed=f"{len(disturbed)} not: {disturbed[0]}"
        )


def disturbance(run: Run, upload: Upload, uploads: Sequence[Upload], socket: Socket) -> str:
    """What is wrong with what one subscriber saw of its own upload, among all uploads; nothing where all is well."""
    try:
        check_order(events_of(run, upload.job_id, socket.events), run.contract.jobs.statuses, socket.what)
    except AssertionError as error:
        return str(error)
    if socket.closed is not None:
        return socket.summary()
    others = [other for other in uploads if other is not upload]
    foreign = {name for other in others for name in (other.job_id, other.document_id, other.owner.user_id)}
    told = "".join(str(frame.data) for frame in socket.frames)
    return next((f"{socket.what} was told of {name}" for name in foreign if name in told), "")


async def _subscribe(run: Run, stack: AsyncExitStack, upload: Upload) -> Socket:
    return await stack.enter_async_context(run.websocket.job(upload.job_id, upload.owner.access_token, after=0))


async def _ends(run: Run, socket: Socket) -> None:
    """Wait for the job's end and whatever still follows it; what is missing is told by who looks at the frames."""
    with contextlib.suppress(AssertionError):
        await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
        await socket.ping(within=run.contract.realtime.pong_within_seconds)


async def _is_told_and_stays(run: Run, socket: Socket) -> None:
    await socket.until_frame(run.contract.realtime.malformed_answer, within=REFUSED_SECONDS)
    await socket.ping(within=run.contract.realtime.pong_within_seconds)


async def _is_closed_as_too_large(run: Run, socket: Socket) -> None:
    code = run.contract.realtime.close.too_large
    if await socket.until_closed(within=REFUSED_SECONDS) != code:
        raise violation(socket.what, expected=f"closed with {code} after an oversized frame", observed=socket.summary())


def _oversized(run: Run, binary: bool) -> str | bytes:
    """Sound but for its size."""
    frame = '{"type": "ping"}'.ljust(run.contract.realtime.max_frame_bytes + 1)
    return frame.encode() if binary else frame


@dataclass(frozen=True)
class Ground:
    """Someone with a finished job and a workflow, and somebody else who has neither."""

    owner: User
    other: User
    upload: Upload
    workflow_id: str

    def key(self, path: Path) -> str:
        return self.upload.job_id if path == "job" else self.workflow_id


@dataclass(frozen=True)
class Idle:
    """Connections that carry nothing but heartbeats, on a job that has failed and can be tried again."""

    upload: Upload
    sockets: list[Socket]


async def ground(run: Run) -> Ground:
    """Made once in a run."""

    async def make() -> Ground:
        owner, other = await together(run.users.signed_in(), run.users.signed_in())
        upload = await upload_complete(run, owner, Payload.of(await document(run, "note", 900)))
        workflow_id = str(uuid.uuid4())
        await ask(run, owner, "What do my documents say?", workflow_id=workflow_id)
        return Ground(owner, other, upload, workflow_id)

    return await run.once("ground of connections", make)


async def bad_token_is_refused(run: Run, kind: str) -> None:
    """Every credential of a kind, in the address or as first message, is closed with 4401 and told nothing."""
    on = await ground(run)
    expired = (await expired_session(run)).user if kind == "expired" else on.owner
    genuine = Genuine(on.owner.access_token, on.owner.refresh_token, expired.access_token, on.other.access_token)
    code = run.contract.realtime.close.bad_token
    attempts = []
    for forged in forgeries(kind, genuine):
        for path in ("job", "workflow"):
            if forged.token is not None:
                attempts.append(
                    _is_closed(run, path, on.key(path), forged.token, code, f"in its address: {forged.made}")
                )
            first = run.websocket.first_message(forged.token or "")
            sent = first if forged.token is not None else {"type": "ping"}
            attempts.append(_is_closed(run, path, on.key(path), None, code, f"as first message: {forged.made}", sent))
    await together(*attempts)


async def unknown_is_refused(run: Run, path: Path, which: str) -> None:
    """What does not exist, is no identifier, or is someone else's is closed with 4404 and told nothing."""
    on = await ground(run)
    token = on.other.access_token if which == "someone else's" else on.owner.access_token
    keys = {"unknown": str(uuid.uuid4()), "malformed": "not-an-identifier", "someone else's": on.key(path)}
    await _is_closed(run, path, keys[which], token, run.contract.realtime.close.unknown, which)


async def first_message_lets_in(run: Run) -> None:
    """A valid token as first message opens the same connection as one in the address."""
    on = await ground(run)
    async with run.websocket.job(on.upload.job_id, None, after=0) as socket:
        await socket.send(run.websocket.first_message(on.owner.access_token))
        await socket.until(lambda seen: bool(seen.events), what="the job's first event", within=REFUSED_SECONDS)
        check = events_of(run, on.upload.job_id, socket.events[:1])
        check_order(check, run.contract.jobs.statuses[:1], socket.what)


async def heartbeats_are_answered(run: Run) -> None:
    """Pings of ours as frames, and those of the protocol beside them, are answered in time."""
    on, within = await ground(run), run.contract.realtime.pong_within_seconds
    async with run.websocket.job(on.upload.job_id, on.owner.access_token) as socket:
        times = [await socket.ping(within=within) for _ in range(PINGS)]
        times += [await socket.protocol_ping(within=within) for _ in range(PINGS)]
    run.observe("INT-09", "pong_time", times, "s", statistic="max")


async def begin_to_idle(run: Run) -> None:
    """Open the idle connections, once in a run; nothing is waited for, and what goes wrong is told by who looks."""
    run.begin("idle connections", lambda: _open_idle(run))
    run.begin("silent connection", lambda: _open_silent(run))


async def silent_is_refused(run: Run) -> None:
    """Who never says who they are is closed with 4401 too."""
    await begin_to_idle(run)
    await run.once("silent connection", lambda: _open_silent(run))


async def idling_is_survived(run: Run) -> None:
    """After a minute without an application frame, connections answer pings and deliver what then happens."""
    await begin_to_idle(run)
    idle = await run.once("idle connections", lambda: _open_idle(run))
    await wait_until(
        lambda: _idle_seconds(idle), lambda seconds: seconds >= IDLE_SECONDS,
        what=f"{IDLE_SECONDS:g} s without an application frame", within=IDLE_SECONDS + 10,
        describe=lambda seconds: f"{seconds:.0f} s",
    )  # fmt: skip
    seconds = await _idle_seconds(idle)
    for socket in idle.sockets:
        _check_server_pings(run, socket)
    within = run.contract.realtime.pong_within_seconds
    await together(*(socket.ping(within=within) for socket in idle.sockets))
    await _another_try_is_told(run, idle)
    run.observe("INT-09", "idle_time_survived", seconds, "s", samples=len(idle.sockets))


async def cut_line_loses_nothing(run: Run) -> None:
    """Cut again and again while its document is processed, a client that comes back has the complete state."""
    user = await run.users.signed_in()
    upload = await announce(run, user, Payload.of(await document(run, "note", 901)))
    final = run.contract.jobs.final_states
    follower = ReconnectingClient(
        run.websocket, upload.job_id, user.access_token, lambda frame: frame.data.get("state") in final
    )
    close = run.contract.realtime.close
    following = follower.follow(
        within=PROCESSING_SECONDS, cut_after=CUT_AFTER, refusals=(close.bad_token, close.unknown)
    )
    await together(following, put_bytes(run, upload))
    check_order(events_of(run, upload.job_id, follower.events), run.contract.jobs.statuses, f"job {upload.job_id}")
    run.observe("INT-09", "connections_after_cuts", follower.connections, "connections", samples=len(CUT_AFTER))


async def _is_closed(
    run: Run, path: Path, key: str, token: str | None, code: int, how: str, first: Mapping[str, Any] | None = None
) -> None:
    subscribe = run.websocket.job if path == "job" else run.websocket.workflow
    async with subscribe(key, token, after=0) as socket:
        socket.what += f" ({how})"
        if first is not None:
            await socket.send(dict(first))
        if await socket.until_closed(within=REFUSED_SECONDS) != code or socket.application_frames:
            raise violation(socket.what, expected=f"closed with {code}, untold", observed=socket.summary())


async def _open_idle(run: Run) -> Idle:
    user = await run.users.signed_in()
    upload = await announce(run, user, Payload.of(await document(run, "encrypted", 902)))
    subscriptions = [run.websocket.job(upload.job_id, user.access_token, after=0) for _ in range(IDLE_CONNECTIONS)]
    sockets = [await run.channels.enter_async_context(each) for each in subscriptions]
    await put_bytes(run, upload)
    for socket in sockets:
        await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
    return Idle(upload, sockets)


async def _another_try_is_told(run: Run, idle: Idle) -> None:
    """The user tries the job again: the idle connections tell all of it, as a new one does that begins at the start."""
    upload, before = idle.upload, len(idle.sockets[0].events)
    token, final = upload.owner.access_token, run.contract.jobs.final_states
    await run.client.call("job_retry", path={"job_id": upload.job_id}, token=token)
    told = []
    async with run.websocket.job(upload.job_id, token, after=0) as another:
        for socket in (another, *idle.sockets):
            await socket.until(
                lambda seen: len(seen.events) > before and seen.events[-1].data.get("state") in final,
                what="the final event of another try", within=PROCESSING_SECONDS,
            )  # fmt: skip
            told.append([frame.data for frame in socket.events])
    for socket, events in zip(idle.sockets, told[1:], strict=True):
        numbers = [event["sequence"] for event in events]
        if events != told[0] or numbers != list(range(1, len(events) + 1)):
            raise violation(socket.what, expected=f"after its idle time, as a new one: {told[0]}", observed=events)


async def _open_silent(run: Run) -> None:
    key, code = str(uuid.uuid4()), run.contract.realtime.close.bad_token
    async with run.websocket.job(key, None) as socket:
        if await socket.until_closed(within=SILENT_SECONDS) != code or socket.application_frames:
            raise violation(
                f"{socket.what} without any token", expected=f"closed with {code}", observed=socket.summary()
            )


async def _idle_seconds(idle: Idle) -> float:
    """How long the connections have carried no application frame; raises AssertionError when one has ended."""
    for socket in idle.sockets:
        if socket.closed is not None:
            seen = f"{socket.summary()}, {socket.closed_at - socket.opened:.0f} s after it was opened"
            raise violation(socket.what, expected="to stay open while idle", observed=seen)
    return min(time.time() - socket.application_frames[-1].at for socket in idle.sockets)


def _check_server_pings(run: Run, socket: Socket) -> None:
    every, grace = run.contract.realtime.heartbeat_seconds, run.contract.realtime.pong_within_seconds
    times = [socket.opened, *socket.pings]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    if not all(every - grace <= gap <= every + grace for gap in gaps) or time.time() - times[-1] > every + grace:
        seen = f"after {', '.join(f'{at - socket.opened:.0f} s' for at in socket.pings) or 'none'}"
        raise violation(f"{socket.what}: pings of the server", expected=f"one every {every:g} s", observed=seen)


@dataclass(frozen=True)
class Backoff:
    """Pauses before coming back, in seconds; after so many tries more that bring nothing new, it is given up."""

    first: float = 0.05
    longest: float = 2.0
    tries: int = 8

    def pauses(self) -> Iterator[float]:
        for attempt in range(self.tries):
            yield min(self.first * 2**attempt, self.longest)


class ReconnectingClient:
    """Follows one job over as many connections as it takes.

    The pauses grow until an event arrives, not until a connection opens: who is let in and dropped again and again
    would otherwise never slow down.

    Attributes:
        events: every event as it was received, doubles too.
        connections: how often a connection was opened.
    """

    def __init__(
        self,
        client: RealtimeClient,
        job_id: str,
        token: str,
        ended: Callable[[Frame], bool],
        backoff: Backoff | None = None,
    ) -> None:
        self.events: list[Frame] = []
        self.connections = 0
        self._client, self._job_id, self._token = client, job_id, token
        self._ended, self._backoff = ended, backoff or Backoff()

    @property
    def last(self) -> int:
        """The sequence number of the last event received; 0 before the first."""
        return (self.events[-1].sequence or 0) if self.events else 0

    async def follow(
        self, *, within: float, cut_after: Collection[int] = (), refusals: Collection[int] = ()
    ) -> list[Frame]:
        """Every event up to the one that ends the job.

        Args:
            within: seconds for all of it.
            cut_after: sequence numbers after which the line is cut by ourselves, each time they are received.
            refusals: close codes after which coming back would not help.

        Raises:
            AssertionError: the job's end was not told in time, or too many connections brought nothing new.
        """
        try:
            async with asyncio.timeout(within):
                await self._follow(set(cut_after), refusals)
        except TimeoutError:
            seen = f"#{self.last} as the last, over {self.connections} connections"
            raise violation(f"job {self._job_id}", expected=f"its end within {within:g} s", observed=seen) from None
        return self.events

    async def _follow(self, cut_after: set[int], refusals: Collection[int]) -> None:
        pauses = self._backoff.pauses()
        while True:
            before = len(self.events)
            lost = await self._connection(cut_after, refusals)
            if not lost:
                return
            if len(self.events) > before:
                pauses = self._backoff.pauses()
            pause = next(pauses, None)
            if pause is None:
                wanted = f"something new after #{self.last} in {self._backoff.tries} more tries"
                raise violation(f"job {self._job_id}", expected=wanted, observed=lost)
            await asyncio.sleep(pause)

    async def _connection(self, cut_after: set[int], refusals: Collection[int]) -> str:
        """One connection, to the job's end (nothing), or until it is lost (why)."""
        async with AsyncExitStack() as stack:
            try:
                socket = await stack.enter_async_context(self._client.job(self._job_id, self._token, after=self.last))
            except AssertionError as error:
                return str(error)
            self.connections += 1
            ended = await self._receive(socket, cut_after)
            if socket.closed in refusals:
                raise violation(f"job {self._job_id}", expected="to be let in again", observed=socket.summary())
            return "" if ended else socket.summary()

    async def _receive(self, socket: Socket, cut_after: set[int]) -> bool:
        """Take events until the job's end (True), or until the line is lost (False)."""
        taken = 0
        while (event := await _event(socket, taken)) is not None:
            taken += 1
            self.events.append(event)
            if event.sequence in cut_after:
                cut_after.discard(event.sequence)
                await socket.cut()
                return False
            if self._ended(event):
                await socket.ping(within=PONG_SECONDS)
                self.events += socket.events[taken:]
                return True
        return False


async def _event(socket: Socket, number: int) -> Frame | None:
    """The event of that number in order of arrival, counted from 0, or None where the line was lost before it."""
    await socket.until(
        lambda seen: len(seen.events) > number or seen.closed is not None, what="an event", within=FOREVER
    )
    return socket.events[number] if len(socket.events) > number else None
