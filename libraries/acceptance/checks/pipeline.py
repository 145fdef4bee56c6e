"""The pipeline (INT-06, INT-13): events, text, chunks and vectors of processed documents, by the named queries."""

from __future__ import annotations

import json
import math
import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from typing import Literal

from acceptance.checks import job_events
from acceptance.checks.fixtures import CatalogueDocument, samples
from acceptance.checks.job_events import ObservedJob, format_events
from acceptance.clients.database import Row
from acceptance.errors import EnvironmentUnavailable, NotOffered, SuiteError, expect_none, violation
from acceptance.fixtures.documents import TestDocument
from acceptance.fixtures.handbook import figures, words
from acceptance.run import Run
from acceptance.uploads import Upload

UNSEEN = "\n"  # stands for each character that no chunk holds
Which = Literal["handbooks", "catalogue"]
SENTENCE_CHARACTERS = range(40, 300)
_SENTENCE = re.compile(r"(?:^|(?<=[.!?]\s))[A-Z][^.!?\n]*[.!?]")
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


@dataclass(frozen=True)
class Chunk:
    """A piece of the parsed text: its characters from `start` up to `end`."""

    chunk_id: str
    ordinal: int
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class StoredVector:
    """A chunk's vector, with the dimension and the model that the database names."""

    chunk_id: str
    dimension: int
    model: str
    values: list[float] = field(repr=False)


@dataclass(frozen=True)
class Stored:
    """What there is of a document: its chunks in order, the vectors of these chunks, and its job's events in order."""

    chunks: list[Chunk]
    vectors: list[StoredVector]
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
    chunk_rows = await run.database.rows("chunks", document_id=list(jobs))
    vector_rows = await run.database.rows("vectors", chunk_id=[row["chunk_id"] for row in chunk_rows])
    event_rows = await run.database.rows("job_events", job_id=list(jobs.values()))
    owner = {str(row["chunk_id"]): str(row["document_id"]) for row in chunk_rows}
    chunks: dict[str, list[Chunk]] = {document: [] for document in jobs}
    vectors: dict[str, list[StoredVector]] = {document: [] for document in jobs}
    events: dict[str, list[Row]] = {document: [] for document in jobs}
    for row in chunk_rows:
        chunks[str(row["document_id"])].append(
            Chunk(str(row["chunk_id"]), row["ordinal"], row["start"], row["end"], row["text"])
        )
    for row in vector_rows:
        vector = StoredVector(str(row["chunk_id"]), row["dimension"], row["model"], read_vector(row["vector"]))
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
    recorded = [(row["sequence"], row["status"]) for row in events]
    if recorded != list(enumerate(statuses, 1)):
        yield f"expected the statuses {', '.join(statuses)}, once each and numbered from 1; recorded are {recorded}"
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


@dataclass(frozen=True)
class Processed:
    """A document that was processed, and what the database holds of it."""

    document: TestDocument
    upload: Upload
    stored: Stored = field(repr=False)
    observed: ObservedJob | None = field(default=None, repr=False)

    @property
    def ended_as(self) -> str:
        """The last status that was recorded."""
        return str(self.stored.events[-1]["status"]) if self.stored.events else ""

    @property
    def name(self) -> str:
        return str(self.upload)

    def __str__(self) -> str:
        return self.name


Aspect = Literal["events", "text", "chunks", "vectors", "realtime events", "replayed events", "claims", "progress"]


def problems_of(run: Run, each: Processed, aspect: Aspect) -> list[str]:
    """What is wrong with one aspect of a processed document, a line each.

    Args:
        each: a document; `realtime events`, `replayed events`, `claims` and `progress` need one that was observed.
        aspect: `events` recorded in the database, parsed `text`, `chunks`, their `vectors`, events over WebSocket and
            as replayed, `claims` of completeness with what was there at that moment, `progress` in every view.

    Raises:
        SuiteError: the document was not observed while it was processed.
    """
    statuses, complete = run.contract.jobs.statuses, run.contract.jobs.complete
    match aspect:
        case "events":
            return list(wrong_events(each.stored.events, statuses))
        case "text":
            return list(wrong_text(each.document, each.stored.text))
        case "chunks":
            return list(wrong_chunks(each.stored.chunks, run.contract.limits.chunk_gap_characters))
        case "vectors":
            return list(wrong_vectors(each.stored, run.descriptor.providers.embedding.dimensions))
    if each.observed is None:
        raise SuiteError(f"{each.name} was not observed while it was processed: it has no {aspect}")
    if aspect == "claims":
        chunks = frozenset(chunk.chunk_id for chunk in each.stored.chunks)
        views = {"REST", *(["realtime"] if run.is_offered("realtime.job") else [])}
        silent = sorted(views - {claim.by for claim in each.observed.claims})
        return [*job_events.early_claims(each.observed.claims, chunks), *(f"{by}: never complete" for by in silent)]
    if aspect == "progress":
        return [
            *(f"realtime: {one}" for one in job_events.wrong_progress(each.observed.events, complete)),
            *(f"replay: {one}" for one in job_events.wrong_progress(each.observed.replayed, complete)),
            *(f"REST: {one}" for one in job_events.wrong_progress(each.observed.views, complete)),
        ]
    events = each.observed.events if aspect == "realtime events" else each.observed.replayed
    place = "realtime.job" if aspect == "realtime events" else "routes.job_events"
    if not run.is_offered(place):
        raise NotOffered(place)
    numbered = [(event.sequence, event.status) for event in events]
    expected = list(enumerate(statuses, 1))
    return [] if numbered == expected else [f"expected {format_events(expected)}; received {format_events(numbered)}"]


def misplaced_vectors(run: Run, documents: Sequence[Processed]) -> list[str]:
    """Chunks whose vector does not lie near their own text, with the reason; records the share of the others.

    Raises:
        EnvironmentUnavailable: there are too few chunks to tell vectors apart.
    """
    chunks = [(each, chunk) for each in documents for chunk in each.stored.chunks]
    values = {vector.chunk_id: vector.values for each, _ in chunks for vector in each.stored.vectors}
    names = [f"chunk {chunk.ordinal} of {each.name}" for each, chunk in chunks]
    bare = [
        f"{name}: no vector" for name, (_, chunk) in zip(names, chunks, strict=True) if chunk.chunk_id not in values
    ]
    if bare:
        return bare
    if len(chunks) < LEAST_TEXTS:
        raise EnvironmentUnavailable(
            f"{len(chunks)} chunks are too few to tell their vectors apart, {LEAST_TEXTS} are needed"
        )
    wrong = misplaced([chunk.text for _, chunk in chunks], [values[chunk.chunk_id] for _, chunk in chunks])
    run.observe("INT-06", "vectors_near_their_text", 100 - 100 * len(wrong) / len(chunks), "%", samples=len(chunks))
    return [f"{names[place]}: {reason}" for place, reason in wrong.items()]


@dataclass(frozen=True)
class OwnSentence:
    """A sentence of one chunk that stands in no other chunk of the document."""

    text: str
    chunk_id: str


def own_sentences(each: Processed) -> list[OwnSentence]:
    """A sentence of its own for each chunk that has one.

    Raises:
        EnvironmentUnavailable: less than half of the chunks have one, so that too little could be asked.
    """
    chunks = each.stored.chunks
    found = [OwnSentence(text, chunk.chunk_id) for chunk in chunks if (text := own_sentence(chunk, chunks))]
    if not found or len(found) < len(chunks) / 2:
        raise EnvironmentUnavailable(f"only {len(found)} of {len(chunks)} chunks have a sentence of their own")
    return found


def why_incomplete(run: Run, sample: CatalogueDocument) -> str:
    """Why a sample is not complete, or nothing."""
    if sample.upload is None:
        return f"was not accepted: {sample.response.excerpt()}; {sample.response.look}"
    job = sample.upload.job
    if sample.problem or job is None:
        return sample.problem or "has no job"
    wrong = run.contract.jobs.incomplete(job.fields)
    return f"ended with {wrong[1]}: {job.get('last_error', 'no error')}; {job.look}" if wrong else ""


async def processed(run: Run, which: Which) -> list[Processed]:
    """The `handbooks` observed while processed, or the valid documents of the `catalogue`, as stored (needs `sql`).

    Raises:
        AssertionError: a valid document was not accepted.
    """

    async def make() -> list[Processed]:
        run.descriptor.need("sql")
        observed: dict[str, ObservedJob] = {}
        if which == "handbooks":
            observed = {each.upload.document_id: each for each in await job_events.handbooks(run)}
            sent = [(each.document, each.upload) for each in observed.values()]
        else:
            valid = [sample for sample in await samples(run) if sample.valid]
            refused = (f"'{each.name}' {why_incomplete(run, each)}" for each in valid if each.upload is None)
            expect_none(refused, which, expected="to be accepted")
            sent = [(each.document, each.upload) for each in valid if each.upload]
        there = await stored(run, {upload.document_id: upload.job_id for _, upload in sent})
        if not sent:
            raise violation(which, expected="one document at least", observed="none")
        return [
            Processed(document, upload, there[upload.document_id], observed.get(upload.document_id))
            for document, upload in sent
        ]

    return await run.once(f"stored {which}", make)


async def complete_documents(run: Run) -> list[Processed]:
    """The complete documents among catalogue and handbooks (needs `sql`); raises AssertionError if there is none."""
    both = [*await processed(run, "catalogue"), *await processed(run, "handbooks")]
    complete = [each for each in both if each.ended_as == run.contract.jobs.complete.status]
    if not complete:
        raise violation("documents", expected="one at least to be complete", observed="none")
    return complete


def own_sentence(chunk: Chunk, chunks: Iterable[Chunk]) -> str:
    """A whole sentence of a chunk that stands in no other, if possible one with a figure; or nothing."""
    pieces = (" ".join(piece.split()) for piece in _SENTENCE.findall(chunk.text))
    others = [" ".join(other.text.split()) for other in chunks if other.chunk_id != chunk.chunk_id]
    own = (each for each in pieces if len(each) in SENTENCE_CHARACTERS and not any(each in other for other in others))
    return max(own, key=lambda each: (bool(figures(each)), len(each)), default="")


def read_vector(text: str) -> list[float]:
    """A vector as the database writes it, such as `[0.1,-0.2]`."""
    return [float(value) for value in json.loads(text)]


def misplaced(texts: Sequence[str], vectors: Sequence[Vector]) -> dict[int, str]:
    """Each place whose vector does not lie near its own text, with the reason.

    Args:
        texts: at least 12, of varied topics.
        vectors: one for each text, in the same order, all of one dimension.

    Raises:
        SuiteError: fewer texts, or another number of vectors.
    """
    if len(texts) < LEAST_TEXTS or len(texts) != len(vectors):
        raise SuiteError(f"{len(texts)} texts and {len(vectors)} vectors; at least {LEAST_TEXTS} of each are needed")
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
