"""What is made of a page's pictures, loads, findings and messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.browsers import accessibility, readable, speed
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


LOAD = {"load": 1500, "lcp": 900, "cls": 0.01, "inp": None, "tasks": 0, "transferred": 80_000, "requests": 20}


def test_loads_give_figures_in_the_units_of_their_limits() -> None:
    found = {
        name: (unit, samples)
        for name, unit, samples in speed.figures([LOAD, LOAD | {"load": 2500}, LOAD | {"load": 500}])
    }
    assert found["load_time"] == ("s", [1.5, 2.5, 0.5])
    assert found["transferred"] == ("kB", [80, 80, 80])


def test_what_an_engine_does_not_report_at_every_load_is_no_figure() -> None:
    assert "inp" not in {name for name, *_ in speed.figures([LOAD, LOAD | {"inp": 40}])}
    assert list(speed.figures([])) == []


def test_a_rule_is_one_finding_however_often_it_is_broken() -> None:
    broken = {"id": "label", "impact": "critical", "help": "Fields have labels", "places": ["#a", "#b"]}
    minor = {"id": "region", "impact": None, "help": "Content is in regions", "places": ["p"]}
    found = accessibility.findings([("log in", [minor, broken]), ("ask", [broken])])
    assert [one.rule for one in found] == ["label", "region"]
    assert str(found[0]) == "Fields have labels: #a (log in); #b (log in); #a (ask); #b (ask)"
    assert accessibility.findings([("log in", [])]) == []


@pytest.mark.parametrize(
    "text",
    [
        "E-mail or password is wrong.",
        "The connection was lost during the upload. Check your connection and try again.",
        "“note.txt” is not a PDF document.",
        "“20261129-222630-note.exe” is not a PDF document.",
        "404.txt is not a PDF document.",
        "E-mail or password is wrong.\nReference for support: f7fe10afbf1f40de",
    ],
)
def test_sentences_are_readable(text: str) -> None:
    assert readable.problem_of(text) == ""


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no sentence"),
        ("Error 503", "no sentence"),
        ("E-401\nReference for support: 5f2b", "no sentence"),
        ("E-503 Please try again in a moment.", "a code"),
        ("503: the service is unavailable", "a code"),
        ('{"error": {"message": "the service is not there"}}', "markup or JSON"),
        ("The upload failed: undefined", "a value that is none"),
        ("TypeError: cannot read the properties of it", "an exception"),
        ("It ended with invalid_credentials in the end", "the name of a code"),
        ("TypeScript says Failed to fetch it", "the words of an engine"),
        ("word " * 100, "more than 400 characters"),
    ],
)
def test_what_only_programs_say_is_not_readable(text: str, problem: str) -> None:
    assert readable.problem_of(text) == problem
