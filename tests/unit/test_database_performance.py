"""What is made of the database's times and counters, with made-up numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Threshold
from acceptance.performance import database
from acceptance.performance.database import Measured, QueryRate, least_trips, p95, restricted, without
from acceptance.performance.pg_stats import HIDDEN, Reading, counted

from tests.unit.promises import MadeUp, judge

FAST = [2.0] * 100


QUERIES = "Every Named Query Is Answered Quickly"
SLOWEST = "No Answer Of The Database Takes Long"
CONNECTING = "Connecting To The Database Is Quick"


@dataclass
class SeenBy(MadeUp):
    """A run whose database was measured already, and that keeps what is recorded."""

    seen: Measured
    thresholds: dict[str, Threshold] = field(default_factory=dict)
    recorded: dict[str, tuple[Any, int]] = field(default_factory=dict)

    @property
    def descriptor(self) -> SeenBy:
        return self

    async def once(self, name: str, make: object) -> Measured:
        return self.seen

    def observe(
        self, criterion: str, name: str, value: Any, unit: str, *, samples: int = 0, statistic: str | None = None
    ) -> None:
        assert criterion == "PERF-11"
        if statistic:
            value, samples = max(value) if statistic == "max" else p95(value), len(value)
        self.recorded[name] = (value, samples)


def measured(**queries: list[float]) -> Measured:
    return Measured(
        queries=queries, connects=[12.0] * 30, connect_trips=3, select_one=[1.0, 9.0, 1.0], handshakes=[2.0]
    )


def promise(test: str, seen: Measured, **thresholds: Threshold) -> dict[str, tuple[Any, int]]:
    run = SeenBy(seen, thresholds)
    judge("04__database.robot", test, run)
    return run.recorded


def test_the_figure_is_of_the_worst_query_without_the_line() -> None:
    recorded = promise(QUERIES, measured(quick=FAST, slower=[*[3.0] * 94, *[150.0] * 6]))
    assert recorded["query_p95"] == (149.0, 100)
    assert recorded["slowest_query"][0] == "slower"
    assert (recorded["query_quick"], recorded["query_quick_with_the_line"]) == ((1.0, 100), (2.0, 100))


def test_six_slow_ones_in_a_hundred_break_the_limit_and_five_do_not() -> None:
    promise(QUERIES, measured(five=[*[3.0] * 95, *[201.5] * 5]))
    with pytest.raises(AssertionError, match=r"expected under 200 ms, observed 200\.5 ms: 'six' 200\.5 ms"):
        promise(QUERIES, measured(quick=FAST, six=[*[3.0] * 94, *[201.5] * 6]))


def test_the_line_may_be_as_long_as_it_is() -> None:
    far = replace(measured(query=[390.0] * 100), select_one=[200.0], handshakes=[195.0])
    assert promise(QUERIES, far)["query_p95"] == (195.0, 100)


def test_one_answer_over_the_limit_breaks_it() -> None:
    promise(SLOWEST, measured(query=[*[3.0] * 99, 501.0]))
    with pytest.raises(AssertionError, match=r"at most 500 ms, observed 500\.5 ms: 'query' 500\.5 ms"):
        promise(SLOWEST, measured(quick=FAST, query=[*[3.0] * 99, 501.5]))


@pytest.mark.parametrize("test", [QUERIES, SLOWEST])
def test_a_query_that_is_not_answered_breaks_both(test: str) -> None:
    seen = replace(measured(quick=FAST, gone=[]), broken={"gone": "UndefinedTable: app.gone"})
    with pytest.raises(AssertionError, match=r"observed 1 queries: 'gone' UndefinedTable: app\.gone"):
        promise(test, seen)


def test_a_slow_connect_breaks_the_limit() -> None:
    assert promise(CONNECTING, measured(query=FAST))["connect_time"] == (9.0, 30)
    with pytest.raises(AssertionError, match=r"observed 100 ms: 3 round trips of 1\.00 ms were subtracted"):
        promise(CONNECTING, replace(measured(), connects=[*[5.0] * 28, 103.0, 103.0]))


def test_a_database_that_lets_everything_wait_cannot_hide_in_the_line() -> None:
    """`select 1` waits too; the handshake does not."""
    waiting = replace(measured(query=[300.0] * 100), select_one=[299.0], handshakes=[0.1])
    assert waiting.line == 0.1
    with pytest.raises(AssertionError, match=r"'query' 299.9 ms"):
        promise(QUERIES, waiting)


def test_a_deployment_may_have_a_threshold_of_its_own() -> None:
    own = {"PERF-11.query_p95": Threshold(value=1.0)}
    with pytest.raises(AssertionError, match="under 1 ms"):
        promise(QUERIES, measured(query=FAST * 2), **own)


def test_no_time_gets_negative() -> None:
    assert without([0.5, 3.0], 1.0) == [0.0, 2.0]


def test_the_trips_are_those_that_every_connect_makes() -> None:
    assert least_trips(tls=False, password=False) == 2
    assert least_trips(tls=True, password=True) == 5


def test_a_query_is_given_up_when_its_limit_is_surely_broken() -> None:
    assert QueryRate(samples=100).slow_ones == 6
    assert p95([*[1.0] * 94, *[9.0] * 6]) == 9.0
    assert p95([*[1.0] * 95, *[9.0] * 5]) == 1.0


def test_a_query_is_restricted_by_a_value_of_its_column_s_type() -> None:
    ids = {"document_id": ["a", 'b"'], "job_id": ["j"], "chunk_id": []}
    statement, values = restricted("select 1 as document_id", ["job_id", "document_id"], ids)
    assert statement.as_string() == 'select * from (select 1 as document_id) as named where "document_id" = any(%s)'
    assert values == ('{"a","b\\""}',)
    assert restricted("q", ["kind", "id"], ids)[1] == ()
    assert restricted("q", ["chunk_id"], ids)[1] == ()


FIRST = Reading(at=100.0, committed=1000, rolled_back=10, hit=50, read=0, most=200, states={"idle": 4, "active": 1})
LAST = replace(FIRST, at=110.0, committed=1900, rolled_back=110, hit=149, read=1, states={"idle": 2, "active": 5})


def test_counters_are_the_difference_over_the_time() -> None:
    found = counted([FIRST, LAST], own=100)
    assert (found.throughput, found.error_rate, found.deadlocks, found.cache_hits) == (90.0, 0.1, 0, 0.99)
    assert found.connections == {"active": 5, "idle": 4, "open": 7, "most": 200}
    assert found.not_measured == {}


@pytest.mark.parametrize(
    ("readings", "own", "reason"),
    [
        ([], 0, "nothing was read"),
        ([FIRST, Reading(problem="permission denied")], 0, "permission denied"),
        ([FIRST, replace(LAST, reset="now")], 0, "were reset"),
        ([FIRST], 0, "one reading only"),
        ([FIRST, replace(LAST, committed=1003)], 900, "counted 3 transactions where we alone made 900"),
    ],
)
def test_what_cannot_be_read_is_not_measured(readings: list[Reading], own: int, reason: str) -> None:
    found = counted(readings, own)
    assert (found.throughput, found.error_rate, found.deadlocks) == (None, None, None)
    assert reason in found.not_measured["throughput"] and reason in found.not_measured["error_rate"]


def test_states_that_the_role_may_not_see_are_not_made_up() -> None:
    found = counted([FIRST, replace(LAST, states={HIDDEN: 6, "active": 1})], own=0)
    assert found.connections is not None and found.connections["open"] == 7
    assert "6 of 7 connections are hidden" in found.not_measured["connections"]


async def test_a_database_that_refuses_is_the_deployment_s_fault(contract: Contract) -> None:
    class Refusing:
        async def connect(self) -> object:
            raise psycopg.OperationalError("too many connections for role")

    with pytest.raises(AssertionError, match="expected a connection, observed OperationalError: too many connections"):
        await database.measure(Refusing(), contract, {}, QueryRate())  # type: ignore[arg-type]
