"""The parser's webhooks (INT-03): messages, signatures good and bad, and repetition."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

from acceptance.checks.authorization import Attempt, hold
from acceptance.checks.forged_tokens import ATTACKERS_KEY
from acceptance.deployment.contract import Webhook
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Upload, complete

ROUTE = "webhook"
EVERY_SECONDS = 0.1

Signature = tuple[str, str, str | None]  # kind of the credential, how it was made, value of the header


async def send_forged(run: Run, upload: Upload, event: str, kind: str, status: int) -> list[int]:
    """Send a webhook of a job with every bad signature of a kind, and the owner's token; each gets this status."""
    body = message(run.contract.webhook, event, await _parser_job(run, upload))
    attempts: list[Attempt] = [
        (made, _send(run, upload.job_id, body, header, status=status, token=upload.owner.access_token))
        for signed_as, made, header in bad_signatures(run.contract.webhook.scheme, body, _secret(run))
        if signed_as == kind
    ]
    return await hold(run, attempts)


async def send_signed(run: Run, upload: Upload, event: str, times: int, status: int | None = None) -> list[int]:
    """Send a correctly signed webhook of a job several times at once; each gets this status, or the route's success.

    Raises:
        CapabilityMissing: the descriptor does not list `webhook-secret`.
    """
    run.descriptor.need("webhook-secret")
    body = message(run.contract.webhook, event, await _parser_job(run, upload))
    header = signed(run.contract.webhook.scheme, body, _secret(run) or "")
    return await together(*(_send(run, upload.job_id, body, header, status=status) for _ in range(times)))


async def repeat_until_processed(run: Run, upload: Upload, event: str, times: int) -> int:
    """Send signed webhooks, several at once, again and again until the document is complete; returns their number."""
    sent = 0

    async def flood() -> None:
        nonlocal sent
        while True:
            sent += len(await send_signed(run, upload, event, times))
            await asyncio.sleep(EVERY_SECONDS)

    flooding = asyncio.create_task(flood())
    try:
        await complete(run, upload)
        if flooding.done():
            flooding.result()
    finally:
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
    return sent


def message(webhook: Webhook, event: str, parser_job: str) -> bytes:
    """A webhook's body as the parser sends it."""
    words = {"event": webhook.events.get(event, event), "parser_job": parser_job, "new_identifier": str(uuid.uuid4())}

    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: filled(value) for name, value in part.items()}
        if isinstance(part, list):
            return [filled(value) for value in part]
        if not isinstance(part, str):
            return part
        return time.time() if part == "{now}" else re.sub(r"\{(\w+)\}", lambda one: words.get(one[1], one[0]), part)

    return json.dumps(filled(webhook.body)).encode()


def signed(scheme: str, body: bytes, key: str) -> str:
    """The header's value for a body, by the contract's scheme."""
    digest = hmac.new(key.encode(), body, hashlib.sha256).digest()
    return _header(scheme, digest, key)


def _header(scheme: str, digest: bytes, key: str) -> str:
    texts = {"hmac_sha256_hex_of_body": digest.hex(), "hmac_sha256_base64_of_body": base64.b64encode(digest).decode()}
    return scheme.format(**texts, secret=key)


def bad_signatures(scheme: str, body: bytes, secret: str | None) -> Iterator[Signature]:
    """Everything that must not pass for a body's signature; one more where the secret is known."""
    yield "none", "unsigned", None
    yield "garbage", "signed with a word", "garbage"
    yield "garbage", "signed with nothing", ""
    yield "garbage", "signed with an empty digest", _header(scheme, b"", "")
    yield "garbage", "signed with zeros", _header(scheme, bytes(32), "0" * 64)
    yield "wrong_signature", "signed with the attacker's key", signed(scheme, body, ATTACKERS_KEY)
    yield "wrong_signature", "signed with an empty key", signed(scheme, body, "")
    if secret is not None and "_of_body" in scheme:
        yield "wrong_signature", "signed for another body", signed(scheme, body + b" ", secret)


def _secret(run: Run) -> str | None:
    known = "webhook-secret" in run.descriptor.capabilities
    return run.descriptor.secret("webhook_secret").get_secret_value() if known else None


async def _send(
    run: Run, job_id: str, body: bytes, header: str | None, *, status: int | None = None, token: str | None = None
) -> int:
    headers = {"content-type": "application/json"}
    if header is not None:
        headers[run.contract.webhook.header] = header
    path = {"job_id": job_id}
    return (await run.client.call(ROUTE, path=path, content=body, headers=headers, status=status, token=token)).status


async def _parser_job(run: Run, upload: Upload) -> str:
    """The parser's identifier of a document's job; a random one where it is not known."""
    if "sql" not in run.descriptor.capabilities:
        return str(uuid.uuid4())
    rows = await run.database.rows("documents", document_id=upload.document_id)
    return str(next((row["parser_job_id"] for row in rows if row["parser_job_id"]), uuid.uuid4()))
