"""Text of a PDF, page by page, or of a text file, or a refusal with a readable reason."""

from __future__ import annotations

import io
import logging
import re
import statistics
import unicodedata
from typing import Final

from pypdf import PasswordType, PdfReader

# It warns of each oddity of a file; errors become refusals.
logging.getLogger("pypdf").setLevel(logging.ERROR)

_TAIL: Final = 2048
_END: Final = re.compile(rb"startxref\s+\d+\s+%%EOF")
_OBJECT: Final = re.compile(rb"\d\s+\d+\s+obj\b")
_PICTURE: Final = re.compile(rb"/Subtype\s*/Image\b")
_LEAST_DISTINCT_WORDS: Final = 2
_LEAST_DISTINCT_FIGURES: Final = 3
_BINARY: Final = re.compile(r"[\x00-\x08\x0e-\x1f]")
_UNSTORABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class DocumentError(Exception):
    """The document cannot be parsed, and trying again would not help."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def extract_text(data: bytes) -> list[str]:
    """The text of each page, paragraphs apart by an empty line.

    Raises:
        DocumentError: the document is empty, neither PDF nor text, damaged, encrypted, or holds no text.
    """
    if (text := text_in(data)).strip():
        return [paragraphs(text)]
    check_bytes(data)
    pages = [paragraphs(page) for page in _read_pages(data[: end_of(data)])]
    shows_text = has_text(pages) if _PICTURE.search(data) else any(map(str.isalnum, "".join(pages)))
    if not shows_text:
        raise DocumentError("no_text_found", "No text was found in this document. Pictures cannot be read.")
    return pages


def text_in(data: bytes) -> str:
    """What a text file says; empty for bytes that are none."""
    try:
        text = "" if b"%PDF-" in data[:1024] else data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return ""
    return "" if _BINARY.search(text) else text


def check_bytes(data: bytes) -> None:
    """Checks that need no parsing."""
    if not data:
        raise DocumentError("empty_document", "This document is empty.")
    if b"%PDF-" not in data[:1024]:
        raise DocumentError("not_a_pdf", "This document is not a PDF.")
    if not end_of(data):
        raise _damaged("Its end is missing.")


def end_of(data: bytes) -> int:
    """Where the PDF ends, whatever a proxy or a mail gateway has put behind it; 0 where its end is missing.

    Objects behind an end are of an update, or of the rest of a linearized file, whose own end is missing.
    """
    end = max((match.end() for match in _END.finditer(data)), default=0)
    if end and not _OBJECT.search(data, end):
        return end
    return len(data) if b"%%EOF" in data[-_TAIL:] else 0


def has_text(pages: list[str]) -> bool:
    """Whether there is more than producers leave on pages of images: one word, such as `Background`, and page numbers.

    A letter of a script that has no small ones is a word: Chinese, Japanese and Thai have no space between words.
    """
    words = {word for page in pages for word in page.split() if any(map(str.isalpha, word))}
    letters = {char for word in words for char in word if unicodedata.category(char) == "Lo"}
    figures = max((len({word for word in page.split() if any(map(str.isdecimal, word))}) for page in pages), default=0)
    return len(words | letters) >= _LEAST_DISTINCT_WORDS or figures >= _LEAST_DISTINCT_FIGURES


def paragraphs(text: str) -> str:
    """Paragraphs of a page's lines; words hyphenated at a line's end are joined."""
    # Neither PostgreSQL nor JSON accepts the characters replaced here.
    lines = [" ".join(_UNSTORABLE.sub(" ", line).split()) for line in text.splitlines()]
    widths = [len(line) for line in lines if line]
    full = 0.6 * statistics.quantiles(widths, n=4)[2] if len(widths) > 1 else 0
    result: list[str] = []
    continues = False
    for line in lines:
        if continues and line and result[-1].endswith("-") and line[0].islower():
            result[-1] = result[-1].removesuffix("-") + line
        elif continues and line:
            result[-1] += f" {line}"
        elif line:
            result.append(line)
        continues = len(line) >= full and not re.search(r"[.!?:]\W?$", line)
    return "\n\n".join(result)


def _read_pages(data: bytes) -> list[str]:
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
            raise DocumentError("encrypted_document", "This document is encrypted. Upload it without a password.")
        pages = [page.extract_text() for page in reader.pages]
    except DocumentError:
        raise
    except Exception as error:  # damaged files make the reader raise nearly anything
        raise _damaged("Its structure cannot be read.") from error
    if not pages:
        raise _damaged("It has no pages.")
    return pages


def _damaged(detail: str) -> DocumentError:
    return DocumentError("damaged_document", f"This document is damaged. {detail}")
