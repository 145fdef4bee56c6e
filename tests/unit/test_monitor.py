"""The monitor tells what was wrong, whatever a deployment answers, and gives no pleasant default."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from acceptance.errors import EnvironmentUnavailable
from acceptance.monitor import CloudPerformanceMonitor
from acceptance.performance import endpoint_latency
from acceptance.performance.endpoint_latency import ResponseTimes
from acceptance.performance.request_phases import Timing
from acceptance.run import Run

from tests.unit.conftest import Serve, descriptor_at

MonitorAt = Callable[[str], CloudPerformanceMonitor]
UNREACHABLE = "http://127.0.0.1:9"
ENDPOINTS = {*endpoint_latency.READING, endpoint_latency.MODEL_BOUND}
KEPT = Timing(dns=None, connect=None, tls=None, server=0.002, body=0.001, total=0.004)
FRESH = Timing(dns=None, connect=0.5, tls=None, server=0.002, body=0.001, total=0.504)


@pytest.fixture
def monitor_at(tmp_path: Path) -> MonitorAt:
    """A monitor of a deployment whose every service is at one address."""

    def make(address: str) -> CloudPerformanceMonitor:
        path = tmp_path / "deployment.yaml"
        path.write_text(yaml.safe_dump(descriptor_at(address).model_dump(mode="json", exclude_defaults=True)))
        return CloudPerformanceMonitor(str(path), folder=tmp_path / "run")

    return make


def seen(monkeypatch: pytest.MonkeyPatch, times: ResponseTimes) -> None:
    async def measure(run: Run) -> ResponseTimes:
        return times

    monkeypatch.setattr(endpoint_latency, "measure", measure)


def test_an_unreachable_deployment_has_no_response_times(monitor_at: MonitorAt) -> None:
    monitor = monitor_at(UNREACHABLE)
    assert asyncio.run(monitor.monitor_response_times()) == {}
    assert monitor.errors and "ConnectError" in monitor.errors[0].observed
    assert set(monitor.not_measured) == ENDPOINTS


def test_wrong_answers_have_no_response_times(monitor_at: MonitorAt, serve: Serve) -> None:
    monitor = monitor_at(serve(500, b"Internal Server Error"))
    assert asyncio.run(monitor.monitor_response_times()) == {}
    assert "500" in monitor.errors[0].observed


def test_means_are_of_connections_that_were_kept(monitor_at: MonitorAt, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {"health": [FRESH, KEPT, KEPT], "user": [KEPT], "jobs": [FRESH]}
    kept |= {name: [] for name in ENDPOINTS - set(kept)}
    seen(monkeypatch, ResponseTimes(kept=kept, fresh={}, failed={"user": "user: expected status 200, observed 503"}))
    monitor = monitor_at(UNREACHABLE)
    assert asyncio.run(monitor.monitor_response_times()) == {"health": 4.0}
    assert "503" in monitor.not_measured["user"]
    assert "keeps no connection" in monitor.not_measured["jobs"]
    assert [one.percent for one in monitor.percentiles["health"]] == [50, 95, 99]


def test_a_database_that_cannot_be_seen_is_not_measured(monitor_at: MonitorAt) -> None:
    metrics = asyncio.run(monitor_at(UNREACHABLE).monitor_database_performance())
    assert metrics.query_times == {}
    assert (metrics.connection_pool, metrics.throughput, metrics.error_rate) == (None, None, None)
    assert "needs the capability 'sql'" in metrics.not_measured["throughput"]
    assert metrics.errors


def test_the_baseline_is_the_mission_s_and_asks_the_deployment_nothing(monitor_at: MonitorAt) -> None:
    baseline = asyncio.run(monitor_at(UNREACHABLE).get_performance_baseline())
    assert baseline.target_metrics is not None and baseline.target_metrics["mean_response_time"] == 322.2
    assert baseline.thresholds is not None and baseline.thresholds["PERF-11.query_p95"] == "under 200 ms"
    assert baseline.local_integration_data is not None
    assert baseline.local_integration_data["mean_response_time"]["unit"] == "ms"
    assert baseline.not_measured == {}


def test_a_deployment_that_is_not_there_is_named(tmp_path: Path) -> None:
    monitor = CloudPerformanceMonitor("nowhere", folder=tmp_path)
    assert asyncio.run(monitor.monitor_response_times()) == {}
    assert "nowhere" in monitor.errors[0].observed
    assert "nowhere" in asyncio.run(monitor.get_performance_baseline()).not_measured["thresholds"]


async def test_a_proxy_between_is_our_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    with pytest.raises(EnvironmentUnavailable, match="a proxy stands before the deployment"):
        endpoint_latency.refuse_proxy("https://api.example.org")
    endpoint_latency.refuse_proxy("http://127.0.0.1:8000")
