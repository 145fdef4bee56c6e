"""Whether vectors lie near their own texts, told without knowing the model that made them.

Texts that share rare words are alike, and so are their vectors under any embedding model worth its name. A text's
*profile* is its likeness to each of the others. The profile that a vector has among the vectors must fit the profile
that its own text has among the texts, and fit it better than any other text's.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median

LEAST_TEXTS = 12
LEAST_FIT = 0.3
LEAST_SHARE = 0.4  # of the usual fit: how well a model's vectors can fit is its own affair
LEAST_NEARNESS = 0.35  # of how near the nearest other vector usually is: noise is near nothing
TELLING_CHARACTERS = 150  # a shorter text may well be like no other
MARGIN = 0.25  # by so much may another text fit better: neighbours in a document are alike

_WORD = re.compile(r"[^\W_]+")
_STEM = 6

Vector = Sequence[float]
Matrix = list[list[float]]


def read_vector(text: str) -> list[float]:
    """A vector as the database writes it, such as `[0.1,-0.2]`."""
    return [float(value) for value in json.loads(text)]


def misplaced(texts: Sequence[str], vectors: Sequence[Vector]) -> dict[int, str]:
    """Each place whose vector does not lie near its own text, with the reason.

    Args:
        texts: at least 12, of varied topics.
        vectors: one for each text, in the same order, all of one dimension.

    Raises:
        ValueError: fewer texts, or another number of vectors.
    """
    if len(texts) < LEAST_TEXTS or len(texts) != len(vectors):
        raise ValueError(f"{len(texts)} texts and {len(vectors)} vectors; at least {LEAST_TEXTS} of each are needed")
    empty = [place for place, vector in enumerate(vectors) if not _length(vector)]
    if empty:
        return dict.fromkeys(empty, "its vector has no direction: all its values are zero, or some are no numbers")
    places, likeness = range(len(texts)), _likeness(vectors)
    nearest = [max(likeness[place][other] for other in places if other != place) for place in places]
    near = LEAST_NEARNESS * median(nearest)
    seen, wanted = _centred(likeness), _centred(_likeness(_lexical(texts)))
    fits = [[_fit(seen[place], wanted[other], {place, other}) for other in places] for place in places]
    least = max(LEAST_FIT, LEAST_SHARE * median(fits[place][place] for place in places))
    reasons = {place: _reason(place, fits[place], least) for place in places}
    for place in places:
        if not reasons[place] and nearest[place] < near and len(texts[place]) >= TELLING_CHARACTERS:
            reasons[place] = f"its vector is far from every other, at best {nearest[place]:.2f}"
    return {place: reason for place, reason in reasons.items() if reason}


def _reason(place: int, fits: Sequence[float], least: float) -> str:
    best = max(range(len(fits)), key=fits.__getitem__)
    if fits[best] > fits[place] + MARGIN:
        return f"its vector fits text {best} ({fits[best]:.2f}) better than its own ({fits[place]:.2f})"
    if fits[place] < least:
        return f"its vector fits its text by {fits[place]:.2f} only, at least {least:.2f} expected"
    return ""


def _lexical(texts: Sequence[str]) -> list[list[float]]:
    """Texts as vectors of their words, the rare ones weighing more, those of a single text nothing."""
    counts = [Counter(word[:_STEM] for word in _WORD.findall(text.lower())) for text in texts]
    spread = Counter(word for count in counts for word in count)
    words = [word for word, number in spread.items() if 1 < number < len(texts)]
    return [[math.log1p(count[word]) * math.log(len(texts) / spread[word]) for word in words] for count in counts]


def _likeness(vectors: Sequence[Vector]) -> Matrix:
    """The cosine of each pair; of a vector without length it is 0."""
    lengths = [_length(vector) or 1.0 for vector in vectors]
    units = [[value / length for value in vector] for vector, length in zip(vectors, lengths, strict=True)]
    return [[_dot(one, other) for other in units] for one in units]


def _centred(likeness: Matrix) -> Matrix:
    """Without what a row or column has at large: some texts, and all vectors of some models, are near everything."""
    size = len(likeness)
    rows = [fmean(row[:place] + row[place + 1 :]) for place, row in enumerate(likeness)]
    whole = fmean(rows)
    return [[likeness[i][j] - rows[i] - rows[j] + whole for j in range(size)] for i in range(size)]


def _fit(one: Sequence[float], other: Sequence[float], without: set[int]) -> float:
    """Pearson's correlation of two profiles, outside the places that compare a text with itself."""
    size = len(one) - len(without)
    sum_x, sum_y, xx, yy, xy = sum(one), sum(other), _dot(one, one), _dot(other, other), _dot(one, other)
    for place in without:
        x, y = one[place], other[place]
        sum_x, sum_y, xx, yy, xy = sum_x - x, sum_y - y, xx - x * x, yy - y * y, xy - x * y
    scale = math.sqrt(max(size * xx - sum_x**2, 0.0) * max(size * yy - sum_y**2, 0.0))
    return (size * xy - sum_x * sum_y) / scale if scale > 1e-12 else 0.0


def _length(vector: Vector) -> float:
    length = math.sqrt(_dot(vector, vector))
    return length if math.isfinite(length) else 0.0


def _dot(one: Vector, other: Vector) -> float:
    return float(sum(map(operator.mul, one, other)))
