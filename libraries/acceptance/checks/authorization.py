"""The matrix of INT-03: what every route and WebSocket of the contract answers to every kind of bad credential."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import string
import uuid
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from acceptance.checks.auth import another_session, expired_session
from acceptance.checks.fixtures import UserData, create_user_data
from acceptance.checks.forged_tokens import Credential, Genuine, forgeries
from acceptance.clients.http import Response
from acceptance.deployment.contract import Contract, Route
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload

ACCESS = frozenset({"none", "garbage", "wrong_signature", "expired", "alg_none"})
REQUIRED = {"public": frozenset[str](), "user": ACCESS, "owner": ACCESS | {"other_user"}}
SIGNED = {
    "webhook": frozenset({"none", "garbage", "wrong_signature"}),
    "upload_bytes": frozenset({"none", "garbage", "wrong_signature", "used", "expired", "other_path"}),
}
OBJECTS = frozenset({"document_id", "job_id", "conversation_id", "workflow_id"})
WITH_A_BODY = frozenset({"signup", "login", "refresh", "upload", "chat"})
AT_ONCE = 8
SHOWN = 6  # offenders in a message
Attempt = tuple[str, Awaitable[object]]  # what it is, for the message, and the call with its own judgement
SEED = 301
OF_ALICE = ("job", "document_status", "document_content", "documents", "jobs", "conversations")
OF_BOB = ("documents", "jobs", "conversations")
Seen = dict[str, object]


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
        raise violation("contract", expected="a status from 400 to 499 for each bad credential", observed=wrong)
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
                "matrix", expected="to know how the calls of each route are signed", observed=f"a new one, {name}"
            )
    else:
        _check_objects(name, route.path)
        if route.body and name not in WITH_A_BODY:
            raise violation("matrix", expected="a body that each route would accept", observed=f"a new one, {name}")
        shared = contract.refusals[route.kind] if route.kind in ("user", "owner") else {}
        wanted, stated = REQUIRED[route.kind], frozenset(route.refuses) | frozenset(shared)
    if stated != wanted:
        seen = f"{sorted(stated - wanted)} too much, {sorted(wanted - stated)} missing"
        raise violation(f"contract, route {name}", expected=f"a status for each of {sorted(wanted)}", observed=seen)
    return [Case(name, kind, contract.refused(name, kind)) for kind in sorted(stated)]


def _check_objects(name: str, path: str) -> None:
    words = {word for _, word, _, _ in string.Formatter().parse(path) if word}
    if words - OBJECTS:
        raise violation(
            "matrix", expected=f"an object for each word of {path}", observed=f"none for {sorted(words - OBJECTS)}"
        )


async def matrix_covers_the_contract(run: Run) -> None:
    """Whether every route and WebSocket of the contract, and every credential that it names, is in the matrix."""
    run.observe("INT-03", "cells", len(matrix(run.contract)), "cells", samples=1)


async def nothing_opens_with(run: Run, kind: str) -> None:
    """Every route and WebSocket refuses every credential of a kind with exactly its status, and nothing has changed."""
    protected = await protected_things(run)
    cases = [case for case in matrix(run.contract) if case.credential == kind]
    cases.sort(key=lambda case: _ends_something(run, case))  # so that one that is let in hides no other
    made = [
        attempt
        for case in cases
        for credential in forgeries(kind, protected.genuine)
        for attempt in _attempts(run, case, credential, protected)
    ]
    await hold(made)
    run.observe("INT-03", f"attempts with {kind}", len(made), "attempts", samples=len(made))
    await nothing_has_changed(run)


async def public_routes_need_no_credential(run: Run) -> None:
    """Every public route answers its success, whatever credential comes with it."""
    protected = await protected_things(run)
    await hold(
        (f"{name} with {credential.made}", _public(run, name, protected.alice.owner, credential.token))
        for name, route in run.contract.routes.items()
        if route.kind == "public"
        for credential in (forgeries(kind, protected.genuine)[0] for kind in sorted(ACCESS))
    )


async def the_owner_is_let_in(run: Run) -> None:
    """Alice reads every route and WebSocket that is hers: what refuses everybody does not protect."""
    protected = await protected_things(run)
    identifiers, token = protected.alice.identifiers, protected.genuine.access_token
    reads: list[Attempt] = [
        (name, run.client.call(name, path=identifiers, token=token))
        for name, route in run.contract.routes.items()
        if route.method == "GET" and route.kind in ("user", "owner")
    ]
    for name, path in sockets(run.contract).items():
        filled = path.format(**identifiers)
        reads.append((f"{name}, token in its address", _is_confirmed(run, filled, token, None)))
        reads.append(
            (f"{name}, token in a message", _is_confirmed(run, filled, None, run.websocket.first_message(token)))
        )
    await hold(reads)


async def hold(attempts: Iterable[Attempt]) -> None:
    """Make all attempts, a few at a time; one AssertionError names the ones that did not end as they should."""
    at_once = asyncio.Semaphore(AT_ONCE)

    async def tried(what: str, attempt: Awaitable[object]) -> str:
        async with at_once:
            try:
                await attempt
            except AssertionError as error:
                return f"{what}: {error}"
            return ""

    results = await together(*(tried(what, attempt) for what, attempt in attempts))
    if wrong := [line for line in results if line]:
        more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        seen = f"{len(wrong)} that are not: {'; '.join(wrong[:SHOWN])}{more}"
        raise violation("protection", expected=f"{len(results)} answers as the contract states them", observed=seen)


def _ends_something(run: Run, case: Case) -> bool:
    route = run.contract.routes.get(case.route)
    return route is not None and route.method != "GET"


def _attempts(run: Run, case: Case, credential: Credential, protected: Protected) -> Iterator[Attempt]:
    what, identifiers, token = f"{case.route} with {credential.made}", protected.alice.identifiers, credential.token
    path = sockets(run.contract).get(case.route)
    if path is not None:
        messages = run.websocket.first_message(token) if token else {"type": run.contract.realtime.token_message}
        filled = path.format(**identifiers)
        yield f"{what} in a message", _closes(run, filled, None, messages, case.expected)
        if token:
            yield f"{what} in its address", _closes(run, filled, token, None, case.expected)
    elif run.contract.route(case.route).kind != "signature":
        body = _body(run, case.route, protected)
        yield what, run.client.call(case.route, path=identifiers, body=body, token=token, status=case.expected)


def _body(run: Run, route: str, protected: Protected) -> dict[str, Any] | None:
    """What the route would accept, were the credential good."""
    if route == "upload":
        return Payload(f"{run.identifier}-forged.pdf", uuid.uuid4().bytes).announcement()
    if route == "chat":
        answer = protected.alice.answer
        return {"message": answer.question, "conversation_id": answer.conversation_id}
    return None


async def _public(run: Run, route: str, alice: User, token: str | None) -> None:
    user = run.users.new_user() if route == "signup" else replace(alice)
    body: dict[str, Any] | None = None
    if route == "refresh":
        await run.users.sign_in(user)
        body = {"refresh_token": user.refresh_token}
    elif route in ("signup", "login"):
        body = {"email": user.email, "password": user.password}
    response = await run.client.call(route, body=body, token=token)
    if body is not None:
        user.take(response)
    if route == "signup":
        run.users.remember(user)


async def _closes(run: Run, path: str, token: str | None, message: dict[str, str] | None, code: int) -> None:
    """A WebSocket is closed with this code, before anything is told."""
    async with run.websocket.socket(path, token) as socket:
        if message is not None:
            with contextlib.suppress(AssertionError):  # it may be closed already
                await socket.send(message)
        seen = await socket.until_closed(within=10)
        if seen != code or socket.application_frames:
            raise violation(socket.what, expected=f"to be closed with {code} and no frame", observed=socket.summary())


async def _is_confirmed(run: Run, path: str, token: str | None, message: dict[str, str] | None) -> None:
    async with run.websocket.socket(path, token) as socket:
        if message is not None:
            await socket.send(message)
        await socket.until_frame("connection_confirmed", within=10)


@dataclass(frozen=True)
class Protected:
    """Alice with what is hers, Bob with nothing, what bad credentials are made of, and how all was at first."""

    alice: UserData
    bob: User
    genuine: Genuine
    before: Seen = field(repr=False)


async def protected_things(run: Run) -> Protected:
    """The same for every test of the run: made once."""
    return await run.once("protected things", lambda: _make(run))


async def nothing_has_changed(run: Run) -> None:
    """All that Alice has is as it was before the first attempt, and Bob still has nothing."""
    protected = await protected_things(run)
    changed = differences(protected.before, await seen_of(run, protected.alice, protected.bob))
    if changed:
        raise violation("what Alice and Bob have", expected="no change by refused calls", observed="; ".join(changed))


async def seen_of(run: Run, alice: UserData, bob: User) -> Seen:
    """What REST shows of Alice's things and of both lists, and what the named queries show where there are any."""
    identifiers, token = alice.identifiers, alice.owner.access_token
    reads = [(f"Alice's {name}", name, token) for name in OF_ALICE]
    reads += [(f"Bob's {name}", name, bob.access_token) for name in OF_BOB]
    responses = await together(*(run.client.call(name, path=identifiers, token=who) for _, name, who in reads))
    seen: Seen = {what: _content(response) for (what, _, _), response in zip(reads, responses, strict=True)}
    if "sql" in run.descriptor.capabilities:
        seen |= await _rows(run, identifiers["document_id"], identifiers["job_id"])
    return seen


async def _rows(run: Run, document_id: str, job_id: str) -> Seen:
    chunks = await run.database.rows("chunks", document_id=document_id)
    documents, jobs, events, vectors = await together(
        run.database.rows("documents", document_id=document_id),
        run.database.rows("jobs", job_id=job_id),
        run.database.rows("job_events", job_id=job_id),
        run.database.rows("vectors", chunk_id=[row["chunk_id"] for row in chunks]),
    )
    tables = {"documents": documents, "jobs": jobs, "job_events": events, "chunks": chunks, "vectors": vectors}
    return {f"query {name}": sorted(map(str, rows)) for name, rows in tables.items()}


def differences(before: Seen, after: Seen) -> list[str]:
    """One line for each thing that is not as it was."""
    return [
        f"{what} was {str(was)[:300]}, is {str(after.get(what))[:300]}"
        for what, was in before.items()
        if was != after.get(what)
    ]


async def _make(run: Run) -> Protected:
    alice, bob = await together(run.users.signed_in(), run.users.signed_in())
    user_data = await create_user_data(run, alice, seed=SEED)
    expired = await expired_session(run)
    spare = await another_session(run, alice)  # what a forgery may end must not be what we look with
    genuine = Genuine(spare.access_token, spare.refresh_token, expired.access_token, bob.access_token)
    return Protected(user_data, bob, genuine, await seen_of(run, user_data, bob))


def _content(response: Response) -> object:
    return response.json() if response.paths else hashlib.sha256(response.content).hexdigest()
