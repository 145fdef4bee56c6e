"""Secrets that must not be seen: those of the environment, and those born in the run."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote

MASK = "<redacted>"
PREFIX = 16  # so many first characters of a secret identify it, where a log cut the rest off
START = 6  # shorter texts are no secrets
_TOKEN = r"[\w\-.~+/%=]"
_TOKENS = re.compile(rf"{_TOKEN}*")
_PATTERNS = re.compile(
    r"(?P<keep>"
    r"(?:authorization|proxy-authorization|cookie|set-cookie|apikey|x-api-key)['\"]?\s*[:=]\s*['\"]?(?:bearer\s+|basic\s+)?"
    r"|\bbearer\s+"
    r"|(?:access_token|refresh_token|password|secret|service_role_key|anon_key)(?:\\?['\"])?\s*[:=]\s*(?:\\?['\"])?"
    r"|[?&]token=)"
    rf"(?!<redacted>|\$\{{|None\b|null\b|bearer\b|basic\b)(?P<hide>{_TOKEN}{{6,}})"
    r"|(?P<jwt>\beyJ[\w\-]{8,}(?:\.[\w\-]*){0,2})",
    re.IGNORECASE,
)


class Redactor:
    """Knows the secrets of the run, and cleans text of them in every form in which they are written."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal may be logged while a secret is registered
        self._known: dict[str, tuple[str, ...]] = {}  # first characters -> forms that begin so, the longest first

    def register(self, secret: str) -> str:
        """Have `secret` hidden from now on, also as base64, URL-quoted and JSON text; returns it."""
        if len(secret) >= START:
            with self._lock:
                for form in _forms(secret):
                    others = self._known.get(form[:START], ())
                    if form not in others:
                        self._known[form[:START]] = tuple(sorted((*others, form), key=len, reverse=True))
        return secret

    def clean(self, text: str) -> str:
        """`text` without any secret, registered or of a well-known shape."""
        return _PATTERNS.sub(lambda match: (match["keep"] or "") + MASK, "".join(self._without_known(text)))

    def _without_known(self, text: str) -> Iterator[str]:
        """The text in pieces. A run registers hundreds of secrets one by one: a pattern of all is slow to make."""
        known, done, at, last = self._known, 0, 0, len(text) - START
        while at <= last:
            forms = known.get(text[at : at + START])
            end = next((end for form in forms if (end := _end(form, text, at))), 0) if forms else 0
            if end:
                yield text[done:at]
                yield MASK
                done = at = end
            else:
                at += 1
        yield text[done:]


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    for shift in range(3):  # base64 inside a longer text starts at any of three offsets
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[shift] : len(encoded) - (1 if (len(raw) + shift) % 3 else 0)]
        if len(inner) >= 8:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _end(form: str, text: str, at: int) -> int:
    """Where a form that begins here ends, whole or cut off after so much that it is known; 0 where none begins."""
    if text.startswith(form, at):
        return at + len(form)
    if len(form) > PREFIX and text.startswith(form[:PREFIX], at):
        rest = _TOKENS.match(text, at + PREFIX)
        return rest.end() if rest else 0
    return 0
