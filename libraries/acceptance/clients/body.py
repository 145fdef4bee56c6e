"""Bodies of responses: never longer than asked for, decompressed, and JSON as every browser reads it."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import AsyncIterator
from typing import Any, NoReturn

MOST_NESTED = 100  # arrays and objects within each other
ENCODINGS = {
    "": None,
    "identity": None,
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}
ACCEPTED = "gzip, deflate"
_STRUCTURE = re.compile(r'[\[{]|[\]}]|"(?:[^"\\]|\\.)*+"', re.DOTALL)


class UnreadableError(Exception):
    """A body that is not read to its end, or that is not what it says; the text says why."""


async def bounded(received: AsyncIterator[bytes], encoding: str, most: int) -> AsyncIterator[bytes]:
    """The parts of a body, decompressed.

    Args:
        received: the body as it came over the wire.
        encoding: the `Content-Encoding` of the response.
        most: bytes, sent and decompressed; reading ends there.

    Raises:
        UnreadableError: it is longer, cannot be decompressed, or has an encoding that was not asked for.
    """
    name = encoding.strip().lower()
    if name not in ENCODINGS:
        raise UnreadableError(f"a body encoded as {name!r}, where {ACCEPTED} was asked for")
    bits = ENCODINGS[name]
    decoder = zlib.decompressobj(bits) if bits is not None else None
    size = sent = 0
    async for part in received:
        sent += len(part)
        try:
            whole = decoder.decompress(part, max(1, most - size + 1)) if decoder else part
        except zlib.error as error:
            raise UnreadableError(f"a body that is no {name}: {error}") from None
        size += len(whole)
        if max(size, sent) > most:
            packed = f" after decompression of {sent:,} bytes" if decoder else ""
            raise UnreadableError(f"a body of more than {most:,} bytes{packed}")
        yield whole


def parse_json(content: bytes | str) -> Any:
    """The value of a JSON text in UTF-8, by the standard: no NaN, no number that is none.

    Raises:
        ValueError: it is none; says why.
    """
    if isinstance(content, bytes):
        try:
            content = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"not UTF-8 (byte {error.start})") from None
    if content.count("[") + content.count("{") > MOST_NESTED and _is_too_deep(content):
        raise ValueError(f"arrays and objects nested more than {MOST_NESTED} deep")
    return json.loads(content, parse_constant=_refuse, parse_float=_finite)


def _is_too_deep(content: str) -> bool:
    depth = 0
    for token in _STRUCTURE.finditer(content):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0][:1], 0)
        if depth > MOST_NESTED:
            return True
    return False


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is beyond the range of numbers")
    return value
