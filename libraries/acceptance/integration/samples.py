"""The documents of the catalogue, each processed once in a run, for all that ask what became of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from acceptance.client import Answer
from acceptance.documents.catalogue import Complete, TestDocument, catalogue
from acceptance.people import Person
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, accepted, document, finished, put_bytes
from acceptance.waiting import together

FIXED = "baseline"  # made documents of the catalogue are the same in every run, so that runs can be compared
PEOPLE = 3
POLL_SECONDS = 0.25


@dataclass
class Sample:
    """A document of the catalogue and what became of it.

    Attributes:
        answer: what its announcement was answered with.
        upload: None where it was not accepted.
        problem: why it came to no end, if it did not.
    """

    document: TestDocument
    answer: Answer
    upload: Upload | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        return self.document.name

    @property
    def valid(self) -> bool:
        """Whether it is a document that must be completed."""
        return isinstance(self.document.expectation, Complete)


async def samples(run: Run) -> list[Sample]:
    """Every document of the catalogue, sent once in a run and followed to its end, whichever that is."""
    return await run.once("samples", lambda: _make(run))


async def _make(run: Run) -> list[Sample]:
    names = catalogue().names()
    documents = await together(*(document(run, name, fixed=FIXED) for name in names), at_once=2)
    people = await together(*(run.people.signed_in() for _ in range(PEOPLE)))
    shares = [documents[number::PEOPLE] for number in range(PEOPLE)]
    made = await together(*(_of_one(run, *each) for each in zip(people, shares, strict=True)))
    return sorted((sample for share in made for sample in share), key=lambda sample: names.index(sample.name))


async def _of_one(run: Run, person: Person, documents: Sequence[TestDocument]) -> list[Sample]:
    at_once = run.needs.concurrent_jobs_per_user
    return await together(*(_send(run, person, document) for document in documents), at_once=at_once)


async def _send(run: Run, person: Person, document: TestDocument) -> Sample:
    payload = Payload.of(document)
    begin = time.monotonic()
    answer = await run.client.send("upload", body=payload.announcement(), token=person.access_token)
    sample = Sample(document, answer)
    if answer.status != run.contract.route("upload").success:
        return sample
    sample.upload = accepted(run, person, payload, answer, begin)
    try:
        await put_bytes(run, sample.upload)
        await finished(run, sample.upload, within=PROCESSING_SECONDS, every=POLL_SECONDS)
    except AssertionError as error:
        sample.problem = str(error)
        sample.upload.seconds = time.monotonic() - begin
    return sample
