"""Defects of answers: scope of retrieval, conversation memory, and answers without a source."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from openai.types.chat import ChatCompletionMessageParam

from sandbox.app import chat, conversations, model, retrieval
from sandbox.app.database import Row, Session
from sandbox.defects import defect, mark_active, patch, patch_query


@defect(
    "answers-from-anybodys-chunks",
    "INT",
    must=["INT-04"],
    may={
        "INT-06": "a sentence that documents share is found in another user's",
        "INT-07": "another user's question finds something",
        "INT-10": "users ask at the same time",
        "INT-14": "answers from what is left",
    },
)
def answers_from_anybodys_chunks() -> None:
    """Retrieval does not filter chunks by user."""
    for name in ("NEAREST", "HOLDERS"):
        patch_query(retrieval, name, "d.user_id = %(user_id)s", "%(user_id)s::uuid is not null")


@defect(
    "conversations-share-their-memory",
    "INT",
    must=["INT-07"],
    may={
        "INT-04": "memory of another user",
        "INT-10": "users ask at the same time",
        "INT-16": "answers of the baseline",
    },
)
def conversations_share_their_memory() -> None:
    """The memory of a conversation is the user's latest turns of any conversation."""
    patch_query(
        conversations,
        "HISTORY",
        "where conversation_id = %(conversation_id)s",
        "where %(conversation_id)s::uuid is not null",
    )


@defect("conversations-forget", "INT", must=["INT-07"], may={"INT-04": "a conversation goes on there too"})
def conversations_forget() -> None:
    """Earlier turns are not remembered, so a follow-up has no context."""
    recall = conversations.recall

    async def forget(session: Session, conversation_id: UUID) -> list[Row]:
        if await recall(session, conversation_id):
            mark_active()
        return []

    patch(conversations, "recall", forget)


@defect(
    "first-document-answers",
    "INT",
    must=["INT-07"],
    may={"INT-06": "a sentence asked for is not found", "INT-16": "answers of the baseline"},
)
def first_document_answers() -> None:
    """Questions are answered from the user's first document, whichever they name."""
    patch_query(
        retrieval,
        "NEAREST",
        "where d.user_id = %(user_id)s",
        """where d.id = (select f.id from app.documents f where f.user_id = %(user_id)s order by f.created_at limit 1)
          and d.user_id = %(user_id)s""",
    )


@defect(
    "the-model-guesses",
    "INT",
    must=["INT-07"],
    may={
        "INT-04": "figures in answers that should say nothing",
        "INT-10": "figures in answers of others",
        "INT-14": "answers about what was deleted",
        "INT-16": "answers of the baseline",
    },
)
def the_model_guesses() -> None:
    """A question without an answer in the documents is answered with an invented figure."""
    answer = model.Model.answer

    async def guess(self: model.Model, messages: Sequence[ChatCompletionMessageParam]) -> AsyncIterator[model.Piece]:
        pieces = [piece async for piece in answer(self, messages)]
        if any("[" in piece.text for piece in pieces):
            for piece in pieces:
                yield piece
            return
        mark_active()
        yield model.Piece(pieces[0].model, "It is 1,250 dollars a year.")

    patch(model.Model, "answer", guess)


@defect(
    "answers-are-cached-by-question",
    "INT",
    must=["INT-10"],
    may={
        "INT-04": "two users ask the same",
        "INT-07": "the same question again",
        "INT-14": "asked again after deleting",
    },
)
def answers_are_cached_by_question() -> None:
    """Answers are cached by question alone, not by user."""
    kept: dict[str, list[Any]] = {}
    find = retrieval.find

    async def cached(session: Session, user_id: UUID, question: str, vector: list[float]) -> list[retrieval.Passage]:
        if question in kept:
            mark_active()
            return kept[question]
        found = await find(session, user_id, question, vector)
        if found:
            kept[question] = found
        return found

    patch(retrieval, "find", cached)


@defect(
    "answers-are-cached-by-spelling",
    "INT",
    must=["INT-07"],
    may={"INT-14": "asked again after deleting"},
)
def answers_are_cached_by_spelling() -> None:
    """What a user's question found is kept, and found again by its beginning where it is spelled with other blanks."""
    kept: dict[tuple[UUID, str], list[Any]] = {}
    find = retrieval.find

    async def cached(session: Session, user_id: UUID, question: str, vector: list[float]) -> list[retrieval.Passage]:
        key = user_id, " ".join(question.lower().split()[:5])
        if "  " in question and key in kept:
            mark_active()
            return kept[key]
        found = await find(session, user_id, question, vector)
        if found:
            kept[key] = found
        return found

    patch(retrieval, "find", cached)


@defect(
    "the-user-is-a-global",
    "INT",
    must=["INT-10"],
    may={
        "INT-04": "other users' passages",
        "INT-07": "questions at the same time",
        "INT-14": "answers from what is left",
        "INT-16": "answers of the baseline",
    },
)
def the_user_is_a_global() -> None:
    """The current user is a module variable: of concurrent requests, the last one's user counts for all."""
    asking: list[UUID] = []
    begin, find = chat.begin, retrieval.find

    async def remember(session: Session, work: chat.Work, continues: bool) -> None:
        asking[:] = [work.user.user_id]
        await begin(session, work, continues)

    async def find_for(session: Session, user_id: UUID, question: str, vector: list[float]) -> list[retrieval.Passage]:
        if asking[0] != user_id:
            mark_active()
        return await find(session, asking[0], question, vector)

    patch(chat, "begin", remember)
    patch(retrieval, "find", find_for)
