"""Secrets to hide: those of the environment, and those created in the run."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from itertools import chain

from acceptance.redaction.encodings import forms_of
from acceptance.redaction.patterns import MASK, MASK_IN_MARKUP, TOKEN, hide_shapes, unmistakable

PREFIX = 16  # so many first characters of a secret identify it, where a log cut the rest off
START = 6  # shorter texts are no secrets
_TOKENS = re.compile(rf"{TOKEN}*")
_MASKS = re.compile(f"({MASK}|{MASK_IN_MARKUP})")


class Redactor:
    """Knows the secrets of the run, and cleans text of them in every form in which they are written."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may be logged while a secret is registered
        self._known: dict[str, tuple[str, ...]] = {}  # first characters -> forms that begin so, the longest first
        self._parts: set[str] = set()  # every START characters of what identifies a form
        self._stride = PREFIX - START + 1  # looking at every so many characters of a text meets one of the parts

    def register(self, secret: str) -> str:
        """Have `secret` hidden from now on, also as base64, URL-quoted, JSON, HTML and Python text; returns it."""
        if len(secret) >= START:
            with self._lock:
                for form in forms_of(secret):
                    self._learn(form)
        return secret

    def _learn(self, form: str) -> None:
        others = self._known.get(form[:START], ())
        if form in others:
            return
        self._known[form[:START]] = tuple(sorted((*others, form), key=len, reverse=True))
        offsets = len(form[:PREFIX]) - START + 1
        self._parts.update(form[offset : offset + START] for offset in range(offsets))
        self._stride = min(self._stride, offsets)

    def clean(self, text: str, mask: str = MASK) -> str:
        """`text` without any secret, registered or of a well-known shape; what is hidden already stays as it is."""
        pieces = _MASKS.split(text) if MASK in text or MASK_IN_MARKUP in text else [text]
        return hide_shapes("".join(part for piece in pieces for part in self._without_known(piece, mask)), mask)

    def secrets_in(self, text: str) -> Iterator[str]:
        """Each secret in a text as it stands there: registered, or of a shape that nothing else has."""
        yield from (text[begin:end] for begin, end in self._spans(text))
        yield from unmistakable(text)

    def _without_known(self, text: str, mask: str) -> Iterator[str]:
        """The text in pieces. A run registers hundreds of secrets one by one: a pattern of all is slow to make."""
        if text in (MASK, MASK_IN_MARKUP):
            yield text
            return
        done = 0
        for begin, end in self._spans(text):
            yield text[done:begin]
            yield mask
            done = end
        yield text[done:]

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where each known form begins and ends."""
        parts, stride, last = self._parts, self._stride, len(text) - START
        done = at = 0
        while at <= last + stride:
            if text[at : at + START] in parts or at > last:
                found = self._first(text, max(done, at - stride + 1), min(at, last))
                if found is not None:
                    yield found
                    done = at = found[1]
                    continue
            at += stride

    def _first(self, text: str, first: int, last: int) -> tuple[int, int] | None:
        """Where a known form begins between these places, and where it ends."""
        for at in range(first, last + 1):
            forms = self._known.get(text[at : at + START], ())
            whole = (_whole(form, text, at) for form in forms)
            for end in chain(whole, (_cut_off(form, text, at) for form in forms)):
                if end:
                    return at, end
        return None


def _whole(form: str, text: str, at: int) -> int:
    """Where a form that begins here ends; 0 where none begins."""
    return at + len(form) if text.startswith(form, at) else 0


def _cut_off(form: str, text: str, at: int) -> int:
    """Where a form that was cut off after so much that it is known ends; 0 where none begins."""
    if len(form) > PREFIX and text.startswith(form[:PREFIX], at):
        rest = _TOKENS.match(text, at + PREFIX)
        return rest.end() if rest else 0
    return 0
