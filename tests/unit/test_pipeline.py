"""What processing left is held against what it should have left: each kind of loss has its words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from acceptance.checks.pipeline import (
    Chunk,
    Stored,
    StoredVector,
    wrong_chunks,
    wrong_events,
    wrong_text,
    wrong_vectors,
)
from acceptance.clients.database import Row
from acceptance.fixtures.documents import Limits, TestDocument, make

STATUSES = ["uploaded", "parsed", "chunked", "complete"]
TEXT = "The first sentence. And the second one. A third at the end."
CUTS = [0, 20, 40, len(TEXT)]


def events() -> list[Row]:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        {"sequence": number, "status": status, "at": begin + timedelta(seconds=number)}
        for number, status in enumerate(STATUSES, 1)
    ]


def chunks() -> list[Chunk]:
    return [
        Chunk(f"chunk-{number}", number, start, end, TEXT[start:end])
        for number, (start, end) in enumerate(pairwise(CUTS))
    ]


def vectors() -> list[StoredVector]:
    return [StoredVector(chunk.chunk_id, 3, "m", [0.1, 0.2, chunk.ordinal]) for chunk in chunks()]


def test_every_status_once_and_in_order_is_right() -> None:
    assert list(wrong_events(events(), STATUSES)) == []


@pytest.mark.parametrize(
    "broken",
    [
        lambda rows: rows[:-1],
        lambda rows: rows[:1] + rows[2:],
        lambda rows: [rows[0], *rows],
        lambda rows: [rows[1], rows[0], *rows[2:]],
        lambda rows: [row | {"sequence": row["sequence"] - 1} for row in rows],
        lambda rows: [*rows[:-1], rows[-1] | {"status": "failed"}],
        lambda rows: [*rows[:-1], rows[-1] | {"at": rows[0]["at"] - timedelta(seconds=1)}],
        lambda rows: [],
    ],
)
def test_events_that_are_not_are_named(broken: Callable[[list[Row]], list[Row]]) -> None:
    assert list(wrong_events(broken(events()), STATUSES))


def test_chunks_that_tile_the_text_are_right() -> None:
    assert list(wrong_chunks(chunks(), 0)) == []
    assert Stored(chunks(), [], []).text == TEXT


def test_chunks_may_count_from_one_and_overlap() -> None:
    counted = [replace(chunk, ordinal=chunk.ordinal + 1) for chunk in chunks()]
    counted[1] = replace(counted[1], start=10, text=TEXT[10:40])
    assert list(wrong_chunks(counted, 0)) == []


@pytest.mark.parametrize(
    ("place", "change", "word"),
    [
        (1, {"ordinal": 5}, "ordinals"),
        (1, {"start": 21, "text": TEXT[21:40]}, "nothing holds the characters 20 to 21"),
        (0, {"start": 3, "text": TEXT[3:20]}, "nothing holds the characters 0 to 3"),
        (1, {"text": TEXT[20:39]}, "has 19 characters, from 20 to 40"),
        (1, {"start": 10, "text": "x" * 30}, "something else than another chunk"),
        (1, {"start": 0, "end": 20, "text": TEXT[:20]}, "ends at 20, which chunks before it have reached"),
    ],
)
def test_chunks_that_do_not_are_named(place: int, change: dict[str, object], word: str) -> None:
    broken = chunks()
    broken[place] = replace(broken[place], **change)  # type: ignore[arg-type]
    assert any(word in problem for problem in wrong_chunks(broken, 0))


def test_no_chunks_and_one_left_out_are_named() -> None:
    assert "no chunks" in next(wrong_chunks([], 0))
    assert len(list(wrong_chunks([chunks()[0], chunks()[2]], 0))) == 2


def test_a_gap_that_the_contract_allows_is_right() -> None:
    broken = chunks()
    broken[1] = replace(broken[1], start=21, text=TEXT[21:40])
    assert list(wrong_chunks(broken, 1)) == []


def test_one_vector_for_each_chunk_is_right() -> None:
    assert list(wrong_vectors(Stored(chunks(), vectors(), []), 3)) == []


@pytest.mark.parametrize(
    ("broken", "word"),
    [
        (vectors()[:-1], "chunk 2 has 0 vectors"),
        ([*vectors(), vectors()[0]], "chunk 0 has 2 vectors"),
        ([*vectors()[:2], replace(vectors()[2], dimension=4)], "has 4 dimensions, not 3"),
        ([*vectors()[:2], replace(vectors()[2], values=[0.1, 0.2])], "chunk 2"),
        ([*vectors()[:2], replace(vectors()[2], values=[0.0, 0.0, 0.0])], "no direction"),
        ([*vectors()[:2], replace(vectors()[2], values=[float("nan"), 0.0, 1.0])], "no direction"),
    ],
)
def test_vectors_that_are_not_are_named(broken: list[StoredVector], word: str) -> None:
    assert any(word in problem for problem in wrong_vectors(Stored(chunks(), broken, []), 3))


@pytest.fixture(scope="module")
def note() -> TestDocument:
    return make("note", "unit", Limits(5_242_880, 120))


def test_a_text_that_holds_all_of_it_is_right(note: TestDocument) -> None:
    assert note.handbook
    assert list(wrong_text(note, note.handbook.text)) == []


@pytest.mark.parametrize(
    "broken",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("the", "a", 1),
        lambda text: text + "\n" + text,
        lambda text: " ".join(reversed(text.split())),
        lambda text: text[: text.rindex("The words")],
        lambda text: "",
    ],
)
def test_a_text_that_does_not_is_named(note: TestDocument, broken: Callable[[str], str]) -> None:
    assert note.handbook
    assert list(wrong_text(note, broken(note.handbook.text)))
