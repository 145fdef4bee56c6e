"""The encodings of a secret: quoted, escaped or encoded on its way into a file."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

LEAST_ENCODED = 8  # shorter base64 is found in any text
_PLAIN = re.compile(r"[A-Za-z0-9_\-]*")
_HEX = re.compile(r"%[0-9A-F]{2}")


def forms_of(secret: str) -> set[str]:
    """A secret as it is, and as in URLs, JSON, HTML, Python and base64, also nested."""
    encoded = {form for form in _base64(secret) if len(form) >= LEAST_ENCODED}
    if _PLAIN.fullmatch(secret):  # nothing quotes or escapes it
        return {secret, *encoded}
    escaped = {again for text in _as_python(secret) for once in _escaped(text) for again in _escaped(once)}
    forms = escaped | set(_in_addresses(secret)) | encoded
    return forms | {form.encode().decode("latin-1") for form in forms}  # bytes decoded as Latin-1


def _as_python(secret: str) -> Iterator[str]:
    """As in tracebacks and logs; within a longer text with both kinds of quotes, one kind is escaped."""
    yield secret
    for render in (repr, ascii, lambda text: repr(text.encode())[1:]):
        yield render(secret)[1:-1]
        yield render(f"'\"{secret}")[4:-1]


def _escaped(text: str) -> Iterator[str]:
    yield text
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield html.escape(text)
    yield html.escape(text, quote=False)
    yield html.escape(text, quote=False).replace('"', "&quot;")
    yield html.escape(text, quote=False).replace('"', "&quot;").replace("'", "&apos;")
    yield html.escape(text, quote=False).replace('"', "&quot;").replace("'", "&#39;")


def _in_addresses(secret: str) -> Iterator[str]:
    browser = quote_plus(secret, safe="*").replace("~", "%7E")  # as forms of browsers are sent
    component = quote(secret, safe="!'()*~")  # as JavaScript's encodeURIComponent does it
    whole = quote(secret, safe="!#$%&'()*+,/:;=?@[]~")  # as a library quotes a raw address
    for quoted in (quote(secret), quote(secret, safe=""), quote_plus(secret), browser, component, whole):
        yield quoted
        yield _HEX.sub(lambda match: match[0].lower(), quoted)


def _base64(secret: str) -> Iterator[str]:
    raw = secret.encode()
    for shift in range(3):  # inside a longer text it starts at any of three offsets
        encoded = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[shift] : len(encoded) - (1 if (len(raw) + shift) % 3 else 0)]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
