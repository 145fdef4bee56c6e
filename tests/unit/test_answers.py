"""What counts as a right answer to the question of a fact, and as a source that holds it."""

from __future__ import annotations

import pytest
from acceptance.chat import Reply, Source
from acceptance.checks.retrieval_qa import Book, citing, wrong_answer
from acceptance.clients.http import Answer
from acceptance.fixtures.handbook import write

BOOK, DECOY = Book(write("unit", "handbook"), "book"), Book(write("unit", "handbook", decoy=True), "decoy")
FACT, FALSE = BOOK.handbook.facts[0], DECOY.handbook.facts[0]


def reply(text: str, *sources: tuple[str, str]) -> Reply:
    answer = Answer("chat", "POST", "http://x/api/chat", 200, {}, b"{}", "r", 0.1)
    return Reply(
        FACT.question, text, "c", "w", [Source(document, "t", chunk) for document, chunk in sources], "m", answer
    )


@pytest.mark.parametrize("text", [FACT.sentence, f"It is {int(FACT.figure):,}.", f"{FACT.figure} [1]"])
def test_the_figure_from_the_right_document_is_right(text: str) -> None:
    assert list(wrong_answer(reply(text, ("book", "1"), ("decoy", "2")), FACT, BOOK, DECOY)) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (reply("The documents do not say.", ("book", "1")), f"expected {FACT.figure}"),
        (reply(f"It is {FACT.figure}0.", ("book", "1")), f"expected {FACT.figure}"),
        (reply(f"{FACT.sentence} {FALSE.sentence}", ("book", "1")), f"the decoy's {FALSE.figure}"),
        (reply(FALSE.sentence, ("decoy", "1")), "from the decoy"),
        (reply(FACT.sentence, ("decoy", "1"), ("book", "2")), "from the decoy"),
        (reply(FACT.sentence), "from no source"),
        (reply(FACT.sentence, ("another", "1")), "from document another"),
    ],
)
def test_any_other_is_named(wrong: Reply, word: str) -> None:
    assert any(word in problem for problem in wrong_answer(wrong, FACT, BOOK, DECOY))


def test_a_cited_chunk_must_hold_the_figure_and_its_sentence() -> None:
    wrapped = FACT.sentence.replace(" ", "\n", 2)
    texts = {"right": f"Before. {wrapped} Behind.", "decoy": FALSE.sentence, "figure": f"{FACT.figure} pieces"}
    assert citing(reply("", ("book", "figure"), ("book", "right"), ("x", "unknown")), FACT, texts) == ["right"]
    assert citing(reply("", ("book", "decoy"), ("book", "figure")), FACT, texts) == []
