"""Pre-run modifier: records which tests are declared for each criterion, before any is left out.

With `--prerunmodifier AcceptancePlan:<folder of evidence>`, `--include criterion:INT-07` selects by criterion.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from acceptance.redaction import Redactor
from acceptance.verdict.evidence import Plan, Recorder
from robot.api import SuiteVisitor, TestSuite
from robot.running import TestCase

METADATA = "Criterion"


class AcceptancePlan(SuiteVisitor):
    """Collects the plan of the whole suite, and writes it when all has been visited."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._tests: dict[str, list[str]] = defaultdict(list)

    def visit_test(self, test: TestCase) -> None:
        for criterion in criteria_of(test):
            self._tests[criterion].append(test.full_name)
            test.tags.add(f"criterion:{criterion}")

    def end_suite(self, suite: TestSuite) -> None:
        if suite.parent is None:
            recorder = Recorder(self._folder, Redactor(), "plan")
            recorder.write(Plan(tests={name: tuple(tests) for name, tests in self._tests.items()}))
            recorder.close()


def criteria_of(test: TestCase) -> list[str]:
    """The criteria that a test names in its metadata."""
    return str(test.metadata.get(METADATA, "")).split()
