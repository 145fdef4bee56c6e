"""What a closed-loop user does: three flows in turn, each answer checked to be right and their own."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from acceptance.client import Exchange, on_exchange
from acceptance.conversations import Reply, ask, listed_conversations
from acceptance.documents.handbook import Fact
from acceptance.errors import violation
from acceptance.people import Person
from acceptance.performance.attempts import FLOWS, Attempt, Flow
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, announce, job_of, listed_documents, put_bytes

REQUESTS = 11  # of all three flows together
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError)  # what an answer of another shape ends in

Result = TypeVar("Result")


@dataclass
class User:
    """One closed-loop user: who they are, what they know, what they have to upload, and what became of it.

    Args:
        documents: what they have to upload, none of it twice.
        jobs_at_once: so many of their documents may be on their way at the same time.
        owners: whose a document or conversation is, by the number of the user; the same for all users.
        under_way: from when to when they were at work, by the monotonic clock; 0 until they come and leave.
    """

    number: int
    person: Person
    fact: Fact
    documents: deque[Payload] = field(repr=False)
    uploads: list[Upload] = field(default_factory=list, repr=False)
    jobs_at_once: int = 1
    owners: dict[str, int] = field(default_factory=dict, repr=False)
    attempts: list[Attempt] = field(default_factory=list, repr=False)
    under_way: tuple[float, float] = (0.0, 0.0)


class _FlowEndedError(Exception):
    """A request failed, or the time is over: the rest of the flow would say nothing."""


async def work(run: Run, user: User, pause: tuple[float, float], until: Callable[[], float]) -> None:
    """Work through the flows again and again, each user beginning with another one, until the time is over.

    Args:
        pause: shortest and longest pause between two requests, in seconds.
        until: when it is over, by the monotonic clock.
    """
    chance = random.Random(f"{run.identifier}/{user.number}")
    turn = user.number
    await asyncio.sleep(chance.uniform(0, pause[1]))  # people do not begin in the same moment
    user.under_way = (time.monotonic(), 0.0)
    try:
        while time.monotonic() < until():
            signed_in = bool(user.person.access_token)
            flow = FLOWS[turn % len(FLOWS)] if signed_in else "authentication"
            turn += 1
            try:
                await _STEPS[flow](run, user, _Doing(user, flow, pause, until, chance).step)
            except _FlowEndedError:
                continue
    finally:
        user.under_way = (user.under_way[0], time.monotonic())


Step = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class _Doing:
    """One flow of one user on its way."""

    user: User
    flow: Flow
    pause: tuple[float, float]
    until: Callable[[], float]
    chance: random.Random

    async def step(self, request: Coroutine[Any, Any, Result]) -> Result:
        """The result of a request, noted as an attempt; then a pause."""
        exchanges: list[Exchange] = []
        begin, problem, result = time.monotonic(), "", None
        listening = on_exchange.set(exchanges.append)
        try:
            result = await request
        except (AssertionError, *UNREADABLE) as error:
            problem = str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
        finally:
            on_exchange.reset(listening)
        seen = exchanges or [Exchange(self.flow, 0, begin, 0.0, 0.0)]
        problems = [*[""] * (len(seen) - 1), problem]
        self.user.attempts += [Attempt(self.user.number, self.flow, *one) for one in zip(seen, problems, strict=True)]
        await asyncio.sleep(self.chance.uniform(*self.pause))
        if problem or time.monotonic() >= self.until():
            raise _FlowEndedError
        return result  # type: ignore[return-value]


async def _authentication(run: Run, user: User, step: Step) -> None:
    """Out, in again, who am I, and new tokens."""
    if user.person.access_token:
        token, user.person.access_token = user.person.access_token, ""
        await step(run.client.call("logout", token=token))
    await step(run.people.sign_in(user.person))
    await step(_is_shown_as(run, user.person))
    await step(run.people.refresh(user.person))


async def _upload(run: Run, user: User, step: Step) -> None:
    """A document, unless as many as are allowed are on their way; then how it goes, and what is there."""
    final = run.contract.jobs.final_states
    open_jobs = [upload for upload in user.uploads if upload.job is None or upload.job["state"] not in final]
    if len(open_jobs) < user.jobs_at_once and user.documents:
        upload = await step(_announced(run, user))
        await step(_sent(run, user, upload))
        open_jobs.append(upload)
    for upload in open_jobs[:1]:
        await step(_job_is_theirs(run, upload))
    await step(_documents_are_theirs(run, user))


async def _conversation(run: Run, user: User, step: Step) -> None:
    """A question about the own document, one that leans on it, and what was talked about."""
    reply: Reply = await step(_answered(run, user, user.fact))
    if user.fact.follow_up:
        await step(_answered(run, user, user.fact.follow_up, reply.conversation_id))
    await step(_conversations_are_theirs(run, user))


_STEPS: dict[Flow, Callable[[Run, User, Step], Coroutine[Any, Any, None]]] = {
    "authentication": _authentication,
    "upload": _upload,
    "conversation": _conversation,
}


async def _is_shown_as(run: Run, person: Person) -> None:
    answer = await run.client.call("user", token=person.access_token)
    if (answer["user_id"], answer["email"]) != (person.user_id, person.email):
        raise violation("user", expected=person.email, seen=answer.excerpt(), look=answer.look)


async def _job_is_theirs(run: Run, upload: Upload) -> None:
    upload.job = await job_of(run, upload)
    seen = (upload.job["job_id"], upload.job["document_id"])
    if seen != (upload.job_id, upload.document_id):
        expected = f"job {upload.job_id} of document {upload.document_id}"
        raise violation("job", expected=expected, seen=seen, look=upload.job.look)


async def _announced(run: Run, user: User) -> Upload:
    upload = await announce(run, user.person, user.documents.popleft())
    _claim(user, upload.document_id, "upload")
    return upload


async def _sent(run: Run, user: User, upload: Upload) -> None:
    await put_bytes(run, upload)
    user.uploads.append(upload)


async def _documents_are_theirs(run: Run, user: User) -> None:
    listed = [str(entry["document_id"]) for entry in await listed_documents(run, user.person)]
    _check_listed(user, "documents", listed, [upload.document_id for upload in user.uploads])


async def _answered(run: Run, user: User, fact: Fact, conversation_id: str | None = None) -> Reply:
    reply = await ask(run, user.person, fact.question, conversation_id=conversation_id)
    sources = [source.document_id for source in reply.sources]
    if not fact.answered_by(reply.text) or {user.owners.get(source) for source in sources} != {user.number}:
        expected = f"{fact.figure} from a document of {user.person.email}"
        raise violation(
            f"'{fact.question}'", expected=expected, seen=f"'{reply.text}' from {sources}", look=reply.answer.look
        )
    if conversation_id not in (None, reply.conversation_id):
        raise violation("chat", expected=f"conversation {conversation_id}", seen=reply.conversation_id)
    _claim(user, reply.conversation_id, "chat")
    return reply


async def _conversations_are_theirs(run: Run, user: User) -> None:
    listed = await listed_conversations(run, user.person)
    _check_listed(user, "conversations", listed, [])


def _claim(user: User, identifier: str, what: str) -> None:
    """It is this user's; raises AssertionError where it is known to be another's."""
    if user.owners.setdefault(identifier, user.number) != user.number:
        raise violation(what, expected=f"one of {user.person.email}", seen=f"{identifier}, which is another user's")


def _check_listed(user: User, what: str, listed: Sequence[str], expected: Sequence[str]) -> None:
    """All that is expected is listed, and nothing that is known to be another user's."""
    lost = sorted(set(expected) - set(listed))
    foreign = [one for one in listed if user.owners.get(one, user.number) != user.number]
    if lost or foreign:
        own = f"all of {user.person.email}, and nothing of another user"
        raise violation(what, expected=own, seen=f"without {lost}, with another's {foreign}")
