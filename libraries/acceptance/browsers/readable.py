"""Whether a message is one for people."""

from __future__ import annotations

import re

LEAST_WORDS = 3
LONGEST = 400  # characters
# What only programs say: markup, JSON, values that are none, exceptions, traces, addresses of code, bare codes.
_PROGRAMS = (
    (re.compile(r"[{}<>]|\\[nt\"]"), "markup or JSON"),
    (re.compile(r"\b(undefined|null|NaN|None)\b|\[object "), "a value that is none"),
    (re.compile(r"\b\w+(Error|Exception)\b|Traceback|\bat \w+ \("), "an exception"),
    (re.compile(r"\b[a-z]+(_[a-z]+)+\b"), "the name of a code"),
    (re.compile(r"\A\s*(?:[A-Z]{1,6}[-_ ]?)?\d{3,5}(?=[\s:]|\Z)"), "a code"),
    (re.compile(r"\bFailed to fetch\b|\bNetworkError\b|\bLoad failed\b"), "the words of an engine"),
)


def problem_of(text: str) -> str:
    """Why a message is none for people; empty where it is one. Its first line says what is wrong, whatever follows."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    words = re.findall(r"[^\W\d_]{2,}", first)
    if len(words) < LEAST_WORDS:
        return "no sentence"
    if len(text) > LONGEST:
        return f"more than {LONGEST} characters"
    return next((why for pattern, why in _PROGRAMS if pattern.search(text)), "")
