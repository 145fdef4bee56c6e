"""Decisions of the project (`docs/decisions/`) as hashed inputs of the evidence, and what this run measured of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from acceptance.evidence.records import Decision
from acceptance.report.rows import observed_figures
from acceptance.verdict.criterion_results import Row
from acceptance.verdict.gate import Gate
from acceptance.verdict.metrics import Figure

DECISIONS = "docs/decisions"
_MEASURED_BY = re.compile(r"^Measured by:[ \t]*(.*?)\.?[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Measurement:
    """A criterion or figure that a decision rests on, as measured in this run.

    Args:
        name: a criterion (`INT-13`) or a figure of one (`INT-08.realtime_lag`).
        row: the criterion, where it exists.
        figures: the observed ones; empty where this run did not measure it.
    """

    name: str
    row: Row | None
    figures: Sequence[Figure]


def read_decisions(project: Path) -> tuple[list[Decision], list[str]]:
    """One record per decision of a project, by name of its file, and what could not be read."""
    folder = project / DECISIONS
    if not folder.is_dir():
        return [], [f"{DECISIONS}: no such folder: no decision is among the evidence"]
    decisions, unread = [], []
    for path in sorted(folder.glob("*.md")):
        try:
            decisions.append(decision_of(f"{DECISIONS}/{path.name}", path.read_bytes()))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8"
            unread.append(f"{DECISIONS}/{path.name}: cannot be read: {why}; it is not among the decisions of this run")
    return decisions, unread


def decision_of(file: str, content: bytes) -> Decision:
    """A decision by its file: heading, first paragraph, and the criteria of its line `Measured by: …`.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    text = content.decode()
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", _MEASURED_BY.sub("", text))]
    heading = next((part for part in text.splitlines() if part.startswith("# ") and part[2:].strip()), "")
    named = [name.strip() for line in _MEASURED_BY.findall(text) for name in line.split(",")]
    return Decision(
        file=file,
        title=heading[2:].strip() or Path(file).stem,
        summary=next((part for part in paragraphs if part and not part.startswith("#")), ""),
        sha256=sha256(content).hexdigest(),
        measured_by=tuple(name for name in named if name),
    )


def measurements(decision: Decision, gate: Gate) -> list[Measurement]:
    """The measurements of all that a decision rests on."""
    rows = {row.id: row for row in gate.criteria}
    return [_measured(name, rows.get(name.partition(".")[0])) for name in decision.measured_by]


def _measured(name: str, row: Row | None) -> Measurement:
    figure = name.partition(".")[2]
    seen = [one for one in observed_figures(row) if figure in ("", one.name)] if row else []
    return Measurement(name, row, seen)
