"""What counts as a right answer to the question of a fact, and as a source that holds it."""

from __future__ import annotations

import pytest
from acceptance.chat import Answer, Source
from acceptance.checks.retrieval_qa import IndexedHandbook, citing, wrong_answer
from acceptance.clients.http import Response
from acceptance.fixtures.handbook import write

BOOK, DECOY = (
    IndexedHandbook(write("unit", "handbook"), "book"),
    IndexedHandbook(write("unit", "handbook", decoy=True), "decoy"),
)
FACT, FALSE = BOOK.handbook.facts[0], DECOY.handbook.facts[0]


def answer(text: str, *sources: tuple[str, str]) -> Answer:
    response = Response("chat", "POST", "http://x/api/chat", 200, {}, b"{}", "r", 0.1)
    return Answer(
        FACT.question, text, "c", "w", [Source(document, "t", chunk) for document, chunk in sources], "m", response
    )


@pytest.mark.parametrize("text", [FACT.sentence, f"It is {int(FACT.figure):,}.", f"{FACT.figure} [1]"])
def test_the_figure_from_the_right_document_is_right(text: str) -> None:
    assert list(wrong_answer(answer(text, ("book", "1"), ("decoy", "2")), FACT, BOOK, DECOY)) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (answer("The documents do not say.", ("book", "1")), f"expected {FACT.figure}"),
        (answer(f"It is {FACT.figure}0.", ("book", "1")), f"expected {FACT.figure}"),
        (answer(f"{FACT.sentence} {FALSE.sentence}", ("book", "1")), f"the decoy's {FALSE.figure}"),
        (answer(FALSE.sentence, ("decoy", "1")), "from the decoy"),
        (answer(FACT.sentence, ("decoy", "1"), ("book", "2")), "from the decoy"),
        (answer(FACT.sentence), "from no source"),
        (answer(FACT.sentence, ("another", "1")), "from document another"),
    ],
)
def test_any_other_is_named(wrong: Answer, word: str) -> None:
    assert any(word in problem for problem in wrong_answer(wrong, FACT, BOOK, DECOY))


def test_a_cited_chunk_must_hold_the_figure_and_its_sentence() -> None:
    wrapped = FACT.sentence.replace(" ", "\n", 2)
    texts = {"right": f"Before. {wrapped} Behind.", "decoy": FALSE.sentence, "figure": f"{FACT.figure} pieces"}
    assert citing(answer("", ("book", "figure"), ("book", "right"), ("x", "unknown")), FACT, texts) == ["right"]
    assert citing(answer("", ("book", "decoy"), ("book", "figure")), FACT, texts) == []
