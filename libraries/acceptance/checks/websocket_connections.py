"""WebSockets that are cut, and many WebSockets at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from acceptance.checks.job_events import check_order, events_of, has_ended, settled
from acceptance.clients.websocket import Frame, RealtimeClient, Socket, Subscription
from acceptance.deployment.contract import by_words
from acceptance.errors import NoAnswer, violation
from acceptance.polling import together
from acceptance.run import Channels, Run
from acceptance.uploads import PROCESSING_SECONDS, Upload, put_bytes

PONG_SECONDS = 5.0
FOREVER = 3600.0  # the caller has a deadline


@dataclass
class ReconnectedJob(Subscription):
    """The events of a job, received over several connections."""

    connections: int = 0


async def follow_with_cuts(run: Run, upload: Upload, cut_after: Collection[int]) -> ReconnectedJob:
    """Send the bytes of an upload and follow its job, cutting the connection after events of these sequence numbers."""
    jobs, fields, close = run.contract.jobs, run.contract.realtime.job_event, run.contract.realtime.close
    client = ReconnectingClient(
        run.websocket, upload.job_id, upload.owner.access_token,
        lambda frame: jobs.has_ended(by_words(frame.data, fields)),
    )  # fmt: skip
    following = client.follow(within=PROCESSING_SECONDS, cut_after=cut_after, refusals=(close.bad_token, close.unknown))
    await together(following, put_bytes(run, upload))
    what = f"job {upload.job_id} over {client.connections} connections"
    return ReconnectedJob(what, "job", upload.job_id, frames=client.events, connections=client.connections)


async def subscribe(run: Run, stack: AsyncExitStack | Channels, uploads: Sequence[Upload], each: int) -> list[Socket]:
    """So many WebSockets on each job, opened at the same time and closed with the stack."""
    own = [upload for upload in uploads for _ in range(each)]
    channels = (run.websocket.job(upload.job_id, upload.owner.access_token, after=0) for upload in own)
    return await together(*(stack.enter_async_context(channel) for channel in channels))


async def disturbed(run: Run, sockets: Sequence[Socket], uploads: Sequence[Upload]) -> list[str]:
    """Waits for the end of the jobs; a line for each socket without all events of its job, or with another's."""
    await together(*(_wait_for_end(run, socket) for socket in sockets))
    return list(filter(None, (_disturbance(run, uploads, socket) for socket in sockets)))


async def _wait_for_end(run: Run, socket: Socket) -> None:
    """Wait for the final event and what follows it; missing events are found in the frames."""
    with suppress(AssertionError):
        await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
        await settled(run, socket)


def _disturbance(run: Run, uploads: Sequence[Upload], socket: Socket) -> str:
    """What is wrong with the frames of one socket on the job of one of the uploads; empty where nothing is."""
    (upload,) = (upload for upload in uploads if upload.job_id == socket.key)
    try:
        check_order(events_of(run, upload.job_id, socket.events), run.contract.jobs.statuses, socket.what)
    except AssertionError as error:
        return str(error)
    if socket.closed is not None:
        return f"{socket.what}: {socket.summary()}"
    others = [other for other in uploads if other is not upload]
    foreign = {name for other in others for name in (other.job_id, other.document_id, other.owner.user_id)}
    received = "".join(str(frame.data) for frame in socket.frames)
    return next((f"{socket.what} received {name} of another user" for name in foreign if name in received), "")


@dataclass(frozen=True)
class Backoff:
    """Pauses before reconnecting, in seconds; after so many attempts without a new event the client gives up."""

    first: float = 0.05
    longest: float = 2.0
    tries: int = 8

    def pauses(self) -> Iterator[float]:
        for attempt in range(self.tries):
            yield min(self.first * 2**attempt, self.longest)


class ReconnectingClient:
    """Follows one job over as many connections as it takes.

    The pauses grow until an event arrives, not until a connection opens: a server that accepts and drops would
    otherwise never be spared.

    Attributes:
        events: every event as it was received, duplicates too.
        connections: number of connections opened.
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
            cut_after: sequence numbers after which the client cuts the connection, once each.
            refusals: close codes after which reconnecting would not help.

        Raises:
            AssertionError: the final event did not arrive in time, or too many connections brought nothing new.
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
        """One connection, to the final event (empty), or until it is lost (why)."""
        async with AsyncExitStack() as stack:
            try:
                socket = await stack.enter_async_context(self._client.job(self._job_id, self._token, after=self.last))
            except (AssertionError, NoAnswer) as error:
                return str(error)
            self.connections += 1
            ended = await self._receive(socket, cut_after)
            if socket.closed in refusals:
                raise violation(f"job {self._job_id}", expected="to be accepted again", observed=socket.summary())
            return "" if ended else socket.summary()

    async def _receive(self, socket: Socket, cut_after: set[int]) -> bool:
        """Take events until the final one (True), or until the connection is lost (False)."""
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
    """The event of that number in order of arrival, from 0, or None where the connection was lost before it."""
    await socket.until(
        lambda seen: len(seen.events) > number or seen.closed is not None, what="an event", within=FOREVER
    )
    return socket.events[number] if len(socket.events) > number else None
