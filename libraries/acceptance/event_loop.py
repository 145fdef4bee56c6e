"""An event loop in a daemon thread, for synchronous callers that may be interrupted at any moment."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

CLEAN_UP_SECONDS = 5.0


class LoopThread:
    """Runs coroutines for a waiting caller.

    An interruption of the caller (test timeout, SIGINT, SIGTERM) cancels the coroutine and awaits its clean-up for
    `CLEAN_UP_SECONDS`, so that it does not run into the next step.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="acceptance-loop", daemon=True)
        self._thread.start()

    def wait(
        self, coroutine: Coroutine[Any, Any, Result], *, within: float, paused: Callable[[], float] = lambda: 0.0
    ) -> Result:
        """The coroutine's result.

        Args:
            within: seconds until it is cancelled.
            paused: seconds so far that do not count as some of these.

        Raises:
            AssertionError: it did not end within that many seconds.
        """
        call = _Call(coroutine)
        try:  # submitted inside `try`: an interruption just after it must cancel the call too
            return _result(asyncio.run_coroutine_threadsafe(call.run(), self._loop), within, paused)
        except BaseException as error:
            if call.ended.is_set():
                raise
            self._loop.call_soon_threadsafe(call.cancel)
            call.ended.wait(CLEAN_UP_SECONDS)
            if not isinstance(error, TimeoutError):
                raise
            what = getattr(coroutine, "__qualname__", "the step")
            raise AssertionError(f"{what}: not finished after {within:g} s, and cancelled") from None

    def begin(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        """Run the coroutine in the background until it ends or the loop is closed."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Cancel what still runs, and stop the loop."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(CLEAN_UP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLEAN_UP_SECONDS)
        self._loop.close()


def _result(future: Future[Result], within: float, paused: Callable[[], float]) -> Result:
    until = time.monotonic() + within - paused()
    while True:
        try:
            return future.result(max(0.0, until + paused() - time.monotonic()))
        except TimeoutError:
            if future.done() or time.monotonic() >= until + paused():
                raise


class _Call(Generic[Result]):
    """One running coroutine; `ended` is set at its end."""

    def __init__(self, coroutine: Coroutine[Any, Any, Result]) -> None:
        self.ended = threading.Event()
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False

    async def run(self) -> Result:
        self._task = asyncio.current_task()
        try:
            if self._cancelled:
                self._coroutine.close()
                raise asyncio.CancelledError
            return await self._coroutine
        finally:
            self.ended.set()

    def cancel(self) -> None:
        """Called on the loop."""
        self._cancelled = True
        if self._task is not None:
            self._task.cancel()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
