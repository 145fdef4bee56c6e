"""What continuous integration reads: tests and criteria as xunit, and a summary of the run in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from acceptance.evidence.reader import Bundle
from acceptance.report.markdown import amount, day_and_time, one_line, ranges, safe, words
from acceptance.report.rows import (
    benchmarks,
    by_reason,
    counted,
    deciding,
    ended,
    is_check,
    is_claimed,
    reason_of,
    tests_of,
)
from acceptance.verdict.criterion_results import Row, Tried, tried
from acceptance.verdict.gate import Gate

SUITE_OF_CRITERIA = "gate: criteria"
SUITE_OF_CHECKS = "checks of the run"
REASON = 200  # characters in the summary; gate.json has all of it
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # https://www.w3.org/TR/xml/#charsets
_COUNTED = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def xunit(gate: Gate, bundles: Sequence[Bundle]) -> str:
    """Every test with its criteria as properties, and every claimed required criterion as a test of a suite of its own.

    The deployment is wrong: `failure`; a tool of ours was not there: `error`; a capability is missing: `skipped`.
    """
    suites: list[Element] = []
    for deployment in sorted({one.deployment for one in gate.runs}):
        runs = {one.run for one in gate.runs if one.deployment == deployment}
        those = [bundle for bundle in bundles if bundle.run in runs]
        where = "" if deployment == gate.deployment else f" on {deployment}"
        suites += _suites(tried(those), _criteria_of(those), where)
    suites.append(
        _finished(
            [_criterion(row) for row in gate.criteria if row.required and is_claimed(row)], SUITE_OF_CRITERIA, 0.0
        )
    )
    root = Element("testsuites", {"name": _legal(gate.name)} | _sums(suites))
    root.extend(suites)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def summary(gate: Gate) -> str:
    """The verdict and what is wrong, for the page of a CI run."""
    rows = [row for row in gate.criteria if row.required and is_claimed(row)]
    limited = [(row, figure) for row in rows for figure in benchmarks(row)]
    tests = tests_of(gate)
    lines = [f"## {gate.verdict}", "", safe(gate.line, 2000), "", f"{counted(tests)}: {ended(tests)}.", ""]
    lines += _table(
        ("violated", "", "why"),
        [(row.id, safe(row.title), safe(reason_of(row), REASON)) for row in rows if row.status == "violated"],
    )
    unknown = by_reason(row for row in rows if row.status == "not_verified")
    lines += _table(("not verified", "why"), [(ranges(one.criteria), safe(one.reason, REASON)) for one in unknown])
    lines += _table(
        ("criterion", "figure", "is", "must be"),
        [
            (
                row.id,
                safe(words(figure.name)),
                "not measured" if figure.value is None else amount(figure.value, figure.unit, figure.threshold),
                f"{figure.must_be} {amount(figure.threshold or 0.0, figure.unit)}",
            )
            for row, figure in limited
        ],
    )
    lines += _table(
        ("run", "ended (UTC)", "SHA-256 of its seal"),
        [(safe(run.run), day_and_time(run.ended), run.seal or "not sealed") for run in gate.runs],
    )
    return "\n".join(lines).rstrip() + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    return [*(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)), ""]


def _suites(tests: Iterable[Tried], criteria: Mapping[str, Sequence[str]], where: str) -> Iterator[Element]:
    ordered = sorted(tests, key=lambda test: (_suite(test), test.name))
    for suite, group in groupby(ordered, key=_suite):
        members = list(group)
        cases = [_test(test, suite + where, criteria.get(test.name, ())) for test in members]
        yield _finished(cases, suite + where, sum(test.seconds for test in members))


def _suite(test: Tried) -> str:
    """The suite of a test by its full name, or that of the checks that the run makes by itself."""
    if is_check(test):
        return SUITE_OF_CHECKS
    suite, _, name = test.name.rpartition(".")
    return suite if suite and name else test.name.partition(":")[0]


def _criteria_of(bundles: Iterable[Bundle]) -> Mapping[str, list[str]]:
    found: dict[str, set[str]] = {}
    for bundle in bundles:
        for outcome in bundle.outcomes:
            found.setdefault(outcome.test, set()).update(outcome.criteria)
    return {test: sorted(names) for test, names in found.items()}


def _test(test: Tried, suite: str, criteria: Iterable[str]) -> Element:
    name = test.name if is_check(test) else test.name.removeprefix(_suite(test))[1:].strip()
    case = _case(suite, name or test.name, test.seconds)
    known = [("criterion", name) for name in criteria]
    known += [("source", test.source), ("log", test.link), ("flaky", test.message if test.flaky else "")]
    _properties(case, known)
    if test.status == "SKIP" or (test.status == "FAIL" and test.cause in ("capability", "not_offered")):
        _add_message(case, "skipped", test.message)
    elif test.status == "FAIL" and test.cause in ("environment", "blocked"):
        _add_message(case, "error", test.message)
    elif test.status == "FAIL":
        _add_message(case, "failure", test.message)
    return case


def _criterion(row: Row) -> Element:
    case = _case(SUITE_OF_CRITERIA, f"{row.id} {row.title}", 0.0)
    decides = deciding(row)
    figures = [("figure", row.figure), ("threshold", row.threshold), ("samples", decides.samples if decides else None)]
    known = [("criterion", row.id), ("status", row.status)]
    known += [(name, f"{value:.12g}") for name, value in figures if value is not None]
    _properties(case, [*known, ("unit", row.unit or ""), ("must_be", row.must_be or "")])
    if row.status == "violated":
        _add_message(case, "failure", row.reason)
    elif row.status == "not_verified":
        _add_message(case, "skipped", row.reason)
    return case


def _case(suite: str, name: str, seconds: float) -> Element:
    return Element("testcase", {"classname": _legal(suite), "name": _legal(name), "time": f"{seconds:.3f}"})


def _properties(case: Element, known: Iterable[tuple[str, str]]) -> None:
    properties = SubElement(case, "properties")
    for name, value in known:
        if value:
            SubElement(properties, "property", {"name": name, "value": _legal(value)})


def _add_message(case: Element, tag: str, message: str) -> None:
    """One line as attribute, as tools list it; all of it as text."""
    SubElement(case, tag, {"message": _legal(one_line(message))}).text = _legal(message)


def _finished(cases: Sequence[Element], name: str, seconds: float) -> Element:
    counts = {of: str(sum(case.find(tag) is not None for case in cases)) for of, tag in _COUNTED.items()}
    suite = Element("testsuite", {"name": _legal(name), "tests": str(len(cases))} | counts | {"time": f"{seconds:.3f}"})
    suite.extend(cases)
    return suite


def _sums(suites: Sequence[Element]) -> dict[str, str]:
    counts = {of: str(sum(int(suite.get(of, "0")) for suite in suites)) for of in ("tests", *_COUNTED)}
    return counts | {"time": f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}"}


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("", text)
