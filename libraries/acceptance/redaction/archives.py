"""Cleans archives: opens them, passes each member to a function, and packs them again where one changed."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Literal

MEMBERS = 20_000
UNPACKED = 256 * 1024 * 1024

Kind = Literal["zip", "tar", "gzip", "bzip2", "xz", "unknown"]
Clean = Callable[[str, bytes], bytes | None]
"""From a member's name and content to the clean content; None removes the member."""

_STARTS: dict[bytes, Kind] = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "unknown",  # Zstandard
    b"7z\xbc\xaf\x27\x1c": "unknown",
    b"Rar!\x1a\x07": "unknown",
}
_STREAMS: dict[str, tuple[Callable[[Any], Any], Callable[[bytes], bytes]]] = {
    "gzip": (gzip.open, lambda content: gzip.compress(content, mtime=0)),
    "bzip2": (bz2.open, bz2.compress),
    "xz": (lzma.open, lzma.compress),
}
_DAMAGED = (
    *(OSError, EOFError, RuntimeError, ValueError, NotImplementedError),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError),
)


class NotOpenedError(Exception):
    """An archive cannot be opened, or holds more than is unpacked."""


@dataclass
class Allowance:
    """What may still be unpacked of one file, archives within it included."""

    members: int = MEMBERS
    size: int = UNPACKED

    def read(self, file: IO[bytes]) -> bytes:
        """All that is in a member.

        Raises:
            NotOpenedError: that is more than may be unpacked.
        """
        self.members -= 1
        content = file.read(self.size + 1)
        self.size -= len(content)
        if self.members < 0 or self.size < 0:
            raise NotOpenedError("it holds more than is unpacked")
        return content


def kind_of(content: bytes) -> Kind | None:
    """Which kind of archive this is, by what is in it; nothing where it is none."""
    for start, kind in _STARTS.items():
        if content.startswith(start):
            return kind
    if content[257:262] == b"ustar":
        return "tar"
    return "zip" if b"PK\x05\x06" in content[-66_000:] and zipfile.is_zipfile(io.BytesIO(content)) else None


def cleaned(content: bytes, kind: Kind, clean: Clean, allowance: Allowance, *, anew: bool = False) -> bytes:
    """An archive of cleaned members, and nothing else: the very same bytes where nothing changed, unless `anew`.

    Raises:
        NotOpenedError: it cannot be opened, or holds too much.
    """
    try:
        if kind == "zip":
            return _cleaned_zip(content, clean, allowance, anew)
        if kind == "tar":
            return _cleaned_tar(content, clean, allowance, anew)
        if kind != "unknown":
            return _cleaned_stream(content, kind, clean, allowance, anew)
    except _DAMAGED as error:
        raise NotOpenedError(f"it cannot be opened ({type(error).__name__})") from None
    raise NotOpenedError("it is of a kind that cannot be opened")


def _cleaned_stream(content: bytes, kind: str, clean: Clean, allowance: Allowance, anew: bool) -> bytes:
    opened, pack = _STREAMS[kind]
    with opened(io.BytesIO(content)) as file:
        inner = allowance.read(file)
    new = clean("", inner) or b""
    return content if new == inner and not anew else pack(new)


def _cleaned_zip(content: bytes, clean: Clean, allowance: Allowance, anew: bool) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        old = [_content(archive, info, allowance) for info in members]
    new = [clean(info.filename, inner) for info, inner in zip(members, old, strict=True)]
    if new == old and not anew:
        return content
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for info, inner in zip(members, new, strict=True):
            if inner is not None:
                header = zipfile.ZipInfo(info.filename, info.date_time)
                header.external_attr = info.external_attr
                stored = info.compress_type == zipfile.ZIP_STORED
                archive.writestr(header, inner, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: Allowance) -> bytes:
    with archive.open(info) as file:
        return allowance.read(file)


def _cleaned_tar(content: bytes, clean: Clean, allowance: Allowance, anew: bool) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        members = archive.getmembers()
        old = [allowance.read((info.isreg() and archive.extractfile(info)) or io.BytesIO()) for info in members]
    new = [clean(info.name, inner) for info, inner in zip(members, old, strict=True)]
    if new == old and not anew:
        return content
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for info, inner in zip(members, new, strict=True):
            if inner is not None:
                header = tarfile.TarInfo(info.name)
                header.type = tarfile.REGTYPE if info.isreg() else info.type
                header.mode, header.mtime, header.linkname, header.size = (
                    info.mode,
                    info.mtime,
                    info.linkname,
                    len(inner),
                )
                archive.addfile(header, io.BytesIO(inner))
    return packed.getvalue()
