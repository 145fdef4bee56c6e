"""Notifies the subscribers of one API instance of new events, which they read from the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import psycopg

from sandbox import logs
from sandbox.app import database

RETRY_SECONDS: Final = 0.5


class Hub:
    """The subscribers, and the one database connection that listens for them."""

    def __init__(self, dsn: str, application: str) -> None:
        self._dsn, self._application = dsn, application
        self._subscribers: dict[str, set[asyncio.Event]] = defaultdict(set)

    @contextlib.contextmanager
    def subscribe(self, key: str) -> Iterator[asyncio.Event]:
        """An event that is set when there may be new events of `job:<id>` or `workflow:<id>`."""
        event = asyncio.Event()
        self._subscribers[key].add(event)
        try:
            yield event
        finally:
            self._subscribers[key].discard(event)
            if not self._subscribers[key]:
                del self._subscribers[key]

    def notify(self, key: str) -> None:
        for event in self._subscribers.get(key, ()):
            event.set()

    async def run(self) -> None:
        """Listen, and reconnect when the connection is lost; then wake all, since notifications were missed."""
        while True:
            try:
                async for key in database.listen(self._dsn, self._application, "events"):
                    for changed in [key] if key else list(self._subscribers):
                        self.notify(changed)
            except (psycopg.Error, TimeoutError) as error:
                logs.log("listener lost", cause=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
