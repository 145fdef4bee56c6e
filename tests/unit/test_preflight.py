"""The preflight finds what is missing, unhealthy or of another build, and says so in words that name it."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import cast

import pytest
from acceptance.checks import preflight
from acceptance.checks.preflight import (
    Probe,
    gathered,
    judged,
    missing_configuration,
    not_described,
    not_in_health,
    obstacles,
    plan_too_low,
    published_secrets,
    unhealthy,
    with_one_build,
)
from acceptance.clients.http import ContractClient, Response
from acceptance.deployment.contract import Contract, read_contract
from acceptance.deployment.descriptor import Descriptor, Plan, Service, Services
from acceptance.deployment.provisioning import OpenDeployment
from acceptance.errors import NotOffered
from acceptance.run import RequiredCapacity, Run

from tests.unit.conftest import descriptor_at

CONTRACT = read_contract()
NOW = time.time()
WORKER = Service(
    url="http://w", build="json:workers.*.build", version="header:x-version", heartbeat_age="json:workers.*.age"
)


SERVICES = ("database", "authentication", "storage", "parser", "model", "worker")
FRONT = Service(url="http://f", build="header:x-build")


def health(**instead: object) -> dict[str, object]:
    stamp = datetime.fromtimestamp(NOW, UTC).isoformat()
    good = {"status": "healthy", "environment": "e", "services": dict.fromkeys(SERVICES, "healthy"), "timestamp": stamp}
    return good | {"version": "1", "build": "b"} | instead


def read(folder: Path, text: str) -> Contract:
    path = folder / "contract.yaml"
    path.write_text(dedent(text))
    return read_contract(path)


def problems(document: object, contract: Contract = CONTRACT, environment: str = "e", now: float = NOW) -> list[str]:
    return unhealthy(contract, document, environment, now)


def response(body: object, status: int = 200) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response("GET", "GET", "http://w/health", status, {"x-version": "1.0"}, content, "r-1", 0.1)


def changed(**fields: object) -> Descriptor:
    return descriptor_at("http://127.0.0.1:9").model_copy(update=fields)


def test_a_healthy_document_has_no_problem() -> None:
    assert problems(health()) == []


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_must_be_named_and_healthy(name: str) -> None:
    others = {other: "healthy" for other in SERVICES if other != name}
    assert problems(health(services=others)) == [f"{name} is not named"]
    assert problems(health(services={**others, name: "degraded"})) == [f"{name} is degraded"]


def test_degraded_other_and_stale_documents_are_found() -> None:
    assert problems(health(status="degraded")) == ["status is degraded"]
    assert problems(health(), environment="production") == ["environment is e, the descriptor says production"]
    assert "the document is stale" in problems(health(), now=NOW + 3600)[0]
    assert problems(health(timestamp="now")) == ["timestamp is now, not a time"]
    assert len(problems([])) == len(SERVICES) + len(health())


def test_a_health_document_of_objects_is_described_by_the_contract(tmp_path: Path) -> None:
    contract = read(
        tmp_path,
        """
        routes: {health: {answer: {status: state, environment: absent, services: absent, timestamp: absent,
                                   version: absent, build: absent}}}
        health: {healthy: ok, service_healthy: true,
                 services: {database: checks.db.ok, authentication: absent, storage: absent, parser: absent,
                            model: absent, worker: absent}}
        """,
    )
    assert problems({"state": "ok", "checks": {"db": {"ok": True}}}, contract) == []
    assert problems({"state": "down", "checks": {"db": {"ok": False}}}, contract) == [
        "database is False", "status is down",
    ]  # fmt: skip
    assert not_in_health(contract)[:3] == [
        "routes.health.answer.environment", "routes.health.answer.timestamp", "health.services.authentication",
    ]  # fmt: skip
    assert not_in_health(CONTRACT) == []


def test_a_health_document_that_says_nothing_is_not_offered(tmp_path: Path) -> None:
    nothing = ", ".join(f"{name}: absent" for name in SERVICES)
    answer = "status: absent, environment: absent, timestamp: absent"
    contract = read(tmp_path, f"routes: {{health: {{answer: {{{answer}}}}}}}\nhealth: {{services: {{{nothing}}}}}")
    with pytest.raises(NotOffered):
        problems({"version": "1"}, contract)


@pytest.mark.parametrize(
    ("published", "place"),
    [
        ({"config": {"supabase_jwt_secret": "hunter22"}}, "config.supabase_jwt_secret"),
        ({"keys": [{"openaiApiKey": "hunter22"}]}, "keys.0.openaiApiKey"),
        ({"tokens": ["hunter22"]}, "tokens.0"),
        ({"SERVICE-ROLE-KEY": "hunter22"}, "SERVICE-ROLE-KEY"),
        ({"db": {"password": "hunter22"}}, "db.password"),
        ({"private_key": "hunter22"}, "private_key"),
    ],
)
def test_a_health_document_that_publishes_a_secret_is_a_problem(published: dict[str, object], place: str) -> None:
    assert problems(health(**published)) == [f"publishes {place}"]
    assert published_secrets(CONTRACT, health(**published)) == {place: "hunter22"}


def test_a_secret_is_a_problem_of_a_health_document_that_says_nothing_else(tmp_path: Path) -> None:
    nothing = ", ".join(f"{name}: absent" for name in SERVICES)
    answer = "status: absent, environment: absent, timestamp: absent, version: absent, build: absent, services: absent"
    contract = read(tmp_path, f"routes: {{health: {{answer: {{{answer}}}}}}}\nhealth: {{services: {{{nothing}}}}}")
    assert problems({"jwt_secret": "hunter22"}, contract) == ["publishes jwt_secret"]


@pytest.mark.parametrize("harmless", ["", None, True, 3600, "healthy", "****", "[REDACTED]", {"status": "healthy"}])
def test_what_only_speaks_of_a_secret_is_none(harmless: object) -> None:
    assert problems(health(checks={"jwt_secret": harmless, "tokenizer": "cl100k"})) == []


def test_a_service_that_cannot_be_probed_is_not_described(monkeypatch: pytest.MonkeyPatch) -> None:
    unprobed = Service.model_validate({"url": "http://a", "probe": "absent"})
    said = changed(services=Services(api=FRONT, worker=unprobed, authentication=unprobed))
    assert not_described(said) == [
        "services.frontend", "services.storage", "services.realtime",
        "services.worker.probe", "services.authentication.probe",
    ]  # fmt: skip
    probed: list[str] = []

    async def probe(run: Run, name: str, service: Service) -> Probe:
        probed.append(name)
        return Probe(name)

    async def no_realtime(run: Run) -> Probe:
        return Probe("realtime")

    monkeypatch.setattr(preflight, "_probe", probe)
    monkeypatch.setattr(preflight, "_probe_realtime", no_realtime)
    monkeypatch.setattr(preflight, "_probe_database", no_realtime)
    run = cast(Run, SimpleNamespace(descriptor=said))
    assert [one.service for one in asyncio.run(preflight.probe_services(run))] == probed == ["api"]


def test_what_a_worker_says_of_itself() -> None:
    two = [{"build": "b", "age": 1}, {"build": "b", "age": 2}]
    assert judged("worker", WORKER, response({"workers": two})) == Probe("worker", "", "b", "1.0")


@pytest.mark.parametrize(
    ("workers", "problem"),
    [
        ([], "does not say its build"),
        ([{"build": "b", "age": 1}, {"age": 1}], "does not say its build"),
        ([{"build": "b", "age": 11}], "heartbeat 11.0 s old, at most 10 s expected"),
        ([{"build": "b", "age": 1}, {"build": "b", "age": 700}], "heartbeat 700.0 s old"),
        ([{"build": "b", "age": None}], "says no heartbeat age"),
        ([{"build": "b", "age": -5}], "expected seconds, 0 or more, observed [-5]"),
        ([{"build": "b", "age": 1}, {"build": "b", "age": -1e9}], "expected seconds, 0 or more"),
        ([{"build": "b", "age": True}], "expected seconds, 0 or more"),
        ([{"build": "b", "age": "1"}], "expected seconds, 0 or more"),
    ],
)
def test_a_worker_that_is_not_alive_is_a_problem(workers: object, problem: str) -> None:
    assert problem in judged("worker", WORKER, response({"workers": workers})).problem


@pytest.mark.parametrize("age", [b"NaN", b"Infinity", b"1e999"])
def test_what_is_no_json_names_no_build_and_no_age(age: bytes) -> None:
    problem = judged("worker", WORKER, response(b'{"workers": [{"build": "b", "age": %b}]}' % age)).problem
    assert "does not say its build, since its answer is no JSON" in problem


def test_every_other_status_is_a_problem() -> None:
    assert (
        judged("worker", WORKER, response({}, 503)).problem == "http://w/health: expected status 200, observed 503 {}"
    )
    assert (
        judged("worker", WORKER, response({}, 204)).problem == "http://w/health: expected status 200, observed 204 {}"
    )


def test_what_a_descriptor_does_not_say_is_not_offered() -> None:
    said = changed(services=Services(api=FRONT, worker=FRONT, frontend=Service(url="http://f"), storage=FRONT))
    assert not_described(said) == [
        "services.authentication", "services.realtime", "services.frontend.build", "services.worker.heartbeat_age",
    ]  # fmt: skip
    silent = Service(url="http://w")
    assert judged("api", silent, response({})).problem == ""
    assert judged("worker", Service(url="http://w", build="json:build"), response({"build": "b"})).problem == ""
    assert not_described(changed(services=Services(api=FRONT, storage=silent)))[-1] == "services.storage.version"
    with pytest.raises(NotOffered, match=r"services\.realtime"):
        _ = said.services.realtime


def test_another_build_is_a_problem_of_who_says_it() -> None:
    one, two, silent = Probe("api", build="1"), Probe("worker", build="1, 2"), Probe("storage")
    assert [probe.problem for probe in with_one_build([one, two, silent], None)] == [
        "", "says build 1, 2, expected 1", "",
    ]  # fmt: skip
    assert with_one_build([one], "3")[0].problem == "says build 1, expected 3"


def test_several_probes_of_a_service_are_one() -> None:
    one, slow, other = Probe("api", build="1"), Probe("api", build="1", seconds=3), Probe("api", build="2")
    assert gathered([one, slow]) == slow
    assert gathered([one, other, slow]).problem == "its instances say builds 1, 2"
    assert gathered([one, Probe("api", "gone"), slow]) == Probe("api", "gone", seconds=3)


def test_all_missing_names_at_once_with_where_to_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    descriptor = changed(
        users="admin-api", capabilities=frozenset({"webhook-secret"}), secrets={"database_password": "NOT_SET"}
    )
    problems = missing_configuration(descriptor)
    assert problems[0].startswith("secret 'database_password' is not set: set NOT_SET in the environment")
    assert problems[1].startswith("secrets.webhook_secret is missing in the descriptor")
    assert "'admin-api', which 'users: admin-api' relies on" in problems[2]
    assert len(problems) == 3
    monkeypatch.setenv("NOT_SET", "value")
    assert missing_configuration(changed(secrets={"database_password": "NOT_SET"})) == []


def test_a_plan_with_too_little_room() -> None:
    needs = RequiredCapacity(realtime_connections=60, realtime_joins_per_second=50, requests_per_minute=100)
    assert plan_too_low(Plan(), needs) == []
    tight = Plan(realtime_connections=60, realtime_joins_per_second=49, requests_per_minute=99)
    problems = plan_too_low(tight, needs)
    assert [problem.split(" is ")[0] for problem in problems] == [
        "plan.realtime_joins_per_second", "plan.requests_per_minute",
    ]  # fmt: skip


async def test_a_service_that_takes_the_call_and_never_answers_is_told(
    monkeypatch: pytest.MonkeyPatch, client_at: Callable[[str], ContractClient]
) -> None:
    monkeypatch.setattr(preflight, "WITHIN_SECONDS", 0.2)

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(hang, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        run = cast(Run, SimpleNamespace(client=client_at(url)))
        seen = await preflight._probe_once(run, "api", Service(url=url, probe="/health"))
    assert seen.problem == f"{url}/health: no answer within 0.2 s"


@pytest.fixture
def run_at(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """A run against an address."""
    runs: list[Run] = []

    def start(address: str, **fields: object) -> Run:
        described = descriptor_at(address).model_copy(update=fields)
        runs.append(Run(OpenDeployment(described, tmp_path / "d.yaml"), tmp_path / str(len(runs)), "r"))
        return runs[-1]

    yield start
    for one in runs:
        one.release()


@pytest.mark.parametrize("status", [200, 401, 404, 500])
def test_whatever_answers_makes_a_run_possible(
    run_at: Callable[..., Run], serve: Callable[..., str], status: int
) -> None:
    run = run_at(serve(status, {}))
    assert not any(run.wait(obstacles(run)).values())


def test_nothing_that_answers_makes_a_run_impossible(run_at: Callable[..., Run]) -> None:
    run = run_at("http://127.0.0.1:9")
    assert "api: http://127.0.0.1:9/: " in run.wait(obstacles(run))["PRE-01"][0]


def test_another_environment_makes_a_run_impossible(run_at: Callable[..., Run], serve: Callable[..., str]) -> None:
    run = run_at(serve(200, {"environment": "production"}))
    assert run.wait(obstacles(run))["PRE-03"] == ["environment is production, the descriptor says test"]


def test_a_refused_key_makes_a_run_impossible(
    run_at: Callable[..., Run], serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "wrong-key-of-a-test")
    secrets, capabilities = {"service_role_key": "THE_KEY"}, frozenset({"admin-api"})
    run = run_at(serve(403, {}), secrets=secrets, capabilities=capabilities)
    [problem] = run.wait(obstacles(run))["PRE-02"]
    assert problem.startswith("service_role_key (THE_KEY): the admin API: observed status 403")


def test_what_needs_a_secret_that_is_missing_is_left_to_the_one_that_names_it(
    run_at: Callable[..., Run], serve: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("THE_KEY", raising=False)
    secrets, capabilities = {"service_role_key": "THE_KEY"}, frozenset({"admin-api"})
    run = run_at(serve(403, {}), secrets=secrets, capabilities=capabilities)
    assert run.wait(obstacles(run))["PRE-02"] == [
        "secret 'service_role_key' is not set: set THE_KEY in the environment"
    ]
