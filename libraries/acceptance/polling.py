"""The one way to wait: look until a condition holds or the time is over, and say what was last seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from acceptance.errors import violation

Seen = TypeVar("Seen")
Result = TypeVar("Result")


async def wait_until(
    look: Callable[[], Awaitable[Seen]],
    satisfied: Callable[[Seen], bool],
    *,
    what: str,
    within: float,
    every: float = 0.1,
    describe: Callable[[Seen], object] = lambda seen: seen,
) -> Seen:
    """What `look` saw when it first satisfied the condition.

    Args:
        look: one observation; an exception of it ends the waiting.
        satisfied: whether this is what was waited for.
        what: the condition in words, for the message.
        within: seconds until it is given up; a look under way then is cancelled.
        every: seconds between two looks.
        describe: what the message shows of the last observation.

    Raises:
        AssertionError: the condition did not hold in time; names what was last seen.
    """
    begin = time.monotonic()
    last = "nothing: the first look did not return"
    try:
        async with asyncio.timeout(within):
            while True:
                seen = await look()
                if satisfied(seen):
                    return seen
                last = str(describe(seen))
                await asyncio.sleep(every)
    except TimeoutError:
        if time.monotonic() - begin < within:
            raise  # a time-out of the look's own
        raise violation(what, expected=f"within {within:g} s", observed=last) from None


async def together(*coroutines: Coroutine[Any, Any, Result], at_once: int | None = None) -> list[Result]:
    """The results of all, in order, run at once or so many at a time.

    The first that fails ends the others, and its exception is raised.
    """
    gate = asyncio.Semaphore(at_once or max(1, len(coroutines)))

    async def in_turn(coroutine: Coroutine[Any, Any, Result]) -> Result:
        async with gate:
            return await coroutine

    tasks = [asyncio.ensure_future(in_turn(coroutine)) for coroutine in coroutines]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for coroutine in coroutines:
            coroutine.close()  # one whose turn never came would complain


class RateLimiter:
    """Lets callers through one by one, at most so many a second."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until it is the caller's turn."""
        now = time.monotonic()
        due = max(now, self._next)
        self._next = due + self._gap
        await asyncio.sleep(due - now)
