"""Many users at once, each with a document of their own (INT-10)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from acceptance.chat import Answer, ask
from acceptance.checks.job_events import check_order, events_of, has_ended
from acceptance.errors import expect_none
from acceptance.fixtures.documents import TestDocument
from acceptance.fixtures.handbook import Fact, Handbook, figures
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import (
    PROCESSING_SECONDS,
    Payload,
    Upload,
    announce,
    complete,
    document,
    listed_documents,
    put_bytes,
)

USERS = 10


@dataclass
class ConcurrentUser:
    """What one of the users did and got; `problem` is empty while all of it is theirs and right."""

    user: User
    handbook: Handbook
    payload: Payload = field(repr=False)
    problem: str = ""
    upload: Upload | None = None
    listed: list[str] = field(default_factory=list)  # identifiers of the documents that they are shown
    answers: list[Answer] = field(default_factory=list)  # to their own question, and to that of another user

    @property
    def fact(self) -> Fact:
        return self.handbook.facts[0]


async def everybody_gets_their_own(run: Run) -> None:
    """Ten users at once upload, follow and question their own document; raises AssertionError naming who did not."""
    users = await together(*(run.users.signed_in() for _ in range(USERS)))
    notes = [await document(run, "note", 1000 + number) for number in range(USERS)]
    visits = [_visit(user, note) for user, note in zip(users, notes, strict=True)]
    await _each(visits, lambda visit: _process(run, visit))
    # Nobody asks another's question before its owner has: what was kept for the owner could be given to them.
    await _each(visits, lambda visit: _ask(run, visit, visit.fact))
    await _each(visits, lambda visit: _ask(run, visit, visits[visits.index(visit) - 1].fact))
    for number, visit in enumerate(visits):
        others = visits[:number] + visits[number + 1 :]
        visit.problem = visit.problem or "; ".join(what_is_wrong(visit, others))
    wrong = [visit for visit in visits if visit.problem]
    _observe(run, visits, len(visits) - len(wrong))
    problems = (f"{visit.user.email}: {visit.problem}" for visit in wrong)
    expect_none(problems, f"{USERS} users at once", expected="each gets their own fact, and nobody else's")


def what_is_wrong(visit: ConcurrentUser, others: Sequence[ConcurrentUser]) -> Iterator[str]:
    """Everything about a visit that is not the user's own, or missing."""
    assert visit.upload is not None
    own = visit.upload.document_id
    if visit.listed != [own]:
        yield f"the list shows {visit.listed}, expected only {own}"
    if not visit.fact.answered_by(visit.answers[0].text):
        yield f"'{visit.fact.question}' is answered by '{visit.answers[0].text}', expected {visit.fact.figure}"
    if not visit.answers[0].sources:
        yield "the answer names no source"
    foreign = {figure for other in others for figure in figures(other.handbook.text)} - figures(visit.handbook.text)
    conversations = {answer.conversation_id for other in others for answer in other.answers}
    for answer in visit.answers:
        told = sorted(figures(answer.text) & foreign)
        told += [f"document {source.document_id}" for source in answer.sources if source.document_id != own]
        told += [f"conversation {answer.conversation_id}"] if answer.conversation_id in conversations else []
        if told:
            yield f"'{answer.question}' is answered with another's {', '.join(told)}; {answer.response.look}"


def _visit(user: User, note: TestDocument) -> ConcurrentUser:
    assert note.handbook is not None
    return ConcurrentUser(user, note.handbook, Payload.of(note))


async def _each(visits: Sequence[ConcurrentUser], step: Callable[[ConcurrentUser], Awaitable[None]]) -> None:
    """A step for all users at once; what goes wrong for one of them is noted, and ends their visit only."""

    async def one(visit: ConcurrentUser) -> None:
        try:
            await step(visit)
        except AssertionError as error:
            visit.problem = str(error)

    await together(*(one(visit) for visit in visits if not visit.problem))


async def _process(run: Run, visit: ConcurrentUser) -> None:
    upload = visit.upload = await announce(run, visit.user, visit.payload)
    async with run.websocket.job(upload.job_id, visit.user.access_token, after=0) as socket:
        await put_bytes(run, upload)
        await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
        check_order(events_of(run, upload.job_id, socket.events), run.contract.jobs.statuses, socket.what)
    await complete(run, upload)
    visit.listed = [str(entry["document_id"]) for entry in await listed_documents(run, visit.user)]


async def _ask(run: Run, visit: ConcurrentUser, fact: Fact) -> None:
    visit.answers.append(await ask(run, visit.user, fact.question))


def _observe(run: Run, visits: Sequence[ConcurrentUser], served: int) -> None:
    run.observe("INT-10", "users_served", 100 * served / len(visits), "%", samples=len(visits))
    processed = [visit.upload.seconds for visit in visits if visit.upload and visit.upload.seconds is not None]
    answered = [answer.seconds for visit in visits for answer in visit.answers]
    for name, seconds in (("slowest_processing", processed), ("slowest_answer", answered)):
        if seconds:
            run.observe("INT-10", name, seconds, "s", statistic="max")
