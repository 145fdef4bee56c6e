"""WebSocket connections: who is let in, how they stay alive, and how they come back (INT-09)."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from acceptance.conversations import ask
from acceptance.errors import violation
from acceptance.integration.accounts import expired_session
from acceptance.integration.following import check_order, events_of, has_ended
from acceptance.integration.forging import Genuine, forgeries
from acceptance.integration.reconnecting import Follower
from acceptance.people import Person
from acceptance.realtime import Socket
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, put_bytes, upload_complete
from acceptance.waiting import together, wait_until

Path = Literal["job", "workflow"]
IDLE_SECONDS = 60.0
IDLE_CONNECTIONS = 2  # behind one address there may be several instances
PINGS = 20
REFUSED_SECONDS = 10.0
SILENT_SECONDS = 30.0  # how long a deployment may wait for the first message
CUT_AFTER = (1, 2, 4, 7, 9)


@dataclass(frozen=True)
class Ground:
    """Someone with a finished job and a workflow, and somebody else who has neither."""

    owner: Person
    other: Person
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
        owner, other = await together(run.people.signed_in(), run.people.signed_in())
        upload = await upload_complete(run, owner, Payload.of(await document(run, "note", 900)))
        workflow_id = str(uuid.uuid4())
        await ask(run, owner, "What do my documents say?", workflow_id=workflow_id)
        return Ground(owner, other, upload, workflow_id)

    return await run.once("ground of connections", make)


async def bad_token_is_refused(run: Run, kind: str) -> None:
    """Every credential of a kind, in the address or as first message, is closed with 4401 and told nothing."""
    on = await ground(run)
    expired = await expired_session(run) if kind == "expired" else on.owner
    genuine = Genuine(on.owner.access_token, on.owner.refresh_token, expired.access_token, on.other.access_token)
    code = run.contract.realtime.close.bad_token
    attempts = []
    for forged in forgeries(kind, genuine):
        for path in ("job", "workflow"):
            if forged.token is not None:
                attempts.append(
                    _is_closed(run, path, on.key(path), forged.token, code, f"in its address: {forged.made}")
                )
            first = run.realtime.first_message(forged.token or "")
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
    async with run.realtime.job(on.upload.job_id, None, after=0) as socket:
        await socket.send(run.realtime.first_message(on.owner.access_token))
        await socket.until(lambda seen: bool(seen.events), what="the job's first event", within=REFUSED_SECONDS)
        check = events_of(run, on.upload.job_id, socket.events[:1])
        check_order(check, run.contract.jobs.statuses[:1], socket.what)


async def heartbeats_are_answered(run: Run) -> None:
    """Pings of ours as frames, and those of the protocol beside them, are answered in time."""
    on, within = await ground(run), run.contract.realtime.pong_within_seconds
    async with run.realtime.job(on.upload.job_id, on.owner.access_token) as socket:
        times = [await socket.ping(within=within) for _ in range(PINGS)]
        times += [await socket.protocol_ping(within=within) for _ in range(PINGS)]
    run.observe_samples("INT-09", "pong_time", times, "s", statistic="max")


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
    person = await run.people.signed_in()
    upload = await announce(run, person, Payload.of(await document(run, "note", 901)))
    final = run.contract.jobs.final_states
    follower = Follower(
        run.realtime, upload.job_id, person.access_token, lambda frame: frame.data.get("state") in final
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
    subscribe = run.realtime.job if path == "job" else run.realtime.workflow
    async with subscribe(key, token, after=0) as socket:
        socket.what += f" ({how})"
        if first is not None:
            await socket.send(dict(first))
        if await socket.until_closed(within=REFUSED_SECONDS) != code or socket.application_frames:
            raise violation(socket.what, expected=f"closed with {code}, untold", seen=socket.summary())


async def _open_idle(run: Run) -> Idle:
    person = await run.people.signed_in()
    upload = await announce(run, person, Payload.of(await document(run, "encrypted", 902)))
    subscriptions = [run.realtime.job(upload.job_id, person.access_token, after=0) for _ in range(IDLE_CONNECTIONS)]
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
    async with run.realtime.job(upload.job_id, token, after=0) as another:
        for socket in (another, *idle.sockets):
            await socket.until(
                lambda seen: len(seen.events) > before and seen.events[-1].data.get("state") in final,
                what="the final event of another try", within=PROCESSING_SECONDS,
            )  # fmt: skip
            told.append([frame.data for frame in socket.events])
    for socket, events in zip(idle.sockets, told[1:], strict=True):
        numbers = [event["sequence"] for event in events]
        if events != told[0] or numbers != list(range(1, len(events) + 1)):
            raise violation(socket.what, expected=f"after its idle time, as a new one: {told[0]}", seen=events)


async def _open_silent(run: Run) -> None:
    key, code = str(uuid.uuid4()), run.contract.realtime.close.bad_token
    async with run.realtime.job(key, None) as socket:
        if await socket.until_closed(within=SILENT_SECONDS) != code or socket.application_frames:
            raise violation(f"{socket.what} without any token", expected=f"closed with {code}", seen=socket.summary())


async def _idle_seconds(idle: Idle) -> float:
    """How long the connections have carried no application frame; raises AssertionError when one has ended."""
    for socket in idle.sockets:
        if socket.closed is not None:
            seen = f"{socket.summary()}, {socket.closed_at - socket.opened:.0f} s after it was opened"
            raise violation(socket.what, expected="to stay open while idle", seen=seen)
    return min(time.time() - socket.application_frames[-1].at for socket in idle.sockets)


def _check_server_pings(run: Run, socket: Socket) -> None:
    every, grace = run.contract.realtime.heartbeat_seconds, run.contract.realtime.pong_within_seconds
    times = [socket.opened, *socket.pings]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    if not all(every - grace <= gap <= every + grace for gap in gaps) or time.time() - times[-1] > every + grace:
        seen = f"after {', '.join(f'{at - socket.opened:.0f} s' for at in socket.pings) or 'none'}"
        raise violation(f"{socket.what}: pings of the server", expected=f"one every {every:g} s", seen=seen)
