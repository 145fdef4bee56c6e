"""How texts and figures of the evidence are put into Markdown, so that no text of theirs changes its shape."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from urllib.parse import quote

PAGE = "gate.html"
_LINK = re.compile(r"(?<!\\)\[((?:[^\[\]\\\n]|\\.)*)\]\(([^()\s]*#[^()\s]+)\)")
_REFERENCE = re.compile(r"(?<!\\)\]\[(\d+)\]")
_DEFINITION = re.compile(r"^\[(\d+)\]: (\S+)$\n?", re.MULTILINE)
_SHORTER = (("s", "ms", 0.1), ("ms", "µs", 0.01))  # below so much
MOST = 300  # characters of a message; all of it stands where the link beside it leads
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "{": "&#123;", "}": "&#125;"}
_ESCAPED |= {mark: f"\\{mark}" for mark in "\\`*[]|~_"}
_MARKS = re.compile(r"[&<>\\`*\[\]|~]|\{(?=[{%#])|\}(?=\})|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_OWN = re.compile(r"(`[^`]+`|(?<![\w*])\*\w[^*`]*\w\*(?![\w*]))")  # code and emphasis in the texts of this project


def anchor(reference: str) -> str:
    """The `id` of an observation in the gate page, by its run and line (`run/writer:number`)."""
    return "o-" + re.sub(r"[^A-Za-z0-9-]", "-", reference)


def anchor_of_tests(criterion: str) -> str:
    """The `id` of the list of a criterion's tests in the gate page."""
    return f"tests-{criterion}"


def with_references(markdown: str) -> str:
    """The text with `[29.9 s][12]` in place of each link to a part of a page, and the targets at its end.

    A figure links to its observation once; where it is repeated, it is plain text.
    """
    numbers: dict[str, int] = {}

    def numbered(link: re.Match[str]) -> str:
        if link[2] in numbers and link[2].startswith(f"{PAGE}#{anchor('')}"):
            return link[1]
        return f"[{link[1]}][{numbers.setdefault(link[2], len(numbers) + 1)}]"

    text = _LINK.sub(numbered, markdown)
    targets = "".join(f"[{number}]: {target}\n" for target, number in numbers.items())
    return f"{text}\n{targets}" if targets else text


def without_references(markdown: str) -> str:
    """The text with inline links; a reference without a target stays one."""
    known = dict(_DEFINITION.findall(markdown))
    text = _DEFINITION.sub("", markdown)
    return _REFERENCE.sub(lambda one: f"]({known[one[1]]})" if one[1] in known else one[0], text)


def lost_references(markdown: str) -> list[str]:
    """References without a target, and with more than one."""
    defined = [number for number, _ in _DEFINITION.findall(markdown)]
    twice = {number for number in defined if defined.count(number) > 1}
    return sorted({*_REFERENCE.findall(markdown)} - {*defined} | twice, key=int)


def one_line(text: str, most: int = MOST) -> str:
    """A text on one line without control characters; what is longer ends in '…'."""
    line = _UNSEEN.sub(" ", text[: 20 * most]).strip()
    return line if len(line) <= most and len(text) <= 20 * most else line[: most - 1].rstrip() + "…"


def safe(text: str, most: int = MOST) -> str:
    """A text escaped for Markdown, also within a table cell."""
    return _escaped(one_line(text, most))


def prose(text: str, most: int = MOST) -> str:
    """A text of this project as a paragraph; code and emphasis are kept."""
    parts = _OWN.split(one_line(text, most))
    return "".join(_escaped(part) if at % 2 == 0 else _marked(part) for at, part in enumerate(parts))


def ranges(identifiers: Iterable[str]) -> str:
    """Identifiers in short: `PERF-01…07, PERF-10, CLOUD-02…05`."""
    runs: list[list[str]] = []
    for name in identifiers:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(f"{run[0]}…{run[-1][-2:]}" if len(run) > 2 else ", ".join(run) for run in runs)


def number(value: float, beside: float | None = None) -> str:
    """A number with three or four digits, or as many as it needs to differ from the one `beside` it."""
    digits = 4 if abs(value) >= 1 else 3
    while beside is not None and value != beside and digits < 17 and _with(value, digits) == _with(beside, digits):
        digits += 1
    return _with(value, digits)


def in_unit(value: float, unit: str, beside: float | None = None) -> tuple[str, str]:
    """A number and its unit: a smaller one for very short times."""
    times, unit = unit_for(value, unit)
    return number(times * value, None if beside is None else times * beside), unit


def unit_for(value: float, unit: str) -> tuple[int, str]:
    """The unit in which a value is written, and how many of it make one of the given unit."""
    times = 1
    for long, short, least in _SHORTER:
        if unit == long and 0 < times * abs(value) < least:
            times, unit = 1000 * times, short
    return times, unit


def amount(value: float | bool | str, unit: str, beside: float | None = None) -> str:
    """A figure with its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return safe(value, 80) or "(empty)"
    text, unit = in_unit(value, unit, beside)
    return f"{text} {safe(unit, 40)}"


def words(name: str) -> str:
    """The name of a figure in words."""
    return name.replace("_", " ")


def is_all(value: object, unit: str | None, must_be: str | None) -> bool:
    """Whether it is 100 % where more is better: the best possible value, whatever the margin."""
    return unit == "%" and must_be in ("at least", "over") and value == 100


def day_and_time(moment: str) -> str:
    """A recorded time: `2026-11-24 02:35:17`; the zone is UTC."""
    return safe(moment.replace("T", " ")[:19]) if moment else "unknown"


def target(path: str) -> str:
    """The address of a link, in which nothing ends the link."""
    return quote(path, safe="/#+~-._:")


def count(many: int, one: str, more: str = "") -> str:
    """`1 test`, `2 tests`, `no test`."""
    if many == 1:
        return f"1 {one}"
    return f"{many:,} {more or one + 's'}" if many else f"no {one}"


def _escaped(line: str) -> str:
    return _MARKS.sub(lambda mark: _ESCAPED[mark[0]], line)


def _marked(part: str) -> str:
    if part.startswith("`"):
        return re.sub(r"\{(?=[{%#])|\}(?=\})", lambda brace: f"{brace[0]} ", part)
    return f"*{_escaped(part[1:-1])}*"


def _follows(one: str, other: str) -> bool:
    areas, numbers = zip(*(name.split("-") for name in (one, other)), strict=True)
    return areas[0] == areas[1] and int(numbers[1]) == int(numbers[0]) + 1


def _with(value: float, digits: int) -> str:
    if not math.isfinite(value) or abs(value) >= 1e15:
        return f"{value:.4g}"
    if abs(value) >= 1000:
        text = f"{value:,.{max(0, digits - 4)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{digits}g}"
