"""Documents and their jobs: create, announce, send, wait, retry, delete, and getters."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from acceptance import limits, uploads
from acceptance.checks import bad_documents, side_effects, signed_urls
from acceptance.checks.fixtures import offered_catalogue
from acceptance.checks.side_effects import Records
from acceptance.checks.upload_integrity import clock_difference
from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING, pick
from acceptance.errors import NotOffered, SuiteError, Unresponsive, Violation, raise_each, violation
from acceptance.fixtures.documents import PDF, TEXT, Expectation, Failed, catalogue
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.uploads import Payload, Upload
from assertionengine import AssertionOperator, verify_assertion
from robot.api.deco import library
from robot_run.keywords import Actor, Duration, Observed, checked, getter, keyword, seconds_of, step, user_named
from robot_run.lifecycle import the_run


@dataclass
class ConcurrentUploads:
    """Outcomes of announcements sent at the same moment; `look` names their requests."""

    accepted: list[Upload] = field(default_factory=list)
    refused: list[Response] = field(default_factory=list)
    look: str = ""


@library(scope="GLOBAL", version="1.0.0")
class DocumentLibrary:
    """Uploads documents, follows their jobs, and reads what the deployment has of them.

    A ``document`` is a name of `resources/documents/documents.yaml`, or what `Create Document` returned. An *upload* is
    what `Announce Upload` and `Upload Document` return: it has ``document_id``, ``job_id``, ``owner`` and ``payload``
    (``filename``, ``mime``, ``sha256``, ``data``).
    """

    @step()
    async def create_document(self, name: str, *, seed: int | str = 0, **properties: Any) -> Payload:
        """Creates a document of the catalogue for this run; the same name and seed give the same bytes.

        - ``properties``: replace ``filename`` or ``mime``.

        | ${note} =    Create Document    note    seed=7
        """
        made = Payload.of(await uploads.document(the_run(), name, seed))
        return replace(made, **properties)

    @step(within=60)
    async def create_long_documents(self) -> list[Payload]:
        """Creates a long document, of a hundred sections with a fact each, as a PDF and, where it is accepted, a text.

        | @{long} =    Create Long Documents
        """
        run = the_run()
        kinds = (await limits.limits_of(run)).kinds
        accepted = [PDF, *([TEXT] if kinds is not None and kinds.accept(TEXT) else [])]
        return [await uploads.long_document(run, mime) for mime in accepted]

    @step()
    async def announce_upload(
        self, document: Payload | str, *, user: Actor = None, expected: int | str = "success", **announced: Any
    ) -> Upload | Response:
        """Announces a document to the upload route.

        - ``expected``: ``success``, a status, or a refusal of the contract, such as ``too_large``.
        - ``announced``: announce these instead of the truth: ``filename``, ``bytes_len``, ``mime``, ``sha256``.

        Returns the upload; where a refusal is expected, the response. A success is not offered where the bytes go with
        the upload call: see `Upload Document`.

        | ${upload} =    Announce Upload    note    user=Alice
        | Announce Upload    over-limit    expected=too_large
        | ${upload} =    Announce Upload    note    sha256=${WRONG HASH}
        """
        run, owner, payload = the_run(), user_named(user), await _payload(document)
        if expected == "success":
            run.contract.route("upload_bytes")  # a document without its bytes
            await limits.need_upload(run, owner)
        begin, words = time.monotonic(), uploads.announcing(run, payload, **announced)
        response = await run.client.call(
            "upload", **words, token=owner.access_token, status=expected, otherwise=partial(uploads.count, run, owner)
        )
        if response.status != run.contract.route("upload").success:
            return response
        return uploads.accepted(run, owner, payload, response, begin)

    @step()
    async def send_bytes(
        self, upload: Upload, document: Payload | str | bytes | None = None, *, expected: int | str = "success"
    ) -> Response:
        """Sends bytes to the signed address of an upload: its own, or those of another document.

        | Send Bytes    ${upload}
        | Send Bytes    ${upload}    ${other}    expected=wrong_bytes
        """
        data = document if isinstance(document, bytes) or document is None else (await _payload(document)).data
        return await uploads.put_bytes(the_run(), upload, data, status=expected)

    @step()
    async def send_headers(self, upload: Upload, document: Payload | str, *, expected: int | str) -> None:
        """Sends the headers of a PUT of a document to the signed address of an upload, and no byte of its body.

        Fails where the deployment does not respond before it has the bytes.

        | Send Headers    ${upload}    over-limit    expected=wrong_bytes
        """
        length = len((await _payload(document)).data)
        wanted = the_run().contract.status_of("upload_bytes", expected)
        headers = the_run().descriptor.headers_of(upload.signed_url)
        status = await uploads.status_of_headers_alone(upload.signed_url, length, headers=headers)
        checked(status, AssertionOperator["=="], wanted, f"status of the headers of a PUT of {length} bytes")

    @step()
    async def interrupt_upload(self, upload: Upload, *, after_bytes: int = 1000) -> None:
        """Sends the first bytes of an upload to its signed address, and drops the connection.

        | ${upload} =    Announce Upload    base64image
        | Interrupt Upload    ${upload}    after_bytes=100000
        """
        await uploads.interrupt(the_run(), upload, after_bytes)

    @step()
    async def upload_document(self, document: Payload | str, *, user: Actor = None, seed: int = 0) -> Upload:
        """Announces a document and sends its bytes; does not wait for the processing.

        | ${upload} =    Upload Document    note    user=Alice
        | Wait Until Processed    ${upload}
        """
        return await uploads.sent(the_run(), user_named(user), await _payload(document, seed))

    @step(within=120)
    async def get_processed_document(self, document: str, *, user: Actor = None, seed: int | str = 0) -> Upload:
        """Returns a processed document of a user: uploaded by the first test of the run that asks, then shared.

        | Create User    Reader    shared=True
        | ${handbook} =    Get Processed Document    handbook    user=Reader
        """
        return await uploads.processed(the_run(), user_named(user), document, seed)

    @step(within=120)
    async def get_processed_documents(self, *documents: str, user: Actor = None) -> list[Upload]:
        """Returns processed documents of a user, as `Get Processed Document` does, uploaded at the same time.

        | ${handbook}    ${decoy} =    Get Processed Documents    handbook    handbook-decoy    user=Reader
        """
        run, owner = the_run(), user_named(user)
        return await together(*(uploads.processed(run, owner, document) for document in documents))

    @step(within=600)
    async def process_documents(self, documents: list[Payload | str], *, user: Actor = None) -> list[Upload]:
        """Uploads documents, three at a time where the deployment allows it, and waits until each job has ended.

        Where the limit of uploads a day leaves the user too few, new users upload the rest: see ``owner`` of each.

        Returns the uploads in the order of the documents; a failed job is no failure of the keyword. Fails naming each
        document that was not accepted or whose job did not end, when all others have.

        | @{uploads} =    Process Documents    ${names}    user=Alice
        """
        run = the_run()
        owners = await limits.owners(run, user_named(user), len(documents))

        async def process(document: Payload | str, owner: User) -> Upload | Violation:
            try:
                return await uploads.finished(run, await uploads.sent(run, owner, await _payload(document)))
            except Unresponsive:
                raise
            except Violation as problem:
                return problem

        at_once = (await limits.limits_of(run)).at_most(limits.JOBS, limits.JOBS_AT_ONCE)
        processed = await together(*map(process, documents, owners), at_once=at_once)
        raise_each([one for one in processed if isinstance(one, Violation)])
        return [one for one in processed if isinstance(one, Upload)]

    @step(within=600)
    async def try_documents(
        self, documents: list[Payload | str], *, user: Actor = None
    ) -> list[bad_documents.TriedDocument]:
        """Sends documents that cannot be read, three at a time where the deployment allows it, and follows each to its
        end.

        Where the limit of uploads a day leaves the user too few, new users send the rest.

        Returns, in the order of the documents, what became of each: ``upload`` (with ``owner``), or no upload where it
        was refused. What is wrong with one fails in `Get Refusal`, so that the others are judged all the same.

        | @{tried} =    Try Documents    ${names}    user=Alice
        """
        payloads = [await _payload(document) for document in documents]
        return await bad_documents.tried(the_run(), user_named(user), payloads)

    @keyword()
    def get_refusal(self, tried: bad_documents.TriedDocument) -> str:
        """Returns the contract's name of the refusal of a document for what is in it; empty where it was accepted.

        Fails where it was refused otherwise, or its job did not end.

        | ${refusal} =    Get Refusal    ${tried}
        """
        if tried.problem is not None:
            raise tried.problem
        return tried.refusal

    @keyword()
    def need_accepted(self, tried: bad_documents.TriedDocument) -> Upload:
        """Returns the upload of a tried document; where it was refused, what depends on it is not offered.

        | ${upload} =    Need Accepted    ${tried}
        """
        if self.get_refusal(tried) or tried.upload is None:
            raise NotOffered(f"routes.upload of a document that fails: it is refused as {tried.refusal}")
        return tried.upload

    @step(within=600)
    async def wait_until_processed(self, *upload: Upload, timeout: Duration = uploads.PROCESSING_SECONDS) -> None:
        """Waits until the jobs of all these uploads are complete.

        Any other end violates INT-13, with the job's reason; the test is then blocked by it.

        | Wait Until Processed    ${upload}    timeout=1 min
        """
        run = the_run()
        async with run.fixture("processed document", "INT-13"):
            await together(*(uploads.complete(run, each, within=seconds_of(timeout)) for each in upload))

    @step(within=600)
    async def wait_until_job_ends(self, *upload: Upload, timeout: Duration = uploads.PROCESSING_SECONDS) -> None:
        """Waits until the jobs of all these uploads have ended, complete or failed.

        | Wait Until Job Ends    ${upload}
        | Get Job    ${upload}    status    ==    failed_parse
        """
        await together(*(uploads.finished(the_run(), each, within=seconds_of(timeout)) for each in upload))

    @step(within=120)
    async def jobs_should_not_change(self, *upload: Upload, duration: Duration = 2.0) -> None:
        """Fails when any field of these jobs changes within some seconds; for jobs that have ended.

        | Jobs Should Not Change    @{uploads}    duration=2 s
        """
        await uploads.unchanged(the_run(), upload, seconds_of(duration))

    @step(within=600)
    async def wait_until_job_status(
        self,
        upload: Upload,
        assertion_operator: AssertionOperator,
        assertion_expected: Any,
        *,
        field: str = "status",
        timeout: Duration = uploads.PROCESSING_SECONDS,
    ) -> Response:
        """Waits until the status of a job holds a comparison; looks every 20 ms, so that no status is missed.

        - ``field``: another field of the job, such as ``state`` or ``retry_count``.

        | Wait Until Job Status    ${upload}    !=    uploaded
        | Wait Until Job Status    ${upload}    >=    ${1}    field=retry_count
        """
        run = the_run()

        def holds(job: Response) -> bool:
            try:
                verify_assertion(job[field], assertion_operator, assertion_expected)
            except AssertionError:
                return False
            return True

        return await wait_until(
            lambda: uploads.job_of(run, upload), holds, within=seconds_of(timeout), every=0.02,
            what=f"{field} of job {upload.job_id} {assertion_operator.name} '{assertion_expected}'",
            describe=lambda job: f"'{job[field]}'; {job.look}",
        )  # fmt: skip

    @step()
    async def upload_concurrently(
        self, document: Payload | str, *, times: int = 2, user: Actor = None
    ) -> ConcurrentUploads:
        """Announces the same content several times at once, each under a name of its own.

        Returns what was accepted (uploads, whose bytes are not sent yet) and refused (responses, each checked to be the
        contract's duplicate).

        | ${result} =    Upload Concurrently    note    times=10    user=Alice
        | Length Should Be    ${result.accepted}    1
        """
        run, owner, payload = the_run(), user_named(user), await _payload(document)
        run.contract.status_of("upload", "duplicate_document")  # else all of them are accepted
        begin = time.monotonic()
        payloads = [replace(payload, filename=f"{number}-{payload.filename}") for number in range(times)]
        responses = await together(
            *(run.client.send("upload", **uploads.announcing(run, each), token=owner.access_token) for each in payloads)
        )
        result = ConcurrentUploads(look=f"requests {', '.join(response.request_id for response in responses)}")
        for each, response in zip(payloads, responses, strict=True):
            if response.status == run.contract.route("upload").success:
                result.accepted.append(uploads.accepted(run, owner, each, response, begin))
            else:
                result.refused.append(response)
        for response in result.refused:
            run.client.check(response, "duplicate_document")
        return result

    @step()
    async def announce_concurrently(self, document: Payload | str, *users: str) -> list[Upload]:
        """Announces the same document as several users at the same moment; returns an upload for each, in their order.

        | ${one}    ${other} =    Announce Concurrently    note    Dora    Emil
        """
        run, payload = the_run(), await _payload(document)
        return await together(*(uploads.announce(run, user_named(user), payload) for user in users))

    @step()
    async def send_bytes_concurrently(self, *sent: Upload) -> None:
        """Sends the bytes of several uploads at the same moment.

        | Send Bytes Concurrently    ${one}    ${other}
        """
        await together(*(uploads.put_bytes(the_run(), upload) for upload in sent))

    @keyword()
    def get_storage_paths(self, upload: Upload) -> uploads.StoragePaths:
        """Returns paths of an upload's bytes at the storage service: ``read``, open to their owner, and ``closed``.

        | ${paths} =    Get Storage Paths    ${upload}
        | Create API Session    Bob    service=storage
        | GET On Session    Bob    ${paths.read}    expected_status=400
        """
        return uploads.storage_paths(the_run(), upload)

    @step()
    async def retry_job(self, upload: Upload, *, expected: int | str = "success") -> Response:
        """Asks for another attempt at a failed job.

        | Retry Job    ${upload}    expected=retry_not_allowed
        """
        token = upload.owner.access_token
        return await the_run().client.call("job_retry", path={"job_id": upload.job_id}, token=token, status=expected)

    @step()
    async def delete_document(self, upload: Upload) -> None:
        """Deletes a document as its owner, with all that belongs to it.

        | Delete Document    ${upload}
        """
        await uploads.delete(the_run(), upload)

    @step()
    async def begin_expiring_upload(self) -> None:
        """Announces in the background the upload that `Get Expiring Upload` returns; its failure is reported there.

        | Begin Expiring Upload
        """
        run = the_run()
        run.begin("expiring upload", lambda: signed_urls.expiring_upload(run))

    @step()
    async def get_expiring_upload(self) -> signed_urls.ExpiringUpload:
        """Returns an upload whose bytes were not sent, to wait until its address expires; announced once in a run.

        It has ``upload`` and ``seconds`` (lifetime of the address). Where that is more than a minute, the test is
        skipped.

        | ${expiring} =    Get Expiring Upload
        """
        run = the_run()
        return await run.once("expiring upload", lambda: signed_urls.expiring_upload(run))

    @step(within=120)
    async def wait_until_address_expires(self, expiring: signed_urls.ExpiringUpload) -> float:
        """Waits until the signed address of an upload is refused as expired; returns how many seconds it worked.

        | ${seconds} =    Wait Until Address Expires    ${expiring}
        """
        return (await signed_urls.until_expired(the_run(), expiring))[1]

    @getter()
    async def get_document(self, upload: Upload, field: str = "status", *, user: Actor = None) -> Observed:
        """Returns a field of a document: ``filename``, ``bytes_len``, ``mime``, ``sha256``, ``status``, ``state``.

        | Get Document    ${upload}    status    ==    complete
        """
        token = (upload.owner if user is None else user_named(user)).access_token
        response = await the_run().client.call("document_status", path={"document_id": upload.document_id}, token=token)
        what = f"{field} of '{upload.payload.filename}'"
        value = response[field]
        return Observed(value, what, response.look)

    @keyword()
    def get_clock_difference(
        self,
        upload: Upload,
        timestamp: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> float:
        """Returns the seconds between an upload's announcement by our clock and a time that the deployment reports.

        Fails where the time has no time zone.

        | Get Clock Difference    ${upload}    ${last uploaded}    <=    60
        """
        seconds = clock_difference(upload, timestamp)
        expected = None if assertion_expected is None else float(assertion_expected)
        what = f"seconds between the announcement of '{upload.payload.filename}' and {timestamp}"
        return float(checked(seconds, assertion_operator, expected, what, message=message))

    @keyword()
    def get_upload_throughput(
        self,
        sent: list[Upload],
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> float:
        """Returns the throughput of `Send Bytes` in MB/s: all bytes by all seconds until the responses.

        | ${throughput} =    Get Upload Throughput    ${uploads}
        """
        expected = None if assertion_expected is None else float(assertion_expected)
        value = uploads.throughput(sent)
        return float(checked(value, assertion_operator, expected, "throughput in MB/s", message=message))

    @step()
    async def get_catalogue(
        self, outcome: Literal["complete", "failed", "refused"], *, mime: str | None = None
    ) -> dict[str, Expectation]:
        """Returns the documents of the catalogue with one outcome: name and what is expected of it.

        - ``mime``: only those of this media type; none where the deployment does not accept it.

        A failed one has ``status``, ``code`` and ``says``; a refused one ``error``. Those that the deployment's limits
        keep out are left out, and the criterion is met without them. Fails where there is none.

        | &{documents} =    Get Catalogue    refused
        """
        found = catalogue().expected(outcome)
        if not found:
            raise SuiteError(f"no document of the catalogue has the outcome '{outcome}'")
        run = the_run()
        offered = await offered_catalogue(run)
        if mime is not None:
            return {one.name: one.expectation for one in offered.documents if one.mime == mime and one.name in found}
        kept_out = offered.left_out | dict.fromkeys(offered.other_kinds, limits.KINDS)
        places = {offered.left_out[name] for name in found if name in offered.left_out}
        run.context.left_out |= places
        if found.keys() <= kept_out.keys():
            raise NotOffered(", ".join(sorted(places or {limits.KINDS})))
        own = run.contract.jobs.failure
        return {
            name: one.model_copy(update={"status": own(one.status)}) if isinstance(one, Failed) else one
            for name, one in found.items()
            if name not in kept_out
        }

    @keyword()
    def get_wrong_bytes(self, upload: Upload) -> dict[str, bytes]:
        """Returns bytes by what is wrong with them, none of which are the bytes announced for an upload.

        | &{wrong} =    Get Wrong Bytes    ${upload}
        """
        data = upload.payload.data
        return {
            "another last byte": data[:-1] + bytes([data[-1] ^ 1]), "one byte less": data[:-1],
            "one byte more": data + b" ", "no byte": b"",
        }  # fmt: skip

    @step()
    async def get_records(self, *, user: Actor = None) -> Records:
        """Returns everything that a user has: the lists, and with ``sql`` the database's rows and its orphans.

        | ${before} =    Get Records    user=Alice
        | Announce Upload    over-limit    expected=too_large
        | Records Should Be Unchanged    ${before}
        """
        return await side_effects.records(the_run(), user_named(user))

    @step()
    async def records_should_be_unchanged(self, before: Records) -> None:
        """Fails when the user of `Get Records` has other records now, or there are new orphans.

        | Records Should Be Unchanged    ${before}
        """
        await side_effects.unchanged(the_run(), before)

    @getter()
    async def get_documents(
        self, field: str = "document_id", *, user: Actor = None, upload: Upload | None = None
    ) -> Observed:
        """Returns a field of every document in a user's list, in the list's order.

        - ``upload``: only of this document, in the list of its owner where no user is given.

        | Get Documents    document_id    contains    ${upload.document_id}    user=Alice
        | ${names} =    Get Documents    filename
        """
        entries = await uploads.listed_documents(the_run(), _owner(user, upload))
        values = _select(field, entries, upload)
        return Observed(values, f"{field} in the document list")

    @getter()
    async def get_document_content(self, upload: Upload, field: str = "sha256") -> Observed:
        """Returns a field of the stored bytes: ``sha256``, ``bytes_len``, ``mime``, or the ``data`` itself.

        | Get Document Content    ${upload}    sha256    ==    ${upload.payload.sha256}
        """
        response = await the_run().client.call(
            "document_content", path={"document_id": upload.document_id}, token=upload.owner.access_token
        )
        mime = response.headers.get("content-type", "none").partition(";")[0]
        stored = Payload(upload.payload.filename, response.content, mime)
        value = response.content if field == "data" else stored.announcement()[field]
        what = f"{field} of the stored bytes of '{upload.payload.filename}'"
        return Observed(value, what, response.look)

    @getter()
    async def get_job(self, upload: Upload, field: str = "status") -> Observed:
        """Returns a field of a job: ``status``, ``state``, ``retry_count``, ``total_pct``, ``last_error`` and others.

        A path reads inside of a field, of ``last_error`` ``code``, ``message`` or ``timestamp``. Fails where there is
        nothing.

        | Get Job    ${upload}    state    ==    done
        | Get Job    ${upload}    last_error.code    ==    not_a_pdf
        """
        job = await uploads.job_of(the_run(), upload)
        what = f"{field} of job {upload.job_id} of '{upload.payload.filename}'"
        word, _, path = field.partition(".")
        if word == "last_error" and path:
            path = the_run().contract.job_error[path]
        value = pick(job[word], path) if path else job[word]
        if value is MISSING:
            raise violation(what, expected="a value", observed=f"{word} {job[word]!r}", look=job.look)
        return Observed(value, what, job.look)

    @getter()
    async def get_jobs(
        self, field: str = "job_id", *, user: Actor = None, upload: Upload | None = None, state: str | None = None
    ) -> Observed:
        """Returns a field of every job in a user's list, all pages, of one state or of all.

        - ``upload``: only of the jobs of this document, in the list of its owner where no user is given.

        | Get Jobs    job_id    ==    ${{[$upload.job_id]}}    user=Alice
        """
        filters = {} if state is None else {"state": state}
        entries = await uploads.listed_jobs(the_run(), _owner(user, upload), **filters)
        values = _select(field, entries, upload)
        return Observed(values, f"{field} in the job list")


async def _payload(document: Payload | str, seed: int = 0) -> Payload:
    if isinstance(document, Payload):
        return document
    return Payload.of(await uploads.document(the_run(), document, seed))


def _owner(user: Actor, upload: Upload | None) -> User:
    return upload.owner if upload is not None and user is None else user_named(user)


def _select(field: str, entries: list[dict[str, Any]], upload: Upload | None) -> list[Any]:
    return [entry[field] for entry in entries if upload is None or entry["document_id"] == upload.document_id]
