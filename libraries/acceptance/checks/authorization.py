"""The matrix of INT-03: the refusal of every route and WebSocket of the contract for every kind of bad credential."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import string
import uuid
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from acceptance.checks.auth import another_session, expired_session
from acceptance.checks.fixtures import UserData
from acceptance.checks.forged_tokens import Credential, Genuine, forgeries
from acceptance.clients.http import Response
from acceptance.deployment.contract import Contract, Route
from acceptance.errors import SuiteError, violation
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
COMPARED_EVERY_SECONDS = 0.1
LISTED = 6  # failed attempts in a message
Attempt = tuple[str, Awaitable[int]]  # what it is, and the call, which checks its status or close code and returns it
OF_OWNER = ("job", "document_status", "document_content")
SOCKET = "WebSocket "  # before its name
LISTS = ("documents", "jobs", "conversations")


@dataclass(frozen=True)
class Case:
    """One cell: a route or WebSocket, a kind of bad credential, and the status or close code of the refusal."""

    route: str
    credential: str
    expected: int


def matrix(contract: Contract) -> list[Case]:
    """Every cell; public routes, which take no credential, have none.

    Raises:
        AssertionError: the contract misses a refusal of a route, states a status that is none, or has a route or a
            credential that cannot be made here. So no addition to the contract goes unnoticed.
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
    return {f"{SOCKET}{name}": path for name, path in paths.items()}


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


def refusals(contract: Contract, kind: str) -> dict[str, int]:
    """The status or close code of each route and WebSocket for a kind of bad credential, those that change data last.

    Routes that take signatures are left out: their calls are signed one by one.
    """
    found = [
        case
        for case in matrix(contract)
        if case.credential == kind and (case.route not in contract.routes or _takes_token(contract, case.route))
    ]
    if not found:
        raise SuiteError(f"no route refuses a credential of the kind '{kind}'")
    found.sort(key=lambda case: case.route in contract.routes and contract.route(case.route).method != "GET")
    return {case.route: case.expected for case in found}


def _takes_token(contract: Contract, route: str) -> bool:
    return contract.route(route).kind != "signature"


async def call_with_forged(
    run: Run, route: str, kind: str, data: UserData, other: User, status: int, most: int | None = None
) -> list[int]:
    """Call a route or WebSocket for a user's data with every forged token of a kind; each gets this status or code.

    Args:
        data: of the user whose tokens the forgeries are made of; its identifiers fill the path.
        other: whose token a credential of the kind `other_user` is.
        most: forgeries of the kind that are sent; None sends all.
    """
    forged = forgeries(kind, await _genuine(run, data.owner, other))[:most]
    attempts = [attempt for credential in forged for attempt in _attempts(run, route, credential, data, status)]
    return await hold(run, attempts)


async def hold(run: Run, attempts: Iterable[Attempt]) -> list[int]:
    """Make all attempts, a few at a time; returns and logs their status or close code.

    Raises:
        AssertionError: names the attempts that failed; or there was none.
    """
    gate = asyncio.Semaphore(AT_ONCE)

    async def tried(what: str, attempt: Awaitable[int]) -> tuple[int, str]:
        async with gate:
            try:
                observed = await attempt
            except AssertionError as error:
                run.note(f"{what}: FAILED")
                return 0, f"{what}: {error}"
            run.note(f"{what}: {observed}")
            return observed, ""

    results = await together(*(tried(what, attempt) for what, attempt in attempts))
    wrong = [problem for _, problem in results if problem]
    if wrong or not results:
        more = f"; and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        seen = f"{len(wrong)} others: {'; '.join(wrong[:LISTED])}{more}" if wrong else "no attempt"
        raise violation("protection", expected=f"{len(results)} responses as in the contract", observed=seen)
    return [observed for observed, _ in results]


async def _genuine(run: Run, user: User, other: User) -> Genuine:
    """Tokens to make forgeries of; the user's are of a session of its own, which a forgery may end without harm."""
    spare = await run.once(f"spare session of {user.user_id}", lambda: another_session(run, user))
    expired = (await expired_session(run)).user
    return Genuine(spare.access_token, spare.refresh_token, expired.access_token, other.access_token)


def _attempts(run: Run, route: str, credential: Credential, data: UserData, status: int) -> Iterator[Attempt]:
    made, token, path = f"{route} with {credential.made}", credential.token, sockets(run.contract).get(route)
    if path is not None:
        message = run.websocket.first_message(token) if token else {"type": run.contract.realtime.token_message}
        filled = path.format(**data.identifiers)
        yield f"{made} in a message", _close_code(run, filled, None, message, status)
        if token:
            yield f"{made} in its address", _close_code(run, filled, token, None, status)
    elif run.contract.route(route).kind == "public":
        yield made, _public(run, route, data.owner, token, status)
    else:
        yield made, _status(run, route, data, token, status)


async def _status(run: Run, route: str, data: UserData, token: str | None, status: int) -> int:
    """Call with a body that the route would accept, were the credential good."""
    body: dict[str, Any] | None = None
    if route == "upload":
        body = Payload(f"{run.identifier}-forged.pdf", uuid.uuid4().bytes).announcement()
    elif route == "chat":
        body = {"message": data.answer.question, "conversation_id": data.answer.conversation_id}
    response = await run.client.call(route, path=data.identifiers, body=body, token=token, status=status)
    return response.status


async def _public(run: Run, route: str, owner: User, token: str | None, status: int) -> int:
    user = run.users.new_user() if route == "signup" else replace(owner)
    body: dict[str, Any] | None = None
    if route == "refresh":
        await run.users.sign_in(user)
        body = {"refresh_token": user.refresh_token}
    elif route in ("signup", "login"):
        body = {"email": user.email, "password": user.password}
    response = await run.client.call(route, body=body, token=token, status=status)
    if body is not None:
        user.take(response)
    if route == "signup":
        run.users.remember(user)
    return response.status


async def _close_code(run: Run, path: str, token: str | None, message: dict[str, str] | None, code: int) -> int:
    """The code that closes a WebSocket, which must be this one, before any application frame."""
    async with run.websocket.socket(path, token) as socket:
        if message is not None:
            with contextlib.suppress(AssertionError):  # it may be closed already
                await socket.send(message)
        seen = await socket.until_refused(within=10)
        if seen != code:
            raise violation(socket.what, expected=f"to be closed with {code}", observed=socket.summary())
        return seen


@dataclass(frozen=True)
class UserState:
    """Everything that a user has, as REST reports it and, with `sql`, as the named queries do."""

    user: User
    data: UserData | None = field(repr=False)
    content: dict[str, object] = field(repr=False)


async def user_state(run: Run, user: User, data: UserData | None = None) -> UserState:
    """What REST reports of a user's lists and of the document in `data`, and the rows of the named queries."""
    routes = LISTS if data is None else (*OF_OWNER, *LISTS)
    path = {} if data is None else data.identifiers
    responses = await together(*(run.client.call(route, path=path, token=user.access_token) for route in routes))
    content = {route: _content(response) for route, response in zip(routes, responses, strict=True)}
    if data is not None and "sql" in run.descriptor.capabilities:
        content |= await _rows(run, path["document_id"], path["job_id"])
    return UserState(user, data, content)


async def states_are_unchanged(run: Run, before: Sequence[UserState]) -> None:
    """Everything that these users have is as it was; raises AssertionError naming each change."""
    after = await together(*(user_state(run, state.user, state.data) for state in before))
    pairs = zip(before, after, strict=True)
    changed = [f"{was.user.email}: {line}" for was, now in pairs for line in differences(was.content, now.content)]
    if changed:
        raise violation("what users have", expected="no change by refused calls", observed="; ".join(changed))


async def _rows(run: Run, document_id: str, job_id: str) -> dict[str, object]:
    chunks = await run.database.rows("chunks", document_id=document_id)
    documents, jobs, events, vectors = await together(
        run.database.rows("documents", document_id=document_id),
        run.database.rows("jobs", job_id=job_id),
        run.database.rows("job_events", job_id=job_id),
        run.database.rows("vectors", chunk_id=[row["chunk_id"] for row in chunks]),
    )
    tables = {"documents": documents, "jobs": jobs, "job_events": events, "chunks": chunks, "vectors": vectors}
    return {f"query {name}": sorted(map(str, rows)) for name, rows in tables.items()}


def differences(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """One line for each entry that is not as it was."""
    return [
        f"{what} was {str(was)[:300]}, is {str(after.get(what))[:300]}"
        for what, was in before.items()
        if was != after.get(what)
    ]


def _content(response: Response) -> object:
    return response.json() if response.paths else hashlib.sha256(response.content).hexdigest()
