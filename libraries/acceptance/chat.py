"""Questions to the chat, and their answers, by the contract."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from acceptance.clients.http import Response
from acceptance.deployment.contract import Absent, Contract, Partial, by_words, pick
from acceptance.errors import NoAnswer, NotOffered, cut, violation
from acceptance.fixtures.handbook import figures
from acceptance.fixtures.users import User
from acceptance.polling import wait_until
from acceptance.run import Run

_EVENT = re.compile(r"^event: ?(.*)$", re.MULTILINE)
DOCUMENT = "document_id"  # our word for the document that a question is about, where it names one


@dataclass(frozen=True)
class Source(Partial):
    """A source that an answer cites."""

    document_id: str
    title: str
    chunk: str

    def __repr__(self) -> str:
        return str(self.offered)


@dataclass(frozen=True)
class Answer(Partial):
    """An answer of the chat; `seconds` is the whole call."""

    question: str
    text: str
    conversation_id: str
    workflow_id: str
    sources: list[Source]
    model: str
    response: Response

    def __str__(self) -> str:
        return f"'{self.question}' is answered '{self.text}' ({self.response.look})"

    __repr__ = __str__

    further: Mapping[str, str] = field(default_factory=dict)

    @property
    def identifiers(self) -> dict[str, str]:
        """Of its conversation and workflow, as far as it has them, and further ones, by the words of paths."""
        own: dict[str, str] = {
            word: self.offered[word] for word in ("conversation_id", "workflow_id") if word in self.offered
        }
        return {**own, **self.further}

    @property
    def figures(self) -> set[str]:
        """Every figure in the text, without separators of thousands."""
        return figures(self.text)

    @property
    def documents(self) -> list[str]:
        """Identifiers of the documents that the answer cites, each once, in the order of its sources."""
        return list(dict.fromkeys(source.document_id for source in self.sources))

    @property
    def seconds(self) -> float:
        return self.response.elapsed


async def send(
    run: Run,
    user: User,
    question: str,
    *,
    conversation_id: str | None = None,
    workflow_id: str | None = None,
    document_id: str | None = None,
    hang_up: bool = False,
    expected: int | str = "success",
) -> Response:
    """Send a question in a conversation, or begin one; raises AssertionError where the response is not as expected.

    Args:
        document_id: what the question is about, where it names a document; see :func:`question_of`.
        hang_up: close the connection afterwards, so that another instance may get the next question.
        expected: a status or the contract's name for it.
    """
    request = question_of(run, user, question, conversation_id, document_id)
    request["body"] |= {"conversation_id": conversation_id} if conversation_id else {}
    request["body"] |= {"workflow_id": workflow_id} if workflow_id else {}
    headers = {"connection": "close"} if hang_up else None
    response = await run.client.call("chat", **request, token=user.access_token, headers=headers, status=expected)
    named = {**request["body"], **request["path"]}.get(DOCUMENT)
    if named and "conversation_id" in response.paths and response.status < 400:
        run.asked_about[response["conversation_id"]] = named
    return response


def names_document(contract: Contract) -> bool:
    """Whether each question names the document that it is about, in its body or its path."""
    route = contract.route("chat")
    return DOCUMENT in route.words or (contract.offers("routes.chat.body") and DOCUMENT in route.body)


def question_of(
    run: Run, user: User, question: str, conversation_id: str | None = None, document_id: str | None = None
) -> dict[str, Any]:
    """What the client is given for a question: `body` and `path`, by our words.

    Where a question has to name a document, it is this one, else that of its conversation, else the user's whose place
    the question names, else the user's latest; one whose processing is complete where there is any.

    Raises:
        NotOffered: the user has no document, and a question without one cannot be asked; or a question names none.
    """
    if not names_document(run.contract):
        if document_id is not None:
            raise NotOffered(f"routes.chat of one document (routes.chat.body.{DOCUMENT})")
        return {"body": {"message": question}, "path": {}}
    if document_id is None:
        document_id = run.asked_about.get(conversation_id or "") or _meant(run, user, question)
    route = run.contract.route("chat")
    body = {"message": question} | ({DOCUMENT: document_id} if DOCUMENT in route.body else {})
    return {"body": body, "path": {DOCUMENT: document_id} if DOCUMENT in route.words else {}}


def _meant(run: Run, user: User, question: str) -> str:
    """The identifier of the user's document whose place a question names, else of the latest one."""
    own = run.uploaded[user.user_id]
    if not own:
        raise NotOffered(f"routes.chat of a user without documents ({DOCUMENT})")
    incomplete = run.contract.jobs.incomplete
    ready = [one for one in own if one.job is not None and incomplete(one.job.fields) is None] or own
    named = [one for one in own if one.payload.handbook and one.payload.handbook.place in question]
    return str((named or ready)[-1].document_id)


async def ask(run: Run, user: User, question: str, **options: Any) -> Answer:
    """Send a question, as :func:`send` does, and read its answer."""
    response = await send(run, user, question, **options)
    found = response.partly("sources")
    sources: Any = found if isinstance(found, Absent) else [source_of(run.contract, entry) for entry in found]
    return Answer(
        question,
        str(response["text"]),
        response.partly("conversation_id"),
        response.partly("workflow_id"),
        sources,
        response.partly("model"),
        response,
        further_identifiers(run.contract, response),
    )


def further_identifiers(contract: Contract, response: Response) -> dict[str, str]:
    """What the paths of an application's own routes hold, by their words, as far as this answer names it."""
    return {word: str(response[word]) for word in contract.further_words(response.route)}


def source_of(contract: Contract, entry: Any) -> Source:
    """An entry of an answer's sources: an object, or the word that the contract says it is."""
    values: dict[str, Any]
    if contract.source_words:
        values = {contract.source_words: entry}
    else:
        values = by_words(entry, contract.sources) if contract.offers("sources") else {}
    words = ("document_id", "title", "chunk")
    return Source(**{word: values.get(word, Absent(f"sources.{word}")) for word in words})


async def listed_conversations(run: Run, user: User) -> list[str]:
    """Identifiers of the conversations in a user's list."""
    response = await run.client.call("conversations", token=user.access_token)
    return [pick(listed, run.contract.listed_conversation["conversation_id"]) for listed in response["conversations"]]


@dataclass
class AnswerStream:
    """An answer that arrives bit by bit: its `text` so far, and how it `ended`, which is empty while it is open."""

    question: str
    text: str = ""
    ended: str = ""

    def __str__(self) -> str:
        return f"stream of '{self.question}': {self.ended or 'open'}, {cut(self.text)}"

    __repr__ = __str__

    @property
    def events(self) -> list[str]:
        """The names of the Server-Sent Events so far."""
        return [name.strip() for name in _EVENT.findall(self.text)]


@asynccontextmanager
async def answer_stream(run: Run, user: User, question: str) -> AsyncIterator[AnswerStream]:
    """A question whose answer is streamed in the background, until the block is left."""
    stream = AnswerStream(question)
    task = asyncio.ensure_future(_receive(run, user, stream))
    try:
        yield stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _receive(run: Run, user: User, stream: AnswerStream) -> None:
    request = question_of(run, user, stream.question)
    try:
        async with run.client.stream("chat", **request, token=user.access_token) as response:
            try:
                async for part in run.client.parts_of(response):
                    stream.text += part.decode("utf-8", "replace")
            finally:
                run.client.journal_stream("chat", response, stream.text)
            stream.ended = f"status {response.status_code}"
    except NoAnswer as error:
        stream.ended = f"cut off: {error}"


async def until_streamed(stream: AnswerStream, events: int, within: float) -> None:
    """Wait until so many events have arrived; raises AssertionError where the stream ends before, or in no time."""
    await wait_until(
        lambda: asyncio.sleep(0, stream), lambda seen: len(seen.events) >= events or bool(seen.ended),
        what=f"{events} events of a streamed answer", within=within, every=0.01,
    )  # fmt: skip
    if len(stream.events) < events:
        raise violation(f"stream of '{stream.question}'", expected=f"{events} events", observed=stream)


async def until_stream_ended(stream: AnswerStream, within: float) -> None:
    """Wait until a streamed answer has ended, whole or not; raises AssertionError where it is still open then."""
    await wait_until(
        lambda: asyncio.sleep(0, stream), lambda seen: bool(seen.ended), what="the end of a streamed answer",
        within=within, every=0.02,
    )  # fmt: skip
