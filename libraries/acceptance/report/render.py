"""Writes the report of a gate into its folder, and reports what was edited there since."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from acceptance.evidence.reader import Bundle
from acceptance.report.documents import NAMES, documents
from acceptance.report.handoff import PAGE as HANDOFF
from acceptance.report.handoff import handoff
from acceptance.report.junit import summary, xunit
from acceptance.report.page import page
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.gate import Gate

GATE = "gate.json"
PAGE = "gate.html"
SUMMARY = "summary.md"
XUNIT = "xunit.xml"
EDITED = ".edited"


def report(
    gate: Gate, bundles: Sequence[Bundle], criteria: Criteria, folder: Path | None = None
) -> Iterator[tuple[str, str]]:
    """Every file of the report, the gate first, with its name; the same evidence gives the same bytes.

    Args:
        folder: of the run, with the pictures that are part of its evidence.
    """
    yield GATE, gate.model_dump_json(indent=2) + "\n"
    yield SUMMARY, summary(gate)
    yield XUNIT, xunit(gate, bundles)
    yield PAGE, page(gate, bundles, criteria)
    yield HANDOFF, handoff(gate, bundles, folder)
    yield from documents(gate, bundles, criteria).items()


def bare_report(gate: Gate, broke: str) -> Iterator[tuple[str, str]]:
    """In place of a report that broke: the verdict and the error, so that no older page remains."""
    yield GATE, gate.model_dump_json(indent=2) + "\n"
    text = f"{gate.line}\n\n{broke}\n"
    yield PAGE, f"<!doctype html><meta charset=utf-8><title>{gate.verdict}</title><pre>{escape(text)}</pre>\n"
    for name in (SUMMARY, *NAMES):
        yield name, text


def write_report(folder: Path, files: Iterable[tuple[str, str]]) -> list[str]:
    """Write the files; keep a file that differs beside it, and return a line with its first difference."""
    edited = []
    for name, text in list(files):  # all or none
        path = folder / name
        if path.exists() and (line := _first_difference(path, text)):
            kept = path.with_name(name + EDITED)
            path.replace(kept)
            differs = f"{name}:{line}: differs from what the evidence says now"
            edited.append(f"{differs}: written anew, the other is kept as {kept.name}")
        path.write_text(text, encoding="utf-8")
    return edited


def _first_difference(path: Path, text: str) -> int:
    """The first line of the file that is not as in the text, or 0."""
    there = path.read_bytes()
    if there == text.encode():
        return 0
    pairs = enumerate(zip(there.split(b"\n"), text.encode().split(b"\n"), strict=False), start=1)
    return next((number for number, (one, other) in pairs if one != other), 1)
