"""The four documents from which the next phase starts (DOC-01, DOC-03), out of sealed evidence alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Decision
from acceptance.report import markdown, view_model
from acceptance.report.analysis import (
    PERFORMANCE,
    SECTIONS,
    STRATEGIES,
    benchmarks,
    by_reason,
    deciding,
    findings,
    observed_figures,
    reason_of,
    sections,
)
from acceptance.report.decisions import measurements
from acceptance.report.links import PAGE, anchor, anchor_of_tests, with_references
from acceptance.report.view_model import is_claimed, state_of
from acceptance.verdict.criteria import Criteria, area
from acceptance.verdict.criterion_results import UNKNOWABLE, Row, Tried
from acceptance.verdict.gate import Gate
from acceptance.verdict.metrics import Figure

SUBJECTS = ("notes", "decisions", "handoff", "testing_summary")
NAMES = tuple(f"TODO001_phase2_{subject}.md" for subject in SUBJECTS)
TEMPLATES = Path(__file__).parent / "templates"
# What phase 2 saw that security builds on: accounts, sessions, routes, isolation, input, caches, error answers.
SECURITY = ("INT-01", "INT-02", "INT-03", "INT-04", "INT-12", "CLOUD-02", "ERR-06", "ERR-09")
FOR_A_PERSON = ("BRW-03", "BRW-05")
FOUND = 600  # characters of what was found out in words
SHOWN = 5  # figures of one criterion in a table; the gate page has all of them


def documents(gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> dict[str, str]:
    """The documents as Markdown by file name; the same evidence gives the same bytes."""
    told = {
        "gate": gate,
        "criteria": criteria,
        "areas": [(name, list(rows)) for name, rows in groupby(gate.criteria, key=lambda row: area(row.id))],
        "claimed": [row for row in gate.criteria if is_claimed(row)],
        "unclaimed": [row.id for row in gate.criteria if not is_claimed(row)],
        "tests": view_model.tests_of(gate),
        "decisions": [(decision, measurements(decision, gate)) for decision in decisions_of(bundles)],
        "sections": sections(gate, SECTIONS),
        "strategies": sections(gate, STRATEGIES),
        **_by_use(gate),
    }
    return {
        name: with_references(_tidy(_environment().get_template(f"{subject}.md.jinja").render(told)))
        for name, subject in zip(NAMES, SUBJECTS, strict=True)
    }


def decisions_of(bundles: Sequence[Bundle]) -> list[Decision]:
    """The decisions of the evidence, each version once, by file."""
    found = {(one.file, one.sha256): one for bundle in bundles for one in bundle.decisions}
    return [found[key] for key in sorted(found)]


def _by_use(gate: Gate) -> dict[str, object]:
    """Rows of the gate by what a document tells with them."""
    rows = gate.criteria
    claimed = [row for row in rows if is_claimed(row)]
    unverified = [row for row in rows if row.status == "not_verified"]
    limited = [row for row in rows if area(row.id) == "PERF" and benchmarks(row)]
    unknowable = [row for row in unverified if row.reason.startswith(UNKNOWABLE)]
    return {
        "security": [row for row in rows if area(row.id) == "SEC"],
        "related": [row for row in rows if row.id in SECURITY],
        "findings": [row for row in rows if state_of(row) == "observed"],
        "violated": [row for row in rows if row.status == "violated"],
        "person": [row for row in rows if row.id in FOR_A_PERSON],
        "unknowable": unknowable,
        "related_gaps": by_reason(row for row in unverified if row.id in SECURITY),
        "unverified": [row for row in unverified if row.required],
        "gaps": by_reason(row for row in unverified if row.required and row not in unknowable),
        "open": by_reason(row for row in claimed if state_of(row) == "not_verified"),
        "counts": [
            (
                word,
                [
                    [state_of(row) for row in rows if row.required is required].count(state)
                    for state in view_model.WORDS
                ],
            )
            for word, required in (("required", True), ("does not gate", False))
        ],
        "benchmarks": [(row, one) for row in limited if is_claimed(row) for one in benchmarks(row)],
        "benchmarks_unclaimed": [row.id for row in limited if not is_claimed(row)],
        "worse": [(row, trend) for row in rows for trend in row.trend if trend.regression],
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # it is Markdown: `text` and its like take care of what the evidence says
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_there,
    )
    environment.globals |= {"PAGE": PAGE, "UNKNOWABLE": UNKNOWABLE, "STATES": view_model.WORDS}
    environment.tests["claimed"] = is_claimed
    environment.filters |= {
        "by_state": view_model.by_state,
        "claimed": lambda rows: [row for row in rows if is_claimed(row)],
        "unclaimed": lambda rows: [row for row in rows if not is_claimed(row)],
        "count": markdown.count,
        "counted": view_model.counted,
        "ended": view_model.ended,
        "figure": _figure,
        "figures": _figures,
        "found": _findings,
        "in_line": _in_line,
        "kept": _kept,
        "limit": _limit,
        "main": deciding,
        "name": _name,
        "optimizes": _optimizes,
        "problems": _problems,
        "prose": markdown.prose,
        "ranges": markdown.ranges,
        "reason": reason_of,
        "share": _share,
        "status": _status,
        "test": _test,
        "tests": _tests,
        "text": markdown.safe,
        "time": markdown.day_and_time,
        "without_finding": _without_finding,
        "without_prefix": _without_prefix,
    }
    return environment


def _there(value: object) -> object:
    if value is None:
        raise ValueError("a template shows a value that is not there")
    return value


def _tidy(text: str) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in text.split("\n"))).strip() + "\n"


def _status(row: Row) -> str:
    words = view_model.WORDS[state_of(row)]
    return f"**{words}**" if row.status == "violated" else words


def _figure(figure: Figure) -> str:
    """The value, as a link to its observation."""
    if figure.value is None:
        return "not measured"
    shown = markdown.amount(figure.value, figure.unit, figure.threshold)
    return f"[{shown}]({PAGE}#{anchor(figure.observation)})" if figure.observation else shown


def _name(figure: Figure) -> str:
    return markdown.safe(markdown.words(figure.name), 80)


def _share(figure: Figure) -> str:
    """How much is left to the threshold."""
    if figure.margin is None:
        return ""
    return "all" if markdown.is_all(figure.value, figure.unit, figure.must_be) else markdown.share(figure.margin)


def _limit(figure: Figure) -> str:
    if figure.must_be is None or figure.threshold is None:
        return "no limit"
    return f"{figure.must_be} {markdown.amount(figure.threshold, figure.unit)}"


def _figures(row: Row) -> str:
    """What was observed of a criterion, each figure with its limit, in one cell or line; not what `findings` tells."""
    told = findings(row)
    return _in_line([figure for figure in observed_figures(row) if figure not in told])


def _findings(row: Row) -> list[str]:
    """What was found out in words, each as a link to its observation."""
    return [f"{_name(one)}: [{markdown.safe(str(one.value), FOUND)}]({PAGE}#{anchor(one.observation)})"
            for one in findings(row)]  # fmt: skip


def _in_line(figures: Sequence[Figure]) -> str:
    """Figures with their limits, those with a limit first; the gate page has what are too many."""
    shown = figures[: max(SHOWN, sum(figure.must_be is not None for figure in figures))]
    told = [f"{_name(one)} {_figure(one)}{_held(one)}" for one in shown]
    more = [f"{len(figures) - len(shown)} more in [the gate]({PAGE})"] if len(figures) > len(shown) else []
    return "; ".join([*told, *more])


def _held(figure: Figure) -> str:
    return f" ({_limit(figure)})" if figure.must_be else ""


def _kept(figure: Figure, row: Row) -> str:
    if figure.broken:
        return "**broken**"
    if figure.missing or row.status not in ("met", "violated", "observed"):
        return "not verified"
    return "kept"


def _test(test: Tried) -> str:
    """A test's name, as a link to where it stands in the log."""
    name = markdown.safe(test.name, 160)
    return f"[{name}]({markdown.target(test.link)})" if test.link else name


def _tests(row: Row) -> str:
    """How the tests of a criterion ended, as a link to all of them in the gate page."""
    told = view_model.ended(row.tests)
    return f"[{told}]({PAGE}#{anchor_of_tests(row.id)})" if row.tests and is_claimed(row) else told


def _problems(row: Row) -> list[str]:
    """What is wrong with a criterion, line by line: tests that failed or were flaky, its figures, else the reason."""
    failed = [test for test in row.tests if test.status == "FAIL" or test.flaky]
    lines = [f"{_test(test)}: {markdown.safe(test.message) or 'failed without a message'}" for test in failed]
    lines += [f"{_name(one)} is {_figure(one)}, must be {_limit(one)}" for one in row.figures if one.broken]
    return lines or ([markdown.safe(reason_of(row))] if row.reason else [])


def _without_finding(rows: Sequence[Row]) -> list[str]:
    return [row.id for row in rows if not (observed_figures(row) or _problems(row))]


def _without_prefix(reason: str, prefix: str) -> str:
    return reason.removeprefix(prefix).removeprefix(": ")


def _optimizes(decision: Decision) -> bool:
    return any(area(name) in PERFORMANCE for name in decision.measured_by)
