"""Vectors that lie elsewhere than their texts are noticed, whatever went wrong; the others are not suspected."""

from __future__ import annotations

import random
import re
from functools import cache, lru_cache

import pytest
from acceptance.checks.pipeline import misplaced, read_vector
from acceptance.fixtures.handbook import write

DIMENSIONS = 128
Vectors = list[list[float]]


@lru_cache(maxsize=1)
def texts() -> list[str]:
    """Pieces of three handbooks, each with all topics in an order of its own."""
    pieces: list[str] = []
    for seed in (1, 2, 3):
        piece = ""
        for sentence in re.findall(r"[^.]*\.\s*|[^.]+$", write("unit", "handbook", seed).text):
            if len(piece) + len(sentence) > 800:
                pieces.append(piece)
                piece = ""
            piece += sentence
        pieces.append(piece)
    return pieces


@cache
def direction(word: str) -> list[float]:
    draw = random.Random(word)
    return [draw.gauss(0, 1) for _ in range(DIMENSIONS)]


@lru_cache(maxsize=1)
def embedded() -> Vectors:
    """Vectors as a model makes them: by the words, all a little alike, and not quite exact."""
    draw = random.Random(0)
    vectors = []
    for text in texts():
        words = [direction(word) for word in re.findall(r"\w{4,}", text.lower())]
        common = [8 * value for value in direction("every text")]
        vectors.append([sum(values) + c + draw.gauss(0, 1) for *values, c in zip(*words, common, strict=True)])
    return vectors


def with_changed(**at: list[float]) -> Vectors:
    vectors = list(embedded())
    for place, vector in at.items():
        vectors[int(place.removeprefix("at_"))] = vector
    return vectors


def test_vectors_in_their_place_are_not_suspected() -> None:
    assert len(texts()) >= 12
    assert misplaced(texts(), embedded()) == {}


@pytest.mark.parametrize("seed", range(15))
def test_two_that_are_swapped_are_noticed(seed: int) -> None:
    one, other = random.Random(seed).sample(range(len(texts()) // 3), 2)  # of one handbook: no topic comes twice
    swapped = with_changed(**{f"at_{one}": embedded()[other], f"at_{other}": embedded()[one]})
    assert {one, other} <= misplaced(texts(), swapped).keys()


@pytest.mark.parametrize("by", [1, -1, 5])
def test_all_shifted_are_noticed(by: int) -> None:
    shifted = embedded()[by:] + embedded()[:by]
    assert len(misplaced(texts(), shifted)) > len(texts()) / 2


def test_one_that_says_nothing_is_noticed() -> None:
    draw = random.Random(7)
    for place in range(len(texts())):
        noise = [draw.gauss(0, 20) for _ in range(DIMENSIONS)]
        assert place in misplaced(texts(), with_changed(**{f"at_{place}": noise})), place


@pytest.mark.parametrize("nothing", [0.0, float("nan"), float("inf")])
def test_one_without_direction_is_noticed(nothing: float) -> None:
    changed = with_changed(at_3=[nothing] * DIMENSIONS)
    assert "no direction" in misplaced(texts(), changed)[3]


def test_the_same_vector_for_all_is_noticed() -> None:
    assert len(misplaced(texts(), [embedded()[0]] * len(texts()))) == len(texts())


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 12"):
        misplaced(texts()[:5], embedded()[:5])
    with pytest.raises(ValueError, match="vectors"):
        misplaced(texts(), embedded()[:-1])


def test_vectors_are_read_as_the_database_writes_them() -> None:
    assert read_vector("[0.5,-1,1e-3]") == [0.5, -1.0, 0.001]
