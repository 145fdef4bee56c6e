"""INT-07: the conversation answers from the document that is meant, from its own context, and from nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from acceptance.chat import Reply, ask
from acceptance.errors import EnvironmentUnavailable, expect_none
from acceptance.fixtures.handbook import Fact, Handbook, figures, words
from acceptance.fixtures.users import Person
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import Payload, document, upload_complete

AT_ONCE = 4
OTHER_PLACE_FACTS = 6  # of the decoy, asked beside all of the handbook
STRANGERS_QUESTIONS = 4
STRANGER_SEED = 700
INTERLEAVED = 3  # pairs of conversations


@dataclass(frozen=True)
class Book:
    """A handbook as the deployment has it."""

    handbook: Handbook
    document_id: str


@dataclass(frozen=True)
class Reader:
    """Somebody with two handbooks, which say the same of different places, with other figures."""

    person: Person
    book: Book
    decoy: Book


@dataclass(frozen=True)
class Told:
    """What was answered to the question of a fact and, in the same conversation, to the one that leans on it."""

    fact: Fact
    reply: Reply
    follow_up: Reply


async def reader(run: Run) -> Reader:
    """Somebody whose two handbooks are complete, made once in a run."""

    async def make() -> Reader:
        person = await run.people.signed_in()
        book, decoy = await together(_book(run, person, "handbook"), _book(run, person, "handbook-decoy"))
        return Reader(person, book, decoy)

    return await run.once("reader", make)


async def told(run: Run) -> list[Told]:
    """Every fact of the handbook asked for, each with its follow-up in a conversation of its own, once in a run."""

    async def make() -> list[Told]:
        somebody = await reader(run)
        facts = somebody.book.handbook.facts
        return await together(*(_told(run, somebody.person, fact) for fact in facts), at_once=AT_ONCE)

    return await run.once("told facts", make)


async def facts_are_answered(run: Run) -> None:
    """Every fact: its figure, none of the decoy's, and the handbook as the first source; records the share."""
    somebody, answers = await reader(run), await told(run)
    wrong = [
        problem
        for each in answers
        if (problem := "; ".join(wrong_answer(each.reply, each.fact, somebody.book, somebody.decoy)))
    ]
    run.observe("INT-07", "facts_answered", 100 - 100 * len(wrong) / len(answers), "%", samples=len(answers))
    expect_none(wrong, f"{len(answers)} facts", expected="each answered from its document")


async def facts_are_cited(run: Run) -> None:
    """Every fact: a cited chunk of the handbook holds the figure and its sentence (needs `sql`)."""
    somebody, answers = await reader(run), await told(run)
    rows = await run.inspection.rows("chunks", document_id=somebody.book.document_id)
    texts = {str(row["chunk_id"]): str(row["text"]) for row in rows}
    cited = {each.fact.figure: citing(each.reply, each.fact, texts) for each in answers}
    run.observe(
        "INT-07",
        "chunks_cited",
        len({chunk for chunks in cited.values() for chunk in chunks}),
        "chunks",
        samples=len(answers),
    )
    expect_none(
        (f"{shown(each.reply)} cites {each.reply.sources}" for each in answers if not cited[each.fact.figure]),
        "sources", expected="a chunk with the figure and its sentence",
    )  # fmt: skip
    if len({chunks[0] for chunks in cited.values()}) < 2:
        raise EnvironmentUnavailable(
            "all facts stand in one chunk: the handbook is too short to tell chunks apart here"
        )


async def follow_ups_keep_their_context(run: Run) -> None:
    """Every follow-up, asked behind its question, is answered as that conversation means it."""
    somebody, answers = await reader(run), await told(run)
    wrong = []
    for each in answers:
        assert each.fact.follow_up
        wrong += list(wrong_answer(each.follow_up, each.fact.follow_up, somebody.book, somebody.decoy))
        if each.follow_up.conversation_id != each.reply.conversation_id:
            wrong.append(f"{shown(each.follow_up)} is of another conversation than its question")
    ids = [each.reply.conversation_id for each in answers]
    if len(set(ids)) < len(ids):
        wrong.append(f"{len(ids)} conversations have {len(set(ids))} identifiers")
    expect_none(wrong, f"{len(answers)} follow-ups", expected="each answered in its own context")


async def the_other_place_is_answered_from_its_own(run: Run) -> None:
    """Questions about the decoy's place are answered by the decoy: neither document is preferred as such."""
    somebody = await reader(run)
    facts = somebody.decoy.handbook.facts[:OTHER_PLACE_FACTS]
    replies = await together(*(ask(run, somebody.person, fact.question) for fact in facts), at_once=AT_ONCE)
    wrong = [
        problem
        for reply, fact in zip(replies, facts, strict=True)
        for problem in wrong_answer(reply, fact, somebody.decoy, somebody.book)
    ]
    expect_none(wrong, "questions about the other place", expected="to be answered from its own document")


async def nothing_is_found_without_documents(run: Run, person: Person) -> None:
    """Somebody who has no documents asks for the facts of another user: no figure, and no source."""
    replies = await _ask_as_stranger(run, person)
    wrong = [f"{shown(reply)} cites {reply.sources}" for reply in replies if figures(reply.text) or reply.sources]
    expect_none(wrong, "questions of somebody without documents", expected="neither figure nor source")


async def nothing_is_found_beside_own_documents(run: Run, person: Person) -> None:
    """Somebody with a document of their own, on the same topics, asks for the facts of another user: none of it."""
    own, somebody = await _book(run, person, "handbook", STRANGER_SEED), await reader(run)
    theirs = figures(somebody.book.handbook.text) | figures(somebody.decoy.handbook.text)
    theirs -= figures(own.handbook.text)
    wrong = []
    for reply in await _ask_as_stranger(run, person):
        foreign = [source for source in reply.sources if source.document_id != own.document_id]
        if figures(reply.text) & theirs or foreign:
            wrong.append(f"{shown(reply)} cites {reply.sources}")
    expect_none(wrong, "questions of somebody with a document of their own", expected="nothing of another user's")


async def the_unsaid_is_not_answered(run: Run) -> None:
    """What neither document says is not answered with a figure."""
    somebody = await reader(run)
    questions = somebody.book.handbook.unanswered
    replies = await together(*(ask(run, somebody.person, question) for question in questions), at_once=AT_ONCE)
    wrong = (shown(reply) for reply in replies if figures(reply.text))
    expect_none(wrong, "what no document says", expected="no figure")


async def a_fresh_conversation_knows_no_other(run: Run) -> None:
    """A follow-up that begins a conversation is as true of one place as of the other: to pick one is to remember."""
    somebody, answers = await reader(run), await told(run)
    pairs = list(zip(somebody.book.handbook.facts, somebody.decoy.handbook.facts, strict=True))
    assert len(answers) == len(pairs)
    wrong = []
    for one, other in pairs[:INTERLEAVED]:
        for fact in (one, other):
            before = await ask(run, somebody.person, fact.question)
            assert fact.follow_up and one.follow_up and other.follow_up
            reply = await ask(run, somebody.person, fact.follow_up.question)
            picked = figures(reply.text) & {one.follow_up.figure, other.follow_up.figure}
            if len(picked) == 1 or reply.conversation_id == before.conversation_id:
                wrong.append(f"{shown(reply)} right behind '{before.question}' in another conversation")
    expect_none(wrong, "follow-ups without their conversation", expected="no answer from another's context")


async def conversations_do_not_mix(run: Run) -> None:
    """Two conversations of one user, about either place, in turns: each follow-up means its own conversation's."""
    somebody = await reader(run)
    pairs = list(zip(somebody.book.handbook.facts, somebody.decoy.handbook.facts, strict=True))[-INTERLEAVED:]

    async def in_turns(one: Fact, other: Fact) -> list[str]:
        assert one.follow_up and other.follow_up
        first, second = await _begin(run, somebody.person, one), await _begin(run, somebody.person, other)
        third = await _continue(run, somebody.person, first, one.follow_up)
        fourth = await _continue(run, somebody.person, second, other.follow_up)
        return [
            *wrong_answer(third, one.follow_up, somebody.book, somebody.decoy),
            *wrong_answer(fourth, other.follow_up, somebody.decoy, somebody.book),
        ]

    wrong = await together(*(in_turns(*pair) for pair in pairs), at_once=AT_ONCE)
    expect_none(chain.from_iterable(wrong), "conversations in turns", expected="each to keep its own context")


def wrong_answer(reply: Reply, fact: Fact, book: Book, decoy: Book) -> Iterator[str]:
    """What is wrong with the answer to a fact's question: the figure, one of the decoy's, or the first source."""
    if not fact.answered_by(reply.text):
        yield f"{shown(reply)}, expected {fact.figure}"
    false = figures(reply.text) & figures(decoy.handbook.text)
    if false:
        yield f"{shown(reply)}, with the decoy's {', '.join(sorted(false))}"
    first = next((source.document_id for source in reply.sources), None)
    if first != book.document_id:
        which = {None: "no source", decoy.document_id: "the decoy"}.get(first, f"document {first}")
        yield f"{shown(reply)}, from {which}, expected document {book.document_id}"


def citing(reply: Reply, fact: Fact, texts: dict[str, str]) -> list[str]:
    """The cited chunks, of those in `texts`, that hold the fact's figure and its sentence."""
    sentence = f" {' '.join(words(fact.sentence))} "
    held = [source.chunk for source in reply.sources if source.chunk in texts]
    return [
        chunk
        for chunk in held
        if sentence in f" {' '.join(words(texts[chunk]))} " and fact.figure in figures(texts[chunk])
    ]


def shown(reply: Reply) -> str:
    """A question and its answer, for messages."""
    return f"'{reply.question}' is answered '{reply.text}' ({reply.answer.look})"


async def _book(run: Run, person: Person, name: str, seed: int = 0) -> Book:
    made = await document(run, name, seed)
    assert made.handbook
    return Book(made.handbook, (await upload_complete(run, person, Payload.of(made))).document_id)


async def _told(run: Run, person: Person, fact: Fact) -> Told:
    assert fact.follow_up
    reply = await _begin(run, person, fact)
    return Told(fact, reply, await _continue(run, person, reply, fact.follow_up))


async def _begin(run: Run, person: Person, fact: Fact) -> Reply:
    return await ask(run, person, fact.question, hang_up=True)


async def _continue(run: Run, person: Person, before: Reply, fact: Fact) -> Reply:
    return await ask(run, person, fact.question, conversation_id=before.conversation_id, hang_up=True)


async def _ask_as_stranger(run: Run, person: Person) -> Sequence[Reply]:
    facts = (await reader(run)).book.handbook.facts[:STRANGERS_QUESTIONS]
    return await together(*(ask(run, person, fact.question) for fact in facts), at_once=AT_ONCE)
