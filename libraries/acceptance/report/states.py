"""In which state a criterion is told to be, and how many tests ended how: the same words in all of the report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from acceptance.report.wording import count
from acceptance.verdict.gate import Gate
from acceptance.verdict.rows import CLOSING, REPORT, UNCLAIMED, Row, Tried

WORDS = {
    "violated": "violated",
    "not_verified": "not verified",
    "met": "met",
    "not_applicable": "not applicable",
    "observed": "observed",
    "unclaimed": "not claimed",
}
CHECK = "check of the run"
_CHECKS = ("preflight: ", CLOSING, REPORT)
_ENDINGS = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}


def state_of(row: Row) -> str:
    """A key of `WORDS`; of a criterion that does not gate, nothing was observed where each test was skipped."""
    if row.reason == UNCLAIMED:
        return "unclaimed"
    if row.status == "observed" and not was_looked_at(row):
        return "not_verified"
    return row.status


def was_looked_at(row: Row) -> bool:
    """Whether a test came to an end, or a figure was observed."""
    return any(test.status != "SKIP" for test in row.tests) or any(figure.of for figure in row.figures)


def is_claimed(row: Row) -> bool:
    """Whether the runs claim it, or it was seen violated all the same."""
    return state_of(row) != "unclaimed"


def by_state(rows: Iterable[Row]) -> str:
    """How many are in which state: `5 met, 3 not claimed`."""
    states = [state_of(row) for row in rows]
    return ", ".join(f"{states.count(state)} {word}" for state, word in WORDS.items() if state in states)


def tests_of(gate: Gate) -> list[Tried]:
    """Every test and every check of the runs, once, by name and run."""
    found = {(test.name, test.run): test for row in gate.criteria for test in row.tests}
    return [found[key] for key in sorted(found)]


def is_check(test: Tried) -> bool:
    """Whether the run made it by itself: no test of a suite, so it stands in no log."""
    return test.name.startswith(_CHECKS)


def counted(tests: Sequence[Tried]) -> str:
    """How many there are: `103 tests and 7 checks of the run itself`."""
    checks = sum(is_check(test) for test in tests)
    told = count(len(tests) - checks, "test")
    return f"{told} and {count(checks, 'check')} of the run itself" if checks else told


def ended(tests: Sequence[Tried]) -> str:
    """How tests ended: `8 passed, 1 flaky, 1 failed`."""
    words = ["flaky" if test.flaky else _ENDINGS[test.status] for test in tests]
    counts = [(words.count(word), word) for word in ("passed", "flaky", "failed", "skipped")]
    return ", ".join(f"{many:,} {word}" for many, word in counts if many) or "no test ran"
