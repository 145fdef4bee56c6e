"""The search for canaries: every byte below a folder, whatever it is packed into.

It shares nothing with what hides them.
"""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

PACKED = re.compile(rb"e[AFJN][A-Za-z0-9+/]{30,}={0,2}")  # long texts in a log.html


def spilled(folder: Path, secrets: Iterable[str], **more: str) -> list[str]:
    """Every place below a folder, and in the texts `more`, where a secret can be read."""
    forms = {form for secret in secrets for form in written_forms(secret)}
    places = {(name, form) for name, content in _everything(folder) for form in forms if form in content}
    places |= {(name, form) for name, text in more.items() for form in forms if form in text.encode()}
    return sorted(f"{name}: {form.decode(errors='replace')}" for name, form in places)


def written_forms(secret: str) -> Iterator[bytes]:
    """How a secret may be written."""
    yield secret[:12].encode()
    for text in (secret, repr(secret)[1:-1], repr(secret.encode())[2:-1]):
        for form in (text, html.escape(text), html.escape(text, quote=False)):
            yield from (form.encode(), json.dumps(form)[1:-1].encode())
            yield json.dumps(form, ensure_ascii=False)[1:-1].encode()
            yield json.dumps(json.dumps(form)[1:-1])[1:-1].encode()
    for form in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield from (form.encode(), re.sub("%..", lambda found: found[0].lower(), form).encode())
    for before in (b"", b"u", b"us"):  # what stands around it in base64: three offsets, both ends cut off
        encoded = base64.b64encode(before + secret.encode())[4 if before else 0 : -4]
        yield from (encoded, encoded.translate(bytes.maketrans(b"+/", b"-_")))
    for encoding in ("latin-1", "utf-16-le", "utf-16-be"):
        yield secret.encode(encoding)


def _everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        yield f"the name {name}", name.encode()
        if path.is_file():
            yield from _unpacked(name, path.read_bytes())


def _unpacked(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    for found in PACKED.findall(content):
        try:
            yield f"{name} (packed text)", zlib.decompress(base64.b64decode(found))
        except (ValueError, zlib.error):
            continue
    if content.startswith(b"\x1f\x8b"):
        inner = io.BytesIO()
        try:
            with gzip.open(io.BytesIO(content)) as file:
                while part := file.read(8):
                    inner.write(part)
        except EOFError:
            pass  # what is there of it can be read
        yield from _unpacked(f"{name}|gunzip", inner.getvalue())
    elif content[257:262] == b"ustar":
        with tarfile.open(fileobj=io.BytesIO(content)) as tape:
            for info in tape:
                taped = tape.extractfile(info)
                yield from _unpacked(f"{name}|{info.name}", taped.read() if taped else b"")
    elif zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield from _unpacked(f"{name}|{member}", archive.read(member))
