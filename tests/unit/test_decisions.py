"""Decisions of the project as inputs of the evidence: each is read whole, or told."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from acceptance.report.decisions import DECISIONS, decision_of, read_decisions
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.yaml_models import PROJECT


def test_a_decision_is_its_heading_first_paragraph_and_hash() -> None:
    content = b"# It is so\n\nFirst\nparagraph.\n\nMore.\n\nMeasured by: INT-08.x, INT-13\n"
    found = decision_of("docs/decisions/1.md", content)
    assert found.sha256 == sha256(content).hexdigest()
    assert (found.title, found.summary) == ("It is so", "First paragraph.")
    assert found.measured_by == ("INT-08.x", "INT-13")
    empty = decision_of("docs/decisions/1-x.md", b"")
    assert (empty.title, empty.summary, empty.measured_by) == ("1-x", "", ())


def test_a_decision_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert read_decisions(tmp_path)[1] == [f"{DECISIONS}: no such folder: no decision is among the evidence"]
    folder = tmp_path / DECISIONS
    folder.mkdir(parents=True)
    (folder / "1.md").write_bytes(b"\xff\xfe")
    (folder / "2.md").mkdir()
    (folder / "3.md").write_text("# Good\n\nYes.\n")
    decisions, unread = read_decisions(tmp_path)
    assert [one.title for one in decisions] == ["Good"]
    assert [line.split(": cannot")[0] for line in unread] == [f"{DECISIONS}/1.md", f"{DECISIONS}/2.md"]


def test_what_decisions_rest_on_are_criteria_and_their_figures() -> None:
    decisions, unread = read_decisions(PROJECT)
    criteria = read_criteria(CRITERIA).criteria
    assert decisions
    assert not unread
    for decision in decisions:
        for name in decision.measured_by:
            identifier, _, figure = name.partition(".")
            assert identifier in criteria, f"{decision.file} names {name}"
            limits = {limit.figure for limit in criteria[identifier].limits}
            assert not figure or figure in limits, f"{decision.file} names {name}, of {limits or 'no figures'}"
