"""PERF-11: how quickly the database answers the contract's named queries, with the line's round trip taken off.

Everything is measured over connections of the read-only role: one for all queries in turn, fresh ones to connect. The
round trip is the smaller of two: the median `select 1` on the same open connection, and the median TCP handshake. A
database that lets even `select 1` wait would otherwise have its slowness subtracted from its slowness.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median_low

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from acceptance.clients.database import Connection, DatabaseInspector
from acceptance.deployment.contract import Contract
from acceptance.errors import violation
from acceptance.performance.pg_stats import Reading, read_counters
from acceptance.performance.request_phases import addresses_of

SAMPLES = 100
WARM_UP = 10
CONNECTS = 30
HANDSHAKES = 20
READ_EVERY = 10  # rounds: what the database says of its connections
QUERY_SECONDS = 5.0
KEYS = ("document_id", "job_id", "chunk_id")  # what a query is restricted by, the first that it has


@dataclass(frozen=True)
class QueryRate:
    """How often each thing is measured, rounds begin `every` so many seconds, and when a query is given up.

    A query of which more than one in twenty took `p95_limit` has broken its limit whatever comes after.
    """

    samples: int = SAMPLES
    warm_up: int = WARM_UP
    connects: int = CONNECTS
    every: float = 0.05
    p95_limit: float = math.inf

    @property
    def slow_ones(self) -> int:
        """So many slow ones are too many."""
        return self.samples - math.ceil(0.95 * self.samples) + 1


@dataclass
class Measured:
    """All times in milliseconds, as the clock showed them; `net` takes the line off.

    Attributes:
        queries: the samples of each named query.
        broken: what a query did instead of answering, by its name.
        given_up: why a query was not asked to the end, though it answered.
        connects: whole connects, from the look-up of the name to when queries are taken.
        connect_trips: round trips that a connect needs at the least.
        select_one, handshakes: round trips of the line, measured in two ways.
        transactions: how many this made itself, between the first reading and the last.
    """

    queries: dict[str, list[float]] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    given_up: dict[str, str] = field(default_factory=dict)
    connects: list[float] = field(default_factory=list)
    connect_trips: int = 0
    tls: bool = False
    select_one: list[float] = field(default_factory=list)
    handshakes: list[float] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    transactions: int = 0

    @property
    def line(self) -> float:
        """The round trip of the line."""
        return min(median_low(times) for times in (self.select_one, self.handshakes) if times)

    def net(self, query: str) -> list[float]:
        """The samples of a query without one round trip each."""
        return without(self.queries[query], self.line)

    @property
    def net_connects(self) -> list[float]:
        """The connects without the round trips that each needs at the least."""
        return without(self.connects, self.connect_trips * self.line)

    @property
    def worst(self) -> str:
        """The query with the greatest 95th percentile."""
        return max(self.queries, key=lambda query: p95(self.net(query)))


async def measure(
    inspector: DatabaseInspector, contract: Contract, identifiers: Mapping[str, Sequence[str]], pace: QueryRate
) -> Measured:
    """Measure line, connects and queries, one after the other.

    Args:
        identifiers: what queries are restricted to, by result column: `document_id`, `job_id`, `chunk_id`.

    Raises:
        CapabilityMissing: the descriptor does not list `sql`.
        AssertionError: the database cannot be reached.
    """
    measured = Measured()
    async with await opened(inspector) as first:
        measured.readings.append(await read_counters(first))
        host, port = first.info.host, first.info.port
        measured.tls = first.pgconn.ssl_in_use
        measured.connect_trips = least_trips(tls=measured.tls, password=first.pgconn.used_password)
    measured.handshakes = await _handshakes(host, port)
    async with await opened(inspector):  # held, as the application holds its own: there is more than one to be had
        for number in range(pace.connects + 2):
            begin = time.perf_counter()
            connection = await opened(inspector)
            if number >= 2:
                measured.connects.append(_since(begin))
            await connection.close()
    await _Rounds(measured, inspector, pace).run(contract.queries, identifiers)
    async with await opened(inspector) as last:
        measured.readings.append(await read_counters(last))
    return measured


async def chunks_of(
    inspector: DatabaseInspector, contract: Contract, identifiers: Mapping[str, Sequence[str]]
) -> list[str]:
    """Identifiers of the chunks of documents; none where that query is not answered, which its samples will tell."""
    text = contract.queries.get("chunks", "")
    try:
        async with await opened(inspector) as connection:
            statement, values = restricted(text, await _columns(connection, text), identifiers)
            async with asyncio.timeout(QUERY_SECONDS):
                return [str(row["chunk_id"]) for row in await (await connection.execute(statement, values)).fetchall()]
    except (TimeoutError, KeyError, psycopg.Error):
        return []


async def opened(inspector: DatabaseInspector) -> Connection:
    """A connection of the read-only role; raises AssertionError where there is none to be had."""
    try:
        return await inspector.connect()
    except (psycopg.Error, OSError) as error:
        seen = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise violation("database", expected="a connection", observed=seen) from None


def least_trips(*, tls: bool, password: bool) -> int:
    """Round trips that no connect does without: TCP, the start-up message; two for TLS 1.3, one for a password."""
    return 2 + 2 * tls + password


def without(times: Sequence[float], line: float) -> list[float]:
    """Times without the line's share; the clock's own noise makes none negative."""
    return [max(0.0, one - line) for one in times]


def p95(samples: Sequence[float]) -> float:
    """The smallest sample that 95 in a hundred do not exceed."""
    return sorted(samples)[math.ceil(0.95 * len(samples)) - 1]


def restricted(
    text: str, columns: Sequence[str], identifiers: Mapping[str, Sequence[str]]
) -> tuple[Composed, tuple[str, ...]]:
    """A named query restricted to what was given for the first of its columns that has something, or as it stands.

    The values go as one text that the database reads as an array of the column's own type: a comparison of texts would
    do without the column's index, and be slow for a reason that is not the database's.
    """
    key = next((key for key in KEYS if key in columns and identifiers.get(key)), None)
    named = SQL("select * from (") + SQL(text) + SQL(") as named")
    if key is None:
        return named, ()
    values = ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in identifiers[key])
    return named + SQL(" where {} = any(%s)").format(Identifier(key)), (f"{{{values}}}",)


class _Rounds:
    """All queries in turn, over and over at an even pace: what stalls now and then is not between two bursts."""

    def __init__(self, measured: Measured, inspector: DatabaseInspector, pace: QueryRate) -> None:
        self._measured = measured
        self._inspection = inspector
        self._pace = pace
        self._asked: dict[str, tuple[Composed, tuple[str, ...]]] = {}
        self._slow: Counter[str] = Counter()

    async def run(self, queries: Mapping[str, str], identifiers: Mapping[str, Sequence[str]]) -> None:
        connection = await opened(self._inspection)
        try:
            for name, text in queries.items():
                self._measured.queries[name] = []
                with self._ending(name):
                    self._asked[name] = restricted(text, await _columns(connection, text), identifiers)
                connection = await self._open_again(connection)
            for number in range(self._pace.warm_up + self._pace.samples):
                begin = time.perf_counter()
                self._measured.select_one.append(await _timed(connection, SQL("select 1")))
                for name in list(self._asked):
                    with self._ending(name):
                        await self._ask(connection, name, counts=number >= self._pace.warm_up)
                    connection = await self._open_again(connection)
                if number % READ_EVERY == 0:
                    self._measured.readings.append(await read_counters(connection))
                await asyncio.sleep(max(0.0, self._pace.every - (time.perf_counter() - begin)))
        except (TimeoutError, psycopg.Error) as error:
            seen = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise violation("database", expected="an answer to `select 1`", observed=seen) from None
        finally:
            await connection.close()

    async def _ask(self, connection: Connection, name: str, *, counts: bool) -> None:
        statement, values = self._asked[name]
        took = await _timed(connection, statement, *values)
        self._measured.transactions += 1
        if not counts:
            return
        times = self._measured.queries[name]
        times.append(took)
        self._slow[name] += took - self._measured.line >= self._pace.p95_limit
        if self._slow[name] >= self._pace.slow_ones and len(times) < self._pace.samples:
            self._measured.given_up[name] = f"given up after {len(times)} answers"
            del self._asked[name]

    @contextmanager
    def _ending(self, name: str) -> Iterator[None]:
        """A query that does something else instead of answering is not asked again."""
        try:
            yield
        except TimeoutError:
            self._measured.broken[name] = f"no answer within {QUERY_SECONDS:g} s"
            self._asked.pop(name, None)
        except psycopg.Error as error:
            self._measured.broken[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            self._asked.pop(name, None)

    async def _open_again(self, connection: Connection) -> Connection:
        return await opened(self._inspection) if connection.closed else connection


async def _columns(connection: Connection, text: str) -> list[str]:
    """The result columns of a query."""
    async with asyncio.timeout(QUERY_SECONDS):
        cursor = await connection.execute(SQL("select * from (") + SQL(text) + SQL(") as named limit 0"), ())
    return [column.name for column in cursor.description or ()]


async def _timed(connection: Connection, statement: SQL | Composed, *values: str) -> float:
    """Milliseconds until the whole result was here; rows are not made of it."""
    async with asyncio.timeout(QUERY_SECONDS):
        begin = time.perf_counter()
        await connection.execute(statement, values)
        return _since(begin)


async def _handshakes(host: str, port: int) -> list[float]:
    """TCP handshakes, each given up at once; none where a socket of the file system is used."""
    if host.startswith("/"):
        return []
    times = []
    [address, *_] = await addresses_of(host, port)
    for _ in range(HANDSHAKES):
        begin = time.perf_counter()
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                _, writer = await asyncio.open_connection(address, port)
        except (OSError, TimeoutError):  # what cannot be reached is told by the connects
            continue
        times.append(_since(begin))
        writer.close()
    return times


def _since(begin: float) -> float:
    return 1000 * (time.perf_counter() - begin)
