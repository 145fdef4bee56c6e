"""Keeps a run within pace and budget of its descriptor, and waits where a deployment limits the rate of calls."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from acceptance.deployment.descriptor import Budget, Pace
from acceptance.errors import CapabilityMissing
from acceptance.polling import RateLimiter

TOO_MANY = 429
LONGEST_WAIT_SECONDS = 60.0  # of one Retry-After
MOST_WAITED_SECONDS = 300.0  # in a run
MOST_REPEATS = 3  # of one call


Answer = TypeVar("Answer")


class Throttle:
    """Calls of a process: each waits its turn, is counted, and is repeated where `429` says when to.

    Attributes:
        counted: calls that were made, by the words of the budget.
        limited: calls that were refused for their rate, by route.
        waited: seconds that calls waited because of that.
        bounded: whether the budget holds; what removes the run's own data is not held back by it.
    """

    def __init__(self, pace: Pace, budget: Budget) -> None:
        self.counted: Counter[str] = Counter()
        self.limited: Counter[str] = Counter()
        self.waited = 0.0
        self.bounded = True
        self._pace = RateLimiter(pace.requests_per_second) if pace.requests_per_second else None
        self._budget = budget.model_dump(exclude_none=True)
        self._waiting, self._since, self._paused = 0, 0.0, 0.0

    @property
    def paused(self) -> float:
        """Seconds during which at least one call waited for its turn."""
        return self._paused + (time.monotonic() - self._since if self._waiting else 0.0)

    def left(self, *words: str) -> int | None:
        """How much the budget allows of the scarcest of these; None where it bounds none of them."""
        rests = [max(0, self._budget[word] - self.counted[word]) for word in words if word in self._budget]
        return min(rests, default=None)

    def need(self, word: str) -> None:
        """Raises CapabilityMissing where the budget of this is used up."""
        if self.bounded and self.left(word) == 0:
            raise CapabilityMissing("budget", f"and the descriptor's {self._budget[word]} {word} are used up")

    async def turn(self, *words: str) -> None:
        """Wait until a call may be made, and count it.

        Raises:
            CapabilityMissing: the budget is used up.
        """
        for word in ("requests", *words):
            self.need(word)
        self.counted.update(("requests", *words))
        if self._pace is not None:
            with self._pausing():
                await self._pace.turn()

    async def patiently(
        self, route: str, call: Callable[[], Awaitable[Answer]], seconds_of: Callable[[Answer], float | None]
    ) -> Answer:
        """What a call is answered with in the end, after the waits that a rate limit asks for, within bounds.

        Args:
            seconds_of: how long an answer asks to wait; None where it is none of a rate limit.
        """
        repeats = 0
        while (seconds := seconds_of(answer := await call())) is not None:
            self.limited[route] += 1
            within = seconds <= LONGEST_WAIT_SECONDS and self.waited + seconds <= MOST_WAITED_SECONDS
            if repeats == MOST_REPEATS or not within:
                break
            repeats += 1
            self.waited += seconds
            with self._pausing():
                await asyncio.sleep(seconds)
        return answer

    @property
    def summary(self) -> str:
        """What a reader of the run has to know of rate limits; empty where none was hit."""
        calls = ", ".join(f"{route} {count}" for route, count in sorted(self.limited.items()))
        return calls and f"rate limits were hit (429 with Retry-After): {calls}; waited {self.waited:.0f} s in all"

    @contextmanager
    def _pausing(self) -> Iterator[None]:
        self._waiting += 1
        if self._waiting == 1:
            self._since = time.monotonic()
        try:
            yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._paused += time.monotonic() - self._since


def retry_after(status: int, header: str | None) -> float | None:
    """Seconds that a response asks to wait before the next call; None where it is not refused for its rate."""
    return float(header) if status == TOO_MANY and header is not None and header.strip().isdigit() else None
