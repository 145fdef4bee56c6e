"""Signed upload addresses (INT-03): forged ones, and one that is left to expire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import httpx

from acceptance.checks.authorization import Attempt, hold
from acceptance.checks.fixtures import signed_in
from acceptance.checks.forged_tokens import forged
from acceptance.clients.http import Response
from acceptance.errors import CapabilityMissing, SuiteError
from acceptance.limits import limits_of
from acceptance.polling import wait_until
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, announce, document, put_bytes

LONGEST_SECONDS = 60.0
ROUNDING_SECONDS = 1.0
GRACE_SECONDS = 2.0
EXPIRING_SEED = 307
FORGEABLE = ("none", "garbage", "wrong_signature", "other_path")


@dataclass(frozen=True)
class ExpiringUpload:
    """An announced upload whose address is left to expire `seconds` after it was issued (monotonic clock)."""

    upload: Upload
    issued_from: float = field(repr=False)
    issued_until: float = field(repr=False)
    seconds: float


async def expiring_upload(run: Run) -> ExpiringUpload:
    """Announce an upload whose bytes are not sent.

    Raises:
        CapabilityMissing: addresses of this deployment live for longer than a minute.
    """
    seconds = float((await limits_of(run))["signed_url_ttl_seconds"])
    if seconds > LONGEST_SECONDS:
        reason = f"and its upload addresses live for {seconds:g} s (waited for: {LONGEST_SECONDS:g} s at most)"
        raise CapabilityMissing("short-lived-addresses", reason)
    note = Payload.of(await document(run, "note", EXPIRING_SEED))
    user = await signed_in(run)
    begin = time.monotonic()
    return ExpiringUpload(await announce(run, user, note), begin, time.monotonic(), seconds)


async def until_expired(run: Run, expiring: ExpiringUpload) -> tuple[Response, float]:
    """Wait until the address is refused as expired; returns that response and how many seconds the address worked.

    That it still works shows in wrong bytes, which are refused with another status and may be sent again.
    """
    refused, data = run.contract.refused("upload_bytes", "expired"), expiring.upload.payload.altered
    path = {"signed_url": expiring.upload.signed_url}

    async def look() -> tuple[Response, float]:
        response = await run.client.send("upload_bytes", path=path, content=data)
        return response, time.monotonic() - expiring.issued_from

    await asyncio.sleep(expiring.issued_from + expiring.seconds - 2 * ROUNDING_SECONDS - time.monotonic())
    latest = expiring.issued_until + expiring.seconds + ROUNDING_SECONDS + GRACE_SECONDS
    return await wait_until(
        look,
        lambda seen: seen[0].status == refused,
        what=f"an address of {expiring.seconds:g} s expires (status {refused})",
        within=max(1.0, latest - time.monotonic()),
        describe=lambda seen: f"status {seen[0].status}; {seen[0].look}",
    )


async def send_to_forged(run: Run, upload: Upload, kind: str, other: Upload, status: int) -> list[int]:
    """Send the bytes to every address of a kind that is forged from the upload's own; each gets this status."""

    async def send(address: str) -> int:
        return (await put_bytes(run, replace(upload, signed_url=address), status=status)).status

    forged_from = forged_addresses(kind, upload.signed_url, other.signed_url)
    attempts: list[Attempt] = [(made, send(address)) for made, address in forged_from]
    return await hold(run, attempts)


def forged_addresses(kind: str, address: str, other: str) -> Iterator[tuple[str, str]]:
    """What can be made of a signed address without the key, and how it was made."""
    url, url_of_other = httpx.URL(address), httpx.URL(other)
    words = dict(url.params)
    name = max(words, key=lambda word: len(words[word]))
    if kind == "none":
        yield "no signature", str(url.copy_with(query=None))
    elif kind == "garbage":
        yield "a signature that is a word", str(url.copy_set_param(name, "garbage"))
        yield "an empty signature", str(url.copy_set_param(name, ""))
    elif kind == "other_path":
        yield "the signature of another path", str(url.copy_with(params=url_of_other.params))
        yield "a longer path", str(url.copy_with(path=f"{url.path}-copy"))
    elif kind == "wrong_signature":
        yield from ((made, str(url.copy_set_param(name, token))) for made, token in forged(words[name]))
    else:
        raise SuiteError(f"no address is forged for '{kind}'; known: {', '.join(FORGEABLE)}")
