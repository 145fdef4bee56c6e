"""INT-05 and INT-11: an uploaded document arrives whole, once, and up to the limit."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from acceptance.checks.side_effects import nothing_is_left
from acceptance.clients.http import Response
from acceptance.deployment.contract import Contract, pick
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import (
    Payload,
    Upload,
    accepted,
    announce,
    complete,
    document,
    listed_documents,
    listed_jobs,
    put_bytes,
    sent,
    status_of_headers_alone,
    upload_complete,
)

CLOCK_SKEW = timedelta(seconds=60)  # between our clock and the deployment's
MEGABYTE = 1_000_000
SEED = 11_000  # of the documents of this module


async def stored(run: Run, name: str) -> Upload:
    """A complete document of the catalogue, sent once for all that look at it."""

    async def somebody() -> User:
        return await run.users.signed_in()

    async def send() -> Upload:
        user = await run.once("uploader", somebody)
        return await upload_complete(run, user, Payload.of(await document(run, name, SEED)))

    return await run.once(f"stored {name}", send)


async def whole(run: Run, upload: Upload) -> None:
    """The stored bytes are those that were sent, and its owner sees what they announced.

    Raises:
        AssertionError: the bytes, the name, size, type or hash are others, or the list does not show it exactly once.
    """
    token, payload = upload.owner.access_token, upload.payload
    path = {"document_id": upload.document_id}
    content = await run.client.call("document_content", path=path, token=token)
    stored = hashlib.sha256(content.content).hexdigest()
    if stored != payload.sha256:
        raise violation(
            f"stored bytes of '{payload.filename}'", look=content.look,
            expected=f"{len(payload.data)} bytes with SHA-256 {payload.sha256}",
            observed=f"{len(content.content)} bytes with {stored}",
        )  # fmt: skip
    sent_as = content.headers.get("content-type", "none").partition(";")[0]
    if sent_as != payload.mime:
        raise violation(f"type of '{payload.filename}'", expected=payload.mime, observed=sent_as, look=content.look)
    status = await run.client.call("document_status", path=path, token=token)
    for word, value in (payload.announcement() | path).items():
        if status[word] != value:
            raise violation(
                f"{word} of '{payload.filename}'", expected=repr(value), observed=repr(status[word]), look=status.look
            )
    names = [
        entry["filename"]
        for entry in await listed_documents(run, upload.owner)
        if entry["document_id"] == upload.document_id
    ]
    if names != [payload.filename]:
        raise violation(f"documents with identifier {upload.document_id}", expected=[payload.filename], observed=names)


async def recorded_for_owner(run: Run, upload: Upload) -> None:
    """The database holds it once, for its owner, with the name, size and hash that were announced (needs `sql`)."""
    payload = upload.payload
    expected = {
        "document_id": upload.document_id, "user_id": upload.owner.user_id, "filename": payload.filename,
        "bytes_len": len(payload.data), "sha256": payload.sha256,
    }  # fmt: skip
    rows = await run.database.rows("documents", document_id=upload.document_id)
    seen = [{column: _plain(row[column]) for column in expected} for row in rows]
    if seen != [expected]:
        raise violation("named query 'documents'", expected=[expected], observed=seen)


@dataclass(frozen=True)
class Duplicate:
    """What a refusal of the same content says."""

    error_type: str
    message: str
    document_title: str
    last_uploaded: str


def duplicate_of(contract: Contract, response: Response) -> Duplicate:
    """The contract's flat body of a refusal; raises AssertionError where it is another one."""
    body, paths = response.json(), contract.duplicate
    values = {word: pick(body, path) for word, path in paths.items()}
    roots = {path.partition(".")[0] for path in paths.values()}
    texts = all(isinstance(value, str) and value for value in values.values())
    if not isinstance(body, dict) or body.keys() != roots or not texts:
        raise violation(
            "upload of the same content",
            expected=f"exactly {', '.join(paths.values())}",
            observed=response.excerpt(),
            look=response.look,
        )
    duplicate = Duplicate(**values)
    if duplicate.error_type != contract.duplicate_type:
        raise violation(
            "error_type", expected=contract.duplicate_type, observed=duplicate.error_type, look=response.look
        )
    return duplicate


async def refused_as_duplicate(run: Run, first: Upload, *, filename: str | None = None) -> Duplicate:
    """The owner of a document sends the same content again, maybe under another name, and is told of the first one.

    Raises:
        AssertionError: it is not refused as the contract says, or the refusal names another document or another time.
    """
    body = first.payload.announcement(filename=filename or first.payload.filename)
    response = await run.client.call(
        "upload", body=body, token=first.owner.access_token, status=run.contract.errors.duplicate_document
    )
    duplicate = duplicate_of(run.contract, response)
    if duplicate.document_title != first.payload.filename:
        raise violation(
            "document_title", expected=first.payload.filename, observed=duplicate.document_title, look=response.look
        )
    announced = datetime.now(UTC) - timedelta(seconds=time.monotonic() - first.started)
    if not is_about(duplicate.last_uploaded, announced):
        expected = f"a time with zone, about {announced.isoformat(timespec='seconds')}"
        raise violation("last_uploaded", expected=expected, observed=duplicate.last_uploaded, look=response.look)
    return duplicate


async def second_time_is_refused(run: Run, user: User) -> None:
    """While a document is processed and afterwards, under its own name and another's, the same content is refused."""
    first = await sent(run, user, Payload.of(await document(run, "note", SEED)))
    early = await refused_as_duplicate(run, first)
    # A later document, of which no refusal may speak.
    another = await sent(run, user, Payload.of(await document(run, "note", SEED + 1)))
    await together(complete(run, first), complete(run, another))
    for filename in (first.payload.filename, another.payload.filename):
        late = await refused_as_duplicate(run, first, filename=filename)
        if late.last_uploaded != early.last_uploaded:
            raise violation(
                "last_uploaded", expected=f"{early.last_uploaded} in each refusal", observed=late.last_uploaded
            )
    await nothing_else_is_there(run, user, [first, another])


async def everybody_may_send_it(run: Run, users: Sequence[User]) -> None:
    """The same content of several users is no duplicate: each gets a document and a job of their own."""
    payload = Payload.of(await document(run, "note", SEED))
    for upload in [await sent(run, user, payload) for user in users]:
        await complete(run, upload)
        await whole(run, upload)
        await nothing_else_is_there(run, upload.owner, [upload])


async def nothing_else_is_there(run: Run, owner: User, uploads: Sequence[Upload]) -> None:
    """These are all the documents and jobs that a person has, in the lists and in the database (needs `sql`)."""
    expected = sorted((upload.document_id, upload.job_id) for upload in uploads)
    jobs = [(entry["document_id"], entry["job_id"]) for entry in await listed_jobs(run, owner)]
    documents = sorted(entry["document_id"] for entry in await listed_documents(run, owner))
    if sorted(jobs) != expected or documents != [document_id for document_id, _ in expected]:
        raise violation("documents and jobs in the lists", expected=expected, observed=f"{documents} and {jobs}")
    rows = await run.database.rows("documents", user_id=owner.user_id)
    made = await run.database.rows("jobs", document_id=[row["document_id"] for row in rows])
    stored = sorted((str(job["document_id"]), str(job["job_id"])) for job in made)
    if stored != expected or len(rows) != len(expected):
        raise violation("documents and jobs of the named queries", expected=expected, observed=f"{len(rows)}, {stored}")


async def sent_at_once(run: Run, user: User, times: int) -> None:
    """The same content announced so often at the same moment, each under a name of its own, is taken once."""
    note = await document(run, "note", SEED)
    begin = time.monotonic()
    payloads = [replace(Payload.of(note), filename=f"{number}-{note.filename}") for number in range(times)]
    responses = await together(
        *(run.client.send("upload", body=each.announcement(), token=user.access_token) for each in payloads)
    )
    taken_with, refused_with = run.contract.route("upload").success, run.contract.errors.duplicate_document
    taken = [
        (each, response) for each, response in zip(payloads, responses, strict=True) if response.status == taken_with
    ]
    refused = [response for response in responses if response.status == refused_with]
    if (len(taken), len(refused)) != (1, times - 1):
        raise violation(
            f"the same content {times} times at once", expected=f"one {taken_with}, the rest {refused_with}",
            observed=sorted(response.status for response in responses),
            look=f"requests {', '.join(response.request_id for response in responses)}",
        )  # fmt: skip
    winner, response = taken[0]
    for each in refused:
        if (title := duplicate_of(run.contract, each).document_title) != winner.filename:
            raise violation("document_title", expected=winner.filename, observed=title, look=each.look)
    upload = accepted(run, user, winner, response, begin)
    await put_bytes(run, upload)
    await complete(run, upload)
    await nothing_else_is_there(run, user, [upload])


async def at_limit(run: Run, users: Sequence[User]) -> None:
    """A document of exactly the allowed size goes through every stage and comes back whole, for each of these people.

    Records the throughput of their uploads: all bytes by all seconds until they were answered.
    """
    largest = Payload.of(await document(run, "at-limit"))
    uploads, seconds = [], 0.0
    for user in users:
        upload = await announce(run, user, largest)
        seconds += (await put_bytes(run, upload)).elapsed
        uploads.append(upload)
    throughput = len(uploads) * len(largest.data) / MEGABYTE / seconds
    run.observe("INT-11", "upload_throughput", throughput, "MB/s", samples=len(uploads))
    await together(*(_went_through(run, upload) for upload in uploads))


async def refused_over_limit(run: Run, user: User) -> None:
    """A document one byte over the limit is refused when it is announced, and nothing is left of it."""
    body = Payload.of(await document(run, "over-limit")).announcement()
    async with nothing_is_left(run, user):
        await run.client.call("upload", body=body, token=user.access_token, status=run.contract.errors.too_large)


async def refused_before_its_bytes(run: Run, user: User) -> None:
    """The signed address of a small document refuses one over the limit by its headers alone, then takes its own."""
    upload = await announce(run, user, Payload.of(await document(run, "note", SEED + 2)))
    too_long = (await run.client.call("limits"))["max_file_size_bytes"] + 1
    status, expected = await status_of_headers_alone(upload.signed_url, too_long), run.contract.errors.wrong_bytes
    if status != expected:
        raise violation(f"the headers of a PUT of {too_long} bytes", expected=f"status {expected}", observed=status)
    await put_bytes(run, upload)
    await _went_through(run, upload)


async def _went_through(run: Run, upload: Upload) -> None:
    """Every status in order, by the events that are replayed to its owner, and the bytes whole at the end."""
    await complete(run, upload)
    async with run.sse.job(upload.job_id, upload.owner.access_token) as events:
        await events.until_closed(within=10)
    seen, expected = [frame.data.get("status") for frame in events.events], run.contract.jobs.statuses
    if seen != expected:
        raise violation(f"statuses of job {upload.job_id}", expected=expected, observed=seen)
    await whole(run, upload)


def is_about(text: str, when: datetime) -> bool:
    """Whether a text is a time with zone, and that time, as far as two clocks agree."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return False
    return moment.tzinfo is not None and abs(moment - when) <= CLOCK_SKEW


def _plain(value: Any) -> Any:
    """A value of the database as JSON has it: identifiers as text."""
    return value if isinstance(value, int) else str(value)
