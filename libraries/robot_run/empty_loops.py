"""Loops of a passed test that had nothing to go through: whatever they should have checked was not looked at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

LEAVES = ("RETURN", "BREAK", "CONTINUE")  # what follows one of these is not run, which is no empty loop


def empty_loops(ran: Any) -> Iterator[Any]:
    """The FOR loops in the result of a test, keyword or branch that ran without an iteration."""
    for step in getattr(ran, "body", ()):
        status = getattr(step, "status", "")
        if step.type == "FOR" and status == "NOT RUN":
            yield step
        elif status not in ("NOT RUN", ""):
            yield from empty_loops(step)
        if _has_left(step):
            return


def _has_left(step: Any) -> bool:
    """Whether a step, or one within it that is no keyword, ended what it stands in."""
    if getattr(step, "status", "") == "NOT RUN":
        return False
    if step.type in LEAVES:
        return True
    return step.type not in ("KEYWORD", "FOR", "WHILE") and any(map(_has_left, getattr(step, "body", ())))
