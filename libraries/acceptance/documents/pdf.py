"""PDF files out of handbooks, byte for byte the same for the same content."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from textwrap import wrap
from typing import Final

from fpdf import FPDF
from fpdf.recorder import FPDFRecorder
from PIL import Image, ImageDraw

from acceptance.documents.handbook import Handbook

_MADE_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)
_LINE: Final = 6.0
_CHARACTERS: Final = 90  # of a line, in the size of the text


def render(handbook: Handbook, *, ballast: int = 0, password: str = "") -> bytes:
    """The handbook as a PDF of A4 pages, with paragraphs whole on their page.

    Args:
        ballast: bytes of noise to attach as a file, for a document of a certain size.
        password: without which the document cannot be opened.
    """
    pdf = _new(handbook.title)
    pdf.add_page()
    _paragraph(pdf, handbook.title, size=18)
    _paragraph(pdf, handbook.sentinels[0])
    for section in handbook.sections:
        with pdf.unbreakable() as whole:
            _paragraph(whole, section.heading, size=14)
            for paragraph in section.paragraphs:
                _paragraph(whole, paragraph)
            for row in section.table:
                for cell in row:
                    whole.cell(60, _LINE, cell, border=1)
                whole.ln(_LINE)
    _paragraph(pdf, handbook.sentinels[2])
    if password:
        pdf.set_encryption(owner_password=password, user_password=password)
    if ballast:
        noise = random.Random(ballast).randbytes(ballast)
        pdf.embed_file(bytes=noise, basename="noise.bin", modification_date=_MADE_AT, compress=False)
    return bytes(pdf.output())


def render_exactly(handbook: Handbook, size: int) -> bytes:
    """The handbook as a valid PDF of exactly so many bytes.

    Raises:
        ValueError: no such PDF can be made, because the handbook alone is larger.
    """
    ballast = max(size - len(render(handbook, ballast=1)), 0)
    for _ in range(8):
        data = render(handbook, ballast=ballast)
        if len(data) == size:
            return data
        # Lengths and positions are written into the file as digits, whose number may change with the ballast.
        ballast += size - len(data)
        if ballast <= 0:
            break
    raise ValueError(f"a PDF of exactly {size} bytes cannot be made of this handbook")


def render_images(title: str, seed: str, pages: int = 3) -> bytes:
    """A PDF of pictures without any text, not even in the pictures."""
    draw = random.Random(seed)
    pdf = _new(title)
    for _ in range(pages):
        picture = Image.new("RGB", (300, 400), "white")
        canvas = ImageDraw.Draw(picture)
        for _ in range(12):
            x, y, radius = draw.randrange(300), draw.randrange(400), draw.randrange(10, 80)
            canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(draw.randbytes(3)))
        pdf.add_page()
        pdf.image(picture, w=pdf.epw)
    return bytes(pdf.output())


def _new(title: str) -> FPDF:
    pdf = FPDF()
    pdf.set_creation_date(_MADE_AT)
    pdf.set_title(title)
    pdf.set_auto_page_break(True, margin=20)
    return pdf


def _paragraph(pdf: FPDF | FPDFRecorder, text: str, size: int = 11) -> None:
    pdf.set_font("Helvetica", size=size)
    for line in wrap(text, _CHARACTERS * 11 // size):  # a fifth of the time that the PDF library's own wrapping takes
        pdf.cell(0, _LINE * size / 11, line, new_x="LMARGIN", new_y="NEXT")
    pdf.ln(_LINE / 2)
