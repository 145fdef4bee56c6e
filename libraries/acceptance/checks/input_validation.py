"""Negative inputs (INT-12): each is refused with the exact status and error of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace

from acceptance.checks.fixtures import UserData
from acceptance.checks.negative_inputs import Case, Nonsense, read_nonsense
from acceptance.checks.webhooks import signed
from acceptance.clients.http import Response
from acceptance.deployment.contract import Absent
from acceptance.errors import NotOffered, raise_each, violation
from acceptance.fixtures.users import User
from acceptance.limits import limits_of, owners
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Upload, count
from acceptance.verdict.failures import Failure
from acceptance.yaml_models import PROJECT

NONSENSE = PROJECT / "variables" / "nonsense.yaml"
CALLS_AT_ONCE = 8


def negative_inputs() -> Nonsense:
    """What is in `variables/nonsense.yaml`; raises ConfigurationError with every mistake at once."""
    return read_nonsense(NONSENSE)


async def send_negative_inputs(run: Run, route: str, data: UserData, upload: Upload | None) -> int:
    """Call a route with everything that is wrong for it, several calls at once; returns how many calls there were.

    What the contract lacks for further ones is left out of what the test met.

    Raises:
        AssertionError: names each call that was not answered with its exact status and the contract's error.
    """
    path = data.identifiers | ({"signed_url": upload.signed_url} if upload else {})
    found = negative_inputs().cases(run.contract, route, path, run.identifier)
    kinds = (await limits_of(run)).kinds if route == "upload" else None
    found = [case for case in found if not (kinds and case.wrong_mime and kinds.accept(case.wrong_mime))]
    cases = [case for case in found if not isinstance(case.status, Absent)]
    for place in {str(case.status) for case in found} - {str(case.status) for case in cases}:
        run.is_offered(place)
    problems = await together(*(_problem(run, data.owner, case) for case in cases), at_once=CALLS_AT_ONCE)
    wrong: dict[str, list[str]] = {}
    for problem in filter(None, problems):
        wrong.setdefault(Failure(text=problem).key, []).append(problem)
    what = f"{len(cases)} calls of {route}"
    raise_each([violation(what, expected="each refused", observed="\n".join(lines)) for lines in wrong.values()])
    return len(cases)


async def send_valid_input(run: Run, route: str, user: User, identifiers: Mapping[str, str]) -> bool:
    """Call a route with nothing wrong, where it has such a call, and remove what that made.

    Args:
        identifiers: of what the user has, by the word for each.
    """
    case = negative_inputs().sound_case(run.contract, route, run.identifier, identifiers)
    if case is None or not run.is_offered(f"routes.{route}") or isinstance(case.status, Absent):
        return False
    await _sound_is_taken(run, user, case)
    return True


async def _problem(run: Run, user: User, case: Case) -> str:
    """What was wrong with the answer to a case; empty where nothing was."""
    headers, token, content = dict(case.headers), None, case.content
    kind = run.contract.route(case.route).kind
    if kind == "signature":
        content = b"{}"
        headers |= _signed(run, content) if case.route == "webhook" else {}
    elif case.route == "logout":
        other = replace(user)
        await run.users.sign_in(other)
        token = other.access_token
    elif kind in ("user", "owner"):
        token = user.access_token
    seen: list[Response] = []
    try:
        await run.client.call(
            case.route, status=case.status, path=case.path, query=case.query, body=case.body, headers=headers,
            token=token, content=_pieces(content) if case.chunked and content else content,
            otherwise=seen.append,
        )  # fmt: skip
    except AssertionError as error:
        if not any([await _was_taken(run, user, case, response) for response in seen]):
            return f"{case.route}, {case.what}: {error}"
    return ""


async def _was_taken(run: Run, user: User, case: Case, response: Response) -> bool:
    """Whether what could be refused was taken, as it may; notes what it made in any case."""
    if case.route == "upload":
        count(run, user, response)
    elif case.route == "signup" and case.body and response.status == run.contract.route("signup").success:
        with suppress(AssertionError, NotOffered):
            body = {"email": "", "password": "", **case.body}
            await run.users.welcome(User(str(body["email"]), str(body["password"])), response)
    return response.status == case.or_taken


async def _sound_is_taken(run: Run, user: User, case: Case) -> None:
    """Nothing else was wrong with what was refused, and none of it half done: the address is free, the content new."""
    if case.route == "upload":
        [user] = await owners(run, user, 1)
        user.uploads += 1
    token = user.access_token if run.contract.route(case.route).kind in ("user", "owner") else None
    response = await run.client.call(
        case.route, status=case.status, path=case.path, query=case.query, body=case.body, token=token
    )
    if case.route == "upload" and run.contract.offers("routes.document_delete"):
        path = {"document_id": response["document_id"]}
        await run.client.call("document_delete", path=path, token=token)
    elif (
        case.route == "chat"
        and run.contract.offers("routes.conversation_delete")
        and "conversation_id" in response.paths
    ):
        path = {"conversation_id": response["conversation_id"]}
        await run.client.call("conversation_delete", path=path, token=token)
    elif case.route == "signup":
        assert case.body is not None
        registered = User(case.body["email"], case.body["password"])
        await run.users.welcome(registered, response)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 65_536):
        yield content[begin : begin + 65_536]


def _signed(run: Run, content: bytes) -> dict[str, str]:
    run.descriptor.need("webhook-secret")
    secret = run.descriptor.secret("webhook_secret").get_secret_value()
    return {run.contract.webhook.header: signed(run.contract.webhook.scheme, content, secret)}
