"""PERF-11 as promises: documents to look for, what was measured of the database, and what must hold of it."""

from __future__ import annotations

import asyncio
from functools import partial

from acceptance.errors import expect_none, violation
from acceptance.performance import database
from acceptance.performance.database import Measured, QueryRate
from acceptance.performance.pg_stats import Counted, counted
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, document, upload_complete
from acceptance.verdict.criteria import Limit, limit_for

CRITERION = "PERF-11"
DOCUMENTS = 3


async def documents_to_look_for(run: Run) -> list[Upload]:
    """A few complete documents of a new user: the same ones for everybody who asks."""
    return await run.once("documents to look for", partial(_documents, run))


async def measured(run: Run) -> Measured:
    """What was measured of the database, once for all promises (needs `sql`)."""
    return await run.once("database measured", partial(_measure, run))


async def queries_are_quick(run: Run) -> None:
    """The 95th percentile of every named query keeps its limit; the worst one's samples are the figure."""
    seen, limit = await measured(run), _limit(run, "query_p95")
    for name, raw in seen.queries.items():
        if raw:
            run.observe(CRITERION, f"query_{name}", seen.net(name), "ms", statistic="p95")
            run.observe(CRITERION, f"query_{name}_with_the_line", raw, "ms", statistic="p95")
    expect_none(_unanswered(seen), "named queries", expected="an answer each time")
    run.observe(CRITERION, limit.figure, seen.net(seen.worst), "ms", statistic="p95")
    run.observe(CRITERION, "slowest_query", seen.worst, "text", samples=len(seen.queries))
    slow = (
        f"'{name}' {p95:.1f} ms{_why(seen, name)}"
        for name in seen.queries
        if not limit.kept_by(p95 := database.p95(seen.net(name)))
    )
    expect_none(slow, "95th percentile of each named query, without the line", expected=str(limit))


async def no_query_takes_long(run: Run) -> None:
    """Not one answer took longer than the limit."""
    seen, limit = await measured(run), _limit(run, "query_slowest")
    every = {name: seen.net(name) for name, raw in seen.queries.items() if raw}
    expect_none(_unanswered(seen), "named queries", expected="an answer each time")
    everything = [one for samples in every.values() for one in samples]
    run.observe(CRITERION, limit.figure, everything, "ms", statistic="max")
    slow = (
        f"'{name}' {max(samples):.1f} ms ({sum(not limit.kept_by(one) for one in samples)} of {len(samples)} answers)"
        for name, samples in every.items()
        if not limit.kept_by(max(samples))
    )
    expect_none(slow, "slowest answer of each named query, without the line", expected=str(limit))


async def connecting_is_quick(run: Run) -> None:
    """95 in a hundred fresh connections are there in time."""
    seen, limit = await measured(run), _limit(run, "connect_time")
    run.observe(CRITERION, "connect_with_the_line", seen.connects, "ms", statistic="p95")
    run.observe(CRITERION, limit.figure, seen.net_connects, "ms", statistic="p95")
    run.observe(CRITERION, "connect_is_over", "TLS" if seen.tls else "no TLS", "text", samples=len(seen.connects))
    took = database.p95(seen.net_connects)
    if not limit.kept_by(took):
        raise violation(
            "95th percentile of connecting, without the line", expected=limit, observed=f"{took:.1f} ms",
            look=f"{seen.connect_trips} round trips of {seen.line:.2f} ms were taken off",
        )  # fmt: skip


async def line_is_shown(run: Run) -> None:
    """The round trip that was subtracted, and the two ways in which it was measured."""
    seen = await measured(run)
    run.observe(CRITERION, "line_select_1", seen.select_one, "ms", statistic="median")
    if seen.handshakes:
        run.observe(CRITERION, "line_handshake", seen.handshakes, "ms", statistic="median")
    samples = len(seen.select_one) + len(seen.handshakes)
    run.observe(CRITERION, "line_subtracted", seen.line, "ms", samples=samples)


async def counters_are_shown(run: Run) -> Counted:
    """What the database counted of itself meanwhile; what cannot be read is said to be not measured."""
    seen = await measured(run)
    told = counted(seen.readings, seen.transactions)
    for state, number in (told.connections or {}).items():
        name = "connections_at_most" if state == "most" else f"connections_{state.replace(' ', '_')}"
        run.observe(CRITERION, name, number, "connections", samples=len(seen.readings))
    for name, value, unit, scale in (
        ("throughput", told.throughput, "transactions/s", 1),
        ("transactions_rolled_back", told.error_rate, "%", 100),
        ("deadlocks", told.deadlocks, "deadlocks", 1),
        ("blocks_found_in_memory", told.cache_hits, "%", 100),
    ):
        if value is not None:
            run.observe(CRITERION, name, scale * value, unit, samples=2)
    for name, reason in told.not_measured.items():
        run.observe(CRITERION, f"{name}_of_the_database", f"not measured: {reason}", "text", samples=1)
    return told


async def _documents(run: Run) -> list[Upload]:
    user = await run.users.signed_in()
    books = [Payload.of(await document(run, "handbook", 100 + number)) for number in range(DOCUMENTS)]
    return list(await asyncio.gather(*(upload_complete(run, user, book) for book in books)))


async def _measure(run: Run) -> Measured:
    run.descriptor.need("sql")
    uploads = await documents_to_look_for(run)
    identifiers = {
        "document_id": [upload.document_id for upload in uploads],
        "job_id": [upload.job_id for upload in uploads],
    }
    identifiers["chunk_id"] = await database.chunks_of(run.database, run.contract, identifiers)
    pace = QueryRate(p95_limit=_limit(run, "query_p95").threshold or QueryRate.p95_limit)
    return await database.measure(run.database, run.contract, identifiers, pace)


def _limit(run: Run, figure: str) -> Limit:
    return limit_for(run.descriptor.thresholds, CRITERION, figure)


def _unanswered(seen: Measured) -> list[str]:
    return [f"'{name}' {reason}" for name, reason in seen.broken.items()]


def _why(seen: Measured, name: str) -> str:
    return f" ({seen.given_up[name]})" if name in seen.given_up else ""
