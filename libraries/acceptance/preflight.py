"""Phase 1 still holds (PRE-01…03): each service answers and names its build, no secret is missing, all is healthy."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from acceptance.client import LOOPBACK
from acceptance.contract import MISSING, pick
from acceptance.descriptor import Descriptor, Service
from acceptance.errors import violation
from acceptance.run import Run

WITHIN_SECONDS = 10.0
HEALTHY = ("database", "authentication", "storage", "parser", "model", "worker")


@dataclass(frozen=True)
class Probe:
    """What one service answered; `problem` is empty when it is as it should be. `seconds` is the whole probe."""

    service: str
    problem: str = ""
    build: str = ""
    version: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Preflight:
    """The problems found, one line each, by criterion, and what each service said of itself."""

    problems: Mapping[str, list[str]]
    probes: list[Probe]


async def check(run: Run) -> Preflight:
    """All of PRE-01, PRE-02 and PRE-03 without stopping at the first problem."""
    probes = await probe_services(run)
    return Preflight(
        {
            "PRE-01": [f"{probe.service}: {probe.problem}" for probe in probes if probe.problem],
            "PRE-02": missing_configuration(run.descriptor) + await _limits_too_low(run),
            "PRE-03": await _unhealthy(run),
        },
        probes,
    )


async def every_service_answers(run: Run) -> list[Probe]:
    """PRE-01; raises AssertionError naming all services that do not answer, or do not say the build expected."""
    probes = await probe_services(run)
    problems = [f"{probe.service}: {probe.problem}" for probe in probes if probe.problem]
    if problems:
        raise violation(
            "services",
            expected=f"an answer of each within {WITHIN_SECONDS:g} s, naming the build",
            seen="; ".join(problems),
        )
    return probes


async def everything_is_configured(run: Run) -> None:
    """PRE-02; raises AssertionError naming everything that is missing, with where to set it."""
    problems = missing_configuration(run.descriptor) + await _limits_too_low(run)
    if problems:
        raise violation("configuration", expected="all that the run needs", seen="; ".join(problems))


async def services_reach_one_another(run: Run) -> None:
    """PRE-03; raises AssertionError naming each service that the health document does not call healthy."""
    problems = await _unhealthy(run)
    if problems:
        raise violation("health", expected="healthy, and each service in it", seen="; ".join(problems))


async def probe_services(run: Run) -> list[Probe]:
    """One probe per service of the descriptor, all at once; builds that differ are a problem of the later one."""
    services = run.descriptor.services
    http = {name: service for name, service in services if isinstance(service, Service)}
    probes = list(await asyncio.gather(*(_probe(name, service) for name, service in http.items())))
    if services.database is not None and "sql" in run.descriptor.capabilities:
        probes.append(await _probe_database(run))
    return _with_one_build(probes, run.descriptor, http)


def missing_configuration(descriptor: Descriptor) -> list[str]:
    """Names of secrets that are not set, with where to set them."""
    return descriptor.missing_secrets()


async def _limits_too_low(run: Run) -> list[str]:
    """What the run needs against what the deployment's plan and its own limits allow."""
    problems = []
    plan = run.descriptor.plan
    if plan.realtime_connections is not None and plan.realtime_connections < run.needs.realtime_connections:
        problems.append(
            f"plan.realtime_connections is {plan.realtime_connections}, the run opens {run.needs.realtime_connections}"
        )
    try:
        limits = await run.client.call("limits")
    except AssertionError as error:
        return [*problems, str(error)]
    for word, needed in (
        ("max_concurrent_jobs_per_user", run.needs.concurrent_jobs_per_user),
        ("max_uploads_per_day_per_user", run.needs.uploads_per_user),
    ):
        if not isinstance(limits[word], int) or limits[word] < needed:
            problems.append(f"{word} is {limits[word]}, the run needs {needed}; raise it in the deployment's settings")
    return problems


async def _unhealthy(run: Run) -> list[str]:
    try:
        health = await run.client.call("health")
    except AssertionError as error:
        return [str(error)]
    problems = [
        f"{name} is {health['services'].get(name, 'not named')}"
        for name in HEALTHY
        if health["services"].get(name) != "healthy"
    ]
    if health["status"] != "healthy":
        problems.append(f"status is {health['status']}")
    if health["environment"] != run.descriptor.environment:
        problems.append(f"environment is {health['environment']}, the descriptor says {run.descriptor.environment}")
    return problems


async def _probe(name: str, service: Service) -> Probe:
    url = re.sub("^ws", "http", service.url) + service.probe
    begin = time.monotonic()
    local = httpx.URL(url).host in LOOPBACK
    try:
        async with (
            httpx.AsyncClient(timeout=WITHIN_SECONDS, trust_env=not local) as http,
            asyncio.timeout(WITHIN_SECONDS),
        ):
            response = await http.get(url)
    except (httpx.HTTPError, TimeoutError) as error:
        return Probe(name, f"{url}: no answer within {WITHIN_SECONDS:g} s ({type(error).__name__} {error})".strip())
    seconds = time.monotonic() - begin
    if response.status_code != 200:
        return Probe(name, f"{url}: status {response.status_code}, expected 200", seconds=seconds)
    build, version = _named(response, service.build), _named(response, service.version)
    unnamed = [
        what
        for what, source, value in (("build", service.build, build), ("version", service.version, version))
        if source and not value
    ]
    if unnamed:
        return Probe(name, f"{url}: does not say its {' and '.join(unnamed)}", build, version, seconds)
    return Probe(name, _stale(response, service), build, version, seconds)


def _named(response: httpx.Response, source: str | None) -> str:
    value = _read(response, source)
    return "" if value in (None, MISSING) else str(value)


def _read(response: httpx.Response, source: str | None) -> Any:
    if source is None:
        return None
    kind, _, where = source.partition(":")
    if kind == "header":
        return response.headers.get(where)
    try:
        return pick(response.json(), where)
    except ValueError:
        return MISSING


def _stale(response: httpx.Response, service: Service) -> str:
    if service.heartbeat_age is None:
        return ""
    ages = _read(response, service.heartbeat_age)
    ages = ages if isinstance(ages, list) else [ages]
    if not ages or not all(isinstance(age, int | float) for age in ages):
        return f"says no heartbeat age ({service.heartbeat_age})"
    old = [age for age in ages if age > service.max_heartbeat_age_seconds]
    if old:
        return f"heartbeat {max(old):.1f} s old, at most {service.max_heartbeat_age_seconds:g} s expected"
    return ""


async def _probe_database(run: Run) -> Probe:
    begin = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_SECONDS), await run.inspection.connect() as connection:
            row = await (await connection.execute("select current_setting('server_version') as version")).fetchone()
    except Exception as error:  # noqa: BLE001  # whatever is wrong with it is what the probe reports
        return Probe("database", f"no answer within {WITHIN_SECONDS:g} s ({type(error).__name__} {error})".strip())
    return Probe("database", version=str(row["version"]) if row else "", seconds=time.monotonic() - begin)


def _with_one_build(probes: list[Probe], descriptor: Descriptor, services: Mapping[str, Service]) -> list[Probe]:
    """The same probes, with a problem for each that says another build than expected."""
    said = [probe for probe in probes if probe.build]
    expected = descriptor.build or (said[0].build if said else "")
    return [
        Probe(
            probe.service, f"says build {probe.build}, expected {expected}", probe.build, probe.version, probe.seconds
        )
        if not probe.problem and probe.service in services and services[probe.service].build and probe.build != expected
        else probe
        for probe in probes
    ]
