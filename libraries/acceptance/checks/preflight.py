"""Phase 1 still holds (PRE-01…03): every service answers and names its build, nothing is missing, all are healthy."""

from __future__ import annotations

import asyncio
import math
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING, Contract, pick, standard_words
from acceptance.deployment.descriptor import Descriptor, Plan, Service
from acceptance.errors import ConfigurationError, EnvironmentUnavailable, NotOffered, Violation, shown
from acceptance.run import RequiredCapacity, Run

WITHIN_SECONDS = 10.0
MOST_BYTES = 1_048_576  # of the answer to a probe
PROBES = 4  # of each service: behind one address there may be several instances
BUILT_BY_US = ("frontend", "api", "worker", "realtime")  # a provider's own service need only say its version
STALE_SECONDS = 60.0
SECRET_NAME = re.compile("secret|password|privatekey|servicerole|apikey|token(?!i[sz])")  # in small letters only
MASKED = re.compile(r"[*•.xX<>\[\]]+|[<\[(]?(hidden|masked|redacted)[>\])]?", re.IGNORECASE)
REFUSED = "authentication failed"  # PostgreSQL, of a wrong password or role
SECRETS = {"sql": "database_password", "webhook-secret": "webhook_secret", "admin-api": "service_role_key"}


@dataclass(frozen=True)
class Probe:
    """What one service answered; `problem` is empty when all is well. `seconds` is the slowest probe of it."""

    service: str
    problem: str = ""
    build: str = ""
    version: str = ""
    seconds: float = 0.0
    answered: bool = True


async def obstacles(run: Run) -> dict[str, list[str]]:
    """What makes the run impossible, one line each, by criterion; everything else is for the tests to find."""
    missing = missing_configuration(run.descriptor)

    async def found(check: Callable[[Run], Awaitable[list[str]]]) -> list[str]:
        try:
            return await check(run)
        except ConfigurationError:
            if not missing:
                raise
            return []  # it needs what is missing

    answering, refused, elsewhere = await asyncio.gather(*map(found, (_unanswered, refused_credentials, _elsewhere)))
    return {"PRE-01": answering, "PRE-02": missing + refused, "PRE-03": elsewhere}


async def record_probes(run: Run) -> list[Probe]:
    """A probe of every service; records what each says of itself, and the slowest."""
    probes = await probe_services(run)
    for probe in probes:
        says = f"{probe.build or 'not reported'}, {probe.version}"
        run.observe("PRE-01", f"build and version of {probe.service}", says, "text", samples=1)
    run.observe("PRE-01", "slowest_probe", [probe.seconds for probe in probes], "s", statistic="max")
    return probes


async def probe_services(run: Run) -> list[Probe]:
    """Every service of the descriptor that can be probed, all at once."""
    services = run.descriptor.services
    http = [_probe(run, name, service) for name, service in services if isinstance(service, Service) and service.probe]
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


def not_described(descriptor: Descriptor) -> list[str]:
    """Services that the descriptor leaves out, and what it does not say of the others: dotted paths in it."""
    services = descriptor.services
    named = {name: service for name, service in services if isinstance(service, Service)}
    left_out = [name for name in type(services).model_fields if name not in (*named, "database")]
    left_out += [
        f"{name}.{'build' if name in BUILT_BY_US else 'version'}"
        for name, service in named.items()
        if service.probe and service.build is None and (name in BUILT_BY_US or service.version is None)
    ]
    left_out += [f"{name}.probe" for name, service in named.items() if not service.probe]
    if "worker" in named and named["worker"].probe and named["worker"].heartbeat_age is None:
        left_out.append("worker.heartbeat_age")
    return [f"services.{one}" for one in left_out]


def not_in_health(contract: Contract) -> list[str]:
    """What PRE-03 asks of the health document and the contract marks `absent`: dotted paths in it."""
    places = [f"routes.health.answer.{word}" for word in ("status", "environment", "timestamp")]
    places += [f"health.services.{name}" for name in standard_words("health.services")]
    return [place for place in places if not contract.offers(place)]


def unhealthy(contract: Contract, document: Any, environment: str, now: float) -> list[str]:
    """What is wrong with a health document, read at `now` (Unix seconds), of a deployment of that environment.

    Raises:
        NotOffered: there is nothing in it that could be.
    """
    health, named = contract.health, contract.route("health").answer
    fields = {word: pick(document, path) for word, path in named.items()}
    services = {name: pick(document, path) for name, path in health.services.items()}
    published = [f"publishes {place}" for place in published_secrets(contract, document)]
    if not published and not services and not fields.keys() & {"status", "environment", "timestamp"}:
        raise NotOffered("health.services")
    problems = published + [f"no field '{word}'" for word, value in fields.items() if value is MISSING]
    problems += [
        f"{name} is {'not named' if value is MISSING else value}"
        for name, value in services.items()
        if value != health.service_healthy
    ]
    if fields.get("status", MISSING) not in (MISSING, health.healthy):
        problems.append(f"status is {fields['status']}")
    if fields.get("environment", MISSING) not in (MISSING, environment):
        problems.append(_of_another(fields["environment"], environment))
    return problems + _out_of_date(fields.get("timestamp", MISSING), now)


def published_secrets(contract: Contract, document: Any) -> dict[str, str]:
    """Texts in a health document under names such as `jwt_secret` or `apiKey`, by their dotted path.

    What the contract names in it is none, nor is a word for what is well, nor a value that is masked already.
    """
    named = {*contract.route("health").answer.values(), *contract.health.services.values()}
    harmless = {contract.health.healthy, contract.health.service_healthy}

    def texts(value: Any, place: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict | list):
            for name, each in value.items() if isinstance(value, dict) else enumerate(value):
                yield from texts(each, f"{place}.{name}" if place else str(name))
        elif isinstance(value, str) and value.strip() and SECRET_NAME.search(_last_name(place)):
            yield place, value

    return {
        place: text
        for place, text in texts(document, "")
        if place not in named and text not in harmless and not MASKED.fullmatch(text)
    }


def _last_name(place: str) -> str:
    """The name of the field at a place, small letters only; that of the list of which it is an entry."""
    names = [name for name in place.split(".") if not name.isdigit()]
    return re.sub("[^a-z]", "", names[-1].lower()) if names else ""


def _out_of_date(stamp: Any, now: float) -> list[str]:
    if stamp is MISSING:
        return []
    try:
        age = now - datetime.fromisoformat(str(stamp)).timestamp()
    except ValueError:
        return [f"timestamp is {stamp}, not a time"]
    return [f"timestamp is {stamp}, {age:.0f} s ago: the document is stale"] if abs(age) > STALE_SECONDS else []


def _of_another(environment: Any, declared: str) -> str:
    return f"environment is {environment}, the descriptor says {declared}"


def judged(name: str, service: Service, response: Response) -> Probe:
    """One answer of a service to its probe, and what is wrong with it."""
    if response.status != 200:
        return Probe(name, f"{response.url}: expected status 200, observed {response.excerpt()}")
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


async def _unanswered(run: Run) -> list[str]:
    """Why no call can be made: nothing answers where the API should be."""
    api = run.descriptor.services.api
    probes = await asyncio.gather(*(_probe_once(run, "api", api) for _ in range(PROBES)))
    reasons = [probe.problem for probe in probes if not probe.answered]
    return [f"api: {reasons[0]}"] if len(reasons) == PROBES else []


async def refused_credentials(run: Run) -> list[str]:
    """The credentials of the descriptor that are refused, with the variable that holds each."""
    descriptor, problems = run.descriptor, []
    if "sql" in descriptor.capabilities and "database_password" in descriptor.secrets:
        problem = (await _probe_database(run)).problem
        if REFUSED in problem:
            problems.append(f"database_password ({descriptor.secrets['database_password']}): {problem}")
    if "admin-api" in descriptor.capabilities and "service_role_key" in descriptor.secrets:
        try:
            refusal = await run.users.admin_refusal()
        except (EnvironmentUnavailable, NotOffered):  # whoever needs it reports that
            refusal = ""
        if refusal:
            problems.append(f"service_role_key ({descriptor.secrets['service_role_key']}): the admin API: {refusal}")
    return problems


async def _elsewhere(run: Run) -> list[str]:
    """That it is another environment than declared, where its health document says one."""
    if not run.contract.offers("routes.health.answer.environment"):
        return []
    route = run.contract.route("health")
    try:
        response = await run.client.fetch(run.client.url(route, {}))
    except AssertionError:
        return []
    named = pick(response.json(), route.answer["environment"])
    other = isinstance(named, str) and named and named != run.descriptor.environment
    return [_of_another(named, run.descriptor.environment)] if other else []


async def _probe(run: Run, name: str, service: Service) -> Probe:
    """An answer of the service that has a problem, if any has; several at once reach several instances."""
    return gathered(await asyncio.gather(*(_probe_once(run, name, service) for _ in range(PROBES))))


async def _probe_once(run: Run, name: str, service: Service) -> Probe:
    url = re.sub("^ws", "http", service.url) + (service.probe or "/")
    begin = time.monotonic()
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            probe = judged(name, service, await run.client.exchange("GET", url, {}, None, most=MOST_BYTES))
    except (Violation, TimeoutError) as error:
        seen = error.observed if isinstance(error, Violation) else _unreached(error)
        probe = Probe(name, f"{url}: {seen}", answered=False)
    return replace(probe, seconds=time.monotonic() - begin)


def _unreached(error: Exception) -> str:
    late = isinstance(error, TimeoutError)
    return f"no answer within {WITHIN_SECONDS:g} s" if late else f"cannot be reached ({type(error).__name__}: {error})"


async def _probe_realtime(run: Run) -> Probe:
    """A WebSocket must open: that the address answers HTTP does not show it."""
    try:
        path = run.contract.realtime.job.format(job_id=uuid.UUID(int=0))
        async with run.websocket.socket(path, None) as socket:
            refused = socket.connection is None
            return Probe("realtime", f"{socket.what}: handshake refused with {socket.closed}" if refused else "")
    except NotOffered:
        return Probe("realtime")
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
    value = response.at(source)
    values = value if isinstance(value, list) else [value]
    if any(one in (None, "", MISSING) for one in values):
        return []
    return sorted({str(one) for one in values})


def _stale(response: Response, service: Service) -> str:
    if service.heartbeat_age is None:
        return ""
    ages = response.at(service.heartbeat_age)
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
