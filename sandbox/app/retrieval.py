"""Retrieval in the user's own documents: by embedding, by words, and by the document that a question names."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from psycopg.types.json import Jsonb

from sandbox.app.database import Row, Session

PASSAGES: Final = 8
WORD_WEIGHT: Final = 0.5
NAME_WEIGHT: Final = 0.6
MOST_WORDS: Final = 40
HOLDERS: Final = """
    with asked as (
      select word, plainto_tsquery('english', word) as query from unnest(%(words)s::text[]) as word
        where numnode(plainto_tsquery('english', word)) > 0
    ), own as (
      select d.id, to_tsvector('english', regexp_replace(d.filename, '[^[:alnum:]]+', ' ', 'g')) as name
        from app.documents d join app.jobs j on j.document_id = d.id
        where d.user_id = %(user_id)s and j.status = 'complete'
    ) select o.id as document_id, a.word, o.name @@ a.query
        or exists (select from app.chunks c where c.document_id = o.id and c.terms @@ a.query) as holds
      from own o cross join asked a"""
"""Which of the question's words each document has, in its name or its text."""

NEAREST: Final = """
    with asked as materialized (
      select plainto_tsquery('english', word) as query from unnest(%(words)s::text[]) as word
        where numnode(plainto_tsquery('english', word)) > 0
    ), scored as (
      select c.id as chunk_id, c.document_id, d.filename as title, left(d.parsed_text, 200) as beginning, c.text,
          case when vector_dims(v.embedding) = vector_dims(%(vector)s::vector)
            then 1 - (v.embedding <=> %(vector)s::vector) end as similarity,
          coalesce((select avg((c.terms @@ a.query)::int) from asked a), 0)::float as words,
          coalesce((%(bonuses)s::jsonb ->> d.id::text)::float, 0) as bonus
        from app.documents d join app.jobs j on j.document_id = d.id
          join app.chunks c on c.document_id = d.id join app.vectors v on v.chunk_id = c.id
        where d.user_id = %(user_id)s and j.status = 'complete'
    ) select * from scored where similarity is not null
      order by similarity + %(word_weight)s * words + bonus desc, document_id, chunk_id limit %(limit)s"""
"""Exact search: a user has thousands of passages, and an approximate index would choose before it filters."""


@dataclass(frozen=True)
class Passage:
    """A chunk that was found. `title` names its document."""

    chunk_id: UUID
    document_id: UUID
    title: str
    heading: str
    text: str
    similarity: float


async def find(session: Session, user_id: UUID, question: str, vector: list[float]) -> list[Passage]:
    """The best passages for a question, the best first."""
    words = words_of(question)
    bonuses = weigh(await session.all(HOLDERS, user_id=user_id, words=words))
    return [passage(row) for row in await nearest(session, user_id, words, vector, bonuses)]


async def nearest(
    session: Session, user_id: UUID, words: list[str], vector: list[float], bonuses: dict[str, float]
) -> list[Row]:
    """The user's nearest chunks; a document that the question names goes first."""
    parameters: dict[str, Any] = {"user_id": user_id, "words": words, "vector": str(vector), "bonuses": Jsonb(bonuses)}
    return await session.all(NEAREST, **parameters, word_weight=WORD_WEIGHT, limit=PASSAGES)


def weigh(rows: Sequence[Row]) -> dict[str, float]:
    """Weight of each document as the one that the question names: words of few documents weigh the most."""
    documents = len({row["document_id"] for row in rows})
    having = Counter(row["word"] for row in rows if row["holds"])
    weight = {word: math.log(documents / count) for word, count in having.items()}
    total = sum(weight.values())
    bonuses: dict[str, float] = defaultdict(float)
    for row in rows:
        if total and row["holds"]:
            bonuses[str(row["document_id"])] += NAME_WEIGHT * weight[row["word"]] / total
    return dict(bonuses)


def words_of(question: str) -> list[str]:
    """The distinct words of a question; the database drops stop words."""
    return list(dict.fromkeys(re.findall(r"\w+", question.lower())))[:MOST_WORDS]


def merge(first: list[Passage], second: list[Passage]) -> list[Passage]:
    """Merge two rankings alternately."""
    mixed = [passage for pair in zip(first, second, strict=False) for passage in pair]
    return list({passage.chunk_id: passage for passage in (*mixed, *first, *second)}.values())[: PASSAGES * 3 // 2]


def passage(row: Row) -> Passage:
    heading = row["beginning"].strip().partition("\n")[0][:80]
    return Passage(row["chunk_id"], row["document_id"], row["title"], heading, row["text"], row["similarity"])
