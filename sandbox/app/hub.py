"""Tells the subscribers of one API instance that something new is in the database. They read it there, so nothing is lost here."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import psycopg

from sandbox import logs
from sandbox.app.database import CONNECTION, bounded

CHANNEL: Final = "events"
CHECK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.5


class Signal:
    """Wakes one subscriber."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Return when something new may be there, at the latest after this time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()


class Hub:
    """Listens on one connection of its own: LISTEN needs a session, which a pooler does not give."""

    def __init__(self, dsn: str, application: str) -> None:
        self._dsn, self._application = dsn, application
        self._signals: dict[str, set[Signal]] = defaultdict(set)

    @contextlib.contextmanager
    def subscribe(self, key: str) -> Iterator[Signal]:
        """A signal for `job:<id>` or `workflow:<id>`."""
        signal = Signal()
        self._signals[key].add(signal)
        try:
            yield signal
        finally:
            self._signals[key].discard(signal)
            if not self._signals[key]:
                del self._signals[key]

    def notify(self, key: str) -> None:
        for signal in self._signals.get(key, ()):
            signal.set()

    async def run(self) -> None:
        """Listen, and connect again whenever the line is gone."""
        while True:
            try:
                await self._listen()
            except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
                logs.log("listener lost", cause=repr(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        connection = await psycopg.AsyncConnection.connect(self._dsn, **CONNECTION, application_name=self._application)
        async with connection:
            await connection.execute(f"listen {CHANNEL}")
            for key in list(self._signals):
                self.notify(key)
            while True:
                async for notification in connection.notifies(timeout=CHECK_SECONDS):
                    self.notify(notification.payload)
                await bounded(_check(connection), CHECK_SECONDS)


async def _check(connection: psycopg.AsyncConnection[object]) -> None:
    await connection.execute("select 1")
