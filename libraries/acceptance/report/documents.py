"""The four documents from which the next phase starts (DOC-01, DOC-03), made of sealed evidence alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Decision
from acceptance.report import markdown, rows
from acceptance.report.analysis import PERFORMANCE, Section, sections, strategies
from acceptance.report.decisions import measurements
from acceptance.report.handoff import PAGE as HANDOFF
from acceptance.report.handoff import answers_of, open_checks
from acceptance.report.markdown import PAGE, with_references
from acceptance.report.rows import is_claimed, state_of
from acceptance.verdict.criteria import Criteria, area
from acceptance.verdict.criterion_results import UNKNOWABLE, Row, Tried
from acceptance.verdict.gate import Gate

SUBJECTS = ("notes", "decisions", "handoff", "testing_summary")
NAMES = tuple(f"TODO001_phase2_{subject}.md" for subject in SUBJECTS)
TEMPLATES = Path(__file__).parent / "templates"
# What phase 2 observed that security builds on: accounts, sessions, routes, isolation, input, caches, error responses.
SECURITY = ("INT-01", "INT-02", "INT-03", "INT-04", "INT-12", "CLOUD-02", "ERR-06", "ERR-09")
MANUAL = ("BRW-03", "BRW-05")


def documents(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> dict[str, str]:
    """The documents as Markdown by file name; the same evidence gives the same bytes."""
    analysis = sections(gate, bundles)
    known = {
        "gate": gate,
        "criteria": criteria,
        "areas": [(name, list(group)) for name, group in groupby(gate.criteria, key=lambda row: area(row.id))],
        "tests": rows.tests_of(gate),
        "decisions": [(decision, measurements(decision, gate)) for decision in decisions_of(bundles)],
        "sections": analysis,
        "figures": {row.id: _figures_beside(row, analysis) for row in gate.criteria},
        "strategies": list(strategies(gate)),
        "checks": open_checks(bundles),
        "answers": answers_of(bundles),
        **_by_use(gate),
    }
    return {
        name: with_references(_tidy(_environment().get_template(f"{subject}.md.jinja").render(known)))
        for name, subject in zip(NAMES, SUBJECTS, strict=True)
    }


def decisions_of(bundles: Sequence[Bundle]) -> list[Decision]:
    """The decisions of the evidence, each version once, by file."""
    found = {(one.file, one.sha256): one for bundle in bundles for one in bundle.decisions}
    return [found[key] for key in sorted(found)]


def _figures_beside(row: Row, analysis: Sequence[Section]) -> str:
    """The figures with a limit, or the only one, that no section of the analysis has, and which has the others."""
    limited = rows.benchmarks(row) or [one for one in [rows.deciding(row)] if one]
    where = {one.title: [figure for figure in limited if one.holds(figure)] for one in analysis}
    rest = [figure for figure in limited if not any(figure in held for held in where.values())]
    elsewhere = [f"see {title}" for title, held in where.items() if held]
    return "; ".join([*([rows.in_line(rest)] if rest else []), *elsewhere])


def _by_use(gate: Gate) -> dict[str, object]:
    """Rows of the gate by what the documents use them for."""
    all_rows = gate.criteria
    claimed = [row for row in all_rows if is_claimed(row)]
    unverified = [row for row in all_rows if row.status == "not_verified"]
    unknowable = [row for row in unverified if row.reason.startswith(UNKNOWABLE)]
    return {
        "claimed": claimed,
        "unclaimed": [row.id for row in all_rows if not is_claimed(row)],
        "security": [row for row in all_rows if area(row.id) == "SEC"],
        "related": [row for row in all_rows if row.id in SECURITY],
        "findings": [row for row in all_rows if state_of(row) == "observed"],
        "violated": [row for row in all_rows if row.status == "violated"],
        "manual": [row for row in all_rows if row.id in MANUAL],
        "unknowable": unknowable,
        "related_gaps": rows.by_reason(row for row in unverified if row.id in SECURITY),
        "unverified": [row for row in unverified if row.required],
        "gaps": rows.by_reason(row for row in unverified if row.required and row not in unknowable),
        "open": rows.by_reason(row for row in claimed if state_of(row) == "not_verified"),
        "counts": [
            (
                word,
                [sum((row.required, state_of(row)) == (required, state) for row in all_rows) for state in rows.WORDS],
            )
            for word, required in (("required", True), ("does not gate", False))
        ],
        "worse": [(row, trend) for row in all_rows for trend in row.trend if trend.regression],
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown: `text` and the `format_` functions escape what the evidence contains
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_not_none,
    )
    environment.globals |= {
        "HANDOFF": HANDOFF,
        "PAGE": PAGE,
        "SUMMARY": NAMES[-1],
        "UNKNOWABLE": UNKNOWABLE,
        "STATES": rows.WORDS,
    }
    environment.tests["claimed"] = is_claimed
    environment.tests["optimizes"] = lambda one: any(area(name) in PERFORMANCE for name in one.measured_by)
    environment.filters |= {
        "by_state": rows.by_state,
        "claimed": lambda those: [row for row in those if is_claimed(row)],
        "unclaimed": lambda those: [row for row in those if not is_claimed(row)],
        "count": markdown.count,
        "counted": rows.counted,
        "ended": rows.ended,
        "figures": _figures,
        "found": _findings,
        "in_line": rows.in_line,
        "problems": _problems,
        "prose": markdown.prose,
        "ranges": markdown.ranges,
        "reason": rows.reason_of,
        "status": _status,
        "test": _test,
        "tests": rows.format_tests,
        "text": markdown.safe,
        "time": markdown.day_and_time,
        "without_finding": lambda those: [
            one.id for one in those if not (rows.observed_figures(one) or _problems(one))
        ],
        "without_prefix": lambda reason, prefix: reason.removeprefix(prefix).removeprefix(": "),
    }
    return environment


def _not_none(value: object) -> object:
    if value is None:
        raise ValueError("a template renders None")
    return value


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip() + "\n"


def _status(row: Row) -> str:
    word = rows.WORDS[state_of(row)] + (f" ({row.reason})" if row.status == "met" and row.without else "")
    return f"**{word}**" if row.status == "violated" else word


def _figures(row: Row) -> str:
    """The observed figures with their limits, in one cell or line; without those of `_findings` and `_problems`."""
    found = rows.findings(row)
    figures = [one for one in rows.observed_figures(row) if one not in found and not one.broken]
    broken = row.status == "violated" and any(one.broken for one in row.figures)
    return "; ".join([*([rows.in_line(figures)] if figures else []), *(["see Violations"] if broken else [])])


def _findings(row: Row) -> list[str]:
    """The figures that are texts, in full."""
    return [f"{rows.format_name(one)}: {rows.format_value(one, rows.TEXT)}" for one in rows.findings(row)]


def _test(test: Tried) -> str:
    """A test's name, as a link into the log."""
    name = markdown.safe(test.name, 160)
    return f"[{name}]({markdown.target(test.link)})" if test.link else name


def _problems(row: Row) -> list[str]:
    """What is wrong with a criterion, line by line: tests that failed or were flaky, its figures, else the reason."""
    failed = [test for test in row.tests if test.status == "FAIL" or test.flaky]
    lines = [f"{_test(test)}: {markdown.safe(test.message) or 'failed without a message'}" for test in failed]
    lines += [
        f"{rows.format_name(one)} is {rows.format_value(one)}, must be {rows.format_limit(one)}"
        for one in row.figures
        if one.broken
    ]
    return lines or ([markdown.safe(rows.reason_of(row))] if row.reason else [])
