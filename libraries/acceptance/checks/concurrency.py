"""INT-10: journeys of several users at the same time, each with a document of their own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from acceptance.chat import Answer, ask
from acceptance.checks.fixtures import signed_in
from acceptance.checks.job_events import check_order, events_of, has_ended
from acceptance.errors import CapabilityMissing, SuiteError
from acceptance.evidence.records import WHY_FEW
from acceptance.fixtures.handbook import Fact, Handbook
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

SEED = 1000  # of the first user's document


@dataclass(eq=False)
class Journey:
    """One user's upload and answers; `problem` says why the journey ended early, and is empty otherwise."""

    user: User
    payload: Payload = field(repr=False)
    problem: str = ""
    upload: Upload | None = None
    listed: list[str] = field(default_factory=list)  # document identifiers in the user's list
    answer: Answer | None = None  # to the user's own question
    other_answer: Answer | None = None  # to the question of another user
    others: list[Journey] = field(default_factory=list, repr=False)

    def __str__(self) -> str:
        return self.user.email

    @property
    def answers(self) -> list[Answer]:
        return [answer for answer in (self.answer, self.other_answer) if answer]

    @property
    def fact(self) -> Fact:
        """The fact of the user's own document that is asked for."""
        assert self.payload.handbook
        return self.payload.handbook.facts[0]

    @property
    def other_handbooks(self) -> list[Handbook]:
        """What the documents of the other users say."""
        return [other.payload.handbook for other in self.others if other.payload.handbook]

    @property
    def other_conversations(self) -> list[str]:
        """Identifiers of the other users' conversations."""
        return [answer.conversation_id for other in self.others for answer in other.answers]


async def run_journeys(run: Run, users: int) -> list[Journey]:
    """Let users upload, follow and question their own document, all at once; records the slowest of each.

    Raises:
        SuiteError: fewer than two users.
    """
    if users < 2:
        raise SuiteError("journeys at once need two users at least")
    users = await _within_budget(run, users)
    accounts = await together(*(signed_in(run) for _ in range(users)))
    notes = [Payload.of(await document(run, "note", SEED + number)) for number in range(users)]
    journeys = [Journey(*each) for each in zip(accounts, notes, strict=True)]
    for number, journey in enumerate(journeys):
        journey.others = [*journeys[number + 1 :], *journeys[:number]]
    await _each(journeys, lambda journey: _process(run, journey))
    # No question of another user is asked before its owner asked it: a response cached for the owner could leak.
    await _each(journeys, lambda journey: _ask_own(run, journey))
    await _each(journeys, lambda journey: _ask_other(run, journey))
    processed = [each.upload.seconds for each in journeys if each.upload and each.upload.seconds is not None]
    answered = [answer.seconds for journey in journeys for answer in journey.answers]
    for name, seconds in (("slowest_processing", processed), ("slowest_answer", answered)):
        if seconds:
            run.observe("INT-10", name, seconds, "s", statistic="max")
    return journeys


async def _within_budget(run: Run, users: int) -> int:
    """As many users as the budget leaves a document and two questions for; records where these are fewer."""
    documents, calls = (run.client.throttle.left(word) for word in ("documents", "model_calls"))
    allowed = min(users, users if documents is None else documents, users if calls is None else calls // 2)
    if allowed < 2:
        raise CapabilityMissing("budget", f"which leaves enough for {allowed} of {users} users at once")
    if allowed < users:
        run.observe("INT-10", WHY_FEW, f"the budget of the descriptor allows {allowed}", "text", samples=1)
    return allowed


async def _each(journeys: Sequence[Journey], step: Callable[[Journey], Awaitable[None]]) -> None:
    """A step of all users at once; one that fails ends the journey of its user only."""

    async def one(journey: Journey) -> None:
        try:
            await step(journey)
        except AssertionError as error:
            journey.problem = str(error)

    await together(*(one(journey) for journey in journeys if not journey.problem))


async def _process(run: Run, journey: Journey) -> None:
    upload = journey.upload = await announce(run, journey.user, journey.payload)
    if run.is_offered("realtime.job"):
        async with run.websocket.job(upload.job_id, journey.user.access_token, after=0) as socket:
            await put_bytes(run, upload)
            await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
            check_order(events_of(run, upload.job_id, socket.events), run.contract.jobs.statuses, socket.what)
    else:
        await put_bytes(run, upload)
    await complete(run, upload)
    if run.is_offered("routes.documents"):
        journey.listed = [str(entry["document_id"]) for entry in await listed_documents(run, journey.user)]


async def _ask_own(run: Run, journey: Journey) -> None:
    journey.answer = await ask(run, journey.user, journey.fact.question)


async def _ask_other(run: Run, journey: Journey) -> None:
    journey.other_answer = await ask(run, journey.user, journey.others[-1].fact.question)
