"""PERF-04: what became of every document of the load, in the lists of its owner and in the database."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ArtilleryLibrary.figures import LoadResult
from ArtilleryLibrary.requestlog import LoggedRequest

from acceptance.clients.database import Row
from acceptance.errors import EnvironmentUnavailable, shortened
from acceptance.fixtures.users import User
from acceptance.performance.figures import Figure
from acceptance.performance.load import UPLOAD, Load
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, jobs_ended

STORED = "upload_bytes"  # the request that sends the bytes
AT_ONCE = 8
Listed = Mapping[str, Any]  # an entry of the list of jobs, by our words


@dataclass(frozen=True)
class Sent:
    """A document that the deployment accepted from the load; `stored` where it accepted the bytes, too."""

    owner_id: str
    document_id: str
    job_id: str
    sha256: str
    bytes_len: int
    stored: bool

    def __str__(self) -> str:
        return f"document {self.document_id} (job {self.job_id})"


async def documents_completed(run: Run, seen: Load) -> Figure:
    """Percent of the documents whose bytes were accepted that are in their owner's list, once and complete.

    Raises:
        AssertionError, EnvironmentUnavailable: the load uploaded no document.
    """
    documents = [one for one in sent(seen.result.requests) if one.stored]
    if not documents:
        seen.must_be_complete()
        raise EnvironmentUnavailable("the load uploaded no document")
    wrong = wrong_ends(documents, await followed(run, seen), run.contract.jobs.complete.status)
    percent = 100 * (1 - len(wrong) / len(documents))
    name = seen.name("documents_completed", of_a_busy_generator=True)
    run.observe("PERF-04", name, percent, "%", samples=len(documents))
    details = shortened(f"{one} {problem}" for one, problem in wrong.items())
    return Figure(
        "documents of the load in their owner's list, once and complete", percent, "%", len(documents), details
    )


async def database_differences(run: Run, seen: Load) -> Figure:
    """How many rows differ from each accepted document being there once, as sent, each stage once.

    Raises:
        CapabilityMissing: the descriptor does not list `sql`.
    """
    run.descriptor.need("sql")
    await followed(run, seen)  # a document that is still processed is no difference
    documents = sent(seen.result.requests)
    stored = [one for one in documents if one.stored]
    rows = await run.database.rows("documents", user_id=sorted(seen.users))
    jobs = await run.database.rows("jobs", document_id=[str(row["document_id"]) for row in rows])
    events = await run.database.rows("job_events", job_id=[one.job_id for one in stored])
    ids = [one.document_id for one in stored]
    chunks = await run.database.rows("chunks", columns=("document_id", "ordinal"), document_id=ids)
    seconds = processing_seconds(events)
    if seconds:
        run.observe("PERF-04", "processing_time", seconds, "s", statistic="p95")
    problems = [
        *wrong_rows(documents, rows, seen.known, unanswered(seen.result)),
        *wrong_jobs(stored, jobs, run.contract.jobs.complete.status),
        *wrong_events(stored, events, run.contract.jobs.statuses),
        *wrong_chunks(stored, chunks),
    ]
    what = f"differences of the database from {len(documents)} documents of the load"
    return Figure(what, len(problems), "differences", len(documents), shortened(problems))


async def followed(run: Run, seen: Load) -> dict[str, list[dict[str, Any]]]:
    """The jobs of each user who uploaded something, when those of the load have ended; waited for once in a run."""
    name = f"documents of the load, {seen.scale.time:g} of its time"
    return await run.once(name, partial(follow, run, seen.result.requests, seen.users))


async def follow(
    run: Run,
    requests: Iterable[LoggedRequest],
    owners: Mapping[str, User],
    within: Callable[[], float] = lambda: PROCESSING_SECONDS,
) -> dict[str, list[dict[str, Any]]]:
    """The jobs of each owner, when those of these requests have ended.

    Args:
        within: seconds to wait for an owner's jobs, when their turn comes.
    """
    own = stored_of(requests)

    async def ended(owner: str) -> list[dict[str, Any]]:
        return await jobs_ended(run, owners[owner], own[owner], within=within())

    lists = await together(*map(ended, own), at_once=AT_ONCE)
    return dict(zip(own, lists, strict=True))


def stored_of(requests: Iterable[LoggedRequest]) -> dict[str, set[str]]:
    """The documents whose bytes were accepted, by their owner."""
    own: dict[str, set[str]] = defaultdict(set)
    for one in sent(requests):
        if one.stored:
            own[one.owner_id].add(one.document_id)
    return own


def sent(requests: Iterable[LoggedRequest]) -> list[Sent]:
    """The accepted documents, as the request log has them."""
    requests = list(requests)
    stored = {str(one.values.get("document_id")) for one in requests if one.endpoint == STORED and one.ok}
    accepted = [one.values for one in requests if one.endpoint == UPLOAD and one.ok]
    return [
        Sent(str(one["owner_id"]), str(one["document_id"]), str(one["job_id"]), str(one["sha256"]),
             int(one["bytes_len"]), str(one["document_id"]) in stored)
        for one in accepted
    ]  # fmt: skip


def wrong_ends(documents: Sequence[Sent], lists: Mapping[str, Sequence[Listed]], complete: str) -> dict[Sent, str]:
    """What is wrong with documents in the lists of their owners' jobs."""
    wrong = {}
    for one in documents:
        entries = [entry for entry in lists.get(one.owner_id, ()) if entry["document_id"] == one.document_id]
        if not entries:
            wrong[one] = "is lost: its owner's list does not have it"
        elif len(entries) > 1:
            wrong[one] = f"is there {len(entries)} times"
        elif (entries[0]["job_id"], entries[0]["status"]) != (one.job_id, complete):
            wrong[one] = f"ended as '{entries[0]['status']}' of job {entries[0]['job_id']}"
    return wrong


def unanswered(result: LoadResult) -> float:
    """Uploads without a response; infinite where the log does not hold the whole load."""
    if not result.complete:
        return math.inf
    return sum(one.endpoint == UPLOAD and not one.ok for one in result.requests)


def wrong_rows(
    documents: Sequence[Sent], rows: Sequence[Row], known: frozenset[str], unanswered: float
) -> Iterator[str]:
    """Documents that are lost, changed, or there twice, and more than were sent.

    Args:
        known: documents of the same users that were there before the load.
        unanswered: uploads that failed; the deployment may have their documents or not.
    """
    by_id = {str(row["document_id"]): row for row in rows}
    for one in documents:
        row = by_id.get(one.document_id)
        if row is None:
            if one.stored:
                yield f"{one} is lost"
        elif (str(row["user_id"]), row["sha256"], row["bytes_len"]) != (one.owner_id, one.sha256, one.bytes_len):
            yield f"{one} is {row['bytes_len']} bytes of user {row['user_id']} with hash {row['sha256']}, not as sent"
    contents = Counter((str(row["user_id"]), row["sha256"]) for row in rows)
    yield from (
        f"user {user} has {count} documents of hash {sha256}" for (user, sha256), count in contents.items() if count > 1
    )
    unsent = sorted(by_id.keys() - known - {one.document_id for one in documents})
    if len(unsent) > unanswered:
        yield f"{len(unsent)} documents more than were sent, the first: {unsent[0]}"


def wrong_jobs(documents: Sequence[Sent], rows: Sequence[Row], complete: str) -> Iterator[str]:
    """Documents that do not have exactly one job, complete."""
    jobs = _grouped(rows, "document_id")
    for one in documents:
        found = [(str(row["job_id"]), row["status"]) for row in jobs[one.document_id]]
        if found != [(one.job_id, complete)]:
            yield f"{one} has the jobs {found or 'none'}"


def wrong_events(documents: Sequence[Sent], rows: Sequence[Row], statuses: Sequence[str]) -> Iterator[str]:
    """Documents that did not go through every status once and in order."""
    events = _grouped(rows, "job_id")
    for one in documents:
        went = [status for _, status in sorted((row["sequence"], row["status"]) for row in events[one.job_id])]
        if went != list(statuses):
            yield f"{one} went through {', '.join(went) or 'nothing'}"


def wrong_chunks(documents: Sequence[Sent], rows: Sequence[Row]) -> Iterator[str]:
    """Documents without chunks, or with one twice."""
    chunks = _grouped(rows, "document_id")
    for one in documents:
        found = [row["ordinal"] for row in chunks[one.document_id]]
        if not found or len(set(found)) != len(found):
            yield f"{one} has the chunks {sorted(found) or 'none'}"


def processing_seconds(rows: Sequence[Row]) -> list[float]:
    """From the first to the last event of each job."""
    moments = [[row["at"] for row in each] for each in _grouped(rows, "job_id").values()]
    return [(max(times) - min(times)).total_seconds() for times in moments]


def _grouped(rows: Sequence[Row], column: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[str(row[column])].append(row)
    return groups
