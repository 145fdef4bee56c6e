"""CLOUD-05: many clients share few connections: those of the pooler, or those of the application's own pools.

Clients of the pooler connect, ask `select 1`, stay, and run short transactions all at once. Those of the application
send requests that read the database. The backends of the role are sampled meanwhile, over a connection apart.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import psycopg

from acceptance.clients.database import Row
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, NotOffered, cut, error_text, shortened
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Point
from acceptance.fixtures.users import User
from acceptance.performance.database import opened
from acceptance.performance.figures import Figure
from acceptance.performance.generator_health import Bounds, Generator, watched
from acceptance.performance.machine_load import MachineLoad
from acceptance.polling import wait_until
from acceptance.providers.supabase import BACKENDS, SERVERS, read_metrics
from acceptance.run import Run
from acceptance.verdict.criteria import limit_for
from acceptance.verdict.failures import Failure

PoolFigure = Literal[
    "clients_refused", "first_result_p95", "pool_use", "distinct_backends", "idle_in_transaction", "left_in_use"
]

CRITERION = "CLOUD-05"
POOLER, APPLICATION = "pooler", "application"
CLIENTS = 200  # of a pooler
TIMES = 5  # the pool's size is the least number of clients
ARRIVING = 10  # connect at the same time: more would wait for this process, not for the pooler
ROUNDS = 3  # transactions or requests of each client
TRANSACTION_SECONDS = 0.02
CLIENT_SECONDS = 20.0  # for each connect, transaction and request
SAMPLE_SECONDS = 0.05
REST_SECONDS = 5.0
CANCELLATIONS = 10  # of each client
ROUTES = ("documents", "jobs", "conversations", "user")  # reads of the database, the first that is offered
IDLE_IN_TRANSACTION = "idle in transaction"
GENERATOR = Bounds(lag_ms=200, cpu=100)  # clients kept up: their times are those of the deployment
TIMED: tuple[PoolFigure, ...] = ("first_result_p95", "idle_in_transaction")

_FAILURES = (AssertionError, psycopg.Error, OSError, TimeoutError)


@dataclass(frozen=True)
class SharedPool:
    """Connections of a role that many clients share.

    Args:
        name: `pooler`, or `application` for its own pools.
        role: of the connections; `application`: pattern of their application names, or None.
        size: so many there may be.
        clients: so many use it at once.
    """

    name: str
    role: str
    application: str | None
    size: int
    clients: int

    def __str__(self) -> str:
        return f"pool of the {self.name}"

    def has(self, backend: Row) -> bool:
        """Whether a row of the named query `backends` is one of its connections."""
        named = self.application is None or re.search(self.application, str(backend["application"] or ""))
        return backend["role"] == self.role and bool(named)


def shared_pools(run: Run) -> list[SharedPool]:
    """The pools that the descriptor names, the pooler first.

    Raises:
        CapabilityMissing: it names none, does not list `sql`, bounds the run, or takes too few clients.
    """
    descriptor = run.descriptor
    descriptor.need("sql")
    descriptor.need_load()
    found = []
    if (pooler := descriptor.pooler) is not None:
        least = TIMES * pooler.pool_size
        if pooler.max_clients is not None and pooler.max_clients < least:
            few = f"whose {pooler.max_clients} max_clients are fewer than {TIMES} times its pool_size"
            raise CapabilityMissing("pooler", few)
        clients = min(max(CLIENTS, least), pooler.max_clients or max(CLIENTS, least))
        found.append(SharedPool(POOLER, pooler.role or pooler.user, None, pooler.pool_size, clients))
    if (own := descriptor.pool) is not None:
        found.append(SharedPool(APPLICATION, own.role, own.application, own.size, TIMES * own.size))
    if not found:
        raise CapabilityMissing("pooler or pool", "neither of which the deployment's descriptor describes")
    return found


@dataclass(frozen=True)
class Look:
    """One sample of a pool's backends: `at` in seconds since the use began, and those that are not idle."""

    at: float
    open: int
    busy: int
    in_transaction: int
    clients: int


@dataclass
class PoolUse:
    """What the clients of a pool observed, and the samples of its backends. Times are milliseconds.

    Attributes:
        first_results: from a client's arrival to its first result.
        waits: from the begin of a transaction to its first result: for a free connection, above all.
        refusals: what clients could not do, in their words.
        backends: process identifiers of all that were seen.
        left_in_use: backends that are still busy more than before, when the rest is over.
        idle_longest: seconds that a backend was seen idle in one transaction, at the most.
    """

    pool: SharedPool
    first_results: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    backends: set[int] = field(default_factory=set)
    idle: dict[tuple[int, object], tuple[float, float]] = field(default_factory=dict)
    generator: Generator = field(default_factory=Generator)
    present: int = 0
    left_in_use: int = 0

    def __str__(self) -> str:
        return f"{self.pool.clients} clients of the {self.pool}"

    __repr__ = __str__

    def leave(self) -> None:
        """A client has gone."""
        self.present -= 1

    @property
    def refused(self) -> str:
        """The refusals, each cause once."""
        causes: dict[str, list[str]] = {}
        for text in self.refusals:
            causes.setdefault(Failure(text=text).key, []).append(text)
        return shortened(f"{len(texts)} times {cut(texts[0])}" for texts in causes.values())

    def not_kept_up(self, name: PoolFigure) -> str:
        """Why a figure out of its limit is no fault of the deployment; empty where it is.

        Times need a machine that is the run's alone; what is refused, a process that got to its own clients in time.
        """
        if name in TIMED:
            return self.generator.busy(GENERATOR)
        if name == "clients_refused":
            return replace(self.generator, machine=MachineLoad()).busy(GENERATOR)
        return ""

    @property
    def idle_longest(self) -> float:
        return max((last - first for first, last in self.idle.values()), default=0.0)

    def add(self, rows: Sequence[Row], at: float) -> Look:
        """Add a sample."""
        own = [row for row in rows if self.pool.has(row)]
        idle = [row for row in own if str(row["state"]).startswith(IDLE_IN_TRANSACTION)]
        for row in idle:
            first, _ = self.idle.get((row["pid"], row["since"]), (at, at))
            self.idle[row["pid"], row["since"]] = (first, at)
        self.backends |= {row["pid"] for row in own}
        look = Look(at, len(own), sum(row["state"] != "idle" for row in own), len(idle), self.present)
        self.looks.append(look)
        return look


async def use(run: Run, pool: SharedPool) -> PoolUse:
    """Let all clients use a pool at once, and wait until it is at rest again.

    The first use in a run reads the provider's metrics meanwhile, for :func:`metrics_deviation`.

    Raises:
        AssertionError: the database cannot be reached by the inspecting role.
    """
    used = PoolUse(pool)
    enter, gate, crowd = await _entrance(run, pool, used), _gate(pool), _Crowd(pool.clients)
    async with (
        _watched(used, with_deployment=run.provisioned),
        _sampled(run, used),
        _ended_together() as clients,
    ):
        clients += [asyncio.ensure_future(_client(enter, gate, crowd, used)) for _ in range(pool.clients)]
        await crowd.complete.wait()
        beside = [run.begin(_METRICS, partial(_read_beside, run, pool))] if pool == shared_pools(run)[0] else []
        await asyncio.gather(*clients)
        if beside:
            await asyncio.wait(beside)  # what it comes to is another test's
    return used


async def cancel_clients(run: Run, pool: SharedPool) -> int:
    """Cut clients off in the middle of what they ask for, each at a moment of its own; returns how many were.

    At one moment for all, they could all be before the borrowing of a connection, or all behind it. Twice as many as
    the pool has connections are at it: of more, nearly all wait for something else than the database.

    Raises:
        EnvironmentUnavailable: so few were in the middle of something that nothing is known of it.
    """
    enter, gate, clients = await _entrance(run, pool, PoolUse(pool)), _gate(pool), 2 * pool.size

    async def client(number: int) -> int:
        cut = 0
        for turn in range(CANCELLATIONS):
            with suppress(*_FAILURES):
                cut += await _is_cut_off(enter, gate, (number / clients + turn / CANCELLATIONS) % 1)
        return cut

    async with _ended_together() as working:
        working += [asyncio.ensure_future(client(number)) for number in range(clients)]
        cut: int = sum(await asyncio.gather(*working))
    if cut < clients:
        raise EnvironmentUnavailable(f"{pool}: only {cut} clients could be cut off in the middle of a request")
    return cut


async def seconds_until_served(run: Run, pool: SharedPool, within: float) -> float:
    """Seconds until twice as many clients as the pool has connections are served at once.

    Raises:
        AssertionError: they were not in time.
    """
    begin, few = time.monotonic(), replace(pool, clients=2 * pool.size)

    async def look() -> PoolUse:
        used = PoolUse(few)
        enter, gate, crowd = await _entrance(run, few, used), _gate(few), _Crowd(few.clients)
        async with _ended_together() as clients:
            clients += [asyncio.ensure_future(_client(enter, gate, crowd, used, 1)) for _ in range(few.clients)]
            await asyncio.gather(*clients)
        return used

    def describe(used: PoolUse) -> str:
        return f"{len(used.refusals)} of {few.clients} refused: {used.refused}"

    await wait_until(
        look, lambda used: not used.refusals, what=f"{pool}: clients are served", within=within, describe=describe
    )
    return time.monotonic() - begin


class _Crowd:
    """Clients that arrive, and go on together when all are there, or were refused."""

    def __init__(self, expected: int) -> None:
        self.complete = asyncio.Event()
        self._left = expected

    def count(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.complete.set()


@dataclass(frozen=True)
class _Visit:
    """A client that has had its first result: `again` asks once more, `cut` cuts off the task that does."""

    again: Callable[[], Awaitable[None]]
    cut: Callable[[asyncio.Task[None]], object]


_Entrance = Callable[[], AbstractAsyncContextManager[_Visit]]


def _gate(pool: SharedPool) -> asyncio.Semaphore:
    """How many arrive at the same time: requests all, since they wait for the pool already."""
    return asyncio.Semaphore(ARRIVING if pool.name == POOLER else pool.clients)


async def _client(
    enter: _Entrance, gate: asyncio.Semaphore, crowd: _Crowd, used: PoolUse, rounds: int = ROUNDS
) -> None:
    """One client, from its arrival to its end; what it cannot do is a refusal."""
    try:
        async with AsyncExitStack() as stack:
            begin = 0.0
            try:
                async with gate:
                    begin = time.perf_counter()
                    async with asyncio.timeout(CLIENT_SECONDS):
                        visit = await stack.enter_async_context(enter())
                    used.first_results.append(_since(begin))
            finally:
                crowd.count()
            used.present += 1
            stack.callback(used.leave)
            await crowd.complete.wait()
            for _ in range(rounds):
                async with asyncio.timeout(CLIENT_SECONDS):
                    await visit.again()
    except _FAILURES as error:
        used.refusals.append(error_text(error))


async def _is_cut_off(enter: _Entrance, gate: asyncio.Semaphore, moment: float) -> bool:
    """Cut a client off at this share of the time that its first result took; False where it had its second by then."""
    async with AsyncExitStack() as stack:
        async with gate, asyncio.timeout(CLIENT_SECONDS):
            begin = time.perf_counter()
            visit = await stack.enter_async_context(enter())
            took = time.perf_counter() - begin
        async with _ended_together() as asked:
            asked.append(again := asyncio.ensure_future(visit.again()))
            _, left = await asyncio.wait(asked, timeout=moment * took)
            if left:
                visit.cut(again)
                await asyncio.wait(left)
            return bool(left)


async def _entrance(run: Run, pool: SharedPool, used: PoolUse) -> _Entrance:
    if pool.name == POOLER:
        return partial(_sql_client, run, used)
    route = next((name for name in ROUTES if run.contract.offers(f"routes.{name}")), None)
    if route is None:
        raise NotOffered(f"routes.{ROUTES[0]}")
    user = await run.once("user of the pool", run.users.signed_in)
    return partial(_api_client, run, route, user)


@asynccontextmanager
async def _sql_client(run: Run, used: PoolUse) -> AsyncIterator[_Visit]:
    """A client of the pooler, connected, with the result of `select 1`."""
    access, database = run.descriptor.pooler, run.descriptor.services.database
    assert access is not None
    host = access.host or (database.host if database else "")
    connection = await psycopg.AsyncConnection.connect(
        host=host, port=access.transaction_port, dbname=access.name, user=access.user, sslmode=access.sslmode,
        password=run.descriptor.secret(access.password).get_secret_value(), connect_timeout=int(CLIENT_SECONDS),
        application_name="pool client", autocommit=True, prepare_threshold=None,
    )  # fmt: skip

    async def again() -> None:
        begin = time.perf_counter()
        async with connection.transaction():
            found = await (await connection.execute("select pg_backend_pid()")).fetchone()
            used.waits.append(_since(begin))
            used.backends.add(found[0] if found else 0)
            await connection.execute("select pg_sleep(%s)", [TRANSACTION_SECONDS])

    def cut(_: asyncio.Task[None]) -> None:
        # As where the client's process dies: without a word, and without the cancellation that psycopg would send.
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)

    try:
        await (await connection.execute("select 1")).fetchone()
        yield _Visit(again, cut)
    finally:
        await connection.close()


@asynccontextmanager
async def _api_client(run: Run, route: str, user: User) -> AsyncIterator[_Visit]:
    """A client of the application, with its first response."""

    async def again() -> None:
        await run.client.call(route, token=user.access_token)

    await again()
    yield _Visit(again, lambda task: task.cancel())


@asynccontextmanager
async def _watched(used: PoolUse, *, with_deployment: bool) -> AsyncIterator[None]:
    with watched(with_deployment=with_deployment) as used.generator:
        yield


@asynccontextmanager
async def _ended_together() -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Tasks that are cancelled and awaited where the block ends before they do."""
    tasks: list[asyncio.Task[Any]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _sampled(run: Run, used: PoolUse) -> AsyncIterator[None]:
    """Samples the pool's backends before, while and after the block runs, until they are at rest."""
    async with await opened(run.database) as connection:
        begin = time.monotonic()

        async def look() -> Look:
            rows = await run.database.rows_over(connection, "backends", role=[used.pool.role])
            return used.add(rows, time.monotonic() - begin)

        async def sample() -> None:
            while True:
                await look()
                await asyncio.sleep(SAMPLE_SECONDS)

        before = await look()
        sampling = asyncio.ensure_future(sample())
        try:
            yield
        finally:
            sampling.cancel()
            [ending] = await asyncio.gather(sampling, return_exceptions=True)
        if isinstance(ending, Exception):
            raise ending
        over = time.monotonic() + REST_SECONDS
        while True:
            used.left_in_use = max(0, (await look()).busy - before.busy)
            if not used.left_in_use or time.monotonic() > over:
                break
            await asyncio.sleep(SAMPLE_SECONDS)


_METRICS = "metrics of the pools"


@dataclass(frozen=True)
class Beside:
    """A figure of the provider, beside the least and the most that the named query had around it."""

    what: str
    provider: float
    least: int
    most: int

    def __str__(self) -> str:
        return f"{self.what}: {self.provider:g} by the provider, {self.least} to {self.most} by the named query"

    @property
    def deviation(self) -> float:
        """How far they are apart."""
        return max(self.least - self.provider, self.provider - self.most, 0.0)


async def _read_beside(run: Run, pool: SharedPool) -> list[Beside]:
    """The provider's metrics, and the same by the named query right before and after."""
    async with await opened(run.database) as connection:

        async def look() -> tuple[int, int]:
            rows = await run.database.rows_over(connection, "backends")
            return len(rows), sum(map(pool.has, rows))

        before = await look()
        metrics = await read_metrics(run.descriptor)
        after = await look()
    every, own = (sorted(pair) for pair in zip(before, after, strict=True))
    found = [Beside("connections to the database", metrics.total(BACKENDS), *every)]
    if pool.name == POOLER:
        assert run.descriptor.pooler is not None
        user = run.descriptor.pooler.user
        servers = sum(metrics.total(metric, user=user) for metric in SERVERS)
        found.append(Beside(f"connections of the {pool}", servers, *own))
    return found


async def metrics_deviation(run: Run) -> Figure:
    """How far the provider's metrics are from the named query, at the most, while the first pool was used.

    Raises:
        CapabilityMissing: the descriptor names no metrics.
        EnvironmentUnavailable: they could not be read, or have other names.
    """
    pool = shared_pools(run)[0]
    if _METRICS not in run.shared:
        await use(run, pool)
    found = await run.begin(_METRICS, partial(_read_beside, run, pool))
    for one in found:
        run.observe(CRITERION, f"provider's metrics, {one.what}", str(one), "text", samples=1)
    worst = max(one.deviation for one in found)
    run.observe(CRITERION, "metrics_deviation", worst, "connections", samples=len(found))
    details = shortened(map(str, found))
    return Figure("provider's metrics beside the named query", worst, "connections", len(found), details=details)


def figure(run: Run, used: PoolUse, name: PoolFigure) -> Figure:
    """A figure of a use, recorded with its samples.

    A machine that was short of time makes times longer, never shorter: one over its limit is then recorded by another
    name, and is no violation.
    """
    ours = used.not_kept_up(name)
    made = _figure(used, name, ours)
    recorded = name if not ours or limit_for(run.descriptor.thresholds, CRITERION, name).kept_by(made.value) else ""
    if name == "first_result_p95" and used.first_results:
        run.observe(CRITERION, recorded or f"{name}_while_busy", used.first_results, made.unit, statistic="p95")
    elif made.samples:
        run.observe(CRITERION, recorded or f"{name}_while_busy", made.value, made.unit, samples=made.samples)
    return made


def _figure(used: PoolUse, name: PoolFigure, ours: str) -> Figure:
    pool, clients, looks = used.pool, used.pool.clients, len(used.looks)
    most, distinct = max(look.open for look in used.looks), len(used.backends)
    what, value, unit, samples, details = {
        "clients_refused": (
            "clients refused", len(used.refusals), "clients", clients, used.refused,
        ),
        "first_result_p95": (
            "95th percentile until the first result", _p95(used.first_results), "ms", len(used.first_results), "",
        ),
        "pool_use": (
            "most connections at once", 100 * most / pool.size, "%", looks, f"{most} connections, of {pool.size}",
        ),
        "distinct_backends": (
            "backends that served the clients", 100 * distinct / clients, "%", clients, f"{distinct} of {clients}",
        ),
        "idle_in_transaction": ("longest time idle in a transaction", used.idle_longest, "s", looks, ""),
        "left_in_use": (
            f"connections in use {REST_SECONDS:g} s after the last client", used.left_in_use, "connections", looks, "",
        ),
    }[name]  # fmt: skip
    return Figure(f"{used}: {what}", float(value), unit, samples, details=details, ours=ours)


def _p95(samples: Sequence[float]) -> float:
    return Distribution.of(samples).statistic("p95") if samples else float("inf")


def record(run: Run, used: PoolUse) -> None:
    """Record waits, and the chart of the pool's use over time."""
    name = used.pool.name
    if used.waits:
        run.observe(CRITERION, f"wait for a connection of the {name}", used.waits, "ms", statistic="p95")
    lines: dict[str, list[Point]] = {
        "clients": [(look.at, look.clients) for look in used.looks],
        "connections": [(look.at, look.open) for look in used.looks],
        "in use": [(look.at, look.busy) for look in used.looks],
        "pool size": [(look.at, used.pool.size) for look in (used.looks[0], used.looks[-1])],
    }
    run.observe_series(CRITERION, f"use of the pool of the {name}", lines, "connections")


def _since(begin: float) -> float:
    return 1000 * (time.perf_counter() - begin)
