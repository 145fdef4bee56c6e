"""INT-06 and INT-13: all stages run and leave what they should, of watched handbooks and of every valid sample."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from acceptance.conversations import ask
from acceptance.documents.catalogue import TestDocument
from acceptance.documents.handbook import figures
from acceptance.errors import EnvironmentUnavailable, expect_none, violation
from acceptance.integration import stages, vectors, watching
from acceptance.integration.following import check_order
from acceptance.integration.samples import Sample, samples
from acceptance.integration.stages import Chunk, Stored
from acceptance.run import Run
from acceptance.uploads import Upload
from acceptance.verdict.criteria import limit_for
from acceptance.waiting import together

Which = Literal["the handbooks", "the sample documents"]
QUESTIONS_AT_ONCE = 4
SENTENCE_CHARACTERS = range(40, 300)
_SENTENCE = re.compile(r"(?:^|(?<=[.!?]\s))[A-Z][^.!?\n]*[.!?]")


@dataclass(frozen=True)
class Processed:
    """A document that was processed, and what the database holds of it."""

    document: TestDocument
    upload: Upload
    stored: Stored

    @property
    def ended_as(self) -> str:
        """The last status that was recorded."""
        return str(self.stored.events[-1]["status"]) if self.stored.events else ""

    @property
    def name(self) -> str:
        return f"'{self.document.filename}' (document {self.upload.document_id})"


async def stages_ran_in_order(run: Run, which: Which) -> None:
    """Every status is recorded once and in order; of the handbooks, realtime and its replay told the same."""
    statuses = run.contract.jobs.statuses
    wrong = [(each.name, stages.wrong_events(each.stored.events, statuses)) for each in await processed(run, which)]
    expect_none(_named(wrong), f"events of {which}", expected="every status once and in order")
    if which == "the handbooks":
        for watched in await watching.handbooks(run):
            told = {"realtime": watched.events, "the replay": watched.replayed}
            for channel, events in told.items():
                check_order(events, statuses, f"{channel} of job {watched.upload.job_id}")


async def text_is_whole(run: Run, which: Which) -> None:
    """The text that the chunks hold is that of the document: its sentences once, all its words, in order."""
    wrong = [(each.name, stages.wrong_text(each.document, each.stored.text)) for each in await processed(run, which)]
    expect_none(_named(wrong), f"parsed text of {which}", expected="all that the document says, once")


async def chunks_cover_the_text(run: Run, which: Which) -> None:
    """The chunks follow one another without a hole, each holding the characters that it says."""
    gap = run.contract.limits.chunk_gap_characters
    wrong = [(each.name, stages.wrong_chunks(each.stored.chunks, gap)) for each in await processed(run, which)]
    expect_none(_named(wrong), f"chunks of {which}", expected=f"the whole text, no gap over {gap} characters")


async def every_chunk_has_its_vector(run: Run, which: Which) -> None:
    """Each chunk has exactly one vector, of the dimension that the descriptor declares."""
    dimensions = run.descriptor.providers.embedding.dimensions
    wrong = [(each.name, stages.wrong_vectors(each.stored, dimensions)) for each in await processed(run, which)]
    expect_none(_named(wrong), f"vectors of {which}", expected=f"one of dimension {dimensions} for each chunk")


async def vectors_lie_near_their_texts(run: Run) -> None:
    """Each vector's likeness to the others fits its own text's; raises AssertionError naming the chunks where not."""
    seen = [(each, chunk) for each in await processed(run, "the handbooks") for chunk in each.stored.chunks]
    values = {vector.chunk_id: vector.values for each, _ in seen for vector in each.stored.vectors}
    names = [f"chunk {chunk.ordinal} of {each.name}" for each, chunk in seen]
    without = (f"{name} has none" for name, (_, chunk) in zip(names, seen, strict=True) if chunk.chunk_id not in values)
    expect_none(without, "vectors", expected="one for each chunk")
    if len(seen) < vectors.LEAST_TEXTS:
        raise EnvironmentUnavailable(
            f"{len(seen)} chunks are too few to tell their vectors apart, {vectors.LEAST_TEXTS} are needed"
        )
    wrong = vectors.misplaced([chunk.text for _, chunk in seen], [values[chunk.chunk_id] for _, chunk in seen])
    run.observe("INT-06", "vectors_near_their_text", 100 - 100 * len(wrong) / len(seen), "%", samples=len(seen))
    reasons = (f"{names[place]}: {reason}" for place, reason in wrong.items())
    expect_none(reasons, "vectors", expected="each near its own text")


async def sentences_find_their_chunks(run: Run) -> None:
    """Who asks for a sentence of a chunk word for word is shown that chunk as the first source."""
    each = (await processed(run, "the handbooks"))[0]
    asked = [(chunk, sentence) for chunk in each.stored.chunks if (sentence := own_sentence(chunk, each.stored.chunks))]
    if len(asked) < len(each.stored.chunks) / 2:
        raise EnvironmentUnavailable(
            f"only {len(asked)} of {len(each.stored.chunks)} chunks have a sentence of their own"
        )
    replies = await together(
        *(ask(run, each.upload.owner, sentence) for _, sentence in asked), at_once=QUESTIONS_AT_ONCE
    )
    wrong = [
        f"'{sentence}' cites {cited or 'nothing'} first, not its chunk {chunk.chunk_id}; {reply.answer.look}"
        for (chunk, sentence), reply in zip(asked, replies, strict=True)
        if (cited := next((source.chunk for source in reply.sources), "")) != chunk.chunk_id
    ]
    run.observe(
        "INT-06", "sentences_that_find_their_chunk", 100 - 100 * len(wrong) / len(asked), "%", samples=len(asked)
    )
    expect_none(wrong, f"sentences of {each.name}", expected="the chunk that holds each as its first source")


async def complete_means_complete(run: Run) -> None:
    """Whenever REST or realtime said complete, all chunks with their vectors were there at that moment."""
    watched = await watching.handbooks(run)
    there = {each.upload.job_id: each.stored.chunks for each in await processed(run, "the handbooks")}
    wrong: list[tuple[str, Iterable[str]]] = []
    for each in watched:
        job = f"job {each.upload.job_id}"
        chunks = frozenset(chunk.chunk_id for chunk in there[each.upload.job_id])
        wrong.append((job, watching.early_claims(each.claims, chunks)))
        silent = {"REST", "realtime"} - {claim.by for claim in each.claims}
        wrong.append((job, [f"{by} never said complete" for by in sorted(silent)]))
    expect_none(_named(wrong), "claims of completeness", expected="all chunks with their vectors there")


async def progress_only_rises(run: Run) -> None:
    """Progress never goes back, and is at its end when the document is complete and not before."""
    complete = run.contract.jobs.complete
    wrong = [
        (f"{view} of job {each.upload.job_id}", watching.wrong_progress(steps, complete))
        for each in await watching.handbooks(run)
        for view, steps in (("realtime", each.events), ("the replay", each.replayed), ("REST", each.views))
    ]
    wanted = f"to rise, and {complete.total_pct:g} % for '{complete.status}' alone"
    expect_none(_named(wrong), "progress", expected=wanted)


async def valid_documents_complete(run: Run) -> None:
    """INT-13: every valid sample is complete; raises AssertionError with the reason of each that is not."""
    valid = [sample for sample in await samples(run) if sample.valid]
    wrong = {sample.name: reason for sample in valid if (reason := why_incomplete(run, sample))}
    run.observe("INT-13", "documents_completed", 100 - 100 * len(wrong) / len(valid), "%", samples=len(valid))
    expect_none((f"'{name}' {reason}" for name, reason in wrong.items()), "valid documents", expected="to be complete")


async def processing_is_quick(run: Run) -> None:
    """INT-13: each valid sample from its announcement to its end in time; records the seconds of each."""
    limit = limit_for(run.descriptor.thresholds, "INT-13", "slowest_processing")
    seconds = {sample.name: sample.upload.seconds for sample in await samples(run) if sample.valid and sample.upload}
    taken = {name: value for name, value in seconds.items() if value is not None}
    for name, value in taken.items():
        run.observe("INT-13", f"processing_time of {name}", round(value, 3), "s", samples=1)
    if not taken:
        raise violation("valid documents", expected="to be processed", seen="none was accepted")
    run.observe_samples("INT-13", "slowest_processing", list(taken.values()), "s", statistic="max")
    slow = (f"'{name}' took {value:.1f} s" for name, value in taken.items() if not limit.kept_by(value))
    expect_none(slow, "processing of valid documents", expected=f"each {limit}")


def why_incomplete(run: Run, sample: Sample) -> str:
    """Why a sample is not complete, or nothing."""
    if sample.upload is None:
        return f"was not accepted: {sample.answer.excerpt()}; {sample.answer.look}"
    job, wanted = sample.upload.job, run.contract.jobs.complete
    if sample.problem or job is None:
        return sample.problem or "has no job"
    if (job["status"], job["state"], job["total_pct"]) != (wanted.status, wanted.state, wanted.total_pct):
        return f"ended as '{job['status']}', '{job['state']}' at {job['total_pct']} %: {job['last_error']}; {job.look}"
    return ""


async def processed(run: Run, which: Which) -> list[Processed]:
    """What was processed, with what the database holds of it (needs `sql`); a sample that is not accepted is wrong."""

    async def make() -> list[Processed]:
        run.descriptor.need("sql")
        if which == "the handbooks":
            sent = [(each.document, each.upload) for each in await watching.handbooks(run)]
        else:
            valid = [sample for sample in await samples(run) if sample.valid]
            refused = (f"'{each.name}' {why_incomplete(run, each)}" for each in valid if each.upload is None)
            expect_none(refused, which, expected="to be accepted")
            sent = [(each.document, each.upload) for each in valid if each.upload]
        there = await stages.stored(run, {upload.document_id: upload.job_id for _, upload in sent})
        return [Processed(document, upload, there[upload.document_id]) for document, upload in sent]

    return await run.once(f"stored {which}", make)


def own_sentence(chunk: Chunk, chunks: Iterable[Chunk]) -> str:
    """A whole sentence of a chunk that stands in no other, if possible one with a figure; or nothing."""
    pieces = (" ".join(piece.split()) for piece in _SENTENCE.findall(chunk.text))
    others = [" ".join(other.text.split()) for other in chunks if other.chunk_id != chunk.chunk_id]
    own = (each for each in pieces if len(each) in SENTENCE_CHARACTERS and not any(each in other for other in others))
    return max(own, key=lambda each: (bool(figures(each)), len(each)), default="")


def _named(problems: Iterable[tuple[str, Iterable[str]]]) -> Iterator[str]:
    return (f"{name}: {problem}" for name, each in problems for problem in each)
