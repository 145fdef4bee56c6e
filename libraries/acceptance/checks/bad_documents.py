"""INT-12: a document that cannot be read is refused when it is sent, or its job fails with a reason."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from acceptance.clients.http import Response
from acceptance.errors import Unresponsive, Violation, violation
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, JOBS_AT_ONCE, limits_of, need_upload, owners
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, accepted, announcing, finished, put_bytes

REFUSALS = ("unsupported_mime", "invalid_parameter")  # of a file for what is in it


@dataclass
class TriedDocument:
    """A document that was sent, and what became of it.

    Attributes:
        upload: None where it was refused.
        refusal: the name of its documented refusal; empty where it was accepted.
        problem: why it came to no end, or how it was refused otherwise; None where nothing is wrong.
    """

    payload: Payload
    upload: Upload | None = None
    refusal: str = ""
    problem: Violation | None = None

    def __str__(self) -> str:
        return f"'{self.payload.filename}'"


async def tried(run: Run, user: User, payloads: Sequence[Payload]) -> list[TriedDocument]:
    """Send documents that cannot be read, as many at once as the deployment allows, and follow each to its end.

    Where the limit of uploads a day leaves the user too few, new users send the rest.
    """
    senders = await owners(run, user, len(payloads))
    at_once = (await limits_of(run)).at_most(JOBS, JOBS_AT_ONCE)
    return await together(*(_tried(run, *each) for each in zip(senders, payloads, strict=True)), at_once=at_once)


async def _tried(run: Run, user: User, payload: Payload) -> TriedDocument:
    document = TriedDocument(payload)
    try:
        await need_upload(run, user)
        begin = time.monotonic()
        response = await run.client.send("upload", **announcing(run, payload), token=user.access_token)
        if response.status != run.contract.route("upload").success:
            document.refusal = refusal_of(run, response)
        else:
            document.upload = accepted(run, user, payload, response, begin)
            await put_bytes(run, document.upload)
            await finished(run, document.upload)
    except Unresponsive:
        raise
    except Violation as problem:
        document.problem = problem
    return document


def refusal_of(run: Run, response: Response) -> str:
    """The name with which the contract documents the refusal of a file for what is in it.

    Raises:
        AssertionError: it was refused with another status.
    """
    statuses = {
        name: run.contract.status_of("upload", name) for name in REFUSALS if run.contract.offers(f"errors.{name}")
    }
    for name, status in statuses.items():
        if response.status == status:
            return name
    success = run.contract.route("upload").success
    documented = "".join(f", or {status} for what is in it" for status in statuses.values())
    raise violation("upload", expected=f"{success}{documented}", observed=response.excerpt(), look=response.look)
