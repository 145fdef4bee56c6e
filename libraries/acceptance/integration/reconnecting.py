"""A realtime client that comes back after its line was cut, and asks for what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from acceptance.errors import violation
from acceptance.realtime import Frame, RealtimeClient, Socket

PONG_SECONDS = 5.0
FOREVER = 3600.0  # whoever calls has a deadline of their own


@dataclass(frozen=True)
class Backoff:
    """Pauses before coming back, in seconds; after so many tries more that bring nothing new, it is given up."""

    first: float = 0.05
    longest: float = 2.0
    tries: int = 8

    def pauses(self) -> Iterator[float]:
        for attempt in range(self.tries):
            yield min(self.first * 2**attempt, self.longest)


class Follower:
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
            raise violation(f"job {self._job_id}", expected=f"its end within {within:g} s", seen=seen) from None
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
                raise violation(f"job {self._job_id}", expected=wanted, seen=lost)
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
                raise violation(f"job {self._job_id}", expected="to be let in again", seen=socket.summary())
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
