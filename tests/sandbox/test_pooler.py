"""The pooler shares few connections among many clients, where PgBouncer is installed; the metrics count them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from starlette.applications import Starlette
from starlette.routing import Route

from sandbox import pooler
from sandbox.app.errors import Unavailable
from sandbox.descriptor import describe
from sandbox.errors import StartError
from sandbox.settings import METRICS_PATH
from sandbox.supabase.metrics import DATABASES, Metrics
from tests.sandbox.conftest import placed
from tests.sandbox.made import settings

installed = pytest.mark.skipif(pooler.find() is None, reason="PgBouncer is not installed")
CLIENTS = 60


class Counted:
    """What stands in for the database."""

    def __init__(self) -> None:
        self.down = False

    async def all(self, query: str) -> list[dict[str, Any]]:
        assert query == DATABASES
        if self.down:
            raise Unavailable("database")
        names = ("num_backends", "xact_commit", "xact_rollback", "blks_hit", "blks_read", "deadlocks")
        return [{"datname": "postgres", **dict.fromkeys(names, 7)}]


async def scraped(folder: Path, *keys: str, down: bool = False) -> list[httpx.Response]:
    """The responses to scrapes with these keys, in turn; empty: the right one."""
    known, database = settings(folder), Counted()
    database.down = down
    offered: Any = database
    app = Starlette(routes=[Route(METRICS_PATH, Metrics(known, offered).scrape)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://metrics") as client:
        return [await client.get(METRICS_PATH, auth=("service_role", key or known.service_role_key)) for key in keys]


async def test_metrics_are_for_the_service_role_once_a_minute(tmp_path: Path) -> None:
    wrong, first, second = await scraped(tmp_path, "another", "", "")
    assert (wrong.status_code, first.status_code, second.status_code) == (401, 200, 429)
    assert 1 <= int(second.headers["retry-after"]) <= 60
    assert 'pg_stat_database_num_backends{service_type="db",datname="postgres"} 7\n' in first.text
    assert "pgbouncer" not in first.text


async def test_metrics_of_a_database_that_is_away_are_unavailable(tmp_path: Path) -> None:
    [response] = await scraped(tmp_path, "", down=True)
    assert response.status_code == 503


def test_the_descriptor_names_the_pooler_where_there_is_one(tmp_path: Path) -> None:
    without, within = describe(settings(tmp_path)), describe(settings(tmp_path, pgbouncer="/usr/sbin/pgbouncer"))
    assert "pooler" not in without and "pooler_password" not in without["secrets"]
    assert within["pooler"]["pool_size"] == pooler.POOL_SIZE
    assert within["pool"] == without["pool"]


def test_another_binary_may_be_named_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pooler.BINARY, "")
    assert pooler.find() is None
    monkeypatch.setenv(pooler.BINARY, "/nowhere/pgbouncer")
    with pytest.raises(StartError, match="correct SANDBOX_PGBOUNCER"):
        pooler.find()


@pytest.fixture(scope="module")
def pooled() -> Iterator[dict[str, Any]]:
    """The pooler of a running sandbox, with the password, and the database beside it."""
    with placed() as place:
        place.start()
        path = Path(place.report()["descriptor"])
        found = yaml.safe_load(path.read_text())
        lines = (path.parent / found["secrets_file"]).read_text().splitlines()
        secrets = dict(line.split("=", 1) for line in lines)
        passwords = {name: secrets[variable] for name, variable in found["secrets"].items()}
        yield {**found, "passwords": passwords}


@installed
async def test_many_clients_share_few_connections(pooled: dict[str, Any]) -> None:
    access = pooled["pooler"]
    dsn = f"postgresql://{access['user']}:{pooled['passwords']['pooler_password']}@{access['host']}"

    async def backend() -> int:
        async with await psycopg.AsyncConnection.connect(
            f"{dsn}:{access['transaction_port']}/{access['name']}", prepare_threshold=None
        ) as connection:
            row = await (await connection.execute("select pg_backend_pid(), pg_sleep(0.02)")).fetchone()
            assert row
            return int(row[0])

    backends = await asyncio.gather(*(backend() for _ in range(CLIENTS)))
    assert 1 <= len(set(backends)) <= access["pool_size"] < CLIENTS


@installed
def test_metrics_count_the_connections_of_the_pooler(pooled: dict[str, Any]) -> None:
    metrics = pooled["services"]["database"]["metrics"]
    key = pooled["passwords"][metrics["key"]]
    response = httpx.get(metrics["url"], auth=("service_role", key), trust_env=False, timeout=30)
    lines = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if not line.startswith("#"))
    assert lines['pgbouncer_up{service_type="db"}'] == "1"
    assert lines['pgbouncer_databases_pool_size{service_type="db",name="postgres"}'] == str(pooler.POOL_SIZE)
    assert int(lines['pg_stat_database_num_backends{service_type="db",datname="postgres"}']) > 1
