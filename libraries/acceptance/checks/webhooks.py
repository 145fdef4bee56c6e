"""The parser's webhooks (INT-03): only correctly signed ones count, and repeating one changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator

from acceptance.checks.authorization import hold, matrix, nothing_has_changed, protected_things
from acceptance.checks.forged_tokens import ATTACKERS_KEY
from acceptance.errors import violation
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, announce, complete, document, job_of, put_bytes

ROUTE = "webhook"
EVENTS = ("parse.success", "parse.error")
REPEATS = 5
STAYS_SECONDS = 1.0
WAITING_SEED, WORKING_SEED = 302, 303

Signature = tuple[str, str, str | None]  # kind of the credential, how it was made, value of the header


async def bad_signatures_change_nothing(run: Run) -> None:
    """Unsigned and wrongly signed webhooks are refused, of a finished job and of one that waits for its bytes."""
    protected = await protected_things(run)
    note = await document(run, "note", WAITING_SEED)
    waiting = await announce(run, await run.users.signed_in(), Payload.of(note))
    before = (await job_of(run, waiting)).json()
    stated = {case.credential: case.expected for case in matrix(run.contract) if case.route == ROUTE}
    owners = {protected.alice.upload.job_id: protected.alice.owner, waiting.job_id: waiting.owner}
    bodies = [message(event, await _parser_job(run, protected.alice.upload)) for event in EVENTS]
    await hold(
        (f"{made}, of job {job_id}", _send(run, job_id, body, header, status=stated[kind], token=owner.access_token))
        for job_id, owner in owners.items()
        for body in bodies
        for kind, made, header in bad_signatures(run.contract.webhook.scheme, body, _secret(run))
    )
    if (after := (await job_of(run, waiting)).json()) != before:
        raise violation(f"job {waiting.job_id}", expected=f"no change by refused webhooks: {before}", observed=after)
    await nothing_has_changed(run)


async def repeats_change_nothing(run: Run) -> None:
    """Correctly signed webhooks of a finished job, of success and of error, are taken, and nothing moves for a second.

    Raises:
        CapabilityMissing: the descriptor does not list `webhook-secret`.
    """
    run.descriptor.need("webhook-secret")
    protected = await protected_things(run)
    upload = protected.alice.upload
    parser_job = await _parser_job(run, upload)
    for event in EVENTS:
        await _send_repeatedly(run, upload, message(event, parser_job))
    until = time.monotonic() + STAYS_SECONDS
    while time.monotonic() < until:
        await nothing_has_changed(run)
        await asyncio.sleep(0.1)


async def repeats_while_working_change_nothing(run: Run) -> None:
    """Webhooks repeated while a document is processed: it completes, having passed each status once.

    Raises:
        CapabilityMissing: the descriptor does not list `webhook-secret`.
    """
    run.descriptor.need("webhook-secret")
    note = await document(run, "note", WORKING_SEED)
    upload = await announce(run, await run.users.signed_in(), Payload.of(note))
    await put_bytes(run, upload)

    async def flood() -> None:
        while True:
            await _send_repeatedly(run, upload, message("parse.success", await _parser_job(run, upload)))
            await asyncio.sleep(0.1)

    flooding = asyncio.create_task(flood())
    try:
        await complete(run, upload)
        if flooding.done():
            flooding.result()
    finally:
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    async with run.sse.job(upload.job_id, upload.owner.access_token) as events:
        await events.until_closed(within=10)
    counted = Counter(str(event.data.get("status")) for event in events.events)
    if counted != Counter(run.contract.jobs.statuses):
        raise violation(
            f"job {upload.job_id}", expected="each status once", observed=dict(counted), look=events.summary()
        )
    if "sql" in run.descriptor.capabilities:
        chunks = await run.database.rows("chunks", document_id=upload.document_id)
        if len({chunk["start"] for chunk in chunks}) != len(chunks):
            raise violation(
                f"document {upload.document_id}", expected="each chunk once", observed=f"{len(chunks)} chunks"
            )


def message(event: str, parser_job: str) -> bytes:
    """A webhook's body as the parser sends it."""
    data = {"id": parser_job, "job_id": parser_job}
    body = {"event_id": str(uuid.uuid4()), "event_type": event, "timestamp": time.time(), "data": data}
    return json.dumps(body).encode()


def signed(scheme: str, body: bytes, key: str) -> str:
    """The header's value for a body, by the contract's scheme."""
    return scheme.format(hmac_sha256_hex_of_body=hmac.new(key.encode(), body, hashlib.sha256).hexdigest())


def bad_signatures(scheme: str, body: bytes, secret: str | None) -> Iterator[Signature]:
    """Everything that must not pass for a body's signature; more of it where the secret is known."""
    yield "none", "unsigned", None
    yield "garbage", "signed with a word", "garbage"
    yield "garbage", "signed with nothing", ""
    yield "garbage", "signed with an empty digest", scheme.format(hmac_sha256_hex_of_body="")
    yield "garbage", "signed with zeros", scheme.format(hmac_sha256_hex_of_body="0" * 64)
    yield "wrong_signature", "signed with the attacker's key", signed(scheme, body, ATTACKERS_KEY)
    yield "wrong_signature", "signed with an empty key", signed(scheme, body, "")
    if secret is not None:
        yield "wrong_signature", "signed for another body", signed(scheme, body + b" ", secret)


def _secret(run: Run) -> str | None:
    known = "webhook-secret" in run.descriptor.capabilities
    return run.descriptor.secret("webhook_secret").get_secret_value() if known else None


async def _send_repeatedly(run: Run, upload: Upload, body: bytes) -> None:
    header = signed(run.contract.webhook.scheme, body, _secret(run) or "")
    await together(*(_send(run, upload.job_id, body, header) for _ in range(REPEATS)))


async def _send(
    run: Run, job_id: str, body: bytes, header: str | None, *, status: int | None = None, token: str | None = None
) -> None:
    headers = {"content-type": "application/json"} | (
        {run.contract.webhook.header: header} if header is not None else {}
    )
    await run.client.call(ROUTE, path={"job_id": job_id}, content=body, headers=headers, status=status, token=token)


async def _parser_job(run: Run, upload: Upload) -> str:
    """The parser's own name of a document's job, or one that nobody has where it is not known."""
    rows = (
        await run.database.rows("documents", document_id=upload.document_id)
        if "sql" in run.descriptor.capabilities
        else []
    )
    return str(next((row["parser_job_id"] for row in rows if row["parser_job_id"]), uuid.uuid4()))
