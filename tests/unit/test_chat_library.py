"""What `ChatLibrary` reads from an answer, and that its comparisons fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from acceptance.chat import Answer, Source
from acceptance.checks.retrieval_qa import same_questions
from acceptance.clients.http import Response
from acceptance.deployment.contract import read_contract
from acceptance.fixtures.handbook import write
from acceptance.fixtures.users import User
from acceptance.uploads import Payload, Upload
from assertionengine import AssertionOperator
from ChatLibrary import ChatLibrary

IS, CONTAINS = AssertionOperator["=="], AssertionOperator["contains"]
OWNER, CHAT = User("user@example.com", "password"), ChatLibrary()


def upload(name: str, *, decoy: bool = False) -> Upload:
    payload = Payload(f"{name}.pdf", b"", handbook=write("unit", "handbook", decoy=decoy))
    return Upload(OWNER, payload, name, "job", "", 0.0)


BOOK, DECOY = upload("book"), upload("decoy", decoy=True)
FACT, FALSE = BOOK.handbook.facts[0], DECOY.handbook.facts[0]


def answer(text: str, *sources: tuple[str, str]) -> Answer:
    response = Response("chat", "POST", "http://x/api/chat", 200, {}, b"{}", "r", 0.1)
    cited = [Source(document, "t", chunk) for document, chunk in sources]
    return Answer(FACT.question, text, "c", "w", cited, "m", response)


@pytest.mark.parametrize("text", [FACT.sentence, f"It is {int(FACT.figure):,}.", f"{FACT.figure} [1]"])
def test_a_figure_is_found_however_it_is_written(text: str) -> None:
    assert CHAT.get_answer_figures(answer(text), IS, [FACT.figure]) == [FACT.figure]


@pytest.mark.parametrize("text", ["The documents do not say.", f"It is {FACT.figure}0.", FALSE.sentence])
def test_another_figure_is_none(text: str) -> None:
    with pytest.raises(AssertionError, match=f"contains '{FACT.figure}'.*request r"):
        CHAT.get_answer_figures(answer(text), CONTAINS, FACT.figure)


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, {FACT.figure, FALSE.figure}),
        ({"of": DECOY}, {FALSE.figure}),
        ({"of": [BOOK.handbook, DECOY]}, {FACT.figure, FALSE.figure}),
        ({"of": [BOOK, DECOY], "beside": BOOK}, {FALSE.figure}),
        ({"beside": f"{FACT.figure} and {FALSE.figure}"}, set()),
    ],
)
def test_figures_are_restricted_to_those_of_documents(options: dict[str, Any], found: set[str]) -> None:
    both = f"{FACT.sentence} {FALSE.sentence}"
    assert set(CHAT.get_answer_figures(answer(both), **options)) == found
    assert set(CHAT.get_answer_figures(both, **options)) == found


def test_a_comparison_with_a_text_without_figures_is_an_error() -> None:
    with pytest.raises(ValueError, match="no figure in nothing"):
        CHAT.get_answer_figures(answer(FACT.sentence), IS, [], of="nothing")


def test_sources_are_read_in_their_order() -> None:
    cited = answer("", ("decoy", "1"), ("book", "2"), ("decoy", "3"))
    assert CHAT.get_first_source(cited) == "decoy"
    assert CHAT.get_first_source(answer("")) is None
    assert CHAT.get_cited_documents(cited) == ["decoy", "book"]
    with pytest.raises(AssertionError, match=r"observed .*decoy.*request r"):
        CHAT.get_cited_documents(cited, IS, [], beside=BOOK)


def test_a_cited_chunk_must_hold_the_figure_and_its_sentence() -> None:
    wrapped = FACT.sentence.replace(" ", "\n", 2)
    texts = {"right": f"Before. {wrapped} Behind.", "decoy": FALSE.sentence, "figure": f"{FACT.figure} pieces"}
    chunks = [{"chunk_id": chunk, "text": text} for chunk, text in texts.items()]
    right = answer("", ("book", "figure"), ("book", "right"), ("x", "unknown"))
    assert CHAT.get_cited_chunks(right, FACT, chunks) == ["right"]
    with pytest.raises(AssertionError, match=r"a cited chunk with .*request r"):
        CHAT.get_cited_chunks(answer("", ("book", "decoy"), ("book", "figure")), FACT, chunks)


def test_facts_are_never_none() -> None:
    facts = BOOK.handbook.facts
    assert CHAT.get_facts(BOOK) == list(facts)
    assert CHAT.get_facts(BOOK, last=2) == list(facts[-2:])
    assert CHAT.get_facts(BOOK, first=1, follow_ups=True) == [facts[0], facts[0].follow_up]
    with pytest.raises(ValueError, match="no such facts"):
        CHAT.get_facts(BOOK, first=0)


def test_the_same_question_is_asked_about_either_document_in_both_orders_and_spellings() -> None:
    asked = same_questions(read_contract(), BOOK, DECOY, 2)
    assert [each.document.document_id for each in asked] == [
        *["book", "decoy", "decoy", "book"],
        *["decoy", "book", "book", "decoy"],
    ]
    assert asked[0].question == FACT.question and asked[0].about is None
    assert asked[3].question != FACT.question and asked[3].question.split() == FACT.question.lower().split()


def test_a_question_that_names_its_document_names_no_place(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("routes: {chat: {body: {document_id: of}}}")
    asked = same_questions(read_contract(path), BOOK, DECOY, 20)
    texts = {each.question for each in asked}
    assert len(texts) == 2 * len(BOOK.handbook.facts) == len(asked) / 2
    assert not [text for text in texts if BOOK.handbook.place.lower() in text.lower()]
    assert {each.about.document_id for each in asked if each.about} == {"book", "decoy"}
