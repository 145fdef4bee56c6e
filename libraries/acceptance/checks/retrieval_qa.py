"""INT-07: the conversation answers from the document that is meant, from its own context, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from acceptance.chat import Answer, ask
from acceptance.errors import EnvironmentUnavailable, expect_none
from acceptance.fixtures.handbook import Fact, Handbook, figures, words
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, document, upload_complete

AT_ONCE = 4
OTHER_PLACE_FACTS = 6  # of the decoy, asked beside all of the handbook
STRANGERS_QUESTIONS = 4
STRANGER_SEED = 700
INTERLEAVED = 3  # pairs of conversations


@dataclass(frozen=True)
class IndexedHandbook:
    """A handbook as the deployment has it."""

    handbook: Handbook
    document_id: str


@dataclass(frozen=True)
class HandbookUser:
    """Somebody with two handbooks, which say the same of different places, with other figures."""

    user: User
    book: IndexedHandbook
    decoy: IndexedHandbook


@dataclass(frozen=True)
class AnsweredFact:
    """What was answered to the question of a fact and, in the same conversation, to the one that leans on it."""

    fact: Fact
    answer: Answer
    follow_up: Answer


async def handbook_user(run: Run) -> HandbookUser:
    """Somebody whose two handbooks are complete, made once in a run."""

    async def make() -> HandbookUser:
        user = await run.users.signed_in()
        book, decoy = await together(_book(run, user, "handbook"), _book(run, user, "handbook-decoy"))
        return HandbookUser(user, book, decoy)

    return await run.once("reader", make)


async def answered_facts(run: Run) -> list[AnsweredFact]:
    """Every fact of the handbook asked for, each with its follow-up in a conversation of its own, once in a run."""

    async def make() -> list[AnsweredFact]:
        somebody = await handbook_user(run)
        facts = somebody.book.handbook.facts
        return await together(*(_answered_fact(run, somebody.user, fact) for fact in facts), at_once=AT_ONCE)

    return await run.once("told facts", make)


async def facts_are_answered(run: Run) -> None:
    """Every fact: its figure, none of the decoy's, and the handbook as the first source; records the share."""
    somebody, responses = await handbook_user(run), await answered_facts(run)
    wrong = [
        problem
        for each in responses
        if (problem := "; ".join(wrong_answer(each.answer, each.fact, somebody.book, somebody.decoy)))
    ]
    run.observe("INT-07", "facts_answered", 100 - 100 * len(wrong) / len(responses), "%", samples=len(responses))
    expect_none(wrong, f"{len(responses)} facts", expected="each answered from its document")


async def facts_are_cited(run: Run) -> None:
    """Every fact: a cited chunk of the handbook holds the figure and its sentence (needs `sql`)."""
    somebody, responses = await handbook_user(run), await answered_facts(run)
    rows = await run.database.rows("chunks", document_id=somebody.book.document_id)
    texts = {str(row["chunk_id"]): str(row["text"]) for row in rows}
    cited = {each.fact.figure: citing(each.answer, each.fact, texts) for each in responses}
    run.observe(
        "INT-07",
        "chunks_cited",
        len({chunk for chunks in cited.values() for chunk in chunks}),
        "chunks",
        samples=len(responses),
    )
    expect_none(
        (
            f"{format_answer(each.answer)} cites {each.answer.sources}"
            for each in responses
            if not cited[each.fact.figure]
        ),
        "sources", expected="a chunk with the figure and its sentence",
    )  # fmt: skip
    if len({chunks[0] for chunks in cited.values()}) < 2:
        raise EnvironmentUnavailable(
            "all facts stand in one chunk: the handbook is too short to tell chunks apart here"
        )


async def follow_ups_keep_their_context(run: Run) -> None:
    """Every follow-up, asked behind its question, is answered as that conversation means it."""
    somebody, responses = await handbook_user(run), await answered_facts(run)
    wrong = []
    for each in responses:
        assert each.fact.follow_up
        wrong += list(wrong_answer(each.follow_up, each.fact.follow_up, somebody.book, somebody.decoy))
        if each.follow_up.conversation_id != each.answer.conversation_id:
            wrong.append(f"{format_answer(each.follow_up)} is of another conversation than its question")
    ids = [each.answer.conversation_id for each in responses]
    if len(set(ids)) < len(ids):
        wrong.append(f"{len(ids)} conversations have {len(set(ids))} identifiers")
    expect_none(wrong, f"{len(responses)} follow-ups", expected="each answered in its own context")


async def the_other_place_is_answered_from_its_own(run: Run) -> None:
    """Questions about the decoy's place are answered by the decoy: neither document is preferred as such."""
    somebody = await handbook_user(run)
    facts = somebody.decoy.handbook.facts[:OTHER_PLACE_FACTS]
    answers = await together(*(ask(run, somebody.user, fact.question) for fact in facts), at_once=AT_ONCE)
    wrong = [
        problem
        for answer, fact in zip(answers, facts, strict=True)
        for problem in wrong_answer(answer, fact, somebody.decoy, somebody.book)
    ]
    expect_none(wrong, "questions about the other place", expected="to be answered from its own document")


async def nothing_is_found_without_documents(run: Run, user: User) -> None:
    """Somebody who has no documents asks for the facts of another user: no figure, and no source."""
    answers = await _ask_as_stranger(run, user)
    wrong = [
        f"{format_answer(answer)} cites {answer.sources}"
        for answer in answers
        if figures(answer.text) or answer.sources
    ]
    expect_none(wrong, "questions of somebody without documents", expected="neither figure nor source")


async def nothing_is_found_beside_own_documents(run: Run, user: User) -> None:
    """Somebody with a document of their own, on the same topics, asks for the facts of another user: none of it."""
    own, somebody = await _book(run, user, "handbook", STRANGER_SEED), await handbook_user(run)
    theirs = figures(somebody.book.handbook.text) | figures(somebody.decoy.handbook.text)
    theirs -= figures(own.handbook.text)
    wrong = []
    for answer in await _ask_as_stranger(run, user):
        foreign = [source for source in answer.sources if source.document_id != own.document_id]
        if figures(answer.text) & theirs or foreign:
            wrong.append(f"{format_answer(answer)} cites {answer.sources}")
    expect_none(wrong, "questions of somebody with a document of their own", expected="nothing of another user's")


async def the_unsaid_is_not_answered(run: Run) -> None:
    """What neither document says is not answered with a figure."""
    somebody = await handbook_user(run)
    questions = somebody.book.handbook.unanswered
    answers = await together(*(ask(run, somebody.user, question) for question in questions), at_once=AT_ONCE)
    wrong = (format_answer(answer) for answer in answers if figures(answer.text))
    expect_none(wrong, "what no document says", expected="no figure")


async def a_fresh_conversation_knows_no_other(run: Run) -> None:
    """A follow-up that begins a conversation is as true of one place as of the other: to pick one is to remember."""
    somebody, responses = await handbook_user(run), await answered_facts(run)
    pairs = list(zip(somebody.book.handbook.facts, somebody.decoy.handbook.facts, strict=True))
    assert len(responses) == len(pairs)
    wrong = []
    for one, other in pairs[:INTERLEAVED]:
        for fact in (one, other):
            before = await ask(run, somebody.user, fact.question)
            assert fact.follow_up and one.follow_up and other.follow_up
            answer = await ask(run, somebody.user, fact.follow_up.question)
            picked = figures(answer.text) & {one.follow_up.figure, other.follow_up.figure}
            if len(picked) == 1 or answer.conversation_id == before.conversation_id:
                wrong.append(f"{format_answer(answer)} right behind '{before.question}' in another conversation")
    expect_none(wrong, "follow-ups without their conversation", expected="no answer from another's context")


async def conversations_do_not_mix(run: Run) -> None:
    """Two conversations of one user, about either place, in turns: each follow-up means its own conversation's."""
    somebody = await handbook_user(run)
    pairs = list(zip(somebody.book.handbook.facts, somebody.decoy.handbook.facts, strict=True))[-INTERLEAVED:]

    async def in_turns(one: Fact, other: Fact) -> list[str]:
        assert one.follow_up and other.follow_up
        first, second = await _begin(run, somebody.user, one), await _begin(run, somebody.user, other)
        third = await _continue(run, somebody.user, first, one.follow_up)
        fourth = await _continue(run, somebody.user, second, other.follow_up)
        return [
            *wrong_answer(third, one.follow_up, somebody.book, somebody.decoy),
            *wrong_answer(fourth, other.follow_up, somebody.decoy, somebody.book),
        ]

    wrong = await together(*(in_turns(*pair) for pair in pairs), at_once=AT_ONCE)
    expect_none(chain.from_iterable(wrong), "conversations in turns", expected="each to keep its own context")


def wrong_answer(answer: Answer, fact: Fact, book: IndexedHandbook, decoy: IndexedHandbook) -> Iterator[str]:
    """What is wrong with the answer to a fact's question: the figure, one of the decoy's, or the first source."""
    if not fact.answered_by(answer.text):
        yield f"{format_answer(answer)}, expected {fact.figure}"
    false = figures(answer.text) & figures(decoy.handbook.text)
    if false:
        yield f"{format_answer(answer)}, with the decoy's {', '.join(sorted(false))}"
    first = next((source.document_id for source in answer.sources), None)
    if first != book.document_id:
        which = {None: "no source", decoy.document_id: "the decoy"}.get(first, f"document {first}")
        yield f"{format_answer(answer)}, from {which}, expected document {book.document_id}"


def citing(answer: Answer, fact: Fact, texts: dict[str, str]) -> list[str]:
    """The cited chunks, of those in `texts`, that hold the fact's figure and its sentence."""
    sentence = f" {' '.join(words(fact.sentence))} "
    held = [source.chunk for source in answer.sources if source.chunk in texts]
    return [
        chunk
        for chunk in held
        if sentence in f" {' '.join(words(texts[chunk]))} " and fact.figure in figures(texts[chunk])
    ]


def format_answer(answer: Answer) -> str:
    """A question and its answer, for messages."""
    return f"'{answer.question}' is answered '{answer.text}' ({answer.response.look})"


async def _book(run: Run, user: User, name: str, seed: int = 0) -> IndexedHandbook:
    made = await document(run, name, seed)
    assert made.handbook
    return IndexedHandbook(made.handbook, (await upload_complete(run, user, Payload.of(made))).document_id)


async def _answered_fact(run: Run, user: User, fact: Fact) -> AnsweredFact:
    assert fact.follow_up
    answer = await _begin(run, user, fact)
    return AnsweredFact(fact, answer, await _continue(run, user, answer, fact.follow_up))


async def _begin(run: Run, user: User, fact: Fact) -> Answer:
    return await ask(run, user, fact.question, hang_up=True)


async def _continue(run: Run, user: User, before: Answer, fact: Fact) -> Answer:
    return await ask(run, user, fact.question, conversation_id=before.conversation_id, hang_up=True)


async def _ask_as_stranger(run: Run, user: User) -> Sequence[Answer]:
    facts = (await handbook_user(run)).book.handbook.facts[:STRANGERS_QUESTIONS]
    return await together(*(ask(run, user, fact.question) for fact in facts), at_once=AT_ONCE)
