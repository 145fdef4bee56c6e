"""The stubs with the documents: each is processed as catalogued, and each question gets its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from acceptance.fixtures.documents import Failed, Limits, TestDocument, catalogue, make
from acceptance.fixtures.handbook import Fact, figures

from sandbox.stubs.answering import answer
from sandbox.stubs.embedding import embed
from sandbox.stubs.extraction import DocumentError, extract_text

LIMITS = Limits(max_file_size_bytes=5_242_880, filename_characters=120)
CHUNK = 1000
RETRIEVED = 10


@pytest.mark.parametrize("name", list(catalogue().expected("complete")))
def test_a_good_document_arrives_whole(name: str) -> None:
    document = make(name, "run-1", LIMITS)
    assert document.problems(text_of(document)) == []


@pytest.mark.parametrize("name", [name for name in catalogue().expected("failed") if not name.startswith("text-")])
def test_a_bad_document_is_refused_with_its_reason(name: str) -> None:
    document = make(name, "run-1", LIMITS)
    with pytest.raises(DocumentError) as refused:
        extract_text(document.data)
    assert isinstance(document.expectation, Failed)
    assert refused.value.code == document.expectation.code
    assert document.expectation.says.lower() in str(refused.value).lower()


@dataclass
class Asked:
    """An answer with the document and chunk that it cites."""

    text: str
    document: TestDocument | None = None
    chunk: str = ""


@pytest.fixture(scope="module", params=["run-1", "run-2"])
def pair(request: pytest.FixtureRequest) -> tuple[TestDocument, TestDocument]:
    return make("handbook", request.param, LIMITS), make("handbook-decoy", request.param, LIMITS)


@pytest.fixture(scope="module")
def ask(pair: tuple[TestDocument, TestDocument]) -> Callable[..., Asked]:
    """A question about both documents of one user, composed as in the application."""
    placed = [(document, chunk, embed(chunk)) for document in pair for chunk in chunks(text_of(document))]
    assert len(placed) > 2 * RETRIEVED

    def asking(*questions: str) -> Asked:
        vector = embed(" ".join(questions[-2:]))
        nearest = sorted(placed, key=lambda place: -sum(a * b for a, b in zip(vector, place[2], strict=True)))
        found = nearest[:RETRIEVED]
        context = "\n".join(f"[{n}] {document.filename}: {chunk}" for n, (document, chunk, _) in enumerate(found, 1))
        text = answer(f"Answer from these.\n\n{context}", questions)
        cited = re.search(r"\[(\d+)\]$", text)
        return Asked(text, *found[int(cited[1]) - 1][:2]) if cited else Asked(text)

    return asking


def test_every_fact_and_follow_up_is_answered_from_the_right_chunk(
    pair: tuple[TestDocument, TestDocument], ask: Callable[..., Asked]
) -> None:
    for document in pair:
        for questions, fact in conversations(document):
            asked = ask(*questions)
            assert fact.answered_by(asked.text), (questions, asked.text)
            assert asked.document is document
            assert fact.sentence in " ".join(asked.chunk.split())


def test_what_no_document_says_is_not_answered_with_a_figure(
    pair: tuple[TestDocument, TestDocument], ask: Callable[..., Asked]
) -> None:
    for document in pair:
        assert document.handbook
        lone = [fact.follow_up.question for fact in document.handbook.facts if fact.follow_up]
        for question in (*document.handbook.unanswered, *lone):
            asked = ask(question)
            assert not figures(asked.text), (question, asked.text)
            assert asked.document is None


def test_a_sentinel_can_be_asked_for(pair: tuple[TestDocument, TestDocument], ask: Callable[..., Asked]) -> None:
    for document in pair:
        assert document.handbook
        asked = ask(f"Which words close the handbook of {document.handbook.place}?")
        assert document.handbook.sentinels[2] in asked.text


def test_each_user_gets_the_fact_of_their_own_note() -> None:
    for seed in range(10):
        document = make("note", "run-1", LIMITS, seed)
        context = "\n".join(f"[{n}] {document.filename}: {c}" for n, c in enumerate(chunks(text_of(document)), 1))
        for questions, fact in conversations(document):
            assert fact.answered_by(answer(context, questions)), questions


def conversations(document: TestDocument) -> Iterator[tuple[list[str], Fact]]:
    assert document.handbook
    for fact in document.handbook.facts:
        assert fact.follow_up
        yield [fact.question], fact
        yield [fact.question, fact.follow_up.question], fact.follow_up


def text_of(document: TestDocument) -> str:
    return "\n\n".join(extract_text(document.data))


def chunks(text: str) -> list[str]:
    """Whole sentences up to the size of a chunk."""
    result = [""]
    for sentence in re.split(r"(?<=[.!?])(?=\s)|(?=\n\n)", text):
        if result[-1] and len(result[-1]) + len(sentence) > CHUNK:
            result.append("")
        result[-1] += sentence
    return result
