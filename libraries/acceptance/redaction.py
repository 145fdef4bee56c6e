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
_TOKEN = r"[\w\-.~+/%=]"
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
        self._lock = threading.RLock()  # a signal may be logged while a pattern is made
        self._forms: set[str] = set()
        self._known: re.Pattern[str] | None = None

    def register(self, secret: str) -> str:
        """Have `secret` hidden from now on, also as base64, URL-quoted and JSON text; returns it."""
        if len(secret) >= 6:
            with self._lock:
                before = len(self._forms)
                self._forms.update(_forms(secret))
                if len(self._forms) != before:
                    self._known = None
        return secret

    def clean(self, text: str) -> str:
        """`text` without any secret, registered or of a well-known shape."""
        known = self._pattern()
        if known is not None:
            text = known.sub(MASK, text)
        return _PATTERNS.sub(lambda match: (match["keep"] or "") + MASK, text)

    def _pattern(self) -> re.Pattern[str] | None:
        with self._lock:
            if self._known is None and self._forms:
                longest_first = sorted(self._forms, key=len, reverse=True)
                self._known = re.compile("|".join(map(_expression, longest_first)))
            return self._known


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


def _expression(form: str) -> str:
    if len(form) <= PREFIX:
        return re.escape(form)
    return rf"{re.escape(form)}|{re.escape(form[:PREFIX])}{_TOKEN}*"
