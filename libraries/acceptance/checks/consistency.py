"""Data is consistent after everything (INT-14): the closing check of a run, and of the last suite.

On a deployment whose descriptor says `exclusive` every row counts. Where others use it too, the rows count that hang on
a user, document or job of this run; a row without any such link is not held against the deployment there.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from acceptance.clients.database import Row
from acceptance.errors import expect_none
from acceptance.polling import together, wait_until
from acceptance.run import Run

SETTLE_SECONDS = 30.0


@dataclass
class Rows:
    """What the named queries gave, as far as it counts."""

    documents: list[Row] = field(default_factory=list)
    jobs: list[Row] = field(default_factory=list)
    job_events: list[Row] = field(default_factory=list)
    chunks: list[Row] = field(default_factory=list)
    vectors: list[Row] = field(default_factory=list)
    orphans: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class LedgerEntries:
    """Identifiers of what the run made, and of what of it was removed again."""

    users: frozenset[str]
    documents: frozenset[str]
    jobs: frozenset[str]
    gone: frozenset[str]

    @classmethod
    def of(cls, run: Run) -> LedgerEntries:
        users, documents, jobs = (frozenset(run.ledger.ever(kind)) for kind in ("user", "document", "job"))
        gone = frozenset(identifier for kind in ("user", "document", "job") for identifier in run.ledger.gone(kind))
        return cls(users, documents, jobs, gone)

    def concerns(self, identifier: str) -> bool:
        """Whether an identifier, or a path that holds one, is of something that the run made."""
        return any(one in identifier for one in (*self.users, *self.documents, *self.jobs))


async def check(run: Run) -> None:
    """Wait until no job is working, then compare everything that is left.

    Raises:
        CapabilityMissing: the descriptor does not list `sql`.
        AssertionError: names the jobs left working, or what does not belong together.
    """
    await no_job_is_working(run)
    expect_none(await what_contradicts(run), "what is left, by the named queries", expected="no contradiction")


async def no_job_is_working(run: Run) -> None:
    """Wait until every job of the run has ended; raises AssertionError naming those that have not.

    A job that waits for bytes is not under way until its address has expired; from then on it must go.
    """
    entries, final = LedgerEntries.of(run), run.contract.jobs.final_states

    async def working() -> list[str]:
        rows, waiting = await together(_jobs(run, entries), run.database.rows("awaiting_bytes"))
        idle = {str(row["job_id"]) for row in waiting if not row["expired"]}
        left = [row for row in rows if row["state"] not in final and str(row["job_id"]) not in idle]
        return [f"{row['job_id']} is '{row['status']}', {row['state']}" for row in left]

    await wait_until(working, lambda left: not left, what="jobs left working", within=SETTLE_SECONDS, every=0.25)


async def what_contradicts(run: Run) -> list[str]:
    """Each thing that does not belong together, a line each; records how many jobs were compared."""
    entries = LedgerEntries.of(run)
    rows = await _rows(run, entries)
    run.observe("INT-14", "jobs_checked", len(rows.jobs), "jobs", samples=max(1, len(rows.jobs)))
    return list(contradictions(rows, entries, run.contract.jobs.complete.status))


def contradictions(rows: Rows, entries: LedgerEntries, complete: str) -> Iterator[str]:
    """Each thing that does not belong together, one line; an orphan that shows in nothing else last."""
    found = list(_contradictions(rows, entries, complete))
    yield from found
    known = "; ".join(found)
    yield from (f"{row['kind']} {row['id']}" for row in rows.orphans if str(row["id"]) not in known)


def _contradictions(rows: Rows, entries: LedgerEntries, complete: str) -> Iterator[str]:
    documents, jobs = _by(rows.documents, "document_id"), _by(rows.jobs, "job_id")
    job_count = Counter(str(row["document_id"]) for row in rows.jobs)
    for document_id, document in documents.items():
        if job_count[document_id] != 1:
            yield f"document {document_id} has {job_count[document_id]} jobs"
        if {document_id, str(document["user_id"])} & entries.gone:
            yield f"document {document_id} of user {document['user_id']} is there, though it was removed"
    for job_id, job in jobs.items():
        if str(job["document_id"]) not in documents:
            yield f"job {job_id} is without its document"
        if job_id in entries.gone:
            yield f"job {job_id} is there, though its document was removed"
    yield from _of_events(rows, jobs)
    yield from _of_chunks(rows, jobs, complete)


def _of_events(rows: Rows, jobs: dict[str, Row]) -> Iterator[str]:
    events: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows.job_events, key=lambda row: int(row["sequence"])):
        events[str(row["job_id"])].append(row)
    yield from (f"events of job {job_id} are without their job" for job_id in events.keys() - jobs.keys())
    for job_id, job in jobs.items():
        mine = events[job_id]
        if [row["sequence"] for row in mine] != list(range(1, len(mine) + 1)):
            yield f"events of job {job_id} are numbered {[row['sequence'] for row in mine]}"
        if not mine or mine[-1]["status"] != job["status"]:
            yield f"job {job_id} is '{job['status']}', its last event '{mine[-1]['status'] if mine else 'none'}'"


def _of_chunks(rows: Rows, jobs: dict[str, Row], complete: str) -> Iterator[str]:
    chunks, vectors = _by(rows.chunks, "chunk_id"), Counter(str(row["chunk_id"]) for row in rows.vectors)
    done = {str(job["document_id"]) for job in jobs.values() if job["status"] == complete}
    known = {str(job["document_id"]) for job in jobs.values()}
    for chunk_id, chunk in chunks.items():
        document_id, count = str(chunk["document_id"]), vectors[chunk_id]
        if document_id not in known:
            yield f"chunk {chunk_id} is of document {document_id}, which is gone"
        elif count > 1 or (document_id in done and count != 1):
            yield f"chunk {chunk_id} of document {document_id} has {count} vectors"
    yield from (f"vector of chunk {chunk_id}, which is gone" for chunk_id in vectors.keys() - chunks.keys())
    empty = done - {str(row["document_id"]) for row in rows.chunks}
    yield from (f"document {document_id} is complete and has no chunk" for document_id in empty)


async def _jobs(run: Run, entries: LedgerEntries) -> list[Row]:
    """The jobs that count: those entries, and those of documents of users entries."""
    if run.descriptor.exclusive:
        return await run.database.rows("jobs")
    documents = await run.database.rows("documents", user_id=sorted(entries.users))
    wanted = entries.documents | {str(row["document_id"]) for row in documents}
    by_document = await run.database.rows("jobs", document_id=sorted(wanted))
    by_itself = await run.database.rows("jobs", job_id=sorted(entries.jobs))
    return list(_by([*by_document, *by_itself], "job_id").values())


async def _rows(run: Run, entries: LedgerEntries) -> Rows:
    everything: bool = run.descriptor.exclusive
    look = run.database.rows

    def only(column: str, values: Collection[str]) -> dict[str, Any]:
        return {} if everything else {column: sorted(values)}

    jobs = await _jobs(run, entries)
    by_user = await look("documents", **only("user_id", entries.users))
    by_itself = [] if everything else await look("documents", document_id=sorted(entries.documents))
    documents = list(_by([*by_user, *by_itself], "document_id").values())
    of = entries.documents | {str(row["document_id"]) for row in documents}
    chunks = await look("chunks", columns=("chunk_id", "document_id"), **only("document_id", of))
    chunk_ids = {str(row["chunk_id"]) for row in chunks}
    return Rows(
        documents,
        jobs,
        await look("job_events", **only("job_id", entries.jobs | {str(row["job_id"]) for row in jobs})),
        chunks,
        await look("vectors", columns=("chunk_id",), **only("chunk_id", chunk_ids)),
        [
            row
            for row in await look("orphans")
            if everything or entries.concerns(str(row["id"])) or str(row["id"]) in chunk_ids
        ],
    )


def _by(rows: list[Row], column: str) -> dict[str, Row]:
    return {str(row[column]): row for row in rows}
