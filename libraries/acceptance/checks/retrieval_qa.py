"""INT-07: facts of a handbook that were asked for, and the chunks that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from acceptance.chat import Answer, ask
from acceptance.checks.fixtures import signed_in
from acceptance.fixtures.handbook import Fact, figures, words
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Upload, processed

AT_ONCE = 4
READER = "user Reader"  # under which the run shares the owner of the handbook


@dataclass(frozen=True)
class AnsweredFact:
    """The answer to the question of a fact and, in the same conversation, to its follow-up question."""

    fact: Fact
    answer: Answer
    follow_up: Answer


async def answered_facts(run: Run, handbook: Upload | None = None) -> list[AnsweredFact]:
    """Every fact of a handbook, asked for once in a run, each with its follow-up in a conversation of its own.

    Args:
        handbook: None is the handbook of the user 'Reader'.
    """
    if handbook is None:
        handbook = await processed(run, await run.once(READER, partial(signed_in, run)), "handbook")
    owner, facts = handbook.owner, handbook.handbook.facts

    async def ask_both(fact: Fact) -> AnsweredFact:
        assert fact.follow_up
        answer = await ask(run, owner, fact.question, hang_up=True)
        conversation = answer.conversation_id
        follow_up = await ask(run, owner, fact.follow_up.question, conversation_id=conversation, hang_up=True)
        return AnsweredFact(fact, answer, follow_up)

    async def ask_all() -> list[AnsweredFact]:
        return await together(*(ask_both(fact) for fact in facts), at_once=AT_ONCE)

    return await run.once(f"answered facts of document {handbook.document_id}", ask_all)


def citing(answer: Answer, fact: Fact, texts: Mapping[str, str]) -> list[str]:
    """The cited chunks, of those in `texts`, that hold the fact's figure and its sentence."""
    sentence = f" {' '.join(words(fact.sentence))} "
    held = [source.chunk for source in answer.sources if source.chunk in texts]
    return [
        chunk
        for chunk in held
        if sentence in f" {' '.join(words(texts[chunk]))} " and fact.figure in figures(texts[chunk])
    ]
