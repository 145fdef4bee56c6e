"""The matrix of INT-03: what every route and WebSocket of the contract answers to every kind of bad credential."""

from __future__ import annotations

import string
from dataclasses import dataclass

from acceptance.contract import Contract, Route
from acceptance.errors import violation

ACCESS = frozenset({"none", "garbage", "wrong_signature", "expired", "alg_none"})
REQUIRED = {"public": frozenset[str](), "user": ACCESS, "owner": ACCESS | {"other_user"}}
SIGNED = {
    "webhook": frozenset({"none", "garbage", "wrong_signature"}),
    "upload_bytes": frozenset({"none", "garbage", "wrong_signature", "used", "expired", "other_path"}),
}
OBJECTS = frozenset({"document_id", "job_id", "conversation_id", "workflow_id"})
WITH_A_BODY = frozenset({"signup", "login", "refresh", "upload", "chat"})


@dataclass(frozen=True)
class Case:
    """One cell: a route or WebSocket, a kind of bad credential, and the status or close code that answers it."""

    route: str
    credential: str
    expected: int


def matrix(contract: Contract) -> list[Case]:
    """Every cell; public routes, which take no credential, have none.

    Raises:
        AssertionError: the contract says too little of a route, states a status that would let a bad credential in, or
            has a route or credential that nothing here can make. So whatever is new in it cannot go unnoticed.
    """
    cases = [case for name, route in contract.routes.items() for case in _cases(contract, name, route)]
    if wrong := [case for case in cases if not 400 <= case.expected < 500]:
        raise violation("contract", expected="a status from 400 to 499 for each bad credential", seen=wrong)
    close = contract.realtime.close
    for name, path in sockets(contract).items():
        _check_objects(name, path)
        codes = {kind: close.unknown if kind == "other_user" else close.bad_token for kind in REQUIRED["owner"]}
        cases += [Case(name, kind, code) for kind, code in sorted(codes.items())]
    return cases


def sockets(contract: Contract) -> dict[str, str]:
    """The paths of the contract's WebSockets by name."""
    paths = {name: value for name, value in contract.realtime if isinstance(value, str) and value.startswith("/")}
    return {f"WebSocket {name}": path for name, path in paths.items()}


def _cases(contract: Contract, name: str, route: Route) -> list[Case]:
    if route.kind == "signature":
        wanted, stated = SIGNED.get(name), frozenset(route.refuses)
        if wanted is None:
            raise violation(
                "matrix", expected="to know how the calls of each route are signed", seen=f"a new one, {name}"
            )
    else:
        _check_objects(name, route.path)
        if route.body and name not in WITH_A_BODY:
            raise violation("matrix", expected="a body that each route would accept", seen=f"a new one, {name}")
        shared = contract.refusals[route.kind] if route.kind in ("user", "owner") else {}
        wanted, stated = REQUIRED[route.kind], frozenset(route.refuses) | frozenset(shared)
    if stated != wanted:
        seen = f"{sorted(stated - wanted)} too much, {sorted(wanted - stated)} missing"
        raise violation(f"contract, route {name}", expected=f"a status for each of {sorted(wanted)}", seen=seen)
    return [Case(name, kind, contract.refused(name, kind)) for kind in sorted(stated)]


def _check_objects(name: str, path: str) -> None:
    words = {word for _, word, _, _ in string.Formatter().parse(path) if word}
    if words - OBJECTS:
        raise violation(
            "matrix", expected=f"an object for each word of {path}", seen=f"none for {sorted(words - OBJECTS)}"
        )
