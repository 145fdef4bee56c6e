"""Asking questions about documents, by the contract."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING, pick
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.run import Run

FIGURE = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True)
class Source:
    """One source that an answer names."""

    document_id: str
    title: str
    chunk: str


@dataclass(frozen=True)
class Answer:
    """An answer of the conversation; `seconds` is the whole call."""

    question: str
    text: str
    conversation_id: str
    workflow_id: str
    sources: list[Source]
    model: str
    response: Response

    @property
    def figures(self) -> set[str]:
        """Every figure in the text, without separators at its end."""
        return {match.rstrip(".,") for match in FIGURE.findall(self.text)}

    @property
    def seconds(self) -> float:
        return self.response.elapsed


async def ask(
    run: Run,
    user: User,
    question: str,
    *,
    conversation_id: str | None = None,
    workflow_id: str | None = None,
    hang_up: bool = False,
) -> Answer:
    """Ask in a conversation, or begin one; raises AssertionError where the answer is not the contract's.

    Args:
        hang_up: end the connection behind the answer, so that another instance may get the next question.
    """
    body: dict[str, Any] = {"message": question}
    body |= {"conversation_id": conversation_id} if conversation_id else {}
    body |= {"workflow_id": workflow_id} if workflow_id else {}
    headers = {"connection": "close"} if hang_up else None
    response = await run.client.call("chat", body=body, token=user.access_token, headers=headers)
    paths = run.contract.sources
    sources = []
    for entry in response["sources"]:
        values = {word: pick(entry, path) for word, path in paths.items()}
        if MISSING in values.values():
            raise violation(
                "chat", expected=f"each source with {', '.join(paths.values())}", observed=entry, look=response.look
            )
        sources.append(Source(**{word: str(value) for word, value in values.items()}))
    return Answer(
        question,
        str(response["text"]),
        response["conversation_id"],
        response["workflow_id"],
        sources,
        str(response["model"]),
        response,
    )


async def listed_conversations(run: Run, user: User) -> list[str]:
    """Identifiers of the conversations that the list shows to this person."""
    response = await run.client.call("conversations", token=user.access_token)
    return [pick(listed, run.contract.listed_conversation["conversation_id"]) for listed in response["conversations"]]
