"""Defects of connection pools: of the application's own, and of the pooler where there is one."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection, OperationalError
from psycopg_pool import AsyncConnectionPool, TooManyRequests
from starlette.types import Message, Receive, Scope, Send

from sandbox import pooler
from sandbox.app import database, documents, edge
from sandbox.app.database import Database, Row
from sandbox.app.errors import Unavailable
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.settings import POOL_SIZE
from sandbox.supabase import metrics

TIMES: Final = 3
WAITING: Final = 5
EVERY: Final = 20
App = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


@defect("pool-leaks-on-cancelled-requests", "CLOUD", must=["CLOUD-05"])
def pool_leaks_on_cancelled_requests() -> None:
    """A request whose client has gone is cancelled, and the connection that it had borrowed is never given back."""
    call = edge.Edge.__call__
    lost: list[AsyncConnection[Any]] = []

    @asynccontextmanager
    async def borrowed(
        self: AsyncConnectionPool[Any], timeout: float | None = None
    ) -> AsyncIterator[AsyncConnection[Any]]:
        connection = await self.getconn(timeout)
        try:
            yield connection
        except asyncio.CancelledError:  # which is no Exception
            lost.append(connection)
            mark_active()
            raise
        except Exception:
            await self.putconn(connection)
            raise
        else:
            await self.putconn(connection)

    async def ended_with_its_client(self: edge.Edge, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await call(self, scope, receive, send)
        return await _until_the_client_leaves(partial(call, self), scope, receive, send)

    patch(AsyncConnectionPool, "connection", borrowed)
    patch(edge.Edge, "__call__", ended_with_its_client)


async def _until_the_client_leaves(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request, and cancel that when its client disconnects."""
    messages: asyncio.Queue[Message] = asyncio.Queue()

    async def listen() -> None:
        while (message := await receive())["type"] != "http.disconnect":
            messages.put_nowait(message)

    serving, listening = asyncio.ensure_future(app(scope, messages.get, send)), asyncio.ensure_future(listen())
    try:
        await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    finally:
        listening.cancel()


@defect("transaction-left-open", "CLOUD", must=["CLOUD-05"])
def transaction_left_open() -> None:
    """Now and then the list of documents is read in a transaction of its own, which is never ended."""
    read_all = Database.all
    count, kept = itertools.count(1), []

    async def left_open(self: Database, query: LiteralString, /, **parameters: Any) -> list[Row]:
        if query != documents.OWN_DOCUMENTS or next(count) % EVERY:
            return await read_all(self, query, **parameters)
        connection = await self._pool.getconn()
        kept.append(connection)
        await connection.execute("begin")
        mark_active()
        return await database.Session(connection).all(query, **parameters)

    patch(Database, "all", left_open)


@defect("pool-larger-than-configured", "CLOUD", must=["CLOUD-05"])
def pool_larger_than_configured() -> None:
    """The pools take three times the connections that the configuration names."""
    begin = Database.__init__

    def init(self: Database, dsn: str, application: str, size: int = POOL_SIZE) -> None:
        begin(self, dsn, application, TIMES * size)
        if application.startswith("api"):
            mark_active()

    patch(Database, "__init__", init)
    patch(pooler, "CONFIGURATION", pooler.CONFIGURATION | {"default_pool_size": TIMES * pooler.POOL_SIZE})


@defect(
    "clients-refused-under-surge",
    "CLOUD",
    must=["CLOUD-05"],
    may={"CLOUD-04": "the load that makes instances come and go waits for connections too"},
)
def clients_refused_under_surge() -> None:
    """A request that would have to wait for a connection is refused, where a few wait already."""
    begin, with_connection = Database.__init__, Database._with_connection

    def init(self: Database, dsn: str, application: str, size: int = POOL_SIZE) -> None:
        begin(self, dsn, application, size)
        if application.startswith("api"):
            self._pool.max_waiting = WAITING

    async def noted(self: Database, work: Any) -> Any:
        try:
            return await with_connection(self, work)
        except Unavailable as error:
            if isinstance(error.__cause__, TooManyRequests):
                mark_active()
            raise

    patch(Database, "__init__", init)
    patch(Database, "_with_connection", noted)
    patch(pooler, "CONFIGURATION", pooler.CONFIGURATION | {"max_client_conn": pooler.POOL_SIZE + WAITING})


@defect("pool-keeps-terminated-connections", "CLOUD", must=["CLOUD-05"])
def pool_keeps_terminated_connections() -> None:
    """A connection that the server has ended goes back into the pool, unchecked, and is lent again and again."""
    lend = AsyncConnectionPool.connection
    dead: defaultdict[int, int] = defaultdict(int)
    turn = itertools.count()

    async def unchecked(_: AsyncConnection[Row]) -> None:
        return None

    @asynccontextmanager
    async def connection(
        self: AsyncConnectionPool[Any], timeout: float | None = None
    ) -> AsyncIterator[AsyncConnection[Any]]:
        if next(turn) % self.max_size < dead[id(self)]:
            raise OperationalError("the connection is closed")
        async with lend(self, timeout) as lent:
            try:
                yield lent
            finally:
                if lent.closed:
                    dead[id(self)] += 1
                    mark_active()

    patch(database, "check", unchecked)
    patch(AsyncConnectionPool, "connection", connection)


@defect("metrics-of-its-own-role-alone", "CLOUD", must=["CLOUD-05"])
def metrics_of_its_own_role_alone() -> None:
    """The provider's metrics count the connections whose state their role may see: those of its own."""
    visible = "(select count(*) from pg_stat_activity a where a.datname = d.datname and a.state is not null)"
    patch_query(metrics, "DATABASES", "numbackends as num_backends", f"{visible} as num_backends")
