"""INT-12: whatever is wrong is refused with the documented status, or fails for a reason that the user can read."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar
from urllib.parse import quote

from acceptance.checks.fixtures import UserData, create_user_data
from acceptance.checks.negative_inputs import Case, expanded, read_nonsense
from acceptance.checks.side_effects import records, unchanged
from acceptance.checks.upload_integrity import recorded_for_owner, whole
from acceptance.checks.webhooks import signed
from acceptance.deployment.contract import Kind
from acceptance.errors import violation
from acceptance.fixtures.documents import Failed, Refused, catalogue
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import (
    Payload,
    Upload,
    announce,
    complete,
    delete,
    document,
    finished,
    job_of,
    put_bytes,
)
from acceptance.yaml_models import PROJECT

Item = TypeVar("Item")
Result = TypeVar("Result")

NONSENSE = PROJECT / "variables" / "nonsense.yaml"
CALLS_AT_ONCE = 8
REST_SECONDS = 2.0
SHOWN = 12  # refusals that went wrong, in one message
SEED = 12_000  # of the documents of this module
_TECHNICAL = re.compile(r"traceback|exception|error:|[{}<>\\\n]|0x", re.IGNORECASE)


@asynccontextmanager
async def nothing_is_left(run: Run, user: User) -> AsyncIterator[None]:
    before = await records(run, user)
    yield
    await unchanged(run, before)


async def shared_user(run: Run) -> UserData:
    """Whoever tries bad input: someone with a document and a conversation, which all of it must leave alone."""

    async def make() -> UserData:
        return await create_user_data(run, await run.users.signed_in(), seed=SEED)

    return await run.once("bad input", make)


def contract_is_covered(run: Run) -> None:
    """There is nonsense for every parameter of every route; raises AssertionError naming what is left out."""
    if gaps := read_nonsense(NONSENSE).gaps(run.contract):
        raise violation(
            str(NONSENSE), expected="something for each parameter of the contract", observed="; ".join(gaps)
        )


async def nonsense_is_refused(run: Run, kind: Kind) -> int:
    """Every parameter of every route of a kind, with every nonsense there is for it; says how many calls that were.

    Raises:
        AssertionError: names each call that was not answered with its exact status and the contract's error.
    """
    who, nonsense = await shared_user(run), read_nonsense(NONSENSE)
    limits = asyncio.Semaphore(CALLS_AT_ONCE)
    async with nothing_is_left(run, who.owner):
        spare = await announce(run, who.owner, Payload("spare.pdf", b"never sent")) if kind == "signature" else None
        path = who.identifiers | ({"signed_url": spare.signed_url} if spare else {})
        names = [name for name, route in run.contract.routes.items() if route.kind == kind]
        cases = [case for name in names for case in nonsense.cases(run.contract, name, path, run.identifier)]

        async def problem(case: Case) -> str:
            async with limits:
                return await _problem(run, who.owner, case)

        problems = list(filter(None, await together(*map(problem, cases))))
        if problems:
            seen = "\n".join([f"{len(problems)} not:", *problems[:SHOWN]])
            raise violation(f"nonsense in {len(cases)} calls", expected="each refused", observed=seen)
        if spare:
            await delete(run, spare)
    for name in names:
        if name in nonsense.sound:
            await _sound_is_taken(run, who.owner, nonsense.sound_case(run.contract, name, run.identifier))
    return len(cases)


async def channels_of_nothing_are_closed(run: Run) -> None:
    """A WebSocket for no job or workflow, malformed or unknown, is closed as the contract says.

    Nonsense in place of the number after which to begin ends no connection.
    """
    who, nonsense = await shared_user(run), read_nonsense(NONSENSE)
    realtime, expected = run.contract.realtime, run.contract.realtime.close.unknown
    identifiers = [expanded(value) for value in nonsense.kinds["identifier"].nonsense.values()]

    async def is_closed(path: str) -> None:
        async with run.websocket.socket(path, who.owner.access_token) as socket:
            if await socket.until_closed(within=5) != expected or socket.frames:
                raise violation(socket.what[:200], expected=f"closed with {expected}", observed=socket.summary())

    quoted = [quote(value, safe="") for value in (*identifiers, str(uuid.uuid4()))]
    await together(
        *(is_closed(realtime.job.format(job_id=each)) for each in quoted),
        *(is_closed(realtime.workflow.format(workflow_id=each)) for each in quoted),
    )
    for value in nonsense.kinds["sequence"].nonsense.values():
        path = realtime.job.format(job_id=who.upload.job_id)
        async with run.websocket.socket(path, who.owner.access_token, after=expanded(value)) as socket:
            await socket.ping(within=5)


async def absurd_names_are_kept(run: Run) -> list[str]:
    """Documents with absurd names that are allowed go all the way, and show the very name that was sent; says which."""
    who, names = await shared_user(run), read_nonsense(NONSENSE).kept_filenames

    async def is_kept(number: int, name: str) -> None:
        # Bytes behind the end of a PDF leave it the same document with another content.
        data = who.upload.payload.data + f"\n% {number}\n".encode()
        upload = await announce(run, who.owner, Payload(name, data))
        await put_bytes(run, upload)
        await complete(run, upload)
        await whole(run, upload)
        if "sql" in run.descriptor.capabilities:
            await recorded_for_owner(run, upload)
        await delete(run, upload)

    async with nothing_is_left(run, who.owner):
        await _some_at_once(run, enumerate(map(expanded, names.values())), lambda item: is_kept(*item))
    return list(names)


async def wrong_bytes_are_refused(run: Run) -> None:
    """Bytes that are not those announced are refused one by one and leave nothing; the right ones are then taken."""
    who = await shared_user(run)
    data = who.upload.payload.data + b"\n% sent in pieces\n"
    status = run.contract.errors.wrong_bytes
    async with nothing_is_left(run, who.owner):
        upload = await announce(run, who.owner, Payload("wrong-bytes.pdf", data))
        for wrong in (data[:-1] + b" ", data[:-1], data + b" ", b""):
            await put_bytes(run, upload, wrong, status=status)
            job = await job_of(run, upload)
            if job["status"] != run.contract.jobs.statuses[0]:
                raise violation("job after wrong bytes", expected="not begun", observed=job["status"], look=job.look)
            unknown = run.contract.errors.unknown_identifier
            path = {"document_id": upload.document_id}
            await run.client.call("document_content", path=path, token=who.owner.access_token, status=unknown)
        await put_bytes(run, upload)
        await complete(run, upload)
        await whole(run, upload)
        await delete(run, upload)


async def unacceptable_documents_are_refused(run: Run) -> list[str]:
    """Every document of the catalogue that may not be uploaded is refused as it says there; says which."""
    who, names = await shared_user(run), list(catalogue().expected("refused"))
    async with nothing_is_left(run, who.owner):
        for name in names:
            refused = await document(run, name, SEED)
            assert isinstance(refused.expectation, Refused)
            status = getattr(run.contract.errors, refused.expectation.error)
            body = Payload.of(refused).announcement()
            await run.client.call("upload", body=body, token=who.owner.access_token, status=status)
    return names


async def unreadable_documents_fail(run: Run) -> list[str]:
    """Every document of the catalogue that cannot be read ends in a failed job with its reason; says which."""
    who, names = await shared_user(run), list(catalogue().expected("failed"))

    async def fails(name: str) -> Upload:
        unreadable = await document(run, name, SEED)
        assert isinstance(unreadable.expectation, Failed)
        upload = await announce(run, who.owner, Payload.of(unreadable))
        await put_bytes(run, upload)
        await finished(run, upload)
        await _failed_for(run, upload, unreadable.expectation)
        return upload

    async with nothing_is_left(run, who.owner):
        uploads = await _some_at_once(run, names, fails)
        await _rest(run, uploads)
        await together(*(delete(run, upload) for upload in uploads))
    return names


async def _failed_for(run: Run, upload: Upload, expected: Failed) -> None:
    job = upload.job
    assert job is not None
    error = job["last_error"] if isinstance(job["last_error"], dict) else {}
    message = str(error.get("message", ""))
    if (job["status"], error.get("code")) != (expected.status, expected.code) or not error.get("timestamp"):
        wanted = f"status '{expected.status}' for '{expected.code}', with a time"
        seen = f"status '{job['status']}', last error {job['last_error']}"
        raise violation(f"'{upload.payload.filename}'", expected=wanted, observed=seen, look=job.look)
    if expected.says.lower() not in message.lower() or _TECHNICAL.search(message) or len(message.split()) < 3:
        wanted = f"a sentence for its user that says '{expected.says}'"
        raise violation(f"'{upload.payload.filename}'", expected=wanted, observed=repr(message), look=job.look)
    path = {"document_id": upload.document_id}
    status = await run.client.call("document_status", path=path, token=upload.owner.access_token)
    if (status["status"], status["state"]) != (job["status"], job["state"]):
        seen = f"{status['status']}, {status['state']}"
        raise violation(
            "document", expected=f"{job['status']}, {job['state']} as its job", observed=seen, look=status.look
        )


async def _rest(run: Run, uploads: list[Upload]) -> None:
    """None of the ended jobs moves any more: what cannot succeed is not tried for ever."""
    until = time.monotonic() + REST_SECONDS
    while time.monotonic() < until:
        for upload in uploads:
            was, now = upload.job, await job_of(run, upload)
            assert was is not None
            if now.json() != was.json():
                raise violation(
                    f"ended job {upload.job_id}", expected=was.excerpt(), observed=now.excerpt(), look=now.look
                )
        await asyncio.sleep(0.2)


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
    try:
        await run.client.call(
            case.route, status=case.status, path=case.path, query=case.query, body=case.body, headers=headers,
            token=token, content=_pieces(content) if case.chunked and content else content,
        )  # fmt: skip
    except AssertionError as error:
        return f"{case.route}, {case.what}: {error}"
    return ""


async def _sound_is_taken(run: Run, user: User, case: Case) -> None:
    """Nothing else was wrong with what was refused, and none of it half done: the address is free, the content new."""
    token = user.access_token if run.contract.route(case.route).kind == "user" else None
    response = await run.client.call(case.route, status=case.status, body=case.body, token=token)
    if case.route == "upload":
        path = {"document_id": response["document_id"]}
        await run.client.call("document_delete", path=path, token=token)
    elif case.route == "chat":
        path = {"conversation_id": response["conversation_id"]}
        await run.client.call("conversation_delete", path=path, token=token)
    elif case.route == "signup":
        assert case.body is not None
        registered = User(case.body["email"], case.body["password"])
        registered.take(response)
        run.users.remember(registered)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for begin in range(0, len(content), 65_536):
        yield content[begin : begin + 65_536]


def _signed(run: Run, content: bytes) -> dict[str, str]:
    run.descriptor.need("webhook-secret")
    secret = run.descriptor.secret("webhook_secret").get_secret_value()
    return {run.contract.webhook.header: signed(run.contract.webhook.scheme, content, secret)}


async def _some_at_once(run: Run, items: Iterable[Item], work: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """The work on each, no more at once than one user may have jobs."""
    allowed = asyncio.Semaphore(run.needs.concurrent_jobs_per_user)

    async def one(item: Item) -> Result:
        async with allowed:
            return await work(item)

    return await together(*map(one, items))
