"""Pre-run modifier: records which tests are declared for each criterion, whichever of them will run.

It tags the tests of suites that have no such tags, so that `--include criterion:INT-07` selects by criterion there too.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from acceptance.errors import SUITE_ERROR
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Plan
from acceptance.redaction.redactor import Redactor
from acceptance.run import RUN
from acceptance.verdict.criteria import CRITERIA, known_criteria
from acceptance.yaml_models import PROJECT
from robot.api import SuiteVisitor, TestSuite
from robot.running import TestCase

METADATA = "Criterion"
SUITES = PROJECT / "suites"


class AcceptancePlan(SuiteVisitor):
    """Tags tests by criterion, and writes the plan when all have been visited.

    Args:
        folder: where the evidence of the run is; the run's identifier is ACCEPTANCE_RUN of the environment.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._visited: list[TestCase] = []

    def start_suite(self, suite: TestSuite) -> None:
        if suite.parent is None:
            fail_on_unknown_criteria(suite.all_tests)

    def visit_test(self, test: TestCase) -> None:
        self._visited.append(test)
        test.tags.add(f"criterion:{name}" for name in criteria_of(test))

    def end_suite(self, suite: TestSuite) -> None:
        if suite.parent is None:
            recorder = Recorder(self._folder, os.environ.get(RUN, self._folder.name), Redactor(), "plan")
            recorder.write(plan_of(self._visited))
            recorder.close()


def plan_of(tests: Iterable[TestCase]) -> Plan:
    """What is declared for each criterion: in `suites/`, whatever part of it runs, and among the tests given."""
    declared: dict[str, dict[str, None]] = defaultdict(dict)
    for test in (*TestSuite.from_file_system(SUITES).all_tests, *tests):
        for criterion in criteria_of(test):
            declared[criterion][identity(test)] = None
    return Plan(tests={name: tuple(identities) for name, identities in declared.items()})


def criteria_of(test: Any) -> list[str]:
    """The criteria that a test names in its metadata, as far as there are such."""
    return [name for name in _named(test) if name in known_criteria().criteria]


def fail_on_unknown_criteria(tests: Iterable[TestCase]) -> None:
    """Have a test that names a criterion which does not exist fail as a mistake of its suite."""
    for test in tests:
        unknown = [name for name in _named(test) if name not in known_criteria().criteria]
        if unknown:
            near = get_close_matches(unknown[0], known_criteria().criteria, n=1)
            hint = f" (did you mean {near[0]}?)" if near else f"; add it to {CRITERIA.relative_to(PROJECT)}"
            what = f"{test.source}:{test.lineno}: there is no criterion {', '.join(unknown)}{hint}"
            failing = test.body.create_keyword(name="Fail", args=[f"{SUITE_ERROR}: {what}"])
            test.body.remove(failing)
            test.body.insert(0, failing)


def _named(test: Any) -> list[str]:
    return str(test.metadata.get(METADATA, "")).split()


def identity(test: Any) -> str:
    """The name of a test by the place of its file in `suites/`: the same, whichever part of it is run."""
    source = Path(test.source or "")
    if not source.is_relative_to(SUITES):
        return str(test.full_name)
    parts = [TestSuite.name_from_source(part) for part in source.relative_to(SUITES).parts]
    return ".".join([*parts, str(test.name)])
