"""Uploading documents and following their jobs, by the contract."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx

from acceptance.clients.http import Response
from acceptance.deployment.contract import Partial, by_words
from acceptance.errors import NotOffered, SuiteError, shown, violation
from acceptance.fixtures.documents import PDF, TEXT, Limits, TestDocument, make
from acceptance.fixtures.handbook import Handbook, write_long
from acceptance.fixtures.pdf import render
from acceptance.fixtures.users import User
from acceptance.limits import limits_of, need_upload
from acceptance.polling import wait_until
from acceptance.run import Run

PROCESSING_SECONDS = 30.0
POLL_SECONDS = 0.2
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Payload:
    """A document to send: name, bytes and media type."""

    filename: str
    data: bytes = field(repr=False)
    mime: str = PDF
    handbook: Handbook | None = field(default=None, repr=False, compare=False)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def altered(self) -> bytes:
        """As many bytes, the last one changed."""
        return self.data[:-1] + bytes([self.data[-1] ^ 1])

    def announcement(self, **instead: Any) -> dict[str, Any]:
        """The body of the upload call; `instead` replaces or adds words."""
        return {
            "filename": self.filename,
            "bytes_len": len(self.data),
            "mime": self.mime,
            "sha256": self.sha256,
        } | instead

    @classmethod
    def read(cls, path: Path) -> Payload:
        """A file as it stands on disk."""
        return cls(path.name, path.read_bytes())

    @classmethod
    def of(cls, document: TestDocument) -> Payload:
        """A document made for the run, or of the catalogue."""
        return cls(document.filename, document.data, document.mime, document.handbook)


@dataclass
class Upload(Partial):
    """An announced document: its identifiers, and how it ended.

    Attributes:
        started: when it was announced, by the monotonic clock in seconds.
        sending_seconds: how long its bytes took until they were accepted.
        sent: the upload call, where the bytes went with it.
        job: the job when it had ended.
        seconds: from the announcement until the job had ended.
    """

    owner: User
    payload: Payload
    document_id: str
    job_id: str
    signed_url: str = field(repr=False, compare=False)
    started: float
    sending_seconds: float | None = None
    job: Response | None = None
    seconds: float | None = None
    sent: Response | None = None
    further: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def identifiers(self) -> dict[str, str]:
        """By the word that stands in the contract's paths for each."""
        return {"document_id": self.document_id, "job_id": self.job_id, **self.further}

    def __str__(self) -> str:
        return f"'{self.payload.filename}' (document {self.document_id})"

    __repr__ = __str__  # logs show it for each variable

    @property
    def handbook(self) -> Handbook:
        """The text of a generated document.

        Raises:
            SuiteError: the document is not generated from a handbook.
        """
        if self.payload.handbook is None:
            raise SuiteError(f"{self}: its text is not generated from a handbook")
        return self.payload.handbook


async def document(
    run: Run, name: str, seed: int | str = 0, *, fixed: str | None = None, twin: bool = False
) -> TestDocument:
    """A document of the catalogue for this run, within the limits that the deployment states; see `documents.make`.

    Args:
        fixed: stands in place of the run's identifier, for what must be the same in every run.
        twin: the same sentences about another place, with other figures.

    Raises:
        NotOffered: the deployment does not accept it by its limits, or accepts what it would have to refuse.
    """
    of_names = "limits.filename_characters"
    characters = run.contract.value(of_names) if run.contract.offers(of_names) else None
    stated = await limits_of(run)
    limits = Limits(stated.get("max_file_size_bytes"), characters, stated.kinds)
    made = await asyncio.to_thread(make, name, fixed or run.identifier, limits, seed, twin=twin)
    limits.need_accepted(made)
    return made


LONG_VOLUMES = 5  # handbooks: more chunks than are usually stored or embedded at once


async def long_document(run: Run, mime: str) -> Payload:
    """A document of a hundred sections, as a PDF or a text; the same for each kind but for its figures and places.

    Raises:
        NotOffered: it is longer than the deployment accepts.
    """
    of_text = mime == TEXT
    text = write_long(run.identifier, f"long {mime}", LONG_VOLUMES)
    data = text.text.encode() if of_text else await asyncio.to_thread(render, text)
    most = (await limits_of(run)).get("max_file_size_bytes")
    if most is not None and len(data) > most:
        raise NotOffered(f"limits.max_file_size_bytes of {most:,}")
    return Payload(f"{run.identifier}-long.{'txt' if of_text else 'pdf'}", data, mime, text)


async def announce(run: Run, user: User, payload: Payload, **instead: Any) -> Upload:
    """The upload call: the deployment accepts the document and gives a signed address for its bytes, or takes them."""
    await need_upload(run, user)
    begin = time.monotonic()
    response = await run.client.call("upload", **announcing(run, payload, **instead), token=user.access_token)
    return accepted(run, user, payload, response, begin)


def announcing(run: Run, payload: Payload, **instead: Any) -> dict[str, Any]:
    """What the client is given for an upload call: the words that the contract offers, and the file where it has one.

    Raises:
        NotOffered: one of the words in `instead` is absent.
    """
    route = run.contract.route("upload")
    own = route.body if run.contract.offers("routes.upload.body") else {}
    words = {word: value for word, value in payload.announcement().items() if word in own} | instead
    words = route.filled(words)
    return {"body": words} | ({"file": (payload.filename, payload.data, payload.mime)} if route.file else {})


def count(run: Run, user: User, response: Response) -> None:
    """Count the response to a user's upload call, if it was accepted: also where a refusal was expected."""
    if response.status == run.contract.route("upload").success:
        user.uploads += 1
        run.client.throttle.counted["documents"] += 1


def accepted(run: Run, user: User, payload: Payload, response: Response, started: float) -> Upload:
    """What an upload call made, noted as the run's."""
    count(run, user, response)
    run.ledger.note("document", response["document_id"])
    run.ledger.note("job", response["job_id"])
    upload = Upload(user, payload, response["document_id"], response["job_id"], response.partly("signed_url"), started)
    if run.contract.route("upload").file:
        upload.sent, upload.sending_seconds = response, response.elapsed
    upload.further = {word: str(response[word]) for word in run.contract.further_words("upload")}
    run.uploaded[user.user_id].append(upload)
    return upload


async def put_bytes(
    run: Run, upload: Upload, data: bytes | None = None, *, status: int | str | None = None
) -> Response:
    """Send the bytes to the signed address; expects the route's success, or exactly `status`.

    Bytes that went with the upload call, where the application takes them so, are not sent again.
    """
    if upload.sent is not None and data is None and status in (None, "success"):
        return upload.sent
    entry, content = run.contract.route("upload_bytes"), upload.payload.data if data is None else data
    path = {"document_id": upload.document_id, "job_id": upload.job_id}
    if "{signed_url}" in entry.path:
        path["signed_url"] = upload.signed_url
    token = upload.owner.access_token if entry.kind in ("user", "owner") else None
    headers = {"content-type": upload.payload.mime}
    response = await run.client.call(
        "upload_bytes", path=path, content=content, headers=headers, token=token, status=status
    )
    if response.status == run.contract.route("upload_bytes").success:
        upload.sending_seconds = response.elapsed
    return response


def throughput(uploads: Sequence[Upload]) -> float:
    """Megabytes per second: all bytes sent by all seconds until they were accepted.

    Raises:
        SuiteError: no bytes of an upload were sent.
    """
    seconds = [upload.sending_seconds for upload in uploads if upload.sending_seconds is not None]
    if not uploads or len(seconds) != len(uploads):
        raise SuiteError("throughput: the bytes of each upload have to be sent before")
    return sum(len(upload.payload.data) for upload in uploads) / MEGABYTE / sum(seconds)


async def sent(run: Run, user: User, payload: Payload) -> Upload:
    """Announce a document and send its bytes."""
    upload = await announce(run, user, payload)
    await put_bytes(run, upload)
    return upload


async def job_of(run: Run, upload: Upload) -> Response:
    """The job as REST shows it to its owner."""
    path = {"job_id": upload.job_id, "document_id": upload.document_id}
    return await run.client.call("job", path=path, token=upload.owner.access_token)


async def finished(run: Run, upload: Upload, *, within: float = PROCESSING_SECONDS, every: float = 0.1) -> Upload:
    """The upload once its job is in a final state, whichever; fills in `job` and `seconds` since it was announced.

    Raises:
        AssertionError: it does not end in time, or its final status and its final state contradict each other.
    """
    upload.job = await wait_until(
        lambda: job_of(run, upload), lambda job: run.contract.jobs.has_ended(job.fields),
        what=f"job {upload.job_id} of '{upload.payload.filename}' ends", within=within, every=every,
        describe=lambda job: f"status '{job['status']}'" + f", state '{job.get('state', 'none')}'; {job.look}",
    )  # fmt: skip
    upload.seconds = time.monotonic() - upload.started
    if wanted := run.contract.jobs.contradiction(upload.job.fields):
        what = f"status of job {upload.job_id} of '{upload.payload.filename}'"
        raise violation(what, expected=wanted, observed=f"'{upload.job['status']}'", look=upload.job.look)
    return upload


async def jobs_ended(
    run: Run, owner: User, documents: set[str], *, within: float = PROCESSING_SECONDS
) -> list[dict[str, Any]]:
    """The owner's listed jobs, once those of these documents are in a final state, or at the end of the time."""
    last: list[dict[str, Any]] = []

    async def look() -> list[dict[str, Any]]:
        nonlocal last
        last = await listed_jobs(run, owner)
        return last

    def over(jobs: list[dict[str, Any]]) -> bool:
        return documents <= {job["document_id"] for job in jobs if run.contract.jobs.has_ended(job)}

    try:
        return await wait_until(look, over, what="jobs end", within=within, every=0.5, describe=len)
    except AssertionError:
        if not last:
            raise
        return last


async def complete(run: Run, upload: Upload, *, within: float = PROCESSING_SECONDS) -> Upload:
    """The upload once its job is complete; any other end raises AssertionError with the job's own reason."""
    await finished(run, upload, within=within)
    assert upload.job is not None
    if wrong := run.contract.jobs.incomplete(upload.job.fields):
        raise violation(
            f"job {upload.job_id} of '{upload.payload.filename}'", expected=wrong[0],
            observed=f"{wrong[1]}, last error {upload.job.get('last_error', 'none')}", look=upload.job.look,
        )  # fmt: skip
    return upload


async def upload_complete(run: Run, user: User, payload: Payload, *, within: float = PROCESSING_SECONDS) -> Upload:
    """Announce, send and follow a document until it is complete."""
    return await complete(run, await sent(run, user, payload), within=within)


async def processed_now(run: Run, user: User, payload: Payload) -> Upload:
    """A processed document that is a fixture: uploading it is judged by INT-05, processing it by INT-13."""
    async with run.fixture("uploaded document", "INT-05"):
        upload = await sent(run, user, payload)
    async with run.fixture("processed document", "INT-13"):
        return await complete(run, upload)


async def processed(run: Run, owner: User, name: str, seed: int | str = 0) -> Upload:
    """A processed document of a user: uploaded by the first caller of the run, then shared."""

    async def process() -> Upload:
        return await processed_now(run, owner, Payload.of(await document(run, name, seed)))

    return await run.once(f"document {name} #{seed} of {owner.user_id}", process)


async def unchanged(run: Run, uploads: Sequence[Upload], duration: float) -> None:
    """No field of these jobs changes within `duration` seconds; raises AssertionError naming the first that does.

    A job that `finished` waited for is compared with what it was then.
    """
    if not uploads:
        raise SuiteError("no job to compare")
    before = [upload.job or await job_of(run, upload) for upload in uploads]
    until = time.monotonic() + duration
    while time.monotonic() < until:
        for upload, was in zip(uploads, before, strict=True):
            now = await job_of(run, upload)
            if now.json() != was.json():
                raise violation(
                    f"job {upload.job_id} of '{upload.payload.filename}'", expected=f"no change of {was.excerpt()}",
                    observed=now.excerpt(), look=now.look,
                )  # fmt: skip
        await asyncio.sleep(POLL_SECONDS)


async def delete(run: Run, upload: Upload) -> None:
    """The owner deletes the document, and all that belongs to it."""
    await run.client.call("document_delete", path={"document_id": upload.document_id}, token=upload.owner.access_token)
    run.ledger.note("document", upload.document_id, gone=True)
    run.ledger.note("job", upload.job_id, gone=True)
    run.uploaded[upload.owner.user_id] = [one for one in run.uploaded[upload.owner.user_id] if one is not upload]


@dataclass(frozen=True)
class StoragePaths:
    """Paths of stored bytes at the storage service: one that is open to their owner, and those closed to everyone."""

    read: str
    closed: list[str]


def storage_paths(run: Run, upload: Upload) -> StoragePaths:
    """Where the bytes of an upload are at the storage service; raises AssertionError for another signed address."""
    storage, path = run.contract.storage, urlsplit(upload.signed_url).path
    before, _, after = storage.upload.partition("{object}")
    found = re.fullmatch(f".*{re.escape(before)}(.+){re.escape(after)}", path)
    if found is None:
        expected = f"…{storage.upload}, as the contract's storage.upload says"
        raise violation("signed address", expected=expected, observed=path)
    fill = [template.format(object=found[1]) for template in (storage.read, *storage.closed)]
    return StoragePaths(fill[0], fill[1:])


async def listed_documents(run: Run, user: User) -> list[dict[str, Any]]:
    """Every document that the list shows to this person, by our words."""
    response = await run.client.call("documents", token=user.access_token)
    return [by_words(listed, run.contract.listed_document) for listed in response["documents"]]


async def listed_jobs(run: Run, user: User, **filters: object) -> list[dict[str, Any]]:
    """Every job that the list shows to this person, page by page, by our words.

    Raises:
        AssertionError: the pages together do not hold as many jobs as each of them says there are.
    """
    jobs: list[dict[str, Any]] = []
    while True:
        response = await run.client.call("jobs", query={**filters, "offset": len(jobs)}, token=user.access_token)
        page = [by_words(listed, run.contract.listed_job) for listed in response["jobs"]]
        jobs += page
        total = response.get("total", len(jobs))
        if not (page and response.get("has_more", len(jobs) < total)):
            break
    if len(jobs) != total or response.get("has_more"):
        raise violation("jobs", expected=f"{total} jobs in all pages", observed=len(jobs), look=response.look)
    return jobs


async def status_of_headers_alone(
    signed_url: str, length: int, *, within: float = 10.0, headers: Mapping[str, str] = MappingProxyType({})
) -> int:
    """The status with which a signed address answers the headers of a PUT whose body is never sent.

    A deployment that wants the bytes before it refuses them does not answer, which raises AssertionError.
    """
    try:
        async with asyncio.timeout(within):
            reader, writer = await _put_begun(signed_url, length, headers)
            try:
                line = (await reader.readline()).decode("latin-1").split()
            finally:
                writer.close()
    except TimeoutError:
        seen = f"none within {within:g} s: it waits for the bytes"
    except OSError as error:
        seen = f"{type(error).__name__}: {error}"
    else:
        if len(line) >= 2 and line[1].isdigit():
            return int(line[1])
        seen = shown(" ".join(line)) if line else "a closed connection"
    look = f"PUT {urlsplit(signed_url).path}"
    raise violation("upload_bytes", expected="an answer to the headers alone", observed=seen, look=look)


async def interrupt(run: Run, upload: Upload, sent: int, *, within: float = 10.0) -> None:
    """Send the first bytes of an upload to its signed address, as one that goes on, and drop the connection.

    Args:
        sent: so many bytes are sent.

    Raises:
        AssertionError: the deployment takes no connection, or ends it before.
    """
    headers = run.descriptor.headers_of(upload.signed_url)
    try:
        async with asyncio.timeout(within):
            _, writer = await _put_begun(upload.signed_url, len(upload.payload.data), headers)
            writer.write(upload.payload.data[:sent])
            await writer.drain()
            writer.transport.abort()
    except (OSError, TimeoutError) as error:
        observed, look = f"{type(error).__name__}: {error}", f"PUT {urlsplit(upload.signed_url).path}"
        raise violation("upload_bytes", expected=f"{sent} bytes to be taken", observed=observed, look=look) from None


async def _put_begun(
    signed_url: str, length: int, headers: Mapping[str, str]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection over which the headers of a PUT of so many bytes were sent, and nothing else."""
    url = httpx.URL(signed_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    lines = [
        f"PUT {url.raw_path.decode()} HTTP/1.1", f"Host: {url.netloc.decode()}", f"Content-Type: {PDF}",
        f"Content-Length: {length}", "Connection: close",
        *(f"{name}: {value}" for name, value in headers.items()), "", "",
    ]  # fmt: skip
    reader, writer = await asyncio.open_connection(url.host, port, ssl=True if url.scheme == "https" else None)
    writer.write("\r\n".join(lines).encode())
    await writer.drain()
    return reader, writer
