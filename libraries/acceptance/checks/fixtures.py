"""Fixtures of the checks: a user with a processed document and a conversation, and the documents of the catalogue."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from acceptance.chat import Answer, ask
from acceptance.clients.http import Response
from acceptance.deployment.contract import Absent, Partial, words_in
from acceptance.errors import CapabilityMissing, NotOffered
from acceptance.fixtures.documents import Complete, OtherKind, TestDocument, catalogue
from acceptance.fixtures.handbook import Fact, Handbook
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, JOBS_AT_ONCE, UPLOADS, limits_of
from acceptance.polling import together
from acceptance.run import Run
from acceptance.uploads import (
    PROCESSING_SECONDS,
    Payload,
    Upload,
    accepted,
    announcing,
    document,
    finished,
    processed_now,
    put_bytes,
)

FIXED = "baseline"  # made documents of the catalogue are the same in every run, so that runs can be compared
PEOPLE = 3
CHAT = "routes.chat"
POLL_SECONDS = 0.25


@dataclass(frozen=True)
class UserData(Partial):
    """A processed document and the first answer of a conversation about it, which is absent where there is no chat."""

    owner: User
    upload: Upload = field(repr=False)
    answer: Answer = field(repr=False)

    @property
    def handbook(self) -> Handbook:
        """What the document says."""
        return self.upload.handbook

    @property
    def facts(self) -> list[Fact]:
        """Every fact of the document, those that answer follow-up questions too."""
        return [each for fact in self.handbook.facts for each in (fact, fact.follow_up) if each]

    @property
    def identifiers(self) -> dict[str, str]:
        """By the word that stands in the contract's paths for each."""
        answered = self.answer.identifiers if "answer" in self.offered else {}
        return self.upload.identifiers | answered

    def has(self, template: str) -> bool:
        """Whether there is an identifier for each word in a path."""
        return {*words_in(template)} <= self.identifiers.keys()

    @property
    def traces(self) -> list[str]:
        """Texts that show any of it where they appear: identifiers, name and place."""
        return [*self.identifiers.values(), self.upload.payload.filename, self.handbook.place]


async def create_user_data(run: Run, user: User, *, seed: int | str, twin: bool = False) -> UserData:
    """Upload a note that no other seed has, or its twin, wait until it is complete, and ask about its first fact."""
    upload = await processed_now(run, user, Payload.of(await document(run, "note", seed, twin=twin)))
    answer: Any = Absent(CHAT)
    if not run.contract.offers(CHAT):
        return UserData(user, upload, answer)
    async with run.fixture("answer", "INT-07"):
        return UserData(user, upload, await ask(run, user, upload.handbook.facts[0].question))


async def signed_in(run: Run, **options: int | None) -> User:
    """A new user with a session, who is a fixture of the check; see `Users.signed_in`."""
    async with run.fixture("signed-in user", "INT-01"):
        return await run.users.signed_in(**options)


@dataclass
class CatalogueDocument:
    """A document of the catalogue and what became of it.

    Attributes:
        answer: what its announcement was answered with.
        upload: None where it was not accepted.
        problem: why it came to no end, if it did not.
    """

    document: TestDocument
    response: Response
    upload: Upload | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        return self.document.name

    def __str__(self) -> str:
        return self.name

    @property
    def valid(self) -> bool:
        """Whether it is a document that must be completed."""
        return isinstance(self.document.expectation, Complete)


@dataclass(frozen=True)
class OfferedCatalogue:
    """The documents of the catalogue that the deployment's limits allow, and what keeps each of the others out.

    Those of kinds that it does not accept, or that would have to be refused for kinds that it does, are no lack.
    """

    documents: list[TestDocument] = field(repr=False)
    left_out: dict[str, str]
    other_kinds: frozenset[str] = frozenset()


async def offered_catalogue(run: Run) -> OfferedCatalogue:
    """The catalogue as this deployment can be sent it, made once in a run."""
    return await run.once("catalogue", lambda: _offered(run))


async def _offered(run: Run) -> OfferedCatalogue:
    left_out: dict[str, str] = {}
    other_kinds = set()

    async def made(name: str) -> TestDocument | None:
        try:
            return await document(run, name, fixed=FIXED)
        except OtherKind:
            other_kinds.add(name)
            return None
        except NotOffered as error:
            left_out[name] = error.place
            run.note(f"left out: '{name}': {error}")
            return None

    found = await together(*(made(name) for name in catalogue().names()), at_once=2)
    return OfferedCatalogue([each for each in found if each is not None], left_out, frozenset(other_kinds))


async def samples(run: Run) -> list[CatalogueDocument]:
    """Every document of the catalogue that is offered, sent once in a run and followed to its end, whichever it is."""
    return await run.once("samples", lambda: _make(run))


async def _make(run: Run) -> list[CatalogueDocument]:
    documents = (await offered_catalogue(run)).documents
    names = [each.name for each in documents]
    left = run.client.throttle.left("documents")
    if left is not None and left < len(names):
        raise CapabilityMissing("budget", f"which leaves {left} documents of the {len(names)} of the catalogue")
    limits = await limits_of(run)
    users = max(PEOPLE, math.ceil(len(names) / limits.at_most(UPLOADS, len(names))))
    at_once = limits.at_most(JOBS, JOBS_AT_ONCE)
    shares = [documents[number::users] for number in range(users)]
    made = await together(*(_of_one(run, share, at_once) for share in shares), at_once=PEOPLE)
    return sorted((sample for share in made for sample in share), key=lambda sample: names.index(sample.name))


async def _of_one(run: Run, documents: Sequence[TestDocument], at_once: int) -> list[CatalogueDocument]:
    user = await signed_in(run)
    return await together(*(_send(run, user, document) for document in documents), at_once=at_once)


async def _send(run: Run, user: User, document: TestDocument) -> CatalogueDocument:
    payload = Payload.of(document)
    begin = time.monotonic()
    response = await run.client.send("upload", **announcing(run, payload), token=user.access_token)
    sample = CatalogueDocument(document, response)
    if response.status != run.contract.route("upload").success:
        return sample
    sample.upload = accepted(run, user, payload, response, begin)
    try:
        await put_bytes(run, sample.upload)
        await finished(run, sample.upload, within=PROCESSING_SECONDS, every=POLL_SECONDS)
    except AssertionError as error:
        sample.problem = str(error)
        sample.upload.seconds = time.monotonic() - begin
    return sample
