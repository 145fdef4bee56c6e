"""Removes secrets from all files of a run, archives included, whatever wrote them.

Text is cleaned. What cannot be cleaned is removed and named: other files that hold a secret, archives that cannot be
opened, and unapproved pictures, since pictures cannot be searched.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tempfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from acceptance.redaction.archives import Allowance, NotOpenedError, cleaned, kind_of
from acceptance.redaction.patterns import MASK, MASK_IN_MARKUP
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.structured import clean_html, clean_json, clean_xml, is_json, is_xml

DEPTH = 5  # of archives within archives
LARGEST = 256 * 1024 * 1024

# Written clean, and not to be altered: records are chained, and others append to the notes of what was made.
_ONLY_SEARCHED = re.compile(r"(.*/)?(evidence/(records-[^/]*\.jsonl|seal-[^/]*\.json)|journal/created\.jsonl)")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1a\x45\xdf\xa3", b"%PDF", b"II*\x00", b"MM\x00*", b"BM")
_MARKUP = ("<", "\ufeff<")
_PACKED = re.compile(r"e[AFJN][A-Za-z0-9+/]{30,}={0,2}")  # base64 of what zlib packed: long texts in a log.html


class SecretLeftError(Exception):
    """A file holds a secret, or may hold one, and cannot be cleaned."""


def scrub(
    folder: Path,
    redactor: Redactor,
    *,
    keep: Collection[str] = (),
    within: Collection[str] = (),
    leave: Collection[str] = (),
    since: float = 0.0,
) -> list[str]:
    """Clean every file below a folder, and remove what cannot be cleaned. What is clean is not touched.

    Args:
        folder: of a run; symbolic links out of it are not followed.
        redactor: knows the secrets.
        keep: paths, relative to the folder, of approved pictures.
        within: names of what is gone through in the folder, where it holds more than the run; default is everything.
        leave: paths of files that are still being written.
        since: what was written before this time (seconds since the epoch) is not the run's, and stays as it is.

    Returns:
        A line for each file that was removed, or that holds a secret and had to stay.
    """
    found = []
    for path in _below(folder):
        name = path.relative_to(folder).as_posix()
        if name in leave or (within and name.partition("/")[0] not in within):
            continue
        try:
            if path.lstat().st_ctime >= since:
                found += [f"{redactor.clean(name)}: {line}" for line in _scrubbed(path, name, redactor, name in keep)]
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(f"{redactor.clean(name)}: cannot be searched for secrets: {error.strerror}")
    return found


def scrub_file(path: Path, redactor: Redactor) -> None:
    """Clean one file; a picture counts as approved.

    Raises:
        SecretLeftError: it holds a secret and cannot be cleaned; it is removed.
    """
    removed = [*_scrubbed(path, path.name, redactor, approved=True)]
    if not path.exists():
        raise SecretLeftError(f"{redactor.clean(path.name)}: {'; '.join(removed)}")


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder, topdown=False):
        yield from (Path(parent, name) for name in sorted((*folders, *files)))


def _scrubbed(path: Path, name: str, redactor: Redactor, approved: bool) -> Iterator[str]:
    status = path.lstat()
    if path.is_symlink():
        if _holds(redactor, f"{name}\n{path.readlink()}"):
            path.unlink()
            yield "removed: a link whose name or target holds a secret"
    elif path.is_dir():
        if _holds(redactor, path.name):
            with suppress(OSError):  # it is not empty
                path.rmdir()
    elif not S_ISREG(status.st_mode):
        return
    elif _ONLY_SEARCHED.fullmatch(name):
        content = path.read_bytes()
        if _bytes_hold(redactor, content) and not all(_is_clean(line, redactor) for line in content.splitlines()):
            yield "holds a secret, and stays as it is: later lines follow from earlier ones"
    else:
        try:
            if _holds(redactor, name):
                raise SecretLeftError("its name holds a secret")
            if status.st_size > LARGEST:
                raise SecretLeftError(f"more than {LARGEST >> 20} MB are not searched for secrets")
            old = path.read_bytes()
            file = _File(redactor, approved)
            new = file.cleaned(old)
        except SecretLeftError as error:
            path.unlink()
            yield f"removed: {error}"
        else:
            if new != old:
                _replace(path, new, status.st_mode)
            yield from file.lost


def _is_clean(line: bytes, redactor: Redactor) -> bool:
    """Whether no text of a record holds a secret: what stands between two texts makes other shapes of them."""
    text = line.decode(errors="replace")
    if not _holds(redactor, text):
        return True
    try:
        return not any(_holds(redactor, leaf) for leaf in _texts(json.loads(text)))
    except ValueError:
        return False


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _holds(redactor: Redactor, text: str) -> bool:
    return redactor.clean(text) != text


def _bytes_hold(redactor: Redactor, content: bytes) -> bool:
    """Whether a secret stands in these bytes, as UTF-8 or with two or four bytes to a letter."""
    return _holds(redactor, content.decode("latin-1")) or (
        b"\0" in content and _holds(redactor, content.replace(b"\0", b"").decode("latin-1"))
    )


def _is_picture(content: bytes) -> bool:
    """Pictures, videos and what is printed, by what is in them."""
    return content.startswith(_PICTURES) or content[8:12] == b"WEBP" or content[4:8] == b"ftyp"


def _text_of(content: bytes) -> str | None:
    try:
        return None if b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file anew; it is there whole, old or new, at any moment."""
    number, draft = tempfile.mkstemp(prefix=".scrubbing-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode & 0o7777)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)


class _File:
    """One file with all that is packed into it.

    Attributes:
        lost: a line for what was removed from it.
    """

    def __init__(self, redactor: Redactor, approved: bool) -> None:
        self._redactor = redactor
        self._vouched = approved
        self._allowance = Allowance()
        self._removed: dict[str, list[str]] = {}  # why -> members

    @property
    def lost(self) -> list[str]:
        return [
            f"removed from it: {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''}: {why}"
            for why, names in sorted(self._removed.items())
        ]

    def cleaned(self, content: bytes, depth: int = 0) -> bytes:
        """The content without secrets.

        Raises:
            SecretLeftError: it cannot be cleaned.
        """
        if kind_of(content):
            return self._cleaned_archive(content, depth)
        text = _text_of(content)
        if text is not None and not content.startswith(b"%PDF"):
            return self._cleaned_text(text).encode()
        if _is_picture(content) and (depth or not self._vouched):
            raise SecretLeftError("an unapproved picture, which cannot be searched")
        if _bytes_hold(self._redactor, content):
            raise SecretLeftError("holds a secret, and cannot be cleaned")
        return content

    def _cleaned_text(self, text: str) -> str:
        mask = MASK_IN_MARKUP if text.lstrip().startswith(_MARKUP) else MASK
        cleaned = self._redactor.clean(text, mask)
        text = cleaned if cleaned == text else self._still_well_formed(text, cleaned, mask)
        return _PACKED.sub(lambda found: self._cleaned_packed(found[0], mask), text)

    def _still_well_formed(self, text: str, cleaned: str, mask: str) -> str:
        """What was cleaned as a whole, where it still is what it was; else it is cleaned text by text."""
        begins = text.lstrip("\ufeff \r\n\t")[:100].lower()
        if begins.startswith("<?xml"):
            return cleaned if is_xml(cleaned) else clean_xml(text, self._redactor.clean) or cleaned
        if begins.startswith(("<!doctype html", "<html")):
            return clean_html(text, lambda part: self._redactor.clean(part, mask))
        if begins.startswith(("{", "[")):
            return cleaned if is_json(cleaned) else clean_json(text, self._redactor.clean) or cleaned
        return cleaned

    def _cleaned_packed(self, packed: str, mask: str) -> str:
        unpacking = zlib.decompressobj()
        try:
            text = unpacking.decompress(base64.b64decode(packed), self._allowance.size).decode()
        except (ValueError, zlib.error):
            return packed  # not packed text
        self._allowance.size -= len(text)
        if unpacking.unconsumed_tail:
            return mask
        new = self._redactor.clean(text, mask)
        return packed if new == text else base64.b64encode(zlib.compress(new.encode(), 9)).decode()

    def _cleaned_archive(self, content: bytes, depth: int) -> bytes:
        kind = kind_of(content)
        if kind is None or depth >= DEPTH:
            raise SecretLeftError(f"more than {DEPTH} archives within each other are not opened")

        def clean(name: str, inner: bytes) -> bytes | None:
            if not name:
                return self.cleaned(inner, depth + 1)
            try:
                if _holds(self._redactor, name):
                    raise SecretLeftError("its name holds a secret")
                return self.cleaned(inner, depth + 1)
            except SecretLeftError as error:
                self._removed.setdefault(str(error), []).append(self._redactor.clean(name))
                return None

        try:
            packed = cleaned(content, kind, clean, self._allowance)
            if _bytes_hold(self._redactor, packed):  # in a comment, or beside the members
                packed = cleaned(packed, kind, clean, Allowance(), anew=True)
        except NotOpenedError as error:
            raise SecretLeftError(f"{error}, so its content is unknown") from None
        if _bytes_hold(self._redactor, packed):
            raise SecretLeftError("holds a secret, and cannot be cleaned")
        return packed
