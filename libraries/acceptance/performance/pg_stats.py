"""The database's own counters (`pg_stat_activity`, `pg_stat_database`), as far as the role may read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from acceptance.clients.database import Connection

# Client connections alone where the role may tell them; of the others it sees no more than that they are there.
ACTIVITY = """
select state, count(*) as connections, count(*) filter (where wait_event_type = 'Lock') as waiting
  from pg_stat_activity
  where datname = current_database() and coalesce(backend_type, 'client backend') = 'client backend'
  group by state
"""
COUNTERS = """
select extract(epoch from clock_timestamp())::float8 as at, d.xact_commit as committed, d.xact_rollback as rolled_back,
       d.deadlocks, d.blks_hit as hit, d.blks_read as read, d.stats_reset::text as reset,
       current_setting('max_connections')::int as most,
       (select count(*) from pg_stat_activity where coalesce(backend_type, 'client backend') = 'client backend')
         as taken
  from pg_stat_database d where d.datname = current_database()
"""
HIDDEN = "hidden"


@dataclass(frozen=True)
class Reading:
    """One reading of the counters; `problem` is why there is none.

    Attributes:
        at: seconds, by the database's clock.
        states: connections to this database by state; those whose state the role may not see as `hidden`.
        waiting: connections that wait for a lock.
        taken: connections to the server, those to its other databases too.
        most: connections that it takes.
        reset: when the counters last began from nothing.
    """

    at: float = 0.0
    committed: int = 0
    rolled_back: int = 0
    deadlocks: int = 0
    hit: int = 0
    read: int = 0
    taken: int = 0
    most: int = 0
    waiting: int = 0
    reset: str | None = None
    states: dict[str, int] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True)
class Counted:
    """Differences between readings. What is None was not measured, for the reason in `not_measured`.

    Attributes:
        connections: the most that were seen at once, by state, beside `open` (all) and `most` (the server's limit).
        throughput: committed transactions in a second.
        error_rate: share of the transactions that were rolled back, from 0 to 1.
        deadlocks: how many there were.
        cache_hits: share of the blocks that were found in the server's memory, from 0 to 1.
    """

    connections: dict[str, int] | None
    throughput: float | None
    error_rate: float | None
    deadlocks: int | None
    cache_hits: float | None
    not_measured: dict[str, str]


async def read_counters(connection: Connection) -> Reading:
    """One reading; a view that cannot be read is noted in `problem`."""
    try:
        found = await (await connection.execute(COUNTERS)).fetchone()
        states = await (await connection.execute(ACTIVITY)).fetchall()
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as no:
        return Reading(problem=" ".join(str(no).split()))
    if found is None:
        return Reading(problem="pg_stat_database shows no row of this database")
    counted = {row["state"] or HIDDEN: row["connections"] for row in states}
    return Reading(**found, states=counted, waiting=sum(row["waiting"] for row in states))


def counted(readings: Sequence[Reading], own: int) -> Counted:
    """What changed from the first reading to the last, and the most connections of all.

    Args:
        own: transactions that we made ourselves in between; counters that show less than half of them show nothing.
    """
    problem = next((one.problem for one in readings if one.problem), "" if readings else "nothing was read")
    reasons = {} if not problem else dict.fromkeys(("connections", *_DIFFERENCES), problem)
    if problem:
        return Counted(None, None, None, None, None, reasons)
    connections, hidden = _connections(readings)
    if hidden:
        reasons["connections"] = (
            f"the states of {hidden} of {connections['open']} connections are hidden from this role; "
            "`grant pg_read_all_stats` shows them"
        )
    first, last = readings[0], readings[-1]
    committed, rolled_back = last.committed - first.committed, last.rolled_back - first.rolled_back
    why = ""
    if first.reset != last.reset:
        why = "the counters were reset in between"
    elif last.at <= first.at:
        why = "there was one reading only"
    elif committed < own / 2:
        why = f"the database counted {committed} transactions where we alone made {own}"
    if why:
        return Counted(connections, None, None, None, None, reasons | dict.fromkeys(_DIFFERENCES, why))
    hit, read = last.hit - first.hit, last.read - first.read
    return Counted(
        connections=connections,
        throughput=committed / (last.at - first.at),
        error_rate=rolled_back / (committed + rolled_back) if committed + rolled_back else 0.0,
        deadlocks=last.deadlocks - first.deadlocks,
        cache_hits=hit / (hit + read) if hit + read else None,
        not_measured=reasons | ({} if hit + read else {"cache_hits": "no block was asked for"}),
    )


_DIFFERENCES = ("throughput", "error_rate", "deadlocks", "cache_hits")


def _connections(readings: Sequence[Reading]) -> tuple[dict[str, int], int]:
    """The most connections in each state, and how many were hidden at the most."""
    most: Counter[str] = Counter()
    for reading in readings:
        most |= Counter(reading.states) | Counter({"open": sum(reading.states.values())})
        most |= Counter({"waiting for a lock": reading.waiting})
    hidden = most.pop(HIDDEN, 0)
    return {**dict(sorted(most.items())), "most": readings[-1].most}, hidden
