"""An event loop in a daemon thread, for callers that are not asynchronous and may be interrupted at any moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

CLEAN_UP_SECONDS = 5.0


class LoopThread:
    """Runs coroutines for a waiting caller.

    Whatever interrupts the caller (a test's time-out, SIGINT, SIGTERM) cancels the coroutine, and its clean-up is
    awaited under a bound, so that nothing of it runs into what comes next.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="acceptance-loop", daemon=True)
        self._thread.start()

    def wait(self, coroutine: Coroutine[Any, Any, Result], *, within: float) -> Result:
        """The coroutine's result.

        Raises:
            AssertionError: it did not end within that many seconds.
        """
        ended = threading.Event()

        async def run() -> Result:
            try:
                return await coroutine
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            return future.result(within)
        except TimeoutError:
            if future.done():
                raise
            future.cancel()
            ended.wait(CLEAN_UP_SECONDS)
            raise AssertionError(
                f"{getattr(coroutine, '__qualname__', 'the step')}: not finished after {within:g} s, and cancelled"
            ) from None
        except BaseException:
            if future.cancel():
                ended.wait(CLEAN_UP_SECONDS)
            raise

    def close(self) -> None:
        """Stop the loop; what still runs is cancelled."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(CLEAN_UP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLEAN_UP_SECONDS)
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
