"""The gate page (`gate.html`): one file that opens anywhere, offline, and is read in a minute."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.evidence.reading import Bundle
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.gate import Gate


def page(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> str:
    """The page as HTML; the same evidence gives the same bytes."""
    return f"<!doctype html><title>{gate.verdict}</title>"
