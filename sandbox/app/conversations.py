"""Conversations: list, turns, memory, and deletion."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from sandbox.app import errors
from sandbox.app.access import User, Uses
from sandbox.app.database import Row, Session
from sandbox.app.fields import Count, described

TITLE_CHARACTERS: Final = 80
TURNS_REMEMBERED: Final = 12
OWN_CONVERSATIONS: Final = """
    select c.id as conversation_id, c.title, c.created_at, c.updated_at, count(m.id) as messages
      from app.conversations c left join app.messages m on m.conversation_id = c.id
      where c.user_id = %(user_id)s group by c.id order by c.updated_at desc, c.id"""
OWN_CONVERSATION: Final = "select from app.conversations where id = %(conversation_id)s and user_id = %(user_id)s"
DELETE_OWN: Final = """
    delete from app.conversations where id = %(conversation_id)s and user_id = %(user_id)s returning id"""
HISTORY: Final = """
    select role, content from (
      select id, role, content from app.messages where conversation_id = %(conversation_id)s
        order by id desc limit %(turns)s
    ) as latest order by id"""
KEEP_CONVERSATION: Final = """
    insert into app.conversations (id, user_id, title) values (%(conversation_id)s, %(user_id)s, %(title)s)
      on conflict (id) do update set updated_at = now()"""
ADD_MESSAGE: Final = """
    insert into app.messages (conversation_id, role, content, sources)
      values (%(conversation_id)s, %(role)s, %(content)s, %(sources)s)"""

router: Final = APIRouter(prefix="/conversations", tags=["conversations"])


class Conversation(BaseModel):
    conversation_id: UUID
    title: Annotated[str, described(maxLength=TITLE_CHARACTERS)]
    messages: Count
    created_at: datetime
    updated_at: datetime


class ConversationList(BaseModel):
    conversations: list[Conversation]


@router.get("", responses=errors.OF_USER)
async def conversations(user: User, services: Uses) -> ConversationList:
    """The user's conversations, the latest first."""
    rows = await services.database.all(OWN_CONVERSATIONS, user_id=user.user_id)
    return ConversationList(conversations=[Conversation(**row) for row in rows])


@router.delete("/{conversation_id}", status_code=204, responses=errors.OF_OWNER)
async def delete(conversation_id: UUID, user: User, services: Uses) -> None:
    """Delete a conversation with its turns."""
    if await services.database.one(DELETE_OWN, conversation_id=conversation_id, user_id=user.user_id) is None:
        raise errors.not_found("conversation")


async def recall(session: Session, conversation_id: UUID) -> list[Row]:
    """The latest turns of this conversation, in order."""
    return await session.all(HISTORY, conversation_id=conversation_id, turns=TURNS_REMEMBERED)


async def remember(
    session: Session, conversation_id: UUID, user_id: UUID, question: str, text: str, sources: list[dict[str, Any]]
) -> None:
    """Store a question and its answer; the first creates the conversation."""
    here = {"conversation_id": conversation_id}
    await session.one(KEEP_CONVERSATION, **here, user_id=user_id, title=question[:TITLE_CHARACTERS])
    await session.one(ADD_MESSAGE, **here, role="user", content=question, sources=Jsonb([]))
    await session.one(ADD_MESSAGE, **here, role="assistant", content=text, sources=Jsonb(sources))
