"""Protected routes (INT-03): the matrix of the contract, tried cell by cell with every credential of each kind."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from acceptance.errors import violation
from acceptance.integration.forging import Credential, forgeries
from acceptance.integration.matrix import ACCESS, Case, matrix, sockets
from acceptance.integration.protected import Protected, nothing_has_changed, protected_things
from acceptance.people import Person
from acceptance.run import Run
from acceptance.uploads import Payload
from acceptance.waiting import together

AT_ONCE = 8
SHOWN = 6  # offenders in a message

Attempt = tuple[str, Awaitable[object]]  # what it is, for the message, and the call with its own judgement


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
            (f"{name}, token in a message", _is_confirmed(run, filled, None, run.realtime.first_message(token)))
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
        raise violation("protection", expected=f"{len(results)} answers as the contract states them", seen=seen)


def _ends_something(run: Run, case: Case) -> bool:
    route = run.contract.routes.get(case.route)
    return route is not None and route.method != "GET"


def _attempts(run: Run, case: Case, credential: Credential, protected: Protected) -> Iterator[Attempt]:
    what, identifiers, token = f"{case.route} with {credential.made}", protected.alice.identifiers, credential.token
    path = sockets(run.contract).get(case.route)
    if path is not None:
        messages = run.realtime.first_message(token) if token else {"type": run.contract.realtime.token_message}
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
        reply = protected.alice.reply
        return {"message": reply.question, "conversation_id": reply.conversation_id}
    return None


async def _public(run: Run, route: str, alice: Person, token: str | None) -> None:
    person = run.people.stranger() if route == "signup" else replace(alice)
    body: dict[str, Any] | None = None
    if route == "refresh":
        await run.people.sign_in(person)
        body = {"refresh_token": person.refresh_token}
    elif route in ("signup", "login"):
        body = {"email": person.email, "password": person.password}
    answer = await run.client.call(route, body=body, token=token)
    if body is not None:
        person.take(answer)
    if route == "signup":
        run.people.remember(person)


async def _closes(run: Run, path: str, token: str | None, message: dict[str, str] | None, code: int) -> None:
    """A WebSocket is closed with this code, before anything is told."""
    async with run.realtime.socket(path, token) as socket:
        if message is not None:
            with contextlib.suppress(AssertionError):  # it may be closed already
                await socket.send(message)
        seen = await socket.until_closed(within=10)
        if seen != code or socket.application_frames:
            raise violation(socket.what, expected=f"to be closed with {code} and no frame", seen=socket.summary())


async def _is_confirmed(run: Run, path: str, token: str | None, message: dict[str, str] | None) -> None:
    async with run.realtime.socket(path, token) as socket:
        if message is not None:
            await socket.send(message)
        await socket.until_frame("connection_confirmed", within=10)
