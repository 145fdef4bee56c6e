"""Pools are used by many clients: what they are refused, and what the database shows meanwhile, becomes a figure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from acceptance.deployment.descriptor import Descriptor
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.evidence.histogram import Distribution
from acceptance.performance import pooling
from acceptance.performance.pooling import Beside, PoolUse, SharedPool, shared_pools
from acceptance.providers.supabase import BACKENDS, SERVERS, Metrics, Sample
from acceptance.verdict.criteria import limit_for

from tests.unit.conftest import descriptor_at

DATABASE = {"host": "db", "port": 5432, "name": "app", "user": "inspector"}
POOL = {"role": "application", "application": "^api-", "size": 20}
POOLER = {"transaction_port": 6543, "name": "app", "user": "pooled", "password": "pooler_password", "pool_size": 15}
OF_THE_POOLER = SharedPool("pooler", "pooled", None, 2, 10)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def described(capabilities: tuple[str, ...] = ("sql",), database: Any = DATABASE, **fields: Any) -> Descriptor:
    whole = descriptor_at("http://127.0.0.1:1").model_dump(mode="json", exclude_defaults=True)
    whole["services"]["database"] = database
    whole |= {"secrets": {"pooler_password": "POOLER_PASSWORD"}, "capabilities": capabilities}
    return Descriptor.model_validate(whole | fields)


class Noted:
    """What stands in for a run: keeps what is observed."""

    def __init__(self, descriptor: Descriptor | None = None) -> None:
        self.descriptor = descriptor or described(pooler=POOLER)
        self.observed: dict[str, Any] = {}
        self.series: dict[str, Any] = {}
        self.provisioned = False
        self.shared: dict[str, Any] = {}

    def observe(self, criterion: str, name: str, value: Any, unit: str, **_: Any) -> None:
        assert criterion == "CLOUD-05" and unit
        self.observed[name] = value

    def observe_series(self, criterion: str, name: str, lines: Any, unit: str) -> None:
        self.series[name] = lines


def backend(pid: int, state: str = "idle", role: str = "pooled", application: str = "", since: Any = SINCE) -> Any:
    return {"pid": pid, "role": role, "application": application, "state": state, "since": since}


def pools_of(descriptor: Descriptor) -> list[SharedPool]:
    run: Any = Noted(descriptor)
    return shared_pools(run)


def test_the_pools_are_those_of_the_descriptor() -> None:
    pooler, own = pools_of(described(pool=POOL, pooler=POOLER))
    assert (pooler.name, pooler.role, pooler.size, pooler.clients) == ("pooler", "pooled", 15, 200)
    assert (own.name, own.role, own.size, own.clients) == ("application", "application", 20, 100)
    [alone] = pools_of(described(pool=POOL))
    assert alone == own
    [shared] = pools_of(described(pooler=POOLER | {"role": "postgres", "pool_size": 60, "max_clients": 400}))
    assert (shared.role, shared.clients) == ("postgres", 300)
    [bounded] = pools_of(described(pooler=POOLER | {"max_clients": 90}))
    assert bounded.clients == 90


@pytest.mark.parametrize(
    ("descriptor", "reason"),
    [
        (described(), "needs the capability 'pooler or pool'"),
        (described((), pool=POOL), "needs the capability 'sql'"),
        (described(pool=POOL, pace={"requests_per_second": 5}), "needs the capability 'load'"),
        (described(pooler=POOLER | {"max_clients": 60}), "whose 60 max_clients are fewer than 5 times its pool_size"),
    ],
)
def test_what_is_missing_is_named(descriptor: Descriptor, reason: str) -> None:
    with pytest.raises(CapabilityMissing, match=reason):
        pools_of(descriptor)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"pooler": POOLER | {"password": "other"}}, "secrets has no 'other'"),
        ({"pooler": POOLER, "database": None, "capabilities": ()}, "is needed where services.database is left out"),
        ({"pooler": POOLER | {"pool_size": 0}}, "greater than or equal to 1"),
        ({"pool": POOL | {"application": "("}}, "is not a regular expression"),
        ({"database": DATABASE | {"metrics": {"url": "https://a.example.org", "key": "k"}}}, "secrets has no 'k'"),
        ({"database": DATABASE | {"metrics": {"url": "a.example.org", "key": "k"}}}, "expected an address such as"),
    ],
)
def test_mistakes_in_the_descriptor_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        described(**fields)


def test_samples_count_the_backends_of_the_pool_alone() -> None:
    used = PoolUse(SharedPool("application", "application", "^api-", 20, 100))
    rows = [
        backend(1, "active", "application", "api-1"),
        backend(2, "idle", "application", "api-2"),
        backend(3, "active", "application", "api listener"),
        backend(4, "active", "inspector", "api-1"),
    ]
    look = used.add(rows, 0.5)
    assert (look.at, look.open, look.busy, look.in_transaction) == (0.5, 2, 1, 0)
    assert used.backends == {1, 2}


def test_a_backend_is_idle_in_one_transaction_as_long_as_it_is_the_same() -> None:
    used = PoolUse(OF_THE_POOLER)
    used.add([backend(1, "idle in transaction")], 1.0)
    used.add([backend(1, "idle in transaction (aborted)")], 4.0)
    assert used.idle_longest == 3.0
    used.add([backend(1, "idle in transaction", since=SINCE.replace(year=2027))], 9.0)
    assert used.idle_longest == 3.0


def use_of(refused: int = 0, most: int = 2, backends: int = 2, took: float = 10.0, left: int = 0) -> PoolUse:
    used = PoolUse(OF_THE_POOLER, first_results=[took] * (10 - refused), refusals=["too many clients"] * refused)
    used.add([backend(pid) for pid in range(most)], 0.0)
    used.backends, used.left_in_use = set(range(backends)), left
    return used


@pytest.mark.parametrize(
    ("name", "good", "bad", "value"),
    [
        ("clients_refused", use_of(), use_of(refused=3), 3),
        ("first_result_p95", use_of(), use_of(took=1500), 1500),
        ("pool_use", use_of(), use_of(most=3), 150),
        ("distinct_backends", use_of(), use_of(backends=9), 90),
        ("left_in_use", use_of(), use_of(left=1), 1),
    ],
)
def test_each_figure_can_break_its_limit(name: Any, good: PoolUse, bad: PoolUse, value: float) -> None:
    run: Any = Noted()
    limit = limit_for({}, "CLOUD-05", name)
    assert limit.kept_by(pooling.figure(run, good, name).value)
    made = pooling.figure(run, bad, name)
    assert not limit.kept_by(made.value)
    assert made.value == pytest.approx(value, rel=0.01)
    assert name in run.observed


def test_a_client_that_was_refused_before_its_first_result_leaves_none() -> None:
    run: Any = Noted()
    made = pooling.figure(run, use_of(refused=10), "first_result_p95")
    assert made.value == float("inf") and not run.observed


def test_a_time_of_a_busy_machine_violates_nothing_but_what_is_quick_enough_counts() -> None:
    run: Any = Noted()
    slow, quick = use_of(took=1500), use_of()
    for used in (slow, quick):
        used.generator.lags.append(2.0)
    assert isinstance(pooling.figure(run, slow, "first_result_p95").broken("less"), EnvironmentUnavailable)
    assert list(run.observed) == ["first_result_p95_while_busy"]
    pooling.figure(run, quick, "first_result_p95")
    assert Distribution.of(run.observed["first_result_p95"]).statistic("p95") == pytest.approx(10, rel=0.01)
    assert not isinstance(pooling.figure(run, use_of(most=3), "pool_use").broken("less"), EnvironmentUnavailable)


def used_by(monkeypatch: pytest.MonkeyPatch, entered: Any) -> PoolUse:
    """The use of a pool whose clients enter in this way."""

    async def entrance(*_: Any) -> Any:
        return entered

    @asynccontextmanager
    async def sampled(run: Any, used: PoolUse) -> AsyncIterator[None]:
        used.add([], 0.0)
        yield

    monkeypatch.setattr(pooling, "_entrance", entrance)
    monkeypatch.setattr(pooling, "_sampled", sampled)
    run: Any = Noted()
    return asyncio.run(pooling.use(run, OF_THE_POOLER))


@asynccontextmanager
async def served() -> AsyncIterator[Any]:
    async def again() -> None:
        await asyncio.sleep(0)

    yield pooling._Visit(again, lambda task: task.cancel())


@asynccontextmanager
async def refused() -> AsyncIterator[Any]:
    raise psycopg.OperationalError("sorry, too many clients already")
    yield


@asynccontextmanager
async def broken_off() -> AsyncIterator[Any]:
    async def again() -> None:
        raise psycopg.OperationalError("query_wait_timeout")

    yield pooling._Visit(again, lambda task: task.cancel())


def test_every_client_is_served_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    well = used_by(monkeypatch, served)
    assert (len(well.first_results), well.refusals, well.present) == (10, [], 0)
    none = used_by(monkeypatch, refused)
    assert (len(none.first_results), len(none.refusals), none.present) == (0, 10, 0)
    assert "too many clients" in none.refusals[0]
    late = used_by(monkeypatch, broken_off)
    assert (len(late.first_results), len(late.refusals), late.present) == (10, 10, 0)


def test_what_is_no_refusal_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def unable() -> AsyncIterator[Any]:
        raise EnvironmentUnavailable("our own path is disturbed")
        yield

    with pytest.raises(EnvironmentUnavailable, match="our own path"):
        used_by(monkeypatch, unable)


def test_clients_are_cut_off_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = 0

    @asynccontextmanager
    async def hanging() -> AsyncIterator[Any]:
        nonlocal inside

        async def again() -> None:
            await asyncio.Event().wait()

        inside += 1
        yield pooling._Visit(again, lambda task: task.cancel())
        inside -= 1

    async def entrance(*_: Any) -> Any:
        return hanging

    monkeypatch.setattr(pooling, "_entrance", entrance)
    run: Any = Noted()
    assert asyncio.run(pooling.cancel_clients(run, OF_THE_POOLER)) == 4 * pooling.CANCELLATIONS
    assert inside == 0


def test_clients_are_cut_off_at_moments_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    moments: list[float] = []

    async def is_cut_off(_: Any, __: Any, moment: float) -> bool:
        moments.append(moment)
        return True

    async def entrance(*_: Any) -> Any:
        return served

    monkeypatch.setattr(pooling, "_entrance", entrance)
    monkeypatch.setattr(pooling, "_is_cut_off", is_cut_off)
    run: Any = Noted()
    asyncio.run(pooling.cancel_clients(run, OF_THE_POOLER))
    assert {int(10 * moment + 0.001) for moment in moments} == set(range(10))


def test_clients_that_are_all_answered_could_not_be_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def entrance(*_: Any) -> Any:
        return refused

    monkeypatch.setattr(pooling, "_entrance", entrance)
    run: Any = Noted()
    with pytest.raises(EnvironmentUnavailable, match="only 0 clients could be cut off"):
        asyncio.run(pooling.cancel_clients(run, OF_THE_POOLER))


def test_a_pool_that_does_not_serve_in_time_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    async def entrance(*_: Any) -> Any:
        return refused

    monkeypatch.setattr(pooling, "_entrance", entrance)
    run: Any = Noted()
    with pytest.raises(
        AssertionError, match="4 of 4 refused: 4 times OperationalError: sorry, too many clients already"
    ):
        asyncio.run(pooling.seconds_until_served(run, OF_THE_POOLER, 0.3))


def test_the_recording_has_a_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    run: Any = Noted()
    used = use_of()
    used.waits = [1.0, 2.0]
    pooling.record(run, used)
    assert run.observed == {"wait for a connection of the pooler": [1.0, 2.0]}
    [lines] = run.series.values()
    assert lines["pool size"] == [(0.0, 2), (0.0, 2)] and lines["connections"] == [(0.0, 2)]


def test_metrics_deviate_by_what_lies_outside_of_both_looks() -> None:
    assert Beside("a", 20, 18, 22).deviation == 0
    assert Beside("a", 12, 18, 22).deviation == 6
    assert Beside("a", 30, 18, 22).deviation == 8


def beside(monkeypatch: pytest.MonkeyPatch, metrics: dict[str, float]) -> float:
    """The deviation of these metrics, where the named query has 12 connections, 10 of them the pooler's."""

    async def read(_: Descriptor) -> Metrics:
        return Metrics(tuple(Sample(name, {"user": "pooled"}, value) for name, value in metrics.items()))

    async def rows_over(*_: Any, **__: Any) -> list[Any]:
        return [backend(pid) for pid in range(10)] + [backend(pid, role="other") for pid in (90, 91)]

    @asynccontextmanager
    async def connection() -> AsyncIterator[None]:
        yield None

    async def opened(_: Any) -> Any:
        return connection()

    monkeypatch.setattr(pooling, "read_metrics", read)
    monkeypatch.setattr(pooling, "opened", opened)
    run: Any = Noted()
    run.database = SimpleNamespace(rows_over=rows_over)

    async def deviation() -> float:
        run.shared[pooling._METRICS] = task = asyncio.ensure_future(pooling._read_beside(run, OF_THE_POOLER))
        run.begin = lambda *_: task
        return (await pooling.metrics_deviation(run)).value

    return asyncio.run(deviation())


CONNECTED = dict.fromkeys(SERVERS, 2.0)


def test_the_providers_metrics_are_a_second_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    assert beside(monkeypatch, {BACKENDS: 12, **CONNECTED}) == 0
    assert beside(monkeypatch, {BACKENDS: 4, **CONNECTED}) == 8
    assert beside(monkeypatch, {BACKENDS: 12, **dict.fromkeys(SERVERS, 0.0)}) == 10


def test_metrics_that_are_not_there_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnvironmentUnavailable, match="there is no pgbouncer_pools_server_active_connections"):
        beside(monkeypatch, {BACKENDS: 12, "pgbouncer_up": 1})
