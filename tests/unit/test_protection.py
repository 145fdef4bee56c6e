"""The matrix cannot be outgrown by the contract; signatures and addresses are forged as they should be."""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable
from typing import Any

import httpx
import pytest
from acceptance.checks.authorization import REQUIRED, SIGNED, differences, hold, matrix, sockets
from acceptance.checks.signed_urls import FORGEABLE, forged_addresses, other_bytes
from acceptance.checks.webhooks import bad_signatures, signed
from acceptance.deployment.contract import Contract

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
        ({"path": "/new/{team_id}"}, r"none for \['team_id'\]"),
        ({"method": "POST", "body": {"name": "name"}}, "a body that each route would accept, observed a new one, new"),
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
    assert other_bytes(b"ab") not in (b"ab", b"") and len(other_bytes(b"ab")) == 2


def test_differences_name_what_changed() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 2}) == []
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["b was 2, is 3"]
    assert differences({"a": 1}, {}) == ["a was 1, is None"]


def test_all_offenders_are_named_in_one_message() -> None:
    async def attempt(number: int) -> None:
        if number % 2:
            raise AssertionError(f"problem {number}")

    async def all_of(attempts: list[tuple[str, Awaitable[object]]]) -> None:
        await hold(attempts)

    asyncio.run(all_of([("fine", attempt(0))]))
    with pytest.raises(
        AssertionError, match=r"expected 20 answers .* 10 that are not: try 1: problem 1; .*; and 4 more"
    ):
        asyncio.run(all_of([(f"try {number}", attempt(number)) for number in range(20)]))
