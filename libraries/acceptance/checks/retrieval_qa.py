"""INT-07: facts of a handbook that were asked for, and the chunks that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from acceptance.chat import Answer, ask, names_document
from acceptance.checks.fixtures import signed_in
from acceptance.deployment.contract import Absent, Contract, Partial
from acceptance.fixtures.handbook import Fact, Handbook, figures, words
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Upload, processed

AT_ONCE = 4
CONVERSATION = ("routes.chat.body.conversation_id", "routes.chat.answer.conversation_id")  # to go on in it
READER = "user Reader"  # under which the run shares the owner of the handbook


@dataclass(frozen=True)
class AnsweredFact(Partial):
    """The answer to the question of a fact and, in the same conversation, to its follow-up question.

    The follow-up is absent where questions do not name their conversation.
    """

    fact: Fact
    answer: Answer
    follow_up: Answer | Absent


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
        lacking = [place for place in CONVERSATION if not run.contract.offers(place)]
        if lacking:
            return AnsweredFact(fact, answer, Absent(lacking[0]))
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


@dataclass(frozen=True)
class SameQuestion:
    """A question that two documents of a user answer differently.

    Attributes:
        document: which of them is meant; `other` is the other one.
        about: the document, where a question has to name one; else the question names its place.
    """

    question: str
    fact: Fact
    document: Upload
    other: Upload
    about: Upload | None


def same_questions(contract: Contract, one: Upload, other: Upload, count: int) -> list[SameQuestion]:
    """The same questions about a document and its twin, in the order in which they are to be asked.

    Each of so many facts is asked for of either document, and again in other spelling (case and blanks) in the other
    order; which document comes first alternates.
    """
    named = names_document(contract)
    asked = []
    for number, facts in enumerate(zip(one.handbook.facts[:count], other.handbook.facts[:count], strict=True)):
        pair = [(one, other, facts[0]), (other, one, facts[1])]
        pair = pair[::-1] if number % 2 else pair
        for spelled, rows in ((False, pair), (True, pair[::-1])):
            for document, twin, fact in rows:
                question = _without_place(fact.question, document.handbook) if named else fact.question
                text = question.lower().replace(" ", "  ") if spelled else question
                asked.append(SameQuestion(text, fact, document, twin, document if named else None))
    return asked


def _without_place(question: str, handbook: Handbook) -> str:
    return question.replace(f" of {handbook.place}", "")
