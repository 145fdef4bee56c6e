"""What a person of a test has: a complete document with facts of its own, and a conversation about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from acceptance.conversations import Reply, ask
from acceptance.documents.catalogue import TestDocument
from acceptance.documents.handbook import Fact, Handbook
from acceptance.people import Person
from acceptance.run import Run
from acceptance.uploads import Payload, Upload, document, upload_complete


@dataclass(frozen=True)
class Belongings:
    """A document, its upload, and the first reply of a conversation about it."""

    owner: Person
    document: TestDocument = field(repr=False)
    upload: Upload = field(repr=False)
    reply: Reply = field(repr=False)

    @property
    def handbook(self) -> Handbook:
        """What the document says."""
        assert self.document.handbook is not None
        return self.document.handbook

    @property
    def facts(self) -> list[Fact]:
        """Every fact of the document, those that answer follow-up questions too."""
        return [each for fact in self.handbook.facts for each in (fact, fact.follow_up) if each]

    @property
    def identifiers(self) -> dict[str, str]:
        """By the word that stands in the contract's paths for each."""
        return {
            "document_id": self.upload.document_id, "job_id": self.upload.job_id,
            "conversation_id": self.reply.conversation_id, "workflow_id": self.reply.workflow_id,
        }  # fmt: skip

    @property
    def traces(self) -> list[str]:
        """Texts that show any of it where they appear: identifiers, name and place."""
        return [*self.identifiers.values(), self.upload.payload.filename, self.handbook.place]


async def gather_belongings(run: Run, person: Person, *, seed: int) -> Belongings:
    """Upload a note that no other seed has, wait until it is complete, and ask about its first fact."""
    note = await document(run, "note", seed)
    upload = await upload_complete(run, person, Payload.of(note))
    assert note.handbook is not None
    return Belongings(person, note, upload, await ask(run, person, note.handbook.facts[0].question))
