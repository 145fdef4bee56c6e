"""What is measured once in a run, for several tests to look at, and ends at once when it is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from acceptance.errors import EnvironmentUnavailable
from acceptance.run import Run

Result = TypeVar("Result")


async def measured_once(run: Run, name: str, measure: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What was measured for the first that asked; its failure is the failure of each.

    Raises:
        EnvironmentUnavailable: it was interrupted, by a time limit or a signal, while somebody else waited for it.
    """
    task = run.begin(name, measure)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled():
            raise EnvironmentUnavailable(f"{name}: interrupted, so that nothing can be said of it") from None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
