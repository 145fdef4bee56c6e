"""What is made of pictures of a page: strips, and what differs between engines."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.browsers.pictures import difference, differences, strip
from PIL import Image, ImageDraw

SIZE = (400, 300)


def page(*, moved: int = 0, button: bool = True) -> Image.Image:
    picture = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((20 + moved, 20), "Documents of a person", fill="black")
    if button:
        draw.rectangle((100, 150, 300, 200), fill="teal")
    return picture


def test_equal_pictures_do_not_differ() -> None:
    assert difference(page(), page()).share == 0


def test_letters_that_are_a_pixel_apart_are_tolerated() -> None:
    assert difference(page(), page(moved=1)).share < 0.5


def test_a_missing_button_differs_and_is_marked() -> None:
    found = difference(page(), page(button=False))
    assert found.share == pytest.approx(100 * 201 * 51 / (400 * 300), rel=0.15)
    red, green, _ = found.marked.getpixel((200, 175))  # type: ignore[misc]
    assert red > green + 50


def test_what_one_picture_has_beyond_the_other_differs() -> None:
    assert difference(page(), page().crop((0, 0, 400, 150))).share >= 50


def test_steps_stand_side_by_side(tmp_path: Path) -> None:
    sheet = strip([page(), page(), page()])
    assert sheet.size == (3 * 400 + 2 * 12, 300)
    for name in ("one", "two"):
        page(button=name == "one").save(tmp_path / f"{name}.png")
    found = differences({"log in": tmp_path / "one.png", "ask": tmp_path / "one.png"}, {"log in": tmp_path / "two.png"})
    assert list(found) == ["log in"]
