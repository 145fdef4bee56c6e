"""Anchors of the gate page, and links to them in the documents."""

from __future__ import annotations

import re

PAGE = "gate.html"
_LINK = re.compile(r"(?<!\\)\[((?:[^\[\]\\\n]|\\.)*)\]\(([^()\s]*#[^()\s]+)\)")
_REFERENCE = re.compile(r"(?<!\\)\]\[(\d+)\]")
_DEFINITION = re.compile(r"^\[(\d+)\]: (\S+)$\n?", re.MULTILINE)


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
