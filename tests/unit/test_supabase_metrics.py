"""Supabase's metrics are read in the form that is published; whatever else comes is reported, and proves nothing."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import DatabaseMetrics
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.providers.supabase import BACKENDS, Metrics, read_metrics, samples_in
from pydantic import SecretStr

# The form of supabase/supabase-grafana's metrics.md, where the project's label stands twice.
PUBLISHED = """
# HELP pgbouncer_up The pgbouncer scrape succeeded
# TYPE pgbouncer_up gauge
pgbouncer_up{supabase_project_ref="abcdefghijkl",supabase_project_ref="abcdefghijklm",service_type="db"} 1
# HELP pgbouncer_databases_pool_size Maximum number of server connections
# TYPE pgbouncer_databases_pool_size gauge
pgbouncer_databases_pool_size{supabase_project_ref="abcdefghijkl",supabase_project_ref="abcdefghijklm",service_type="db",\
database="postgres",force_user="",host="localhost",name="postgres",pool_mode="transaction",port="5432"} 15
# HELP pgbouncer_pools_server_active_connections Server connections linked to a client connection
# TYPE pgbouncer_pools_server_active_connections gauge
pgbouncer_pools_server_active_connections{supabase_project_ref="abcdefghijkl",service_type="db",\
database="postgres",user="postgres"} 4
pgbouncer_pools_server_active_connections{supabase_project_ref="abcdefghijkl",service_type="db",\
database="pgbouncer",user="pgbouncer"} 1
# HELP node_filesystem_avail_bytes Filesystem space available to non-root users in bytes.
node_filesystem_avail_bytes{device="/dev/nvme0n1p2",mountpoint="/a b{c}",\
note="a \\"quoted\\" one"} 7.444385792e+09 1759400000500
go_gc_duration_seconds{quantile="0"} NaN
# HELP pg_stat_database_num_backends The number of active backends
# TYPE pg_stat_database_num_backends gauge
pg_stat_database_num_backends{supabase_project_ref="abcdefghijkl",service_type="postgresql",server="localhost:5432"} 14
bare_metric_without_labels 123
"""


class Descriptor:
    """What stands in for a descriptor."""

    def __init__(self, *, offered: bool = True) -> None:
        metrics = DatabaseMetrics(url="https://ref.example.org/customer/v1/privileged/metrics", key="service_role_key")
        self.services: Any = type("Services", (), {"database": type("Database", (), {"metrics": None})()})()
        self.services.database.metrics = metrics if offered else None

    def secret(self, name: str) -> SecretStr:
        assert name == "service_role_key"
        return SecretStr("key")


def read(response: Callable[[httpx.Request], httpx.Response], *, offered: bool = True) -> Metrics:
    descriptor: Any = Descriptor(offered=offered)
    return asyncio.run(read_metrics(descriptor, httpx.MockTransport(response)))


def test_what_is_published_is_read_with_its_labels() -> None:
    asked: list[httpx.Request] = []

    def response(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, text=PUBLISHED)

    metrics = read(response)
    assert metrics.total(BACKENDS) == 14
    assert metrics.total("pgbouncer_pools_server_active_connections") == 5
    assert metrics.total("pgbouncer_pools_server_active_connections", user="postgres") == 4
    assert metrics.total("pgbouncer_databases_pool_size", name="postgres") == 15
    assert metrics.total("node_filesystem_avail_bytes") == 7.444385792e9
    assert [one.labels for one in metrics.samples if one.metric.startswith("node")] == [
        {"device": "/dev/nvme0n1p2", "mountpoint": "/a b{c}", "note": 'a \\"quoted\\" one'}
    ]
    [request] = asked
    assert request.headers["authorization"] == f"Basic {base64.b64encode(b'service_role:key').decode()}"
    assert request.url.path == "/customer/v1/privileged/metrics"


def test_a_metric_by_another_name_is_not_taken_as_none() -> None:
    renamed = PUBLISHED.replace("pg_stat_database_num_backends", "pg_stat_database_numbackends")
    metrics = read(lambda _: httpx.Response(200, text=renamed))
    with pytest.raises(
        EnvironmentUnavailable, match="there is no pg_stat_database_num_backends; of its kind there are"
    ):
        metrics.total(BACKENDS)
    with pytest.raises(EnvironmentUnavailable, match="server_active_connections, user 'other'"):
        metrics.total("pgbouncer_pools_server_active_connections", user="other")
    with pytest.raises(EnvironmentUnavailable, match="go_gc_duration_seconds is not a number"):
        metrics.total("go_gc_duration_seconds")


def refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda _: httpx.Response(401, text="Unauthorized"), "status 401; is the secret right"),
        (lambda _: httpx.Response(429, headers={"retry-after": "60"}), "status 429; it is read once a minute"),
        (lambda _: httpx.Response(500, text="oops"), "status 500$"),
        (lambda _: httpx.Response(302, headers={"location": "https://example.org/login"}), "status 302"),
        (lambda _: httpx.Response(200, text="<!doctype html><html>"), "line 1 is no metric: <!doctype html>"),
        (lambda _: httpx.Response(200, json={"error": "no"}), "line 1 is no metric"),
        (lambda _: httpx.Response(200, text=""), "they are empty"),
        (lambda _: httpx.Response(200, text="# HELP pg_up up\n"), "they are empty"),
        (lambda _: httpx.Response(200, text="pg_up many\n"), "line 1 is no metric: pg_up many"),
        (lambda _: httpx.Response(200, content=b"\xff\xfe\x00"), "line 1 is no metric"),
        (lambda _: httpx.Response(200, text=f"# {'x' * 5_000_000}"), "more than 4,000,000 bytes"),
        (refused, r"no answer \(ConnectError\)"),
    ],
)  # fmt: skip
def test_what_is_no_metrics_says_nothing_of_the_deployment(
    response: Callable[[httpx.Request], httpx.Response], reason: str
) -> None:
    with pytest.raises(EnvironmentUnavailable, match=reason):
        read(response)


def test_a_deployment_without_metrics_is_named() -> None:
    with pytest.raises(CapabilityMissing, match=r"services\.database\.metrics"):
        read(refused, offered=False)


def test_samples_are_read_one_by_one() -> None:
    assert [one.metric for one in samples_in("a 1\n\n# c\nb{} 2 3\n")] == ["a", "b"]
