"""What interrupts the caller cancels the coroutine, and its clean-up is awaited."""

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest
from acceptance.event_loop import LoopThread


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts, also where the shell has started us in the background, with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.close()


def test_gives_the_result(loop: LoopThread) -> None:
    async def seven() -> int:
        return 7

    assert loop.wait(seven(), within=30) == 7


def test_an_own_error_passes_through(loop: LoopThread) -> None:
    async def breaks() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        loop.wait(breaks(), within=30)


def test_what_takes_too_long_is_cancelled_and_cleaned_up(loop: LoopThread) -> None:
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    with pytest.raises(AssertionError, match=r"hangs: not finished after 0\.05 s"):
        loop.wait(hangs(), within=0.05)
    assert ended == ["cleaned up"]


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_of_the_caller_is_cleaned_up(loop: LoopThread) -> None:
    ended: list[str] = []
    started = threading.Event()

    async def hangs() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleaned up")

    def interrupt() -> None:
        started.wait()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)  # as a terminal's reaches a program

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        loop.wait(hangs(), within=30)
    assert ended == ["cleaned up"]
