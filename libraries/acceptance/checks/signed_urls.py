"""Signed upload addresses (INT-03): for one path, once, until they expire; whatever is made of one stores nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx

from acceptance.checks.authorization import hold, matrix
from acceptance.checks.forged_tokens import forged
from acceptance.clients.http import Response
from acceptance.errors import CapabilityMissing, violation
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, announce, document, job_of, put_bytes

ROUTE = "upload_bytes"
LONGEST_SECONDS = 60.0
ROUNDING_SECONDS = 1.0
GRACE_SECONDS = 2.0
FORGED_SEED, OTHER_SEED, USED_SEED, EXPIRING_SEED = 304, 305, 306, 307
FORGEABLE = ("none", "garbage", "wrong_signature", "other_path")


@dataclass(frozen=True)
class _Expiring:
    """An announced upload whose address is left to expire `seconds` after it was given."""

    upload: Upload
    given_from: float
    given_to: float
    seconds: float


async def forged_addresses_store_nothing(run: Run) -> None:
    """An address without its signature, with a wrong one, or of another path is refused; the right one still works."""
    user = await run.users.signed_in()
    notes = [Payload.of(await document(run, "note", seed)) for seed in (FORGED_SEED, OTHER_SEED)]
    upload, other = await together(*(announce(run, user, note) for note in notes))
    before = (await job_of(run, upload)).json()
    stated = _stated(run)
    await hold(
        (made, put_bytes(run, replace(upload, signed_url=address), status=stated[kind]))
        for kind in FORGEABLE
        for made, address in forged_addresses(kind, upload.signed_url, other.signed_url)
    )
    for each in (upload, other):
        await nothing_is_stored(run, each)
    if (after := (await job_of(run, upload)).json()) != before:
        raise violation(f"job {upload.job_id}", expected=f"no change by refused bytes: {before}", observed=after)
    await put_bytes(run, upload)


async def used_address_stores_nothing(run: Run) -> None:
    """An address that was used is refused, with the same bytes and with others; what was stored stays."""
    upload = await announce(run, await run.users.signed_in(), Payload.of(await document(run, "note", USED_SEED)))
    await put_bytes(run, upload)
    refused = _stated(run)["used"]
    for data in (upload.payload.data, other_bytes(upload.payload.data)):
        await put_bytes(run, upload, data, status=refused)
    content = await _content(run, upload)
    if content.status != run.contract.route("document_content").success or content.content != upload.payload.data:
        raise violation(
            "document_content", expected="the bytes that were sent first", observed=content.excerpt(), look=content.look
        )


async def leave_to_expire(run: Run) -> None:
    """Begin what `expired_address_stores_nothing` looks at, so that it waits less; what goes wrong is told there."""
    await asyncio.gather(run.once("expiring address", lambda: _announce_expiring(run)), return_exceptions=True)


async def expired_address_stores_nothing(run: Run) -> None:
    """An address works until it expires, is refused from then on, and nothing is stored by it.

    That it still works shows in wrong bytes, which are refused in another way and may be tried again.

    Raises:
        CapabilityMissing: addresses of this deployment live for longer than a minute.
    """
    expiring = await run.once("expiring address", lambda: _announce_expiring(run))
    upload, refused = expiring.upload, _stated(run)["expired"]

    async def look() -> tuple[Response, float]:
        return await _put_wrong(run, upload), time.monotonic()

    await asyncio.sleep(expiring.given_from + expiring.seconds - 2 * ROUNDING_SECONDS - time.monotonic())
    latest = expiring.given_to + expiring.seconds + ROUNDING_SECONDS + GRACE_SECONDS
    response, ended = await wait_until(
        look,
        lambda seen: seen[0].status == refused,
        what=f"an address of {expiring.seconds:g} s expires (status {refused})",
        within=max(1.0, latest - time.monotonic()),
        describe=lambda seen: f"status {seen[0].status}",
    )
    lived = ended - expiring.given_from
    if lived < expiring.seconds - ROUNDING_SECONDS:
        raise violation(
            "address", expected=f"to live {expiring.seconds:g} s", observed=f"{lived:.1f} s", look=response.look
        )
    await put_bytes(run, upload, status=refused)
    await nothing_is_stored(run, upload)


async def nothing_is_stored(run: Run, upload: Upload) -> None:
    """The document has no bytes."""
    response = await _content(run, upload)
    unknown = run.contract.errors.unknown_identifier
    if response.status != unknown:
        raise violation(
            "document_content",
            expected=f"status {unknown}, nothing stored",
            observed=response.excerpt(),
            look=response.look,
        )


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
        yield "a path with more behind it", str(url.copy_with(path=f"{url.path}-copy"))
    else:
        yield from ((made, str(url.copy_set_param(name, token))) for made, token in forged(words[name]))


def other_bytes(data: bytes) -> bytes:
    """As many bytes, and not the same."""
    return data[:-1] + bytes([data[-1] ^ 1])


async def _announce_expiring(run: Run) -> _Expiring:
    limits = await run.client.call("limits")
    seconds = float(limits["signed_url_ttl_seconds"])
    if seconds > LONGEST_SECONDS:
        reason = f"and its upload addresses live for {seconds:g} s (waited for: {LONGEST_SECONDS:g} s at most)"
        raise CapabilityMissing("short-lived-addresses", reason)
    note = Payload.of(await document(run, "note", EXPIRING_SEED))
    user = await run.users.signed_in()
    begin = time.monotonic()
    return _Expiring(await announce(run, user, note), begin, time.monotonic(), seconds)


async def _put_wrong(run: Run, upload: Upload) -> Response:
    data = other_bytes(upload.payload.data)
    return await run.client.send("upload_bytes", path={"signed_url": upload.signed_url}, content=data)


async def _content(run: Run, upload: Upload) -> Response:
    path, token = {"document_id": upload.document_id}, upload.owner.access_token
    return await run.client.send("document_content", path=path, token=token)


def _stated(run: Run) -> dict[str, int]:
    return {case.credential: case.expected for case in matrix(run.contract) if case.route == ROUTE}
