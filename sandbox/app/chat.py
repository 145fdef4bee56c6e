"""Questions answered from the user's own documents, as JSON or as a stream, with workflow events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.app import answering, conversations, errors, events, openapi, realtime, retrieval
from sandbox.app.access import Services, User, Uses
from sandbox.app.database import Row, Session, limit_request
from sandbox.app.errors import Unavailable
from sandbox.app.fields import Body, Text, Title, described
from sandbox.app.retrieval import Passage
from sandbox.app.tokens import Identity

MESSAGE_CHARACTERS: Final = 4000
EMBED_SECONDS: Final = 2.5
WHOLE_SECONDS: Final = 7.5
ENDING_TRIES: Final = 30
ENDING_SECONDS: Final = 0.5
BEGIN_WORKFLOW: Final = """
    insert into app.workflows (id, user_id) values (%(workflow_id)s, %(user_id)s)
      on conflict (id) do update set user_id = excluded.user_id, begun_at = now(), ended = false
        where workflows.user_id = excluded.user_id
      returning id"""
END_WORKFLOW: Final = "update app.workflows set conversation_id = %(conversation_id)s where id = %(workflow_id)s"
STEPS: Final = {
    "received": ("Your question has arrived.", 0.1),
    "retrieving": ("Your documents are being searched.", 0.3),
    "answering": ("The answer is being written.", 0.6),
}

_endings: Final[set[asyncio.Task[None]]] = set()

router: Final = APIRouter(prefix="/api/chat", tags=["chat"])


class Question(Body):
    message: Annotated[
        Text,
        Field(min_length=1, max_length=MESSAGE_CHARACTERS, pattern=r"\S"),
        described(pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"),
    ]
    conversation_id: Annotated[UUID | None, Field(strict=False)] = None
    workflow_id: Annotated[UUID | None, Field(strict=False)] = None


class Source(BaseModel):
    """A supporting passage; `chunk` is its identifier."""

    document_id: UUID
    title: Title
    chunk: UUID


class Metadata(BaseModel):
    """`processing_time` in seconds; `confidence` from 0 to 1."""

    model: str
    processing_time: Annotated[float, described(minimum=0)]
    confidence: Annotated[float, described(minimum=0, maximum=1)]


class Answer(BaseModel):
    text: str
    conversation_id: UUID
    workflow_id: UUID
    sources: list[Source]
    metadata: Metadata
    timestamp: datetime


@dataclass
class Work:
    """One question in progress."""

    question: str
    conversation_id: UUID
    workflow_id: UUID
    user: Identity
    services: Services
    begun: float = field(default_factory=time.perf_counter)
    passages: list[Passage] = field(default_factory=list)
    citations: answering.Citations = field(default_factory=answering.Citations)
    model: str = ""
    text: str = ""


@router.post(
    "",
    response_model=Answer,
    responses={200: openapi.stream_of("delta", "done", "error"), **errors.responses(401, 404, 422, 503)},
)
async def chat(question: Question, request: Request, user: User, services: Uses) -> Response:
    """Answer a question. With `Accept: text/event-stream`: events `delta` {text}, and `done` with the whole answer."""
    work = Work(question.message, question.conversation_id or uuid4(), question.workflow_id or uuid4(), user, services)
    await services.database.transaction(lambda session: begin(session, work, question.conversation_id is not None))
    pieces = respond(work)
    if "text/event-stream" not in request.headers.get("accept", ""):
        async for _ in pieces:
            pass
        return JSONResponse((await finish(work)).model_dump(mode="json"))
    first = await anext(pieces, "")  # a failure before the first word still has a status
    return realtime.event_stream(server_sent(work, first, pieces, request.state.request_id))


async def begin(session: Session, work: Work, continues: bool) -> None:
    """Start the workflow; refuses a conversation or workflow of another user."""
    ids = {"conversation_id": work.conversation_id, "workflow_id": work.workflow_id, "user_id": work.user.user_id}
    if continues and await session.one(conversations.OWN_CONVERSATION, **ids) is None:
        raise errors.not_found("conversation")
    if await session.one(BEGIN_WORKFLOW, **ids) is None:
        raise errors.not_found("workflow")
    await step(session, work, "received")


async def respond(work: Work) -> AsyncIterator[str]:
    """Stream the answer; any failure ends the workflow too."""
    deadline = asyncio.get_running_loop().time() + WHOLE_SECONDS
    try:
        async with asyncio.timeout_at(deadline):
            history = await prepare(work)
        pieces = work.services.model.answer(answering.prompt(work.question, work.passages, history))
        while True:
            # Around each step: a stream continues in another task than it began in.
            async with asyncio.timeout_at(deadline):
                piece = await anext(pieces, None)
            if piece is None:
                break
            work.model = piece.model or work.model
            if ready := work.citations.feed(piece.text):
                work.text += ready
                yield ready
        if rest := work.citations.finish():
            work.text += rest
            yield rest
    except TimeoutError as error:
        fail(work)
        raise Unavailable("model") from error
    except Exception:
        fail(work)
        raise


async def prepare(work: Work) -> list[Row]:
    """Retrieve the passages; a follow-up is also searched together with the previous question."""
    services = work.services

    async def look_back(session: Session) -> list[Row]:
        await step(session, work, "retrieving")
        return await conversations.recall(session, work.conversation_id)

    history = await services.database.transaction(look_back)
    earlier = next((turn["content"] for turn in reversed(history) if turn["role"] == "user"), None)
    asked = [work.question, *([f"{earlier} {work.question}"] if earlier else [])]
    vectors = (await services.model.embed(asked, EMBED_SECONDS)).vectors

    async def retrieve(session: Session) -> list[Passage]:
        found = [
            await retrieval.find(session, work.user.user_id, text, vector)
            for text, vector in zip(asked, vectors, strict=True)
        ]
        await step(session, work, "answering")
        return found[0] if len(found) == 1 else retrieval.merge(*found)

    work.passages = await services.database.transaction(retrieve)
    return history


async def finish(work: Work) -> Answer:
    """Store question and answer, and end the workflow."""
    used = answering.support(work.text, work.citations.numbers, work.passages)
    answer = Answer(
        text=work.text,
        conversation_id=work.conversation_id,
        workflow_id=work.workflow_id,
        sources=[
            Source(document_id=passage.document_id, title=passage.title, chunk=passage.chunk_id) for passage in used
        ],
        metadata=Metadata(
            model=work.model,
            processing_time=round(time.perf_counter() - work.begun, 4),
            confidence=round(min(1.0, max(0.0, used[0].similarity)), 4) if used else 0.0,
        ),
        timestamp=datetime.now(UTC),
    )
    document = answer.model_dump(mode="json")

    async def keep(session: Session) -> None:
        await conversations.remember(
            session, work.conversation_id, work.user.user_id, work.question, work.text, document["sources"]
        )
        await session.one(END_WORKFLOW, conversation_id=work.conversation_id, workflow_id=work.workflow_id)
        await events.publish_workflow(
            session, work.workflow_id, "workflow_complete", {"success": True, "response": document}
        )

    try:
        await work.services.database.transaction(keep)
    except Unavailable:
        fail(work)
        raise
    return answer


def fail(work: Work) -> None:
    """End the workflow without an answer, as soon as the database can be reached; the question is not stored."""
    ending = asyncio.create_task(end_without_answer(work))
    _endings.add(ending)
    ending.add_done_callback(_endings.discard)


async def end_without_answer(work: Work) -> None:
    limit_request(None)

    async def end(session: Session) -> None:
        await events.publish_workflow(
            session, work.workflow_id, "workflow_complete", {"success": False, "response": None}
        )

    for _ in range(ENDING_TRIES):
        with contextlib.suppress(Unavailable):
            return await work.services.database.transaction(end)
        await asyncio.sleep(ENDING_SECONDS)
    return None


async def step(session: Session, work: Work, name: str) -> None:
    message, progress = STEPS[name]
    await events.publish_workflow(
        session, work.workflow_id, "workflow_status", {"step": name, "message": message, "progress": progress}
    )


async def server_sent(work: Work, first: str, pieces: AsyncIterator[str], request_id: str) -> AsyncIterator[str]:
    """The answer as Server-Sent Events; a late fault is sent as an event, since the status has been sent."""
    try:
        if first:
            yield event("delta", {"text": first})
        async for piece in pieces:
            yield event("delta", {"text": piece})
        yield event("done", (await finish(work)).model_dump(mode="json"))
    except (asyncio.CancelledError, GeneratorExit):  # the client has gone; this task ends here
        fail(work)
        raise
    except Unavailable as error:
        refusal = errors.unavailable(error)
        yield event("error", {"error": {"code": refusal.code, "message": refusal.message, "request_id": request_id}})


def event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
