"""The preflight finds what is missing, unhealthy or of another build, and says so in words that name it."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest
from acceptance.checks import preflight
from acceptance.checks.preflight import (
    HEALTHY,
    Probe,
    gathered,
    judged,
    missing_configuration,
    plan_too_low,
    unhealthy,
    with_one_build,
)
from acceptance.clients.http import ContractClient, Response
from acceptance.deployment.descriptor import Descriptor, Plan, Service
from acceptance.run import RequiredCapacity, Run

from tests.unit.conftest import descriptor_at

NOW = time.time()
WORKER = Service(
    url="http://w", build="json:workers.*.build", version="header:x-version", heartbeat_age="json:workers.*.age"
)


def health(**instead: object) -> dict[str, object]:
    stamp = datetime.fromtimestamp(NOW, UTC).isoformat()
    good = {"status": "healthy", "environment": "e", "services": dict.fromkeys(HEALTHY, "healthy"), "timestamp": stamp}
    return good | instead


def response(body: object, status: int = 200) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response("GET", "GET", "http://w/health", status, {"x-version": "1.0"}, content, "r-1", 0.1)


def changed(**fields: object) -> Descriptor:
    return descriptor_at("http://127.0.0.1:9").model_copy(update=fields)


def test_a_healthy_document_has_no_problem() -> None:
    assert unhealthy(health(), "e", NOW) == []


@pytest.mark.parametrize("name", HEALTHY)
def test_each_service_must_be_named_and_healthy(name: str) -> None:
    others = {other: "healthy" for other in HEALTHY if other != name}
    assert unhealthy(health(services=others), "e", NOW) == [f"{name} is not named"]
    assert unhealthy(health(services={**others, name: "degraded"}), "e", NOW) == [f"{name} is degraded"]


def test_degraded_other_and_stale_documents_are_found() -> None:
    assert unhealthy(health(status="degraded"), "e", NOW) == ["status is degraded"]
    assert unhealthy(health(), "production", NOW) == ["environment is e, the descriptor says production"]
    assert "the document is stale" in unhealthy(health(), "e", NOW + 3600)[0]
    assert unhealthy(health(timestamp="now"), "e", NOW) == ["timestamp is now, not a time"]
    assert len(unhealthy([], "e", NOW)) == len(HEALTHY) + 3


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


def test_a_descriptor_must_say_where_the_build_is() -> None:
    silent = Service(url="http://w", version="header:x-version")
    assert "the descriptor does not say" in judged("api", silent, response({})).problem
    assert judged("storage", silent, response({})).problem == ""
    assert "heartbeat's age" in judged("worker", Service(url="http://w", build="json:build"), response({})).problem


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
