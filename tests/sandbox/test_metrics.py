"""The platform reports the resource usage of the sandbox's processes in Render's format, behind a key."""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import processes
from sandbox.platform import CORES, READS_A_MINUTE, UNITS, Platform
from tests.sandbox import made


@asynccontextmanager
async def platform(folder: Path) -> AsyncIterator[tuple[Platform, httpx.AsyncClient]]:
    """The platform of a sandbox whose API instance is this process, and a client with its key."""
    settings = made.settings(folder)
    (folder / "services.json").write_text(json.dumps({"api-1": {"pid": os.getpid()}, "api-2": {"pid": 0}}))
    platform_service = Platform(settings)
    transport = httpx.ASGITransport(platform_service.application())
    headers = {"authorization": f"Bearer {settings.platform_key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://platform", headers=headers) as client:
        yield platform_service, client


def sampled(service: Platform, at: float, cpu: float) -> None:
    service._samples.append((at, {("cpu", "srv-api", "srv-api-api-1"): cpu} | service._state()))


async def test_series_have_renders_form_and_the_resolution_that_is_asked_for(tmp_path: Path) -> None:
    at = 1_767_225_600.0
    async with platform(tmp_path) as (service, client):
        for second, cpu in enumerate((0.2, 0.4, 0.9)):
            sampled(service, at + second, cpu)
        query = {"resource": "srv-api", "startTime": "2026-01-01T00:00:00Z", "endTime": str(at + 10)}
        answer = await client.get("/v1/metrics/cpu", params=query | {"resolutionSeconds": "2"})
        other = await client.get("/v1/metrics/cpu", params=query | {"resource": "srv-worker"})
    [series] = answer.json()
    assert series["labels"] == [
        {"field": "resource", "value": "srv-api"}, {"field": "instance", "value": "srv-api-api-1"}
    ]  # fmt: skip
    assert series["unit"] == "cpu"
    assert [one["value"] for one in series["values"]] == [pytest.approx(0.3), 0.9]
    assert series["values"][0]["timestamp"] == "2026-01-01T00:00:00+00:00"
    assert other.json() == []


@pytest.mark.parametrize(
    ("metric", "resource", "least"),
    [
        ("memory", "srv-api", 1e6),
        ("memory", "machine", 1e7),
        ("memory-limit", "machine", 1e8),
        ("cpu-limit", "srv-api", 1.0),
        ("cpu-limit", "machine", CORES),
        ("instance-count", "srv-api", 1.0),
        ("active-connections", "dpg-database", 0.0),
    ],
)
async def test_every_metric_is_told_of_what_runs(tmp_path: Path, metric: str, resource: str, least: float) -> None:
    async with platform(tmp_path) as (service, client):
        sampled(service, time.time() - 1, 0.1)
        [series] = (await client.get(f"/v1/metrics/{metric}", params={"resource": resource})).json()
    assert series["unit"] == UNITS[metric]
    assert series["values"][0]["value"] >= least


async def test_a_key_is_needed_and_questions_must_make_sense(tmp_path: Path) -> None:
    async with platform(tmp_path) as (_, client):
        asked: list[tuple[str, dict[str, Any], int]] = [
            ("/v1/metrics/cpu", {"headers": {"authorization": "Bearer another"}}, 401),
            ("/v1/metrics/weather", {}, 404),
            ("/v1/metrics/cpu", {"params": {"startTime": "yesterday"}}, 400),
            ("/v1/metrics/cpu", {"params": {"resolutionSeconds": "0"}}, 400),
        ]
        for path, more, status in asked:
            answer = await client.get(path, **more)
            assert answer.status_code == status
            assert set(answer.json()) == {"id", "message"}


async def test_more_reads_than_the_platform_allows_are_refused(tmp_path: Path) -> None:
    async with platform(tmp_path) as (_, client):
        statuses = [(await client.get("/v1/metrics/cpu")).status_code for _ in range(READS_A_MINUTE + 1)]
    assert statuses == [200] * READS_A_MINUTE + [429]


def test_cpu_and_memory_are_those_of_the_process() -> None:
    before = processes.cpu_seconds(os.getpid())
    used = time.process_time()
    while time.process_time() - used < 0.1:
        sum(range(1000))
    assert processes.cpu_seconds(os.getpid()) - before >= 0.05
    assert processes.memory_bytes(os.getpid()) > 1e6
    assert os.getpid() in processes.families()(os.getppid())
    assert processes.cpu_seconds(2**30) == processes.memory_bytes(2**30) == 0
