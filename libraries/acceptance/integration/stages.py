"""What processing leaves of a document, seen through the named queries: its events, its chunks, and their vectors."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from acceptance.documents.catalogue import TestDocument
from acceptance.documents.handbook import words
from acceptance.inspection import Row
from acceptance.integration.vectors import read_vector
from acceptance.run import Run

UNSEEN = "\n"  # stands for each character that no chunk holds


@dataclass(frozen=True)
class Chunk:
    """A piece of the parsed text: its characters from `start` up to `end`."""

    chunk_id: str
    ordinal: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Vector:
    """A chunk's vector, with the dimension and the model that the database names."""

    chunk_id: str
    dimension: int
    model: str
    values: list[float] = field(repr=False)


@dataclass(frozen=True)
class Stored:
    """What there is of a document: its chunks in order, the vectors of these chunks, and its job's events in order."""

    chunks: list[Chunk]
    vectors: list[Vector]
    events: list[Row]

    @property
    def text(self) -> str:
        """The parsed text, put together from the chunks by their offsets."""
        end = max((chunk.end for chunk in self.chunks), default=0)
        characters = [UNSEEN] * end
        for chunk in self.chunks:
            characters[chunk.start : chunk.end] = chunk.text[: chunk.end - chunk.start]
        return "".join(characters)


async def stored(run: Run, jobs: dict[str, str]) -> dict[str, Stored]:
    """What there is of each document (needs `sql`); `jobs` are identifiers of jobs by that of their document."""
    chunk_rows = await run.inspection.rows("chunks", document_id=list(jobs))
    vector_rows = await run.inspection.rows("vectors", chunk_id=[row["chunk_id"] for row in chunk_rows])
    event_rows = await run.inspection.rows("job_events", job_id=list(jobs.values()))
    owner = {str(row["chunk_id"]): str(row["document_id"]) for row in chunk_rows}
    chunks: dict[str, list[Chunk]] = {document: [] for document in jobs}
    vectors: dict[str, list[Vector]] = {document: [] for document in jobs}
    events: dict[str, list[Row]] = {document: [] for document in jobs}
    for row in chunk_rows:
        chunks[str(row["document_id"])].append(
            Chunk(str(row["chunk_id"]), row["ordinal"], row["start"], row["end"], row["text"])
        )
    for row in vector_rows:
        vector = Vector(str(row["chunk_id"]), row["dimension"], row["model"], read_vector(row["vector"]))
        vectors[owner[vector.chunk_id]].append(vector)
    documents = {job: document for document, job in jobs.items()}
    for row in event_rows:
        events[documents[str(row["job_id"])]].append(row)
    return {
        document: Stored(
            sorted(chunks[document], key=lambda chunk: chunk.ordinal),
            vectors[document],
            sorted(events[document], key=lambda row: int(row["sequence"])),
        )
        for document in jobs
    }


def wrong_events(events: Sequence[Row], statuses: Sequence[str]) -> Iterator[str]:
    """Where the events are not every status exactly once and in order, numbered from 1, at times that never go back."""
    told = [(row["sequence"], row["status"]) for row in events]
    if told != list(enumerate(statuses, 1)):
        yield f"expected the statuses {', '.join(statuses)}, once each and numbered from 1; recorded are {told}"
    for before, after in pairwise(events):
        if after["at"] < before["at"]:
            yield f"'{after['status']}' is recorded at {after['at']}, before '{before['status']}' at {before['at']}"


def wrong_text(document: TestDocument, text: str) -> Iterator[str]:
    """What the parsed text lost of the document, or has twice."""
    yield from document.problems(text)
    running = f" {' '.join(words(text))} "
    for sentence in document.handbook.sentinels if document.handbook else ():
        times = running.count(f" {' '.join(words(sentence))} ")
        if times > 1:
            yield f"the text holds {times} times: {sentence}"


def wrong_chunks(chunks: Sequence[Chunk], gap: int) -> Iterator[str]:
    """Where the chunks do not cover one text in order; at most so many characters may stand between two of them."""
    ordinals = [chunk.ordinal for chunk in chunks]
    if not chunks or ordinals != list(range(ordinals[0], ordinals[0] + len(chunks))) or ordinals[0] not in (0, 1):
        yield f"expected ordinals from 0 or 1 without a gap; there are {ordinals or 'no chunks'}"
    whole = Stored(list(chunks), [], []).text
    reached = 0
    for chunk in chunks:
        if chunk.start - reached > gap:
            yield f"nothing holds the characters {reached} to {chunk.start}, before chunk {chunk.ordinal}"
        if not chunk.text or len(chunk.text) != chunk.end - chunk.start:
            yield f"chunk {chunk.ordinal} has {len(chunk.text)} characters, from {chunk.start} to {chunk.end}"
        elif chunk.text != whole[chunk.start : chunk.end]:
            yield f"chunk {chunk.ordinal} says something else than another chunk about the same characters"
        if chunk.end <= reached:
            yield f"chunk {chunk.ordinal} ends at {chunk.end}, which chunks before it have reached"
        reached = max(reached, chunk.end)


def wrong_vectors(stored: Stored, dimensions: int) -> Iterator[str]:
    """Chunks that have not exactly one vector, of this dimension and with a direction."""
    number = Counter(vector.chunk_id for vector in stored.vectors)
    for chunk in stored.chunks:
        if number[chunk.chunk_id] != 1:
            yield f"chunk {chunk.ordinal} has {number[chunk.chunk_id]} vectors"
    ordinals = {chunk.chunk_id: chunk.ordinal for chunk in stored.chunks}
    for vector in stored.vectors:
        if not vector.dimension == len(vector.values) == dimensions:
            yield f"the vector of chunk {ordinals[vector.chunk_id]} has {vector.dimension} dimensions, not {dimensions}"
        if not all(map(math.isfinite, vector.values)) or not any(vector.values):
            yield f"the vector of chunk {ordinals[vector.chunk_id]} has no direction"
