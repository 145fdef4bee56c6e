"""Where things stand in the report: what the documents link to, the gate page has."""

from __future__ import annotations

import re

PAGE = "gate.html"
_LINK = re.compile(r"(?<!\\)\]\(([^()\s]*#[^()\s]+)\)")
_REFERENCE = re.compile(r"(?<!\\)\]\[(\d+)\]")
_DEFINITION = re.compile(r"^\[(\d+)\]: (\S+)$\n?", re.MULTILINE)


def anchor(reference: str) -> str:
    """The `id` of an observation in the gate page, by its run and line (`run/writer:number`)."""
    return "o-" + re.sub(r"[^A-Za-z0-9-]", "-", reference)


def anchor_of_tests(criterion: str) -> str:
    """The `id` of the list of a criterion's tests in the gate page."""
    return f"tests-{criterion}"


def with_references(markdown: str) -> str:
    """The text with `[29.9 s][12]` for each link to a place in a page, which is told at its end: to be read as text."""
    numbers: dict[str, int] = {}
    text = _LINK.sub(lambda link: f"][{numbers.setdefault(link[1], len(numbers) + 1)}]", markdown)
    told = "".join(f"[{number}]: {target}\n" for target, number in numbers.items())
    return f"{text}\n{told}" if told else text


def without_references(markdown: str) -> str:
    """The text with its links where they are used; a reference that leads nowhere stays one."""
    known = dict(_DEFINITION.findall(markdown))
    text = _DEFINITION.sub("", markdown)
    return _REFERENCE.sub(lambda one: f"]({known[one[1]]})" if one[1] in known else one[0], text)


def lost_references(markdown: str) -> list[str]:
    """References that lead nowhere, and such as lead to two places."""
    defined = [number for number, _ in _DEFINITION.findall(markdown)]
    twice = {number for number in defined if defined.count(number) > 1}
    return sorted({*_REFERENCE.findall(markdown)} - {*defined} | twice, key=int)
