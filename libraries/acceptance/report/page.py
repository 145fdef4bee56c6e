"""The gate page (`gate.html`): one file, readable offline, in a minute.

`acceptance.report.view_model` selects the content; templates/ lays it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from acceptance.evidence.reader import Bundle
from acceptance.report.documents import NAMES, SUBJECTS
from acceptance.report.markdown import anchor, anchor_of_tests, words
from acceptance.report.rows import WORDS, is_check, reason_of
from acceptance.report.view_model import CHECK, TESTS, GateView, cut, value_of
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.failures import summary_of
from acceptance.verdict.gate import Gate

__all__ = ["anchor", "page"]

TEMPLATES = Path(__file__).with_name("templates")


def page(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> str:
    """The page as HTML; the same evidence gives the same bytes."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # evidence may contain any text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "anchor": anchor,
        "anchor_of_tests": anchor_of_tests,
        "cut": cut,
        "reason": reason_of,
        "summary_of": summary_of,
        "value": value_of,
        "words": words,
    }
    environment.tests["check"] = is_check
    environment.globals |= {
        "CHECK": CHECK,
        "FILES": {words(one): name for one, name in zip(SUBJECTS, NAMES, strict=True)},
    }
    view = GateView.of(gate, bundles, criteria)
    return environment.get_template("gate.html.jinja").render(view=view, gate=gate, words=WORDS, most=TESTS)
