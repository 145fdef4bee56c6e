"""PERF-04: every document of the load is followed to its end, and the database compared with what was sent."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ArtilleryLibrary.figures import LoadResult
from ArtilleryLibrary.requestlog import LoggedRequest

from acceptance.clients.database import Row
from acceptance.errors import EnvironmentUnavailable, expect_none
from acceptance.fixtures.users import User
from acceptance.performance.load import UPLOAD, load
from acceptance.polling import together, wait_until
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, listed_jobs

STORED = "upload_bytes"  # the request that sends the bytes
AT_ONCE = 8
Listed = Mapping[str, Any]  # an entry of the list of jobs, by our words


@dataclass(frozen=True)
class Sent:
    """A document that the deployment took from the load; `stored` where it said that it has the bytes, too."""

    owner_id: str
    document_id: str
    job_id: str
    sha256: str
    bytes_len: int
    stored: bool

    def __str__(self) -> str:
        return f"document {self.document_id} (job {self.job_id})"


async def every_document_is_complete(run: Run, scale: str) -> None:
    """Each document whose bytes were taken is in its owner's list, once and complete; raises AssertionError."""
    seen = await load(run, scale)
    documents = [one for one in sent(seen.result.requests) if one.stored]
    if not documents:
        seen.must_be_complete()
        raise EnvironmentUnavailable("the load uploaded no document")
    wrong = wrong_ends(documents, await followed(run, scale), run.contract.jobs.complete.status)
    done = 100 * (1 - len(wrong) / len(documents))
    name = seen.name("documents_completed", of_a_busy_generator=True)
    run.observe("PERF-04", name, done, "%", samples=len(documents))
    problems = (f"{one} {problem}" for one, problem in wrong.items())
    expect_none(problems, f"{len(documents)} documents of the load", expected="each complete, once")
    seen.must_be_complete()


async def database_holds_each_once(run: Run, scale: str) -> None:
    """The database has each document that was taken, once, as it was sent, and each stage once; raises AssertionError.

    Raises:
        CapabilityMissing: the descriptor does not list `sql`.
    """
    seen = await load(run, scale)
    run.descriptor.need("sql")
    await followed(run, scale)  # what is still on its way is no fault
    documents = sent(seen.result.requests)
    stored = [one for one in documents if one.stored]
    rows = await run.database.rows("documents", user_id=sorted(seen.users))
    jobs = await run.database.rows("jobs", document_id=[str(row["document_id"]) for row in rows])
    events = await run.database.rows("job_events", job_id=[one.job_id for one in stored])
    ids = [one.document_id for one in stored]
    chunks = await run.database.rows("chunks", columns=("document_id", "ordinal"), document_id=ids)
    taken = processing_seconds(events)
    if taken:
        run.observe("PERF-04", "processing_time", taken, "s", statistic="p95")
    problems = [
        *wrong_rows(documents, rows, seen.known, unanswered(seen.result)),
        *wrong_jobs(stored, jobs, run.contract.jobs.complete.status),
        *wrong_events(stored, events, run.contract.jobs.statuses),
        *wrong_chunks(stored, chunks),
    ]
    expect_none(problems, f"the database after {len(documents)} documents of the load", expected="each once, as sent")
    seen.must_be_complete()


async def followed(run: Run, scale: str) -> dict[str, list[dict[str, Any]]]:
    """The jobs of everybody who uploaded something, when those of the load have ended; looked at once in a run."""

    async def follow() -> dict[str, list[dict[str, Any]]]:
        seen = await load(run, scale)
        own: dict[str, set[str]] = defaultdict(set)
        for one in sent(seen.result.requests):
            if one.stored:
                own[one.owner_id].add(one.document_id)
        lists = await together(*(ended(run, seen.users[owner], own[owner]) for owner in own), at_once=AT_ONCE)
        return dict(zip(own, lists, strict=True))

    return await run.once(f"documents of the load, {scale}", follow)


def sent(requests: Iterable[LoggedRequest]) -> list[Sent]:
    """What the load sent, as its requests noted it."""
    requests = list(requests)
    stored = {str(one.values.get("document_id")) for one in requests if one.endpoint == STORED and one.ok}
    return [
        Sent(
            owner_id=str(one.values["owner_id"]),
            document_id=str(one.values["document_id"]),
            job_id=str(one.values["job_id"]),
            sha256=str(one.values["sha256"]),
            bytes_len=int(one.values["bytes_len"]),
            stored=str(one.values["document_id"]) in stored,
        )
        for one in requests
        if one.endpoint == UPLOAD and one.ok
    ]


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
    """Uploads of which only the deployment knows what became; any number where the log does not hold the whole load."""
    if not result.complete:
        return math.inf
    return sum(one.endpoint == UPLOAD and not one.ok for one in result.requests)


def wrong_rows(
    documents: Sequence[Sent], rows: Sequence[Row], known: frozenset[str], unanswered: float
) -> Iterator[str]:
    """Documents that are lost, changed, or there twice, and more than were sent.

    Args:
        known: documents of the same people that were there before the load.
        unanswered: uploads that failed: what became of them only the deployment knows.
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
    jobs: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        jobs[str(row["document_id"])].append(row)
    for one in documents:
        found = [(str(row["job_id"]), row["status"]) for row in jobs[one.document_id]]
        if found != [(one.job_id, complete)]:
            yield f"{one} has the jobs {found or 'none'}"


def wrong_events(documents: Sequence[Sent], rows: Sequence[Row], statuses: Sequence[str]) -> Iterator[str]:
    """Documents that did not go through every status once and in order."""
    events: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        events[str(row["job_id"])].append((row["sequence"], row["status"]))
    for one in documents:
        went = [status for _, status in sorted(events[one.job_id])]
        if went != list(statuses):
            yield f"{one} went through {', '.join(went) or 'nothing'}"


def wrong_chunks(documents: Sequence[Sent], rows: Sequence[Row]) -> Iterator[str]:
    """Documents without chunks, or with one twice."""
    chunks: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        chunks[str(row["document_id"])].append(row["ordinal"])
    for one in documents:
        found = chunks[one.document_id]
        if not found or len(set(found)) != len(found):
            yield f"{one} has the chunks {sorted(found) or 'none'}"


def processing_seconds(rows: Sequence[Row]) -> list[float]:
    """From the first to the last event of each job."""
    moments: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        moments[str(row["job_id"])].append(row["at"])
    return [(max(times) - min(times)).total_seconds() for times in moments.values()]


async def ended(
    run: Run, owner: User, documents: set[str], *, within: float = PROCESSING_SECONDS
) -> list[dict[str, Any]]:
    """The owner's jobs, when those of these documents have ended, or had the seconds that each may take."""
    final = run.contract.jobs.final_states
    last: list[dict[str, Any]] = []

    async def look() -> list[dict[str, Any]]:
        nonlocal last
        last = await listed_jobs(run, owner)
        return last

    def over(jobs: list[dict[str, Any]]) -> bool:
        return documents <= {job["document_id"] for job in jobs if job["state"] in final}

    try:
        return await wait_until(look, over, what="jobs end", within=within, every=0.5, describe=len)
    except AssertionError:
        if not last:
            raise
        return last  # what is wrong with which document is told for all together
