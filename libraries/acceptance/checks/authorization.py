"""The matrix of INT-03: the refusal of every route and WebSocket of the contract for every kind of bad credential."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from acceptance import chat
from acceptance.checks.auth import another_session, expired_session
from acceptance.checks.forged_tokens import Credential, Genuine, forgeries
from acceptance.clients.http import Response
from acceptance.deployment.contract import Contract, Errors, Route, words_in
from acceptance.errors import Blocked, CapabilityMissing, NotOffered, SuiteError, violation
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, complete, document, sent

ACCESS = frozenset({"none", "garbage", "wrong_signature", "expired", "alg_none"})
REQUIRED = {"public": frozenset[str](), "user": ACCESS, "owner": ACCESS | {"other_user"}}
SIGNED = {
    "webhook": frozenset({"none", "garbage", "wrong_signature"}),
    "upload_bytes": frozenset({"none", "garbage", "wrong_signature", "used", "expired", "other_path"}),
}
OF_ACCOUNTS = frozenset({"email", "password", "refresh_token"})  # what is known of bodies of public routes
OF_UPLOAD = frozenset({"document_id", "job_id"})
OBJECTS = OF_UPLOAD | {"conversation_id", "workflow_id"}
QUESTION = "What does the note say?"
OPTIONAL = OBJECTS | {"ocr"}
PLACEHOLDER = "acceptance"  # for a word of a body that has to be refused before it is read
AT_ONCE = 8
COMPARED_EVERY_SECONDS = 0.1
LISTED = 6  # failed attempts in a message
Attempt = tuple[str, Awaitable[int]]  # what it is, and the call, which checks its status or close code and returns it
OF_OWNER = ("job", "document_status", "document_content")
SOCKET = "WebSocket "  # before its name
LISTS = ("documents", "jobs", "conversations")


@dataclass
class Target:
    """A user whose routes are called by others.

    Attributes:
        upload: None where there is none.
        real: identifiers of what the user has, by the word that stands in the contract's paths for each.
        problems: why others are missing, by `upload` and `answer`.
    """

    owner: User
    upload: Upload | None = None
    real: dict[str, str] = field(default_factory=dict)
    problems: dict[str, Blocked | CapabilityMissing | NotOffered] = field(default_factory=dict, repr=False)
    likely: dict[str, str] = field(default_factory=lambda: defaultdict(lambda: str(uuid.uuid4())), repr=False)

    def path(self, template: str) -> dict[str, str]:
        """A value for each word in a path: a real identifier, else one that looks right."""
        return {word: self.real.get(word) or self.likely[word] for word in words_in(template)}

    def has(self, template: str) -> bool:
        """Whether it has a real identifier for each word in a path."""
        return {*words_in(template)} <= self.real.keys()

    def need(self, *parts: str) -> None:
        """Raise why one of these parts is missing; without a part, why any is that is offered."""
        for part, problem in self.problems.items():
            if part in parts or not (parts or isinstance(problem, NotOffered)):
                raise problem


async def target(run: Run, owner: User, seed: int) -> Target:
    """A user with a processed document and an answer, as far as they can be had."""
    found = Target(owner)
    try:
        payload = Payload.of(await document(run, "note", seed))
        async with run.fixture("uploaded document", "INT-05"):
            upload = await sent(run, owner, payload)
        found.real |= upload.identifiers
        async with run.fixture("processed document", "INT-13"):
            found.upload = await complete(run, upload)
    except (Blocked, CapabilityMissing, NotOffered) as problem:
        found.problems["upload"] = problem
    try:
        async with run.fixture("answer", "INT-07"):
            answer = await chat.send(run, owner, QUESTION)
            found.real |= {word: answer[word] for word in OBJECTS - OF_UPLOAD if word in answer.paths}
            found.real |= chat.further_identifiers(run.contract, answer)
    except (Blocked, CapabilityMissing, NotOffered) as problem:
        found.problems["answer"] = problem
    return found


@dataclass(frozen=True)
class Case:
    """One cell: a route or WebSocket, a kind of bad credential, and the status or close code of the refusal."""

    route: str
    credential: str
    expected: int


def matrix(contract: Contract) -> list[Case]:
    """Every cell that is offered; public routes, which take no credential, have none.

    Raises:
        AssertionError: the contract misses a refusal of a route, states a status that is none, or has a signed route
            whose calls cannot be made here. So no addition to the contract goes unnoticed.
    """
    cases = [case for name, route in contract.routes.items() for case in _cases(contract, name, route)]
    if wrong := [case for case in cases if not 400 <= case.expected < 500]:
        raise violation("contract", expected="a status from 400 to 499 for each bad credential", observed=wrong)
    for name in sockets(contract):
        for kind in sorted(REQUIRED["owner"]):
            close = f"realtime.close.{'unknown' if kind == 'other_user' else 'bad_token'}"
            cases += [Case(name, kind, contract.value(close))] if contract.offers(close) else []
    return cases


def sockets(contract: Contract) -> dict[str, str]:
    """The paths of the contract's WebSockets by name."""
    offered = contract.realtime if contract.offers("realtime") else ()
    paths = {name: value for name, value in offered if isinstance(value, str) and value.startswith("/")}
    return {f"{SOCKET}{name}": path for name, path in paths.items()}


def _cases(contract: Contract, name: str, route: Route) -> list[Case]:
    if route.kind == "signature":
        wanted, shared = SIGNED.get(name), {}
        if wanted is None:
            raise violation(
                "matrix", expected="to know how the calls of each route are signed", observed=f"a new one, {name}"
            )
    else:
        shared = contract.refusals[route.kind] if route.kind in ("user", "owner") else {}
        wanted = REQUIRED[route.kind]
    stated = {*route.refuses, *shared} - {*Errors.model_fields}
    absent = {*getattr(route.refuses, "absent", ()), *getattr(shared, "absent", ())}
    if stated != wanted - absent:
        seen = f"{sorted(stated - wanted)} too much, {sorted(wanted - absent - stated)} missing"
        raise violation(f"contract, route {name}", expected=f"a status for each of {sorted(wanted)}", observed=seen)
    return [Case(name, kind, contract.refused(name, kind)) for kind in sorted(stated - absent)]


def path_of(contract: Contract, name: str) -> str:
    """The path of a route or WebSocket, with its braces."""
    return sockets(contract).get(name) or contract.route(name).path


def refusals(contract: Contract, kind: str, of: Target | None = None) -> dict[str, int]:
    """The status or close code of each route and WebSocket for a kind of bad credential, those that change data last.

    Routes that take signatures are left out: their calls are signed one by one.

    Args:
        of: leave out what there is no real identifier for.
    """
    found = [
        case
        for case in matrix(contract)
        if case.credential == kind and (case.route not in contract.routes or _takes_token(contract, case.route))
    ]
    if not found:
        raise SuiteError(f"no route refuses a credential of the kind '{kind}'")
    found = [case for case in found if of is None or of.has(path_of(contract, case.route))]
    found.sort(key=lambda case: case.route in contract.routes and contract.route(case.route).method != "GET")
    return {case.route: case.expected for case in found}


def _takes_token(contract: Contract, route: str) -> bool:
    return contract.route(route).kind != "signature"


async def call_with_forged(
    run: Run, route: str, kind: str, data: Target, other: User, status: int, most: int | None = None
) -> list[int]:
    """Call a route or WebSocket for a user's data with every forged token of a kind; each gets this status or code.

    Args:
        data: of the user whose tokens the forgeries are made of; it fills the path.
        other: whose token a credential of the kind `other_user` is.
        most: forgeries of the kind that are sent; None sends all.
    """
    forged = forgeries(kind, await _genuine(run, kind, data.owner, other))[:most]
    attempts = [attempt for credential in forged for attempt in _attempts(run, route, credential, data, status)]
    own = route in run.contract.routes and run.contract.route(route).kind == "public" and not attempts
    entry = run.contract.routes.get(route)
    what = f"protection of {route}, {entry.method} {entry.path}" if entry else f"protection of {route}"
    return [] if own else await hold(run, attempts, what)


async def hold(run: Run, attempts: Iterable[Attempt], what: str = "protection") -> list[int]:
    """Make all attempts, a few at a time; returns and logs their status or close code.

    Args:
        what: is protected, for the message.

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
        raise violation(what, expected=f"{len(results)} responses as in the contract", observed=seen)
    return [observed for observed, _ in results]


async def _genuine(run: Run, kind: str, user: User, other: User) -> Genuine:
    """Tokens to make forgeries of; the user's are of a session of its own, which a forgery may end without harm."""
    spare = await run.once(f"spare session of {user.user_id}", lambda: another_session(run, user))
    expired = (await expired_session(run)).user.access_token if kind == "expired" else ""
    return Genuine(spare.access_token, spare.refresh_token, expired, other.access_token)


def _attempts(run: Run, route: str, credential: Credential, data: Target, status: int) -> Iterator[Attempt]:
    made, token, path = f"{route} with {credential.made}", credential.token, sockets(run.contract).get(route)
    if path is not None:
        filled = path.format(**data.path(path))
        if run.is_offered("realtime.token_message"):
            yield f"{made} in a message", _close_code(run, filled, None, run.websocket.first_message(token), status)
        elif token is None:
            yield made, _close_code(run, filled, None, None, status)
        if token:
            yield f"{made} in its address", _close_code(run, filled, token, None, status)
    elif run.contract.route(route).kind == "public":
        if {*run.contract.route(route).body} <= OF_ACCOUNTS:
            yield made, _public(run, route, data.owner, token, status)
    else:
        yield made, _status(run, route, data, token, status)


async def _status(run: Run, route: str, data: Target, token: str | None, status: int) -> int:
    """Call with a body that the route would accept, as far as it is known, were the credential good."""
    path, body = data.path(run.contract.route(route).path), accepted_body(run, route, data.real)
    response = await run.client.call(route, path=path, body=body, token=token, status=status)
    return response.status


def accepted_body(run: Run, route: str, real: Mapping[str, str]) -> dict[str, Any] | None:
    """A body that a route would accept, as far as it is known, by our words; None where it takes none.

    Args:
        real: identifiers that fill it, by the word for each.
    """
    announced = Payload(f"{run.identifier}-forged.pdf", uuid.uuid4().bytes).announcement()
    entry = run.contract.route(route)
    known = announced | {"message": QUESTION} | entry.example | {**real}
    words = {*entry.body} - (OPTIONAL - known.keys()) if run.contract.offers(f"routes.{route}.body") else ()
    return {word: known.get(word, PLACEHOLDER) for word in words} or None


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
    data: Target | None = field(repr=False)
    content: dict[str, object] = field(repr=False)


async def user_state(run: Run, user: User, data: Target | None = None) -> UserState:
    """What REST reports of a user's lists and of the document in `data`, and the rows of the named queries."""
    upload = data.upload if data is not None else None
    path = {} if upload is None else {"document_id": upload.document_id, "job_id": upload.job_id}
    wanted = LISTS if upload is None else (*OF_OWNER, *LISTS)
    routes = [route for route in wanted if run.is_offered(f"routes.{route}")]
    # A route that fails is judged by itself; here it has to fail as before.
    responses = await together(*(run.client.send(route, path=path, token=user.access_token) for route in routes))
    content = {route: _content(response) for route, response in zip(routes, responses, strict=True)}
    if upload is not None and "sql" in run.descriptor.capabilities:
        content |= await _rows(run, upload.document_id, upload.job_id)
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
    if response.status >= 400:
        return f"status {response.status}"
    return response.json() if response.paths else hashlib.sha256(response.content).hexdigest()
