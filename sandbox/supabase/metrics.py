"""The metrics of the database and its pooler (`/customer/v1/privileged/metrics`), as Supabase publishes them."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from sandbox import pooler
from sandbox.app.database import Database
from sandbox.app.errors import Unavailable
from sandbox.settings import Settings

USER: Final = "service_role"
SECONDS: Final = 60.0  # between two scrapes
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
DATABASES: Final = """
    select datname, numbackends as num_backends, xact_commit, xact_rollback, blks_hit, blks_read, deadlocks
      from pg_stat_database d where datname is not null order by datname"""
COUNTERS: Final = ("xact_commit", "xact_rollback", "blks_hit", "blks_read", "deadlocks")
POOLS: Final = {
    "cl_active": "client_active_connections",
    "cl_waiting": "client_waiting_connections",
    "sv_active": "server_active_connections",
    "sv_idle": "server_idle_connections",
    "sv_used": "server_used_connections",
    "sv_tested": "server_testing_connections",
    "sv_login": "server_login_connections",
    "maxwait": "client_maxwait_seconds",
}
Sample = tuple[Mapping[str, str], float]


class Metrics:
    """The endpoint: one scrape a minute, by the service role's key."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database
        self._last = -SECONDS

    async def scrape(self, request: Request) -> Response:
        """The metrics as they are now."""
        expected = base64.b64encode(f"{USER}:{self._settings.service_role_key}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Basic {expected}".encode()):
            return PlainTextResponse("Unauthorized", 401, {"www-authenticate": "Basic"})
        if (left := self._last + SECONDS - time.monotonic()) > 0:
            return PlainTextResponse("Too Many Requests", 429, {"retry-after": str(int(left) + 1)})
        self._last = time.monotonic()
        try:
            families = await self._of_databases() | await self._of_the_pooler()
        except Unavailable:
            return PlainTextResponse("Service Unavailable", 503)
        return PlainTextResponse("".join(map(render, families, families.values())), media_type=CONTENT_TYPE)

    async def _of_databases(self) -> dict[str, list[Sample]]:
        rows = await self._database.all(DATABASES)
        named = {"num_backends": "num_backends", **{name: f"{name}_total" for name in COUNTERS}}
        return {
            f"pg_stat_database_{metric}": [({"datname": row["datname"]}, float(row[name])) for row in rows]
            for name, metric in named.items()
        }

    async def _of_the_pooler(self) -> dict[str, list[Sample]]:
        """By its console; nothing where there is no pooler."""
        if not self._settings.pgbouncer:
            return {}
        try:
            async with await psycopg.AsyncConnection.connect(
                self._settings.pooler_console_dsn, connect_timeout=2, autocommit=True, row_factory=dict_row,
                prepare_threshold=None,
            ) as console:  # fmt: skip
                pools = await (await console.execute("show pools")).fetchall()
                databases = await (await console.execute("show databases")).fetchall()
        except psycopg.Error:
            return {"pgbouncer_up": [({}, 0.0)]}
        found: dict[str, list[Sample]] = {
            f"pgbouncer_pools_{metric}": [(_labels(row), float(row.get(name) or 0)) for row in pools]
            for name, metric in POOLS.items()
        }
        sizes: list[Sample] = [
            ({"name": row["name"]}, float(row["pool_size"])) for row in databases if row["name"] != pooler.CONSOLE
        ]
        return {"pgbouncer_up": [({}, 1.0)], **found, "pgbouncer_databases_pool_size": sizes}


def _labels(row: Mapping[str, Any]) -> dict[str, str]:
    return {"database": row["database"], "user": row["user"]}


def render(name: str, samples: Iterable[Sample]) -> str:
    """A family in Prometheus' text format."""
    kind = "counter" if name.endswith("_total") else "gauge"
    lines = [f"# TYPE {name} {kind}"]
    for labels, value in samples:
        text = ",".join(f'{label}="{one}"' for label, one in {"service_type": "db", **labels}.items())
        lines.append(f"{name}{{{text}}} {value:g}")
    return "\n".join([*lines, ""])
