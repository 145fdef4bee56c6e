"""A flow: named steps one after the other, each timed; the first one that fails ends it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

from acceptance.session import FAILURES

Result = TypeVar("Result")


@dataclass(frozen=True)
class TakenStep:
    """A step that was taken: `began` by the monotonic clock, how many seconds it took, and how it failed."""

    name: str
    began: float
    seconds: float
    error: Exception | None = None


class FlowEnded(Exception):
    """A step failed, or the time is over: the steps after it are not taken."""


class Flow:
    """Takes named steps and records each.

    Args:
        record: receives each step, failed or not.
        failures: exceptions that end the flow; any other one is raised as it is.
        after: awaited after each step; may raise FlowEnded.

    Entered as a context manager, it ends the block where a step failed.
    """

    def __init__(
        self,
        record: Callable[[TakenStep], None],
        *,
        failures: tuple[type[Exception], ...] = FAILURES,
        after: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._record, self._failures, self._after = record, failures, after

    async def step(self, name: str, step: Awaitable[Result]) -> Result:
        """The result of a step; raises FlowEnded where it fails."""
        begin, failed = time.monotonic(), None
        try:
            result = await step
        except self._failures as error:
            failed = error
        self._record(TakenStep(name, begin, time.monotonic() - begin, failed))
        if self._after is not None:
            await self._after()
        if failed is not None:
            raise FlowEnded
        return result

    async def succeeds(self, name: str, step: Awaitable[object]) -> bool:
        """Whether a step succeeds; one that fails does not end the flow."""
        async with self:
            await self.step(name, step)
            return True
        return False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, FlowEnded)
