"""Phase 1 still holds (PRE-01…03): every service answers and names its build, nothing is missing, all are healthy."""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING, pick
from acceptance.deployment.descriptor import Descriptor, Plan, Service
from acceptance.errors import Violation, shown
from acceptance.run import RequiredCapacity, Run

WITHIN_SECONDS = 10.0
MOST_BYTES = 1_048_576  # of the answer to a probe
PROBES = 4  # of each service: behind one address there may be several instances
HEALTHY = ("database", "authentication", "storage", "parser", "model", "worker")
BUILT_BY_US = ("frontend", "api", "worker", "realtime")  # a provider's own service need only say its version
STALE_SECONDS = 60.0
SECRETS = {"sql": "database_password", "webhook-secret": "webhook_secret", "admin-api": "service_role_key"}


@dataclass(frozen=True)
class Probe:
    """What one service answered; `problem` is empty when all is well. `seconds` is the slowest probe of it."""

    service: str
    problem: str = ""
    build: str = ""
    version: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Preflight:
    """The problems found, one line each, by criterion, and what each service reports of itself."""

    problems: Mapping[str, list[str]]
    probes: list[Probe]


async def check(run: Run) -> Preflight:
    """All of PRE-01, PRE-02 and PRE-03 without stopping at the first problem."""
    probes, limits, health = await asyncio.gather(probe_services(run), low_limits(run), _unhealthy(run))
    return Preflight(
        {
            "PRE-01": [f"{probe.service}: {probe.problem}" for probe in probes if probe.problem],
            "PRE-02": missing_configuration(run.descriptor) + limits,
            "PRE-03": health,
        },
        probes,
    )


async def record_probes(run: Run) -> list[Probe]:
    """A probe of every service; records what each says of itself, and the slowest."""
    probes = await probe_services(run)
    for probe in probes:
        says = f"{probe.build or 'not reported'}, {probe.version}"
        run.observe("PRE-01", f"build and version of {probe.service}", says, "text", samples=1)
    run.observe("PRE-01", "slowest_probe", [probe.seconds for probe in probes], "s", statistic="max")
    return probes


async def probe_services(run: Run) -> list[Probe]:
    """Every service of the descriptor, all at once."""
    services = run.descriptor.services
    http = [_probe(run, name, service) for name, service in services if isinstance(service, Service)]
    found, handshake, database = await asyncio.gather(asyncio.gather(*http), _probe_realtime(run), _probe_database(run))
    probes = [handshake if probe.service == "realtime" and handshake.problem else probe for probe in found]
    return with_one_build(probes, run.descriptor.build) + ([database] if services.database else [])


def missing_configuration(descriptor: Descriptor) -> list[str]:
    """Each secret and capability that the run needs and that is not there, with where to set it."""
    unnamed = [
        f"secrets.{secret} is missing in the descriptor, and the capability '{capability}' needs it: "
        "name the environment variable that holds it"
        for capability, secret in SECRETS.items()
        if capability in descriptor.capabilities and secret not in descriptor.secrets
    ]
    relying = [
        ("admin-api", "'users: admin-api'", descriptor.users == "admin-api"),
        ("admin-api", "the capability 'short-lived-tokens'", "short-lived-tokens" in descriptor.capabilities),
        ("sql", "services.database", descriptor.services.database is not None),
    ]
    unlisted = [
        f"capabilities in the descriptor does not list '{capability}', which {because} relies on"
        for capability, because, relies in relying
        if relies and capability not in descriptor.capabilities
    ]
    return descriptor.missing_secrets() + unnamed + unlisted


def plan_too_low(plan: Plan, needs: RequiredCapacity) -> list[str]:
    """What the provider's plan allows less of than the run needs; a limit that is not known does not count."""
    limits = {
        "realtime_connections": (plan.realtime_connections, needs.realtime_connections),
        "realtime_joins_per_second": (plan.realtime_joins_per_second, needs.realtime_joins_per_second),
        "requests_per_minute": (plan.requests_per_minute, needs.requests_per_minute),
    }
    return [
        f"plan.{word} is {allowed}, the run needs {needed}; a larger plan, or a smaller run"
        for word, (allowed, needed) in limits.items()
        if allowed is not None and allowed < needed
    ]


def unhealthy(document: Any, environment: str, now: float) -> list[str]:
    """What is wrong with a health document, read at `now` (Unix seconds), of a deployment of that environment."""
    services = pick(document, "services")
    named = services if isinstance(services, dict) else {}
    problems = [f"{name} is {named.get(name, 'not named')}" for name in HEALTHY if named.get(name) != "healthy"]
    if (status := pick(document, "status")) != "healthy":
        problems.append(f"status is {status}")
    if (reported := pick(document, "environment")) != environment:
        problems.append(f"environment is {reported}, the descriptor says {environment}")
    stamp = str(pick(document, "timestamp"))
    try:
        age = now - datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return [*problems, f"timestamp is {stamp}, not a time"]
    if abs(age) > STALE_SECONDS:
        problems.append(f"timestamp is {stamp}, {age:.0f} s ago: the document is stale")
    return problems


def judged(name: str, service: Service, response: Response) -> Probe:
    """One answer of a service to its probe, and what is wrong with it."""
    if response.status != 200:
        return Probe(name, f"{response.url}: expected status 200, observed {response.excerpt()}")
    if service.build is None and (name in BUILT_BY_US or service.version is None):
        return Probe(name, "the descriptor does not say where its answer names the build (build)")
    if name == "worker" and service.heartbeat_age is None:
        return Probe(name, "the descriptor does not say where its answer names the heartbeat's age (heartbeat_age)")
    sources = {"build": service.build, "version": service.version}
    reported = {word: _values_at(response, source) for word, source in sources.items() if source}
    probe = Probe(name, "", ", ".join(reported.get("build", ())), ", ".join(reported.get("version", ())))
    unnamed = [word for word, values in reported.items() if not values]
    if unnamed:
        why = _no_json(response) if any(source and source.startswith("json:") for source in sources.values()) else ""
        return replace(probe, problem=f"{response.url}: does not say its {' and '.join(unnamed)}{why}")
    return replace(probe, problem=_stale(response, service))


def gathered(probes: Sequence[Probe]) -> Probe:
    """One probe for several of the same service: the worst of them, and the slowest time; all must say one build."""
    worst = next((probe for probe in probes if probe.problem), probes[0])
    builds = sorted({probe.build for probe in probes})
    if not worst.problem and len(builds) > 1:
        worst = replace(worst, problem=f"its instances say builds {', '.join(builds)}")
    return replace(worst, seconds=max(probe.seconds for probe in probes))


def with_one_build(probes: list[Probe], build: str | None) -> list[Probe]:
    """The same probes, with a problem for each that says another build than `build` (None: than the first one says)."""
    expected = build or next((probe.build for probe in probes if probe.build), "")
    return [
        replace(probe, problem=f"says build {probe.build}, expected {expected}")
        if not probe.problem and probe.build and probe.build != expected
        else probe
        for probe in probes
    ]


async def low_limits(run: Run) -> list[str]:
    """Each limit that is lower than what the run is about to do, with what to change."""
    problems = plan_too_low(run.descriptor.plan, run.needs)
    try:
        limits = await run.client.call("limits")
    except AssertionError as error:
        return [*problems, str(error)]
    needed = {
        "max_concurrent_jobs_per_user": run.needs.concurrent_jobs_per_user,
        "max_uploads_per_day_per_user": run.needs.uploads_per_user,
    }
    for word, least in needed.items():
        if not isinstance(limits[word], int) or limits[word] < least:
            problems.append(f"{word} is {limits[word]}, the run needs {least}; raise it in the deployment's settings")
    return problems


async def _unhealthy(run: Run) -> list[str]:
    try:
        health = await run.client.call("health")
    except AssertionError as error:
        return [str(error)]
    return health_problems(run, health.json(), time.time())


def health_problems(run: Run, document: Any, now: float) -> list[str]:
    """What is wrong with a health document, in the application's own fields, read at `now` (Unix seconds)."""
    fields = {word: pick(document, path) for word, path in run.contract.route("health").answer.items()}
    missing = [f"no field '{word}'" for word, value in fields.items() if value is MISSING]
    return missing or unhealthy(fields, run.descriptor.environment, now)


async def _probe(run: Run, name: str, service: Service) -> Probe:
    """An answer of the service that has a problem, if any has; several at once reach several instances."""
    return gathered(await asyncio.gather(*(_probe_once(run, name, service) for _ in range(PROBES))))


async def _probe_once(run: Run, name: str, service: Service) -> Probe:
    url = re.sub("^ws", "http", service.url) + service.probe
    begin = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            probe = judged(name, service, await run.client.exchange("GET", url, {}, None, most=MOST_BYTES))
    except (Violation, TimeoutError) as error:
        probe = Probe(name, f"{url}: {error.observed if isinstance(error, Violation) else _unreached(error)}")
    return replace(probe, seconds=time.monotonic() - begin)


def _unreached(error: Exception) -> str:
    late = isinstance(error, TimeoutError)
    return f"no answer within {WITHIN_SECONDS:g} s" if late else f"cannot be reached ({type(error).__name__}: {error})"


async def _probe_realtime(run: Run) -> Probe:
    """A WebSocket must open: that the address answers HTTP does not show it."""
    path = run.contract.realtime.job.format(job_id=uuid.UUID(int=0))
    try:
        async with run.websocket.socket(path, None) as socket:
            refused = socket.connection is None
            return Probe("realtime", f"{socket.what}: handshake refused with {socket.closed}" if refused else "")
    except AssertionError as error:
        return Probe("realtime", str(error))


async def _probe_database(run: Run) -> Probe:
    begin, problem, version = time.monotonic(), "", ""
    try:
        async with asyncio.timeout(WITHIN_SECONDS), await run.database.connect() as connection:
            rows = await (await connection.execute("select current_setting('server_version') as version")).fetchall()
            version = str(rows[0]["version"])
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it is what the probe reports
        problem = _unreached(error)
    return Probe("database", problem, version=version, seconds=time.monotonic() - begin)


def _no_json(response: Response) -> str:
    return f", since its answer is no JSON ({response.no_json}): {response.excerpt()}" if response.no_json else ""


def _values_at(response: Response, source: str) -> list[str]:
    """The different values that an answer names at a source; none when one of several is missing."""
    value = _read(response, source)
    values = value if isinstance(value, list) else [value]
    if any(one in (None, "", MISSING) for one in values):
        return []
    return sorted({str(one) for one in values})


def _read(response: Response, source: str) -> Any:
    kind, _, where = source.partition(":")
    if kind == "header":
        return response.headers.get(where)
    return pick(response.json(), where)


def _stale(response: Response, service: Service) -> str:
    if service.heartbeat_age is None:
        return ""
    ages = _read(response, service.heartbeat_age)
    ages = ages if isinstance(ages, list) else [ages]
    if not ages or not all(_is_age(age) for age in ages):
        seen = "none" if MISSING in ages else shown(ages)
        where = f"says no heartbeat age ({service.heartbeat_age})"
        return f"{where}: expected seconds, 0 or more, observed {seen}{_no_json(response)}"
    oldest = max(ages)
    if oldest > service.max_heartbeat_age_seconds:
        return f"heartbeat {oldest:.1f} s old, at most {service.max_heartbeat_age_seconds:g} s expected"
    return ""


def _is_age(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
