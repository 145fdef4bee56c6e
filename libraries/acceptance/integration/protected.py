"""What INT-03 tries to reach: Alice's document, job, conversation and workflow, and how all of it was before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from acceptance.client import Answer
from acceptance.errors import violation
from acceptance.integration.accounts import expired_session
from acceptance.integration.belongings import Belongings, gather_belongings
from acceptance.integration.forging import Genuine
from acceptance.integration.sessions import another_session
from acceptance.people import Person
from acceptance.run import Run
from acceptance.waiting import together

SEED = 301
OF_ALICE = ("job", "document_status", "document_content", "documents", "jobs", "conversations")
OF_BOB = ("documents", "jobs", "conversations")

Seen = dict[str, object]


@dataclass(frozen=True)
class Protected:
    """Alice with what is hers, Bob with nothing, what bad credentials are made of, and how all was at first."""

    alice: Belongings
    bob: Person
    genuine: Genuine
    before: Seen = field(repr=False)


async def protected_things(run: Run) -> Protected:
    """The same for every test of the run: made once."""
    return await run.once("protected things", lambda: _make(run))


async def nothing_has_changed(run: Run) -> None:
    """All that Alice has is as it was before the first attempt, and Bob still has nothing."""
    protected = await protected_things(run)
    changed = differences(protected.before, await seen_of(run, protected.alice, protected.bob))
    if changed:
        raise violation("what Alice and Bob have", expected="no change by refused calls", seen="; ".join(changed))


async def seen_of(run: Run, alice: Belongings, bob: Person) -> Seen:
    """What REST shows of Alice's things and of both lists, and what the named queries show where there are any."""
    identifiers, token = alice.identifiers, alice.owner.access_token
    reads = [(f"Alice's {name}", name, token) for name in OF_ALICE]
    reads += [(f"Bob's {name}", name, bob.access_token) for name in OF_BOB]
    answers = await together(*(run.client.call(name, path=identifiers, token=who) for _, name, who in reads))
    seen: Seen = {what: _content(answer) for (what, _, _), answer in zip(reads, answers, strict=True)}
    if "sql" in run.descriptor.capabilities:
        seen |= await _rows(run, identifiers["document_id"], identifiers["job_id"])
    return seen


async def _rows(run: Run, document_id: str, job_id: str) -> Seen:
    chunks = await run.inspection.rows("chunks", document_id=document_id)
    documents, jobs, events, vectors = await together(
        run.inspection.rows("documents", document_id=document_id),
        run.inspection.rows("jobs", job_id=job_id),
        run.inspection.rows("job_events", job_id=job_id),
        run.inspection.rows("vectors", chunk_id=[row["chunk_id"] for row in chunks]),
    )
    tables = {"documents": documents, "jobs": jobs, "job_events": events, "chunks": chunks, "vectors": vectors}
    return {f"query {name}": sorted(map(str, rows)) for name, rows in tables.items()}


def differences(before: Seen, after: Seen) -> list[str]:
    """One line for each thing that is not as it was."""
    return [
        f"{what} was {str(was)[:300]}, is {str(after.get(what))[:300]}"
        for what, was in before.items()
        if was != after.get(what)
    ]


async def _make(run: Run) -> Protected:
    alice, bob = await together(run.people.signed_in(), run.people.signed_in())
    belongings = await gather_belongings(run, alice, seed=SEED)
    expired = await expired_session(run)
    spare = await another_session(run, alice)  # what a forgery may end must not be what we look with
    genuine = Genuine(spare.access_token, spare.refresh_token, expired.access_token, bob.access_token)
    return Protected(belongings, bob, genuine, await seen_of(run, belongings, bob))


def _content(answer: Answer) -> object:
    return answer.json() if answer.paths else hashlib.sha256(answer.content).hexdigest()
