"""PERF-11: times of the contract's named queries and of connecting, without the round trip of the line.

Everything is measured over connections of the read-only role: one for all queries in turn, fresh ones to connect. The
round trip is the smaller of two: the median `select 1` on the same open connection, and the median TCP handshake. The
slowness of a database that delays even `select 1` is so not subtracted from itself.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from statistics import median_low
from typing import Literal

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from acceptance.clients.database import Connection, DatabaseInspector
from acceptance.deployment.contract import Contract
from acceptance.errors import EnvironmentUnavailable, error_text, shortened, violation
from acceptance.performance.figures import Figure, figure_of_samples, recorded
from acceptance.performance.pg_stats import Counted, Reading, counted, read_counters
from acceptance.performance.request_phases import addresses_of
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, document, upload_complete
from acceptance.verdict.criteria import limit_for

CRITERION = "PERF-11"
DOCUMENTS = 3
SAMPLES = 100
WARM_UP = 10
CONNECTS = 30
HANDSHAKES = 20
READ_EVERY = 10  # rounds, between two readings of the counters
QUERY_SECONDS = 5.0
KEYS = ("document_id", "job_id", "chunk_id")  # what a query is restricted by, the first that it has


DatabaseFigure = Literal["queries_unanswered", "query_p95", "query_slowest", "connect_time", "line_subtracted"]


@dataclass(frozen=True)
class QueryRate:
    """How often each time is measured, seconds between rounds, and when a query is given up.

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
    """All times in milliseconds, as measured; `net` subtracts the line.

    Attributes:
        queries: the samples of each named query.
        broken: how a query failed, by its name.
        given_up: why a query was not measured to the end, though it answered.
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
        return max((query for query, raw in self.queries.items() if raw), key=lambda query: p95(self.net(query)))


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
    async with await opened(inspector):  # held, as the application holds its own
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
    """Identifiers of the chunks of documents; none where that query fails, as its samples will, too."""
    text = contract.queries.get("chunks", "")
    try:
        async with await opened(inspector) as connection:
            statement, values = restricted(text, await _columns(connection, text), identifiers)
            async with asyncio.timeout(QUERY_SECONDS):
                return [str(row["chunk_id"]) for row in await (await connection.execute(statement, values)).fetchall()]
    except (TimeoutError, KeyError, psycopg.Error):
        return []


async def opened(inspector: DatabaseInspector) -> Connection:
    """A connection of the read-only role; raises AssertionError where none can be opened."""
    try:
        return await inspector.connect()
    except (psycopg.Error, OSError) as error:
        raise violation("database", expected="a connection", observed=error_text(error)) from None


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
        self._inspector = inspector
        self._pace = pace
        self._asked: dict[str, tuple[Composed, tuple[str, ...]]] = {}
        self._slow: Counter[str] = Counter()

    async def run(self, queries: Mapping[str, str], identifiers: Mapping[str, Sequence[str]]) -> None:
        connection = await opened(self._inspector)
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
            raise violation("database", expected="an answer to `select 1`", observed=error_text(error)) from None
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
            self._measured.broken[name] = error_text(error)
            self._asked.pop(name, None)

    async def _open_again(self, connection: Connection) -> Connection:
        return await opened(self._inspector) if connection.closed else connection


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
        except (OSError, TimeoutError):  # the connects report what cannot be reached
            continue
        times.append(_since(begin))
        writer.close()
    return times


def _since(begin: float) -> float:
    return 1000 * (time.perf_counter() - begin)


async def documents_to_query(run: Run) -> list[Upload]:
    """A few complete documents of a new user, created once in a run."""
    return await run.once("documents to query", partial(_documents, run))


async def measured(run: Run) -> Measured:
    """The measurement of the database, once in a run (needs `sql`)."""
    return await run.once("database measured", partial(_measure, run))


async def figure(run: Run, name: DatabaseFigure) -> Figure:
    """A figure of the database, which is measured once in a run."""
    seen = await measured(run)
    return await recorded(run, f"database {name}", partial(_FIGURES[name], run, seen))


async def query_figure(run: Run, query: str) -> Figure:
    """The 95th percentile of a named query, without the line; recorded with the line, too."""
    seen = await measured(run)

    def record() -> Figure:
        what = f"p95 of the query '{query}' without the line"
        if raw := seen.queries[query]:
            run.observe(CRITERION, f"query_{query}_with_the_line", raw, "ms", statistic="p95")
        return figure_of_samples(run, CRITERION, f"query_{query}", seen.net(query) if raw else [], "ms", "p95", what)

    return await recorded(run, f"query {query}", record)


async def record_counters(run: Run) -> Counted:
    """The database's own counters during the measurement; what cannot be read is recorded as not measured."""
    seen = await measured(run)
    found = counted(seen.readings, seen.transactions)
    for state, number in (found.connections or {}).items():
        name = "connections_at_most" if state == "most" else f"connections_{state.replace(' ', '_')}"
        run.observe(CRITERION, name, number, "connections", samples=len(seen.readings))
    for name, value, unit, scale in (
        ("throughput", found.throughput, "transactions/s", 1),
        ("transactions_rolled_back", found.error_rate, "%", 100),
        ("deadlocks", found.deadlocks, "deadlocks", 1),
        ("blocks_found_in_memory", found.cache_hits, "%", 100),
    ):
        if value is not None:
            run.observe(CRITERION, name, scale * value, unit, samples=2)
    for name, reason in found.not_measured.items():
        run.observe(CRITERION, f"{name}_of_the_database", f"not measured: {reason}", "text", samples=1)
    return found


def _unanswered(run: Run, seen: Measured) -> Figure:
    problems = [f"'{name}' {reason}" for name, reason in seen.broken.items()]
    return Figure("named queries without an answer", len(problems), "queries", len(seen.queries), shortened(problems))


def _query_p95(run: Run, seen: Measured) -> Figure:
    """The figure is of the slowest query."""
    run.observe(CRITERION, "slowest_query", seen.worst, "text", samples=len(seen.queries))
    order = sorted(((p95(seen.net(name)), name) for name, raw in seen.queries.items() if raw), reverse=True)
    slow = (
        f"'{name}' {value:.1f} ms" + (f" ({seen.given_up[name]})" if name in seen.given_up else "")
        for value, name in order
    )
    what = "95th percentile of the slowest named query, without the line"
    return figure_of_samples(
        run, CRITERION, "query_p95", seen.net(seen.worst), "ms", "p95", what, details=shortened(slow)
    )


def _query_slowest(run: Run, seen: Measured) -> Figure:
    every = {name: seen.net(name) for name, raw in seen.queries.items() if raw}
    slowest = sorted(((max(samples), name) for name, samples in every.items()), reverse=True)
    details = shortened(f"'{name}' {value:.1f} ms" for value, name in slowest)
    samples = [one for samples in every.values() for one in samples]
    what = "slowest answer of all named queries, without the line"
    return figure_of_samples(run, CRITERION, "query_slowest", samples, "ms", "max", what, details=details)


def _connect_time(run: Run, seen: Measured) -> Figure:
    run.observe(CRITERION, "connect_with_the_line", seen.connects, "ms", statistic="p95")
    run.observe(CRITERION, "connect_is_over", "TLS" if seen.tls else "no TLS", "text", samples=len(seen.connects))
    what = "95th percentile of connecting, without the line"
    details = f"{seen.connect_trips} round trips of {seen.line:.2f} ms were subtracted"
    return figure_of_samples(run, CRITERION, "connect_time", seen.net_connects, "ms", "p95", what, details=details)


def _line(run: Run, seen: Measured) -> Figure:
    """The round trip that was subtracted, and the two ways in which it was measured."""
    run.observe(CRITERION, "line_select_1", seen.select_one, "ms", statistic="median")
    if seen.handshakes:
        run.observe(CRITERION, "line_handshake", seen.handshakes, "ms", statistic="median")
    samples = len(seen.select_one) + len(seen.handshakes)
    run.observe(CRITERION, "line_subtracted", seen.line, "ms", samples=samples)
    return Figure("round trip of the line", seen.line, "ms", samples)


_FIGURES: dict[DatabaseFigure, Callable[[Run, Measured], Figure]] = {
    "queries_unanswered": _unanswered,
    "query_p95": _query_p95,
    "query_slowest": _query_slowest,
    "connect_time": _connect_time,
    "line_subtracted": _line,
}


async def _documents(run: Run) -> list[Upload]:
    """What does not come of them says nothing of the database: that it is not verified then."""
    books = [Payload.of(await document(run, "handbook", 100 + number)) for number in range(DOCUMENTS)]
    try:
        user = await run.users.signed_in()
        return list(await asyncio.gather(*(upload_complete(run, user, book) for book in books)))
    except AssertionError as error:
        raise EnvironmentUnavailable(f"blocked: no documents to query could be created: {error}") from None


async def _measure(run: Run) -> Measured:
    run.descriptor.need("sql")
    uploads = await documents_to_query(run)
    identifiers = {
        "document_id": [upload.document_id for upload in uploads],
        "job_id": [upload.job_id for upload in uploads],
    }
    identifiers["chunk_id"] = await chunks_of(run.database, run.contract, identifiers)
    pace = QueryRate(
        p95_limit=limit_for(run.descriptor.thresholds, CRITERION, "query_p95").threshold or QueryRate.p95_limit
    )
    return await measure(run.database, run.contract, identifiers, pace)
