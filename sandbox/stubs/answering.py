"""Extractive answers: the sentence of the context that best answers the last question, or that none does."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.stubs.words import STOP_WORDS, content_stems, stem, words

UNKNOWN: Final = "The documents do not say."
UNCLEAR: Final = "It is not clear what this question refers to."

_BLOCK: Final = re.compile(r"^\[(\d+)\] ([^\n:]*): ", re.MULTILINE)
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[^a-z\s])|\n\s*\n")
_FOLLOW_UP: Final = re.compile(r"^(and|or|also|but)\b|^(what|how) about\b", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"\b(it|its|that|this|they|them|their|there|those|these)\b", re.IGNORECASE)
_ASKS_FIGURE: Final = re.compile(
    r"\bhow (?:much|many|long|often|far|old|high|deep|big|large|late|early|soon|tall|wide|heavy)\b|\bwhen\b"
    r"|\b(?:what|which)\b.*\b(?:amount|date|day|fee|figure|limit|number|percentage|price|rate|sum|time|year)\b",
    re.IGNORECASE,
)
_FIGURE: Final = re.compile(
    r"\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|hundred|thousand|daily|weekly|yearly)\b",
    re.IGNORECASE,
)
_INSTRUCTION: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.*\b(?:instruction|previous|prior|above|rule|question)"
    r"|\b(?:assistant|language model|system prompt|you are now|you must (?:answer|reply|say|respond))\b",
    re.IGNORECASE,
)
_LEAST_COVERAGE: Final = 0.6
_LEAST_COVERAGE_OF_EARLIER: Final = 0.3
_WEIGHT_OF_EARLIER: Final = 0.35
_NAMED_NEARBY: Final = 0.8


@dataclass(frozen=True)
class Sentence:
    """One sentence of the context, with its block."""

    text: str
    block: int
    stems: frozenset[str]
    block_stems: frozenset[str]


def answer(context: str, questions: Sequence[str]) -> str:
    """The answer to the last question from the context's numbered blocks (`[n] title: text`), followed by ` [n]`.

    Earlier questions count only where the last one refers to them.
    """
    *earlier, question = questions
    base = ""
    if leans_on_earlier(question, bool(earlier)):
        base = next((turn for turn in reversed(earlier) if not leans_on_earlier(turn, True)), "")
        if not base:
            return UNCLEAR
    best = choose(question, base, read_context(context))
    return f"{best.text} [{best.block}]" if best else UNKNOWN


def read_context(context: str) -> list[Sentence]:
    """The sentences of all blocks, without instructions to the model: a document is data only."""
    pieces = _BLOCK.split(context)[1:]
    sentences = []
    for number, title, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        block_stems = frozenset(content_stems(f"{title} {text}"))
        for sentence in _SENTENCE_END.split(text):
            line = " ".join(sentence.split())
            if line and not is_instruction(line):
                sentences.append(Sentence(line, int(number), frozenset(content_stems(line)), block_stems))
    return sentences


def is_instruction(sentence: str) -> bool:
    """Whether a sentence is an instruction to the model."""
    return bool(_INSTRUCTION.search(sentence))


def leans_on_earlier(question: str, has_earlier: bool) -> bool:
    """Whether a question cannot be understood alone, such as `And for a family?`."""
    if _FOLLOW_UP.search(question.strip()):
        return True
    return has_earlier and not names(question) and bool(_REFERENCE.search(question))


def choose(question: str, base: str, sentences: list[Sentence]) -> Sentence | None:
    """The best sentence, if it answers well enough."""
    named = names(question) or names(base)
    topic = set(content_stems(question)) - names(question)
    earlier = set(content_stems(base)) - names(base)
    needs_figure = asks_figure(question) or asks_figure(base)
    rarity = _rarity(sentences)

    def score(sentence: Sentence) -> float:
        if not names_match(named, sentence) or (needs_figure and not _FIGURE.search(sentence.text)):
            return 0
        nearness = 1 if named <= sentence.stems else _NAMED_NEARBY
        own = coverage(topic or (set() if earlier else named), sentence, rarity)
        if not earlier:
            return own * nearness
        before = coverage(earlier, sentence, rarity)
        if not topic:
            return before * nearness
        if own < _LEAST_COVERAGE or before < _LEAST_COVERAGE_OF_EARLIER:
            return 0
        return ((1 - _WEIGHT_OF_EARLIER) * own + _WEIGHT_OF_EARLIER * before) * nearness

    best = max(sentences, key=lambda sentence: (score(sentence), sentence.text[-1] in ".!?"), default=None)
    return best if best and score(best) >= _LEAST_COVERAGE else None


def names(question: str) -> set[str]:
    """Stems of the names in a question: capitalised words that do not begin it, and words with digits."""
    found = words(question)
    capital = {word for word in found[1:] if word[0].isupper() and word.lower() not in STOP_WORDS}
    return {stem(word) for word in capital | {w for w in found if w[0].isalpha() and any(map(str.isdigit, w))}}


def names_match(named: set[str], sentence: Sentence) -> bool:
    """Whether a sentence, or else the block around it, is about everything that the question names."""
    return named <= sentence.stems or named <= sentence.block_stems


def asks_figure(question: str) -> bool:
    """Whether the question asks for an amount, a number or a date."""
    return not question.rstrip().endswith((".", "!")) and bool(_ASKS_FIGURE.search(question))


def coverage(asked: set[str], sentence: Sentence, rarity: dict[str, float]) -> float:
    """The share of the question's words in the sentence; rare words count more, and unknown ones most."""
    unknown = max(rarity.values(), default=1.0)
    total = sum(rarity.get(word, unknown) for word in asked)
    return sum(rarity[word] for word in asked & sentence.stems) / total if total else 0


def _rarity(sentences: Iterable[Sentence]) -> dict[str, float]:
    counts = Counter(word for sentence in sentences for word in sentence.stems)
    return {word: 1 + math.log(1 + counts.total() / count / 10) for word, count in counts.items()}
