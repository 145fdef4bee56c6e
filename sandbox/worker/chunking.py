"""Splits a text into contiguous chunks, at the ends of sentences where there are any."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

CHUNK_CHARACTERS: Final = 800
SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"'”)\]]*\s+|\n\s*\n\s*")


@dataclass(frozen=True)
class Chunk:
    """`text` is the whole text's part from `start` up to `end`."""

    ordinal: int
    start: int
    end: int
    text: str


def split(text: str) -> list[Chunk]:
    """The chunks of a text; joined, they are the text."""
    chunks: list[Chunk] = []
    start = end = 0
    for piece_end in boundaries(text):
        if end > start and piece_end - start > CHUNK_CHARACTERS:
            chunks.append(Chunk(len(chunks), start, end, text[start:end]))
            start = end
        end = piece_end
    if end > start:
        chunks.append(Chunk(len(chunks), start, end, text[start:end]))
    return chunks


def boundaries(text: str) -> Iterator[int]:
    """Positions where the text may be split: after each sentence, and after words of one longer than a chunk."""
    start = 0
    for end in (*(match.end() for match in SENTENCE_END.finditer(text)), len(text)):
        while end - start > CHUNK_CHARACTERS:
            space = max(
                text.rfind(" ", start, start + CHUNK_CHARACTERS), text.rfind("\n", start, start + CHUNK_CHARACTERS)
            )
            start = space + 1 if space > start else start + CHUNK_CHARACTERS
            yield start
        if end > start:
            yield end
            start = end
