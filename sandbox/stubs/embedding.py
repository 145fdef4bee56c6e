"""Embeddings by feature hashing: texts that share words, word pairs and word fragments are close."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from sandbox.stubs.words import STOP_WORDS, stem, words

DIMENSIONS: Final = 256
_STOP_WORD_WEIGHT: Final = 0.05
_PAIR_WEIGHT: Final = 0.4
_PART_WEIGHT: Final = 0.15
_PART_LENGTH: Final = 4


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The text's vector, of length 1; fewer dimensions cut it short, as the real models do."""
    vector = [0.0] * DIMENSIONS
    for feature, weight in _features(text).items():
        place, sign = _hash(feature)
        vector[place] += sign * weight
    vector = vector[:dimensions]
    length = math.sqrt(sum(value * value for value in vector))
    # A text without words gets a vector too, since a vector of zeros has no cosine distance.
    return [value / length for value in vector] if length else [1.0, *vector[1:]]


def _features(text: str) -> dict[str, float]:
    return {feature: weight * (1 + math.log(n)) for (feature, weight), n in Counter(_weighted(text)).items()}


def _weighted(text: str) -> Iterator[tuple[str, float]]:
    content = []
    for word in words(text):
        stemmed = stem(word)
        if word.lower() in STOP_WORDS:
            yield f"w:{stemmed}", _STOP_WORD_WEIGHT
            continue
        content.append(stemmed)
        yield f"w:{stemmed}", 1.0
        for start in range(len(stemmed) - _PART_LENGTH + 1):
            yield f"p:{stemmed[start : start + _PART_LENGTH]}", _PART_WEIGHT
    for first, second in pairwise(content):
        yield f"b:{first} {second}", _PAIR_WEIGHT


@lru_cache(maxsize=262_144)
def _hash(feature: str) -> tuple[int, int]:
    digest = hashlib.blake2b(feature.encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4]) % DIMENSIONS, 1 if digest[4] & 1 else -1
