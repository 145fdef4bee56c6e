"""Database access of a service: a pool, rows as dictionaries, and a time limit for every operation."""

from __future__ import annotations

import asyncio
import contextlib
import select
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from sandbox.app.errors import Unavailable
from sandbox.settings import POOL_SIZE

T = TypeVar("T")
Row = dict[str, Any]

OPERATION_SECONDS: Final = 5.0
DEADLOCK_TRIES: Final = 3
CHECK_SECONDS: Final = 5.0
CONNECTION: Final[dict[str, Any]] = {
    "autocommit": True,
    "row_factory": dict_row,
    "prepare_threshold": None,  # prepared statements do not work through a pooler in transaction mode
    "connect_timeout": 2,
    "keepalives_idle": 5,
    "options": "-c statement_timeout=4000 -c idle_in_transaction_session_timeout=10000",
}


_deadline: Final[ContextVar[float | None]] = ContextVar("deadline", default=None)


class Session:
    """A borrowed connection."""

    def __init__(self, connection: AsyncConnection[Row]) -> None:
        self._connection = connection

    async def all(self, query: LiteralString, **parameters: Any) -> list[Row]:
        """Every row of the result; none for a statement without one."""
        cursor = await self._connection.execute(query, parameters or None)
        return await cursor.fetchall() if cursor.description is not None else []

    async def one(self, query: LiteralString, **parameters: Any) -> Row | None:
        """The first row of the result."""
        rows = await self.all(query, **parameters)
        return rows[0] if rows else None


class Database:
    """A service's pool. A server that is unreachable or too slow raises Unavailable."""

    def __init__(self, dsn: str, application: str, size: int = POOL_SIZE) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[Row]] = AsyncConnectionPool(
            dsn,
            kwargs={**CONNECTION, "application_name": application},
            min_size=1,
            max_size=size,
            timeout=3.0,
            reconnect_timeout=1.0,  # afterwards each call that needs a connection tries again
            open=False,
            check=check,
        )

    async def open(self) -> None:
        """Start the pool; it connects in the background, so that a service starts without its database too."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close(timeout=1.0)

    async def all(self, query: LiteralString, **parameters: Any) -> list[Row]:
        """Every row of one statement's result."""
        return await self._with_connection(lambda session, _: session.all(query, **parameters))

    async def one(self, query: LiteralString, **parameters: Any) -> Row | None:
        """The first row of one statement's result."""
        return await self._with_connection(lambda session, _: session.one(query, **parameters))

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run work in one transaction; an exception rolls it back."""

        async def within(session: Session, connection: AsyncConnection[Row]) -> T:
            async with connection.transaction():
                return await work(session)

        return await self._with_connection(within)

    async def _with_connection(self, work: Callable[[Session, AsyncConnection[Row]], Awaitable[T]]) -> T:
        async def run() -> T:
            async with self._pool.connection() as connection:
                return await work(Session(connection), connection)

        try:
            # A transaction that the database chose as the victim of a deadlock may be retried.
            for _ in range(DEADLOCK_TRIES - 1):
                with contextlib.suppress(psycopg.errors.DeadlockDetected):
                    return await bounded(run(), OPERATION_SECONDS)
            return await bounded(run(), OPERATION_SECONDS)
        except (psycopg.OperationalError, psycopg.InterfaceError, TimeoutError) as error:
            raise Unavailable("database") from error


async def check(connection: AsyncConnection[Row]) -> None:
    """Check whether the connection is still alive; only data on an idle connection can be its end."""
    line = select.poll()
    line.register(connection.fileno(), select.POLLIN)
    if line.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def listen(dsn: str, application: str, channel: LiteralString) -> AsyncGenerator[str, None]:
    """Notifications of a channel, after an empty text when LISTEN is in effect. LISTEN needs a session of its own."""
    connection = await psycopg.AsyncConnection.connect(dsn, **CONNECTION, application_name=application)
    async with connection:
        await connection.execute(f"listen {channel}")
        yield ""
        while True:
            async for notification in connection.notifies(timeout=CHECK_SECONDS):
                yield notification.payload
            await asyncio.wait_for(connection.execute("select 1"), CHECK_SECONDS)  # to notice a dead connection


def limit_request(seconds: float | None) -> None:
    """Let what this task waits for with `bounded` take so long in all, from now on; None: only as long as each may."""
    _deadline.set(None if seconds is None else asyncio.get_running_loop().time() + seconds)


async def bounded(work: Coroutine[Any, Any, T], seconds: float) -> T:
    """The result, or TimeoutError when the time is over; the cancelled work is not awaited."""
    task = asyncio.create_task(work)
    if (deadline := _deadline.get()) is not None:
        seconds = max(0.0, min(seconds, deadline - asyncio.get_running_loop().time()))
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise TimeoutError
    return task.result()
