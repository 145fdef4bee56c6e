"""Pictures of the page: the steps of a journey in one strip, and what differs between two engines, with tolerance.

Engines draw letters differently by a pixel or two, and what a run types is never the same: pictures are compared after
they were averaged over squares, and a square differs when its colour clearly does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

SQUARE = 10  # pixels that are averaged, in both directions
TOLERANCE = 48  # of 255: by how much a square's colour may differ
CELL = 560  # pixels of the longer side of a step in a strip
GAP = 12
PAPER = (255, 255, 255)
MARK = (214, 40, 40)
QUALITY = 82


@dataclass(frozen=True)
class Difference:
    """What differs between two pictures: the share of squares in percent, and the second picture with these marked."""

    share: float
    marked: Image.Image


def difference(one: Image.Image, other: Image.Image) -> Difference:
    """Compare two pictures of a step over the part that both have; what one has beyond the other is different."""
    width, height = min(one.width, other.width), min(one.height, other.height)
    squares = (max(1, width // SQUARE), max(1, height // SQUARE))
    area = (0, 0, width, height)
    averaged = [picture.convert("RGB").crop(area).resize(squares, Image.Resampling.BOX) for picture in (one, other)]
    apart = ImageChops.difference(*averaged)
    worst = ImageChops.lighter(ImageChops.lighter(*apart.split()[:2]), apart.split()[2])
    mask = worst.point(lambda value: 255 if value > TOLERANCE else 0)
    count = mask.histogram()[255]
    beyond = max(one.width * one.height, other.width * other.height) - width * height
    share = 100 * (count * SQUARE * SQUARE + beyond) / (squares[0] * squares[1] * SQUARE * SQUARE + beyond)
    faded = Image.blend(other.convert("L").convert("RGB").crop(area), Image.new("RGB", (width, height), PAPER), 0.5)
    faded.paste(
        Image.new("RGB", (width, height), MARK), mask=mask.resize((width, height)).point(lambda value: value // 2)
    )
    return Difference(min(100.0, share), faded)


def strip(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of the same size side by side, each as wide as the others, scaled down where they are large."""
    scale = min(1.0, CELL / max(max(one.width, one.height) for one in pictures))
    cells = [one.convert("RGB").resize((round(one.width * scale), round(one.height * scale))) for one in pictures]
    width, height = max(one.width for one in cells), max(one.height for one in cells)
    sheet = Image.new("RGB", (len(cells) * (width + GAP) - GAP, height), PAPER)
    for number, cell in enumerate(cells):
        place = number * (width + GAP)
        sheet.paste(cell, (place, 0))
        ImageDraw.Draw(sheet).rectangle((place, 0, place + cell.width - 1, cell.height - 1), outline=(190, 190, 190))
    return sheet


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture, small enough to be part of a page."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, "WEBP", quality=QUALITY, method=4)


def differences(steps: Mapping[str, Path], others: Mapping[str, Path]) -> dict[str, Difference]:
    """What differs in each step that both have."""
    found = {}
    for step in (step for step in steps if step in others):
        with Image.open(steps[step]) as one, Image.open(others[step]) as other:
            found[step] = difference(one, other)
    return found


def opened(paths: Sequence[Path]) -> list[Image.Image]:
    """The pictures in these files."""
    pictures = []
    for path in paths:
        with Image.open(path) as picture:
            pictures.append(picture.copy())
    return pictures
