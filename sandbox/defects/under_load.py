"""Defects that occur only with many concurrent users."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from sandbox.app import access, database
from sandbox.app.access import Services
from sandbox.app.tokens import Identity
from sandbox.defects import defect, mark_active, patch

UNDER_LOAD = {f"PERF-{n:02}": "the load of PERF-01 meets it too" for n in range(1, 8)}
IN_BURSTS = dict.fromkeys((f"INT-{n:02}" for n in (2, 3, 4, 7, 9, 10, 12, 14)), "several calls in the same second")

PLACES = 14
KEPT_SECONDS = 1.0
MOST_IN_A_SECOND = 15
LINE_SECONDS = 0.06


@defect("another-users-answer-under-load", "PERF", must=["PERF-12"], may={**UNDER_LOAD, **IN_BURSTS})
def another_users_answer_under_load() -> None:
    """Identities are cached by token for a second; in a full cache a new token gets the identity of another."""
    identify = access.identify
    kept: dict[str, tuple[float, Identity]] = {}

    async def remembered(token: str, services: Services) -> Identity:
        now = time.monotonic()
        for old in [one for one, (at, _) in kept.items() if now - at > KEPT_SECONDS]:
            del kept[old]
        if token not in kept and len(kept) >= PLACES:
            mark_active()
            return next(iter(kept.values()))[1]
        identity = await identify(token, services)
        kept[token] = (now, identity)
        return identity

    patch(access, "identify", remembered)


@defect("errors-under-concurrency", "PERF", must=["PERF-12"], may={**UNDER_LOAD, **IN_BURSTS})
def errors_under_concurrency() -> None:
    """The latest calls are kept in a list of fixed length; when it is full within a second, the next call fails."""
    identify = access.identify
    calls: deque[float] = deque()

    async def counted(token: str, services: Services) -> Identity:
        now = time.monotonic()
        while calls and now - calls[0] > 1.0:
            calls.popleft()
        if len(calls) >= MOST_IN_A_SECOND:
            mark_active()
            raise IndexError("list assignment index out of range")
        calls.append(now)
        return await identify(token, services)

    patch(access, "identify", counted)


@defect(
    "pool-of-one",
    "PERF",
    must=["PERF-12"],
    may={**UNDER_LOAD, "PERF-11": "connections of the application", "INT-10": "ten users wait for one connection"},
)
def pool_of_one() -> None:
    """Each API instance has one connection to a database that is sixty milliseconds away, and calls queue for it."""
    init, with_connection = database.Database.__init__, database.Database._with_connection
    alone: set[int] = set()

    def start(self: database.Database, dsn: str, application: str, size: int = 10) -> None:
        if application.startswith("api"):
            alone.add(id(self))
            size = 1
        init(self, dsn, application, size)

    async def far(self: database.Database, work: Callable[..., Awaitable[Any]]) -> Any:
        async def over_the_line(session: database.Session, connection: Any) -> Any:
            if id(self) in alone:
                mark_active()
                await asyncio.sleep(LINE_SECONDS)
            return await work(session, connection)

        return await with_connection(self, over_the_line)

    patch(database.Database, "__init__", start)
    patch(database.Database, "_with_connection", far)
