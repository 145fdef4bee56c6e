"""Errors of a whole run: a fault violates once for each route, a wrong shape is one finding."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.checks.error_bodies import faults, misshapen
from acceptance.clients.error_log import recorded_errors
from acceptance.clients.http import ContractClient, shape_of
from acceptance.deployment.contract import Absent, Contract

from tests.unit.conftest import Serve

ClientAt = Callable[[str], ContractClient]
SOUND = {"error": {"code": "unauthorized", "message": "Sign in.", "request_id": "r-1"}}


async def refused(client: ContractClient, *routes: str, status: int = 401) -> None:
    for route in routes:
        await client.call(route, status=status)


def test_another_shape_is_one_finding_with_its_routes_and_fails_no_call(
    serve: Serve, client_at: ClientAt, tmp_path: Path
) -> None:
    client = client_at(serve(401, {"detail": "Sign in."}))
    client._journal.write_to(tmp_path / "errors-1.jsonl")
    asyncio.run(refused(client, "user", "jobs", "user"))
    (finding,) = misshapen(client._journal.answers)
    assert finding == (
        "error bodies have the shape {detail}, the contract says {error: {code, message, request_id}} (user, jobs)"
    )
    assert list(faults(client._journal.answers)) == []


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        (SOUND, ""),
        ({"error": SOUND["error"] | {"more": 1}}, ""),
        ({"error": SOUND["error"] | {"message": ""}}, "no text in error.message"),
        ({"error": SOUND["error"] | {"message": ["Sign in."]}}, "no text in error.message"),
        ({"error": SOUND["error"] | {"code": ["unauthorized"]}}, "no text in error.code"),
        ({"error": SOUND["error"] | {"request_id": "r-2"}}, "another request identifier than the header"),
        ({}, "the shape {}, the contract says {error: {code, message, request_id}}"),
        (b"Sign in.", "the shape no JSON, the contract says {error: {code, message, request_id}}"),
    ],
)
def test_what_is_wrong_with_the_body_of_a_refusal(
    serve: Serve, client_at: ClientAt, body: object, mistake: str
) -> None:
    client = client_at(serve(401, body, {"x-request-id": "r-1"}))
    asyncio.run(refused(client, "user"))
    assert [one.mistake for one in client._journal.answers] == [mistake]


def test_without_a_shape_in_the_contract_any_body_will_do(
    serve: Serve, client_at: ClientAt, contract: Contract
) -> None:
    client = client_at(serve(409, {"detail": "Known."}))
    errors = contract.errors.model_copy(update={"shape": Absent("errors.shape")})
    client.contract = contract.model_copy(update={"errors": errors, "duplicate": Absent("duplicate")})
    asyncio.run(refused(client, "upload", status=409))
    assert list(misshapen(client._journal.answers)) == []


def test_a_fault_is_named_once_for_each_route_and_status(serve: Serve, client_at: ClientAt, tmp_path: Path) -> None:
    client = client_at(serve(500, {"detail": "Boom."}, {"x-request-id": "r-1"}))
    (tmp_path / "journal").mkdir()
    client._journal.write_to(tmp_path / "journal" / "errors-1.jsonl")
    asyncio.run(refused(client, "user", "user", "jobs", status=500))
    assert list(faults(recorded_errors(tmp_path))) == [
        "user: expected no fault, observed 500 2 times; GET /auth/user, request r-1",
        "jobs: expected no fault, observed 500; GET /api/upload-pipeline/jobs, request r-1",
    ]
    assert list(misshapen(recorded_errors(tmp_path))) == []


def test_shapes() -> None:
    assert shape_of({"a": {"b": 1}, "c": [{"d": 1}], "e": None}) == "{a: {b}, c: [{d}], e}"
    assert [shape_of(value) for value in ("text", 1)] == ["str", "int"]


def test_an_error_while_the_run_itself_breaks_something_is_judged_elsewhere(
    serve: Serve, client_at: ClientAt, tmp_path: Path
) -> None:
    client = client_at(serve(503, SOUND))
    client._journal.write_to(tmp_path / "errors-1.jsonl")
    client._journal.in_fault_window = lambda: True
    asyncio.run(refused(client, "jobs", status=503))
    client._journal.in_fault_window = lambda: False
    asyncio.run(refused(client, "documents", status=503))
    found = list(faults(client._journal.answers))
    assert [line.partition(";")[0] for line in found] == ["documents: expected no fault, observed 503"]
