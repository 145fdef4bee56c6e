"""Documents to test with: real ones of different producers, and ones made for a run, each with what must become of it.

    >>> limits = Limits(max_file_size_bytes=5_242_880, filename_characters=120)
    >>> document = make("handbook", "run-7f3a", limits)
    >>> document.save(Path("/tmp"))
    >>> document.handbook.facts[0].question

A made document is the same, byte for byte, for the same name, run, limits and seed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, PositiveInt, model_validator

from acceptance.data import PROJECT, Data, read_model, read_yaml
from acceptance.documents import pdf
from acceptance.documents.handbook import Handbook, words, write
from acceptance.errors import ConfigurationError

FOLDER: Final = PROJECT / "resources" / "documents"
PDF: Final = "application/pdf"
_NOTE_TOPICS: Final = 3


class Complete(Data):
    """It is parsed, chunked and embedded; the parsed text is at least so long and holds these sentences or words."""

    least_characters: PositiveInt
    contains: tuple[str, ...] = ()


class Failed(Data):
    """It is accepted, and its job fails with this status and code; the message to the user says this."""

    status: str
    code: str
    says: str


class Refused(Data):
    """It is not accepted; `error` is the contract's name of the refusal, which fixes the status."""

    error: Literal["too_large", "unsupported_mime", "invalid_parameter"]


Expectation = Complete | Failed | Refused


class Entry(Data):
    """One document of the catalogue, and exactly one of the things that may become of it."""

    about: str
    complete: Complete | None = None
    failed: Failed | None = None
    refused: Refused | None = None

    @model_validator(mode="after")
    def _has_one_expectation(self) -> Entry:
        if sum(each is not None for each in (self.complete, self.failed, self.refused)) != 1:
            raise ValueError("must have exactly one of complete, failed, refused")
        return self

    @property
    def expectation(self) -> Expectation:
        expected = self.complete or self.failed or self.refused
        assert expected
        return expected


class Catalogue(Data):
    """`documents.yaml`: entries by name."""

    real: dict[str, Entry] = Field(min_length=1)
    made: dict[str, Entry] = Field(min_length=1)

    def names(self, *, becoming: type[Complete] | type[Failed] | type[Refused] | None = None) -> list[str]:
        """Names of the documents, of all or of those that become one thing."""
        entries = {**self.real, **self.made}
        return [name for name, entry in entries.items() if isinstance(entry.expectation, becoming or object)]


@dataclass(frozen=True)
class Limits:
    """What the deployment says that it accepts."""

    max_file_size_bytes: int
    filename_characters: int


@dataclass(frozen=True)
class TestDocument:
    """A document, ready to be uploaded.

    Attributes:
        expectation: what must become of it; that of a made document holds its sentinels too.
        handbook: what a made document says, with its facts and questions; None of a real one.
    """

    __test__ = False  # pytest would take the name for a test's

    name: str
    filename: str
    data: bytes = field(repr=False)
    expectation: Expectation
    mime: str = PDF
    handbook: Handbook | None = field(default=None, repr=False)

    @property
    def sha256(self) -> str:
        """Of the bytes, in hexadecimal digits."""
        return hashlib.sha256(self.data).hexdigest()

    def save(self, folder: Path) -> Path:
        """Write the document into a folder, under its own file name, and say where it is."""
        path = folder / self.filename
        path.write_bytes(self.data)
        return path

    def problems(self, text: str) -> list[str]:
        """What is wrong with a parsed text of this document, one line each; nothing where all has arrived.

        Raises:
            ValueError: the document is not one that becomes a text.
        """
        if not isinstance(self.expectation, Complete):
            raise ValueError(f"{self.name} is not expected to become a text")
        found = []
        if len(text) < self.expectation.least_characters:
            found.append(f"the text has {len(text)} characters, expected at least {self.expectation.least_characters}")
        running = f" {' '.join(words(text))} "
        found += [
            f"the text does not hold: {sentence}"
            for sentence in self.expectation.contains
            if f" {' '.join(words(sentence))} " not in running
        ]
        lost = self.handbook.lost_words(text) if self.handbook else []
        if lost:
            found.append(f"{len(lost)} words are lost or out of order, the first: {' '.join(lost[:10])}")
        return found


@lru_cache(maxsize=4)
def catalogue(folder: Path = FOLDER) -> Catalogue:
    """The catalogue in a folder.

    Raises:
        ConfigurationError: every mistake at once, by entry and field; a missing file and a made document
            that nothing makes are mistakes.
    """
    path = folder / "documents.yaml"
    content = read_yaml(path)
    problems: list[str] = []
    try:
        read = read_model(path, Catalogue)
    except ConfigurationError as error:
        problems += error.problems
    real, made = ({} if not isinstance(part, dict) else part for part in (content.get("real"), content.get("made")))
    for name, entry in real.items():
        if not (folder / f"{name}.pdf").is_file():
            problems.append(f"{path}: real.{name}: there is no file {name}.pdf")
        complete = entry.get("complete") if isinstance(entry, dict) else None
        if isinstance(complete, dict) and not complete.get("contains"):
            problems.append(f"{path}: real.{name}.complete.contains: missing")
    problems += [
        f"{path}: made.{name}: nothing makes it; known: {', '.join(_MAKERS)}" for name in made if name not in _MAKERS
    ]
    problems += [f"{path}: made.{name}: missing" for name in _MAKERS if name not in made]
    problems += [f"{path}: made.{name}: the name is taken by a real one" for name in made if name in real]
    if problems:
        raise ConfigurationError(problems)
    return read


def make(name: str, run: str, limits: Limits, seed: int = 0) -> TestDocument:
    """The document of this name.

    Args:
        name: one of the catalogue's.
        run: identifier of the run; it begins the file name.
        limits: what the deployment accepts.
        seed: tells documents of one name and run apart, for example those of many users.

    Raises:
        ConfigurationError: the catalogue has no such name, or has mistakes.
    """
    known = catalogue()
    filename = f"{run}-{name}-{seed}.pdf" if seed else f"{run}-{name}.pdf"
    if name in known.real:
        return TestDocument(name, filename, (FOLDER / f"{name}.pdf").read_bytes(), known.real[name].expectation)
    if name not in known.made:
        raise ConfigurationError([f"no document is called '{name}'; known: {', '.join(known.names())}"])
    order = _Order(TestDocument(name, filename, b"", known.made[name].expectation), run, seed, limits)
    return _MAKERS[name](order)


@dataclass(frozen=True)
class _Order:
    """What a maker goes by: the document without its content, and whom it is for."""

    blank: TestDocument
    run: str
    seed: int
    limits: Limits

    def handbook(self, *, topics: int | None = _NOTE_TOPICS) -> Handbook:
        return write(self.run, self.blank.name, self.seed, topics=topics)

    def noise(self, size: int) -> bytes:
        return random.Random(f"{self.run}/{self.blank.name}/{self.seed}").randbytes(size)

    def of(self, handbook: Handbook, data: bytes) -> TestDocument:
        """The document with this content, whose sentinels must arrive."""
        expected = self.blank.expectation
        if isinstance(expected, Complete):
            expected = expected.model_copy(update={"contains": (*expected.contains, *handbook.sentinels)})
        return replace(self.blank, data=data, handbook=handbook, expectation=expected)


def _handbook(order: _Order, topics: int | None = None) -> TestDocument:
    handbook = order.handbook(topics=topics)
    return order.of(handbook, pdf.render(handbook))


def _note(order: _Order) -> TestDocument:
    return _handbook(order, _NOTE_TOPICS)


def _handbook_decoy(order: _Order) -> TestDocument:
    handbook = write(order.run, "handbook", order.seed, decoy=True)
    return order.of(handbook, pdf.render(handbook))


def _of_size(excess: int) -> Callable[[_Order], TestDocument]:
    def maker(order: _Order) -> TestDocument:
        handbook = order.handbook()
        return order.of(handbook, pdf.render_exactly(handbook, order.limits.max_file_size_bytes + excess))

    return maker


def _of_name_length(excess: int) -> Callable[[_Order], TestDocument]:
    def maker(order: _Order) -> TestDocument:
        stem = order.blank.filename.removesuffix(".pdf")
        length = order.limits.filename_characters + excess - len(".pdf")
        return replace(_note(order), filename=f"{stem:x<{length}}"[:length] + ".pdf")

    return maker


def _truncated(order: _Order) -> TestDocument:
    whole = _handbook(order)
    return replace(whole, data=whole.data[: len(whole.data) * 2 // 3], handbook=None)


def _encrypted(order: _Order) -> TestDocument:
    return replace(order.blank, data=pdf.render(order.handbook(), password=f"{order.run}-password"))


def _images(order: _Order) -> TestDocument:
    return replace(order.blank, data=pdf.render_images(order.blank.name, f"{order.run}/{order.seed}"))


def _executable(order: _Order) -> TestDocument:
    return replace(order.blank, data=b"MZ\x90\x00" + order.noise(8192))


def _hollow(order: _Order) -> TestDocument:
    return replace(order.blank, data=b"%PDF-1.7\n" + order.noise(64).hex().encode() + b"\n%%EOF\n")


def _plain_text(order: _Order) -> TestDocument:
    filename = order.blank.filename.removesuffix(".pdf") + ".txt"
    return replace(order.blank, filename=filename, mime="text/plain", data=order.handbook().text.encode())


_MAKERS: Final[dict[str, Callable[[_Order], TestDocument]]] = {
    "handbook": _handbook,
    "handbook-decoy": _handbook_decoy,
    "note": _note,
    "at-limit": _of_size(0),
    "over-limit": _of_size(1),
    "longest-name": _of_name_length(0),
    "too-long-name": _of_name_length(1),
    "empty": lambda order: order.blank,
    "plain-text": _plain_text,
    "executable": _executable,
    "truncated": _truncated,
    "hollow": _hollow,
    "images": _images,
    "encrypted": _encrypted,
}
