"""Handbooks of places that do not exist: documents whose facts stand nowhere else, with the questions that they answer.

A handbook is written from `resources/documents/handbook.yaml`, and is the same for the same run, name and seed. Its
decoy has the same sections in the same order; only the place and every figure differ.
"""

from __future__ import annotations

import difflib
import random
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator

from acceptance.data import PROJECT, Data, read_model

SOURCE: Final = PROJECT / "resources" / "documents" / "handbook.yaml"
_FIGURES: Final = range(10_007, 99_990)  # five digits: unlikely to be guessed, and unlike any year


def _template(*fields: str) -> AfterValidator:
    def check(text: str) -> str:
        missing = [field for field in fields if f"{{{field}}}" not in text]
        if missing:
            raise ValueError(f"needs {', '.join(f'{{{field}}}' for field in missing)}")
        if re.search(r"\d", text) or not text.isascii():
            raise ValueError("must be plain ASCII without any figure")
        return text

    return AfterValidator(check)


Plain = Annotated[str, _template()]
AboutPlace = Annotated[str, _template("place")]
FactOfPlace = Annotated[str, _template("place", "figure")]
Coded = Annotated[str, _template("place", "code")]


class Topic(Data):
    """One section: `fact` answers `question`, and `more` answers `follow_up`, which leans on the question."""

    heading: Plain
    about: Plain
    fact: FactOfPlace
    question: AboutPlace
    more: FactOfPlace
    follow_up: Plain
    closing: Plain


class Sentinels(Data):
    """Sentences that must survive at the beginning, in the middle and at the very end."""

    opening: Coded
    middle: Coded
    last: Coded
    code_words: list[Plain]


class Inventory(Data):
    heading: Plain
    columns: tuple[Plain, Plain]
    rows: list[Plain]


class Places(Data):
    """Parts that names of places are put together from."""

    beginnings: list[Plain]
    middles: list[Plain]
    endings: list[Plain]


class Source(Data):
    """What handbooks are written from."""

    places: Places
    title: AboutPlace
    sentinels: Sentinels
    inventory: Inventory
    unanswered: list[AboutPlace]
    topics: list[Topic]


@dataclass(frozen=True)
class Fact:
    """A sentence of the handbook, the question that it answers, and the figure that a right answer holds."""

    question: str
    sentence: str
    figure: str
    follow_up: Fact | None = None

    def answered_by(self, text: str) -> bool:
        """Whether a text holds the figure, however its thousands are set apart."""
        return self.figure in figures(text)


@dataclass(frozen=True)
class Section:
    heading: str
    paragraphs: tuple[str, ...] = ()
    table: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Handbook:
    """What a made document says.

    Attributes:
        facts: each with its question and, as `follow_up`, the one that leans on it.
        sentinels: first, middle and last sentence.
        unanswered: questions to which the handbook has no answer, the last of them about another place.
    """

    place: str
    title: str
    sections: tuple[Section, ...]
    facts: tuple[Fact, ...]
    sentinels: tuple[str, str, str]
    unanswered: tuple[str, ...]

    @property
    def text(self) -> str:
        """Everything that the document says, in the order of reading."""
        lines = [self.title, self.sentinels[0]]
        for section in self.sections:
            lines += [section.heading, *section.paragraphs, *(cell for row in section.table for cell in row)]
        return "\n".join([*lines, self.sentinels[2]])

    def lost_words(self, text: str) -> list[str]:
        """The words of the handbook that a text does not hold in their order; markup and line breaks do not matter."""
        expected = words(self.text)
        matcher = difflib.SequenceMatcher(None, expected, words(text), autojunk=False)
        lost = [(start, end) for kind, start, end, _, _ in matcher.get_opcodes() if kind in ("delete", "replace")]
        return [word for start, end in lost for word in expected[start:end]]


def write(run: str, name: str, seed: int = 0, *, topics: int | None = None, decoy: bool = False) -> Handbook:
    """The handbook of a run, or its decoy.

    Args:
        run: identifier of the run.
        name: which of the run's handbooks; a decoy is asked for by the name of what it imitates.
        seed: tells handbooks of one name apart, for example those of many users.
        topics: how many sections (all, unless said); which ones is drawn.
    """
    source = _source()
    draw = random.Random(f"{run}/{name}/{seed}")
    chosen = draw.sample(source.topics, topics or len(source.topics))
    place, twin, elsewhere = _places(draw, source.places)
    needed = 2 * len(chosen) + len(source.inventory.rows)
    drawn = draw.sample(_FIGURES, 2 * needed)
    codes = [" ".join(draw.sample(source.sentinels.code_words, 3)) for _ in range(6)]
    if decoy:
        place, drawn, codes = twin, drawn[needed:], codes[3:]
    return _compose(source, chosen, place, elsewhere, iter(map(str, drawn)), codes)


def figures(text: str) -> set[str]:
    """The numbers in a text, without separators of thousands; references such as [2] are not counted."""
    plain = re.sub(r"\[\d+\]", " ", unicodedata.normalize("NFKC", text))
    joined = re.sub(r"(?<=\d)[,.' \u2019](?=\d{3}(?!\d))", "", plain)
    return set(re.findall(r"\d+", joined))


def words(text: str) -> list[str]:
    """Words and numbers of a text, without case; ligatures and cut-off line ends put right."""
    plain = unicodedata.normalize("NFKC", text).replace("\u00ad", "")
    return re.findall(r"[^\W_]+", re.sub(r"(?<=[^\W\d_])-\n(?=[a-z])", "", plain).lower())


def _compose(
    source: Source, topics: list[Topic], place: str, elsewhere: str, drawn: Iterator[str], codes: list[str]
) -> Handbook:
    facts, sections = [], []
    sentinels = source.sentinels
    opening, middle, last = (
        template.format(place=place, code=code)
        for template, code in zip((sentinels.opening, sentinels.middle, sentinels.last), codes, strict=False)
    )
    for number, topic in enumerate(topics, 1):
        fact = _fact(
            topic.question, topic.fact, place, next(drawn), _fact(topic.follow_up, topic.more, place, next(drawn))
        )
        assert fact.follow_up
        paragraphs = [f"{topic.about} {fact.sentence}", f"{fact.follow_up.sentence} {topic.closing}"]
        if number == (len(topics) + 1) // 2:
            paragraphs.append(middle)
        facts.append(fact)
        sections.append(Section(topic.heading, tuple(paragraphs)))
    rows = [source.inventory.columns, *((item, next(drawn)) for item in source.inventory.rows)]
    sections.append(Section(source.inventory.heading, table=tuple(rows)))
    unanswered = [question.format(place=place) for question in source.unanswered]
    unanswered.append(topics[0].question.format(place=elsewhere))
    title = source.title.format(place=place)
    return Handbook(place, title, tuple(sections), tuple(facts), (opening, middle, last), tuple(unanswered))


def _fact(question: str, sentence: str, place: str, figure: str, follow_up: Fact | None = None) -> Fact:
    return Fact(question.format(place=place), sentence.format(place=place, figure=figure), figure, follow_up)


def _places(draw: random.Random, names: Places) -> tuple[str, str, str]:
    """Three names of places that differ in every part."""
    parts = (draw.sample(choice, 3) for choice in (names.beginnings, names.middles, names.endings))
    first, second, third = ("".join(place) for place in zip(*parts, strict=True))
    return first, second, third


@lru_cache(maxsize=1)
def _source() -> Source:
    return read_model(SOURCE, Source)
