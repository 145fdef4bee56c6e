"""The ledger: every document that was accepted ends complete, or failed with a readable reason, exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from enum import Enum

from acceptance import uploads
from acceptance.checks.job_events import check_order, events_of
from acceptance.clients.database import Row
from acceptance.deployment.contract import by_words
from acceptance.errors import EnvironmentUnavailable, Violation, expect_none
from acceptance.experiments.workload import LedgerEntry
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run

POLLED_EVERY = 0.2
AT_ONCE = 6


class End(Enum):
    """How the documents have to end."""

    COMPLETE = "complete"
    ENDED = "ended"  # complete, or failed with a readable reason


async def must_be_complete(run: Run, entries: Sequence[LedgerEntry], end: End, within: float) -> None:
    """Wait until the job of each document has ended, and look whether each stands exactly once.

    The REST views are read always, and the database where the deployment offers `sql`. Events of the jobs that are
    followed arrive each once and in order.

    Args:
        within: seconds until every job must have ended.

    Raises:
        AssertionError: names each document that is lost, there twice, not processed, or failed without a reason.
        EnvironmentUnavailable: the ledger is empty.
    """
    if not entries:
        raise EnvironmentUnavailable("ledger: no document was accepted, so nothing is known of any")
    problems = list(await together(*(_end_of(run, entry, end, within) for entry in entries), at_once=AT_ONCE))
    problems += await _listed_twice(run, entries)
    problems += await _in_database(run, entries)
    problems += [await _events(run, entry) for entry in entries if entry.following is not None]
    expect_none(filter(None, problems), f"ledger of {len(entries)} documents", expected="each to end exactly once")


async def _end_of(run: Run, entry: LedgerEntry, end: End, within: float) -> str:
    """What is wrong with the end of a document; empty where nothing is."""
    try:
        job = (await uploads.finished(run, entry.upload, within=within, every=POLLED_EVERY)).job
    except Violation as error:
        return str(error)
    assert job is not None
    wrong = run.contract.jobs.incomplete(job.fields)
    if wrong is None:
        return ""
    if end is End.ENDED:
        reason = by_words(job.get("last_error"), run.contract.job_error).get("message")
        readable = isinstance(reason, str) and " " in reason.strip()
        return "" if readable else f"{entry} has failed without a readable reason: {job.excerpt()}; {job.look}"
    return f"{entry}: expected {wrong[0]}, observed {wrong[1]}, {job.get('last_error')}; {job.look}"


async def _listed_twice(run: Run, entries: Sequence[LedgerEntry]) -> list[str]:
    """Documents that the lists of their owners hold not at all, or more than once."""
    by_owner: dict[str, list[LedgerEntry]] = defaultdict(list)
    owners: dict[str, User] = {}
    for entry in entries:
        by_owner[entry.upload.owner.user_id].append(entry)
        owners[entry.upload.owner.user_id] = entry.upload.owner
    problems: list[str] = []
    for user_id, own in by_owner.items():
        if run.is_offered("routes.documents"):
            listed = await uploads.listed_documents(run, owners[user_id])
            names = Counter(str(one["filename"]) for one in listed if "filename" in one)
            problems += _not_once(own, names, "in the list", by_name=True) if names else []
        if run.is_offered("routes.jobs"):
            jobs = await uploads.listed_jobs(run, owners[user_id])
            counts = Counter(str(one["document_id"]) for one in jobs if "document_id" in one)
            problems += _not_once(own, counts, "among the jobs") if counts else []
    return problems


def _not_once(entries: Sequence[LedgerEntry], seen: Counter[str], where: str, *, by_name: bool = False) -> list[str]:
    keys = {id(one): one.upload.payload.filename if by_name else one.upload.document_id for one in entries}
    return [f"{one} is {seen[keys[id(one)]]} times {where}" for one in entries if seen[keys[id(one)]] != 1]


async def _in_database(run: Run, entries: Sequence[LedgerEntry]) -> list[str]:
    """What the named queries say against it, where there is `sql`."""
    if "sql" not in run.descriptor.capabilities:
        return []
    documents = [one.upload.document_id for one in entries]
    jobs = await run.database.rows("jobs", document_id=documents)
    chunks = await run.database.rows("chunks", columns=("chunk_id", "document_id", "ordinal"), document_id=documents)
    vectors = await run.database.rows("vectors", columns=("chunk_id",), chunk_id=[row["chunk_id"] for row in chunks])
    events = await run.database.rows("job_events", job_id=[one.upload.job_id for one in entries])
    problems = list(row_problems(entries, jobs, chunks, vectors, run.contract.jobs.complete.status))
    return [*problems, *event_problems(entries, events, run.contract.jobs.failures)]


def event_problems(entries: Sequence[LedgerEntry], events: Sequence[Row], failures: Sequence[str]) -> Iterator[str]:
    """Each document whose job reached a status more than once, unless it had failed, and was tried again by its user.

    Args:
        events: rows of the named query `job_events`.
        failures: statuses of a job that has failed.
    """
    reached: dict[str, Counter[str]] = defaultdict(Counter)
    for row in events:
        reached[str(row["job_id"])][str(row["status"])] += 1
    for entry in entries:
        own = reached[entry.upload.job_id]
        twice = [status for status, count in own.items() if count > 1]
        if twice and not own.keys() & set(failures):
            yield f"{entry} has reached {', '.join(twice)} more than once"


def row_problems(
    entries: Sequence[LedgerEntry], jobs: Sequence[Row], chunks: Sequence[Row], vectors: Sequence[Row], complete: str
) -> Iterator[str]:
    """Each document without exactly one job, and each complete one without exactly one set of chunks and vectors.

    Args:
        jobs, chunks, vectors: rows of the named queries.
        complete: the status of a job that is.
    """
    own_jobs, own_chunks = _by_document(jobs), _by_document(chunks)
    counts = Counter(str(row["chunk_id"]) for row in vectors)
    for entry in entries:
        document = entry.upload.document_id
        found = own_jobs[document]
        if [str(row["job_id"]) for row in found] != [entry.upload.job_id]:
            yield f"{entry} has {len(found)} jobs in the database, not {entry.upload.job_id} alone"
            continue
        ordinals = sorted(int(row["ordinal"]) for row in own_chunks[document])
        twice = len(set(ordinals)) != len(ordinals)
        if twice:
            yield f"{entry} has more than one set of chunks: {ordinals}"
        if found[0]["status"] != complete:
            continue
        if not twice and (not ordinals or ordinals != list(range(ordinals[0], ordinals[0] + len(ordinals)))):
            yield f"{entry} has the chunks {ordinals}"
        wrong = [row["chunk_id"] for row in own_chunks[document] if counts[str(row["chunk_id"])] != 1]
        if wrong:
            yield f"{entry}: {len(wrong)} of {len(ordinals)} chunks have no vector, or more than one"


def _by_document(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[str(row["document_id"])].append(row)
    return found


async def _events(run: Run, entry: LedgerEntry) -> str:
    """What is wrong with the events that a client received which reconnects; empty where nothing is."""
    assert entry.following is not None
    try:
        frames = await asyncio.shield(entry.following)
        events = events_of(run, entry.upload.job_id, frames)
        statuses = [event.status for event in events]
        if statuses and statuses[-1] == run.contract.jobs.complete.status:
            statuses = run.contract.jobs.statuses
        check_order(events, statuses, f"events of {entry}")
    except Violation as error:
        return str(error)
    return ""
