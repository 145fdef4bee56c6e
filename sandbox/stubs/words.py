"""Normalised words of the embedding and chat stubs: without case, accents, ligatures and endings."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_WORD: Final = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_]+(?:'[^\W\d_]+)?")
_ENDINGS: Final = ("'s", "ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "ly", "s", "y", "e")

_STOP_WORDS: Final = (
    "a about after all also am an and any are as at be been before being but by can could did do does for from "
    "get gets had has have he her his how i if in into is it its just may me might more most must my no nor not "
    "of on once one only or other our out over own per please shall she should so some such tell than that the "
    "their them then there these they this those through to under up upon us was we were what when where which "
    "while who whom whose why will with within would you your many much long often far old amount number figure "
    "answer say says document documents "
)
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())
"""Words that say little of what a text is about, the words of asking among them."""


def normalise(text: str) -> str:
    """Compatibility characters (ligatures, full width) as plain ones, and no accents."""
    decomposed = unicodedata.normalize("NFKD", text.replace("\u2019", "'"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def words(text: str) -> list[str]:
    """The words and numbers of a text, in order."""
    return _WORD.findall(normalise(text))


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A word without case and ending, so that `paid`'s relatives and plurals meet; numbers stay whole."""
    word = word.lower()
    if word[0].isdigit():
        return word.replace(",", "")
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def content_stems(text: str) -> list[str]:
    """Stems of the content words of a text."""
    return [stem(word) for word in words(text) if word.lower() not in STOP_WORDS]
