"""The matrix cannot be outgrown by the contract; signatures and addresses are forged as they should be."""

import asyncio
import hashlib
import hmac
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from acceptance.checks.authorization import REQUIRED, SIGNED, Target, differences, hold, matrix, refusals, sockets
from acceptance.checks.signed_urls import FORGEABLE, forged_addresses
from acceptance.checks.webhooks import bad_signatures, signed
from acceptance.deployment.contract import Contract, read_contract
from acceptance.errors import Blocked, NotOffered
from acceptance.fixtures.users import User
from acceptance.run import Run
from acceptance.uploads import Payload

ADDRESS = "http://s/object/upload/sign/documents/alice/1?token=aaa.bbb"
OTHER = "http://s/object/upload/sign/documents/alice/2?token=ccc.ddd"
SCHEME = "sha256={hmac_sha256_hex_of_body}"


def changed(contract: Contract, **parts: Any) -> Contract:
    return Contract.model_validate(contract.model_dump() | parts)


def with_route(contract: Contract, **route: Any) -> Contract:
    routes = contract.model_dump()["routes"]
    return changed(
        contract, routes=routes | {"new": {"method": "GET", "path": "/new", "kind": "user", "success": 200, **route}}
    )


def test_every_route_has_every_credential_of_its_kind(contract: Contract) -> None:
    cells = {(case.route, case.credential) for case in matrix(contract)}
    for name, route in contract.routes.items():
        wanted = SIGNED[name] if route.kind == "signature" else REQUIRED[route.kind]
        assert {kind for route_name, kind in cells if route_name == name} == wanted
    assert {route for route, _ in cells if route.startswith("WebSocket")} == {"WebSocket job", "WebSocket workflow"}
    assert sockets(contract)["WebSocket job"] == contract.realtime.job


def test_a_new_route_is_covered_by_itself(contract: Contract) -> None:
    cells = [case for case in matrix(with_route(contract, kind="owner", path="/new/{job_id}")) if case.route == "new"]
    assert {(case.credential, case.expected) for case in cells} == {
        *((kind, 401) for kind in REQUIRED["user"]), ("other_user", 404),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("route", "problem"),
    [
        ({"kind": "signature", "refuses": {"none": 403}}, "how the calls of each route are signed"),
        ({"refuses": {"revoked": 401}}, r"\['revoked'\] too much"),
        ({"refuses": {"expired": 200}}, "a status from 400 to 499"),
        ({"refuses": {"expired": 302}}, "a status from 400 to 499"),
        ({"refuses": {"expired": 500}}, "a status from 400 to 499"),
    ],
)
def test_what_cannot_be_covered_is_told(contract: Contract, route: dict[str, Any], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        matrix(with_route(contract, **route))


def test_a_contract_that_leaves_a_credential_out_is_told(contract: Contract) -> None:
    refusals = contract.model_dump()["refusals"]
    del refusals["owner"]["other_user"]
    with pytest.raises(AssertionError, match=r"\['other_user'\] missing"):
        matrix(changed(contract, refusals=refusals))


def test_every_route_that_takes_tokens_is_called_and_the_changing_ones_last(contract: Contract) -> None:
    kinds: dict[str, set[str]] = {"none": {"user", "owner"}, "other_user": {"owner"}}
    for credential, wanted in kinds.items():
        found = refusals(contract, credential)
        routes = [name for name, route in contract.routes.items() if route.kind in wanted]
        assert set(found) == {*routes, *sockets(contract)} and len(found) > 8
        changing = [name in contract.routes and contract.route(name).method != "GET" for name in found]
        assert changing == sorted(changing) and any(changing)
    with pytest.raises(ValueError, match="no route refuses a credential of the kind 'revoked'"):
        refusals(contract, "revoked")


def test_a_path_gets_what_there_is_and_else_what_looks_right() -> None:
    found = Target(User("a@example.com", ""), real={"job_id": "j"})
    path = found.path("/jobs/{job_id}/{team_id}")
    assert path["job_id"] == "j" and str(uuid.UUID(path["team_id"])) == path["team_id"]
    assert path == found.path("{job_id}{team_id}")
    assert found.has("/jobs/{job_id}") and found.has("/jobs") and not found.has("/jobs/{job_id}/{team_id}")


def test_only_what_has_real_identifiers_is_refused_to_another_user(contract: Contract) -> None:
    found = Target(User("a@example.com", ""), real={"job_id": "j"})
    assert set(refusals(contract, "other_user", found)) == {"job", "job_events", "job_retry", "WebSocket job"}


def test_what_is_blocked_or_not_offered_blocks_those_who_need_it() -> None:
    found = Target(User("a@example.com", ""), problems={"answer": NotOffered("routes.chat")})
    found.need()
    found.need("upload")
    with pytest.raises(NotOffered):
        found.need("answer")
    found.problems["upload"] = Blocked("uploaded document", "upload: expected status 200, observed 500")
    with pytest.raises(Blocked):
        found.need()


def test_what_is_absent_leaves_the_rest_of_the_matrix(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("realtime: absent\nroutes: {job_events: absent}\nrefusals: {user: {alg_none: absent}}")
    cells = {(case.route, case.credential) for case in matrix(read_contract(own))}
    assert ("job", "other_user") in cells and ("user", "none") in cells and ("user", "alg_none") not in cells
    assert not {route for route, _ in cells} & {"job_events", "WebSocket job"}


def test_signatures() -> None:
    good = signed(SCHEME, b"{}", "secret")
    assert good == "sha256=" + hmac.new(b"secret", b"{}", hashlib.sha256).hexdigest()
    bad = list(bad_signatures(SCHEME, b"{}", "secret"))
    assert {kind for kind, _, _ in bad} == SIGNED["webhook"]
    assert good not in [header for _, _, header in bad]
    assert len(list(bad_signatures(SCHEME, b"{}", None))) == len(bad) - 1


def test_addresses() -> None:
    assert set(FORGEABLE) | {"used", "expired"} == SIGNED["upload_bytes"]
    made = [(kind, address) for kind in FORGEABLE for _, address in forged_addresses(kind, ADDRESS, OTHER)]
    assert ADDRESS not in [address for _, address in made]
    assert ("none", "http://s/object/upload/sign/documents/alice/1") in made
    assert ("other_path", "http://s/object/upload/sign/documents/alice/1?token=ccc.ddd") in made
    assert {httpx.URL(address).params.get("token") for kind, address in made if kind == "garbage"} == {"garbage", ""}
    altered = Payload("a.pdf", b"ab").altered
    assert altered != b"ab" and len(altered) == 2


def test_differences_name_what_changed() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["b was 2, is 3"]
    assert differences({"a": 1}, {}) == ["a was 1, is None"]


def test_all_failed_attempts_are_named_in_one_message() -> None:
    logged: list[str] = []
    run = cast(Run, SimpleNamespace(note=logged.append))

    async def attempt(number: int) -> int:
        if number % 2:
            raise AssertionError(f"problem {number}")
        return 401

    async def all_of(count: int) -> list[int]:
        return await hold(run, [(f"try {number}", attempt(number)) for number in range(count)])

    assert asyncio.run(all_of(1)) == [401] and logged == ["try 0: 401"]
    with pytest.raises(AssertionError, match=r"expected 20 responses .* 10 others: try 1: problem 1; .*; and 4 more"):
        asyncio.run(all_of(20))
    with pytest.raises(AssertionError, match="observed no attempt"):
        asyncio.run(all_of(0))
