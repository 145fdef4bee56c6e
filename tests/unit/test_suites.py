"""Suites and criteria fit: every test names criteria that there are, and every criterion is tested or planned."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from acceptance.runner.self_checks import SELF_CHECKS
from acceptance.verdict.criteria import CRITERIA, Criteria, read_criteria
from acceptance.yaml_models import PROJECT
from AcceptancePlan import METADATA
from robot import running


def mistakes(suite: running.TestSuite, criteria: Criteria) -> Iterator[str]:
    """What does not fit between the tests of a suite and the criteria."""
    tested = set(SELF_CHECKS)
    for test in suite.all_tests:
        names = str(test.metadata.get(METADATA, "")).split()
        tested.update(names)
        if not names and "template" not in test.tags:
            yield f"{test.full_name} names no criterion"
        tagged = sorted(tag.partition(":")[2] for tag in test.tags if tag.startswith("criterion:"))
        if tagged != sorted(names):
            yield f"{test.full_name} has the tags of {tagged or 'no criterion'}, its metadata names {sorted(names)}"
        yield from (
            f"{test.full_name} names {name}, which there is not" for name in names if name not in criteria.criteria
        )
    for name, criterion in criteria.criteria.items():
        if criterion.status != "planned" and name not in tested:
            yield f"{name} is neither tested nor planned"
        if criterion.status == "planned" and name in tested:
            yield f"{name} is tested, but still said to be planned"


def test_suites_and_criteria_fit() -> None:
    suite = running.TestSuite.from_file_system(PROJECT / "suites", allow_empty_suite=True)
    assert list(mistakes(suite, read_criteria(CRITERIA))) == []


def test_no_item_of_a_variable_is_followed_by_text_that_looks_like_its_attribute() -> None:
    files = [path for folder in ("suites", "resources") for path in sorted((PROJECT / folder).rglob("*.ro*"))]
    files += sorted((PROJECT / "resources").rglob("*.resource"))
    found = [
        f"{path.name}: {match[0]}"
        for path in files
        for match in re.finditer(r"\$\{\w+\}(\[[^]]*\])+\.\w+", path.read_text())
    ]
    assert files and found == []  # of `${x}[0].y` the text of x's item is taken, and `.y` behind it: write `${x[0].y}`


def test_names_of_tests_are_unique_in_the_plan() -> None:
    suite = running.TestSuite.from_file_system(PROJECT / "suites", allow_empty_suite=True)
    names = [test.full_name for test in suite.all_tests]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("metadata", "mistake"),
    [
        ("[Metadata]    Criterion    INT-77", "Broken.Promise names INT-77, which there is not"),
        ("[Tags]    none", "Broken.Promise names no criterion"),
        (
            "[Metadata]    Criterion    INT-01",
            "Broken.Promise has the tags of no criterion, its metadata names ['INT-01']",
        ),
        ("[Tags]    criterion:INT-02", "Broken.Promise has the tags of ['INT-02'], its metadata names []"),
        ("[Metadata]    Criterion    INT-01", "INT-02 is neither tested nor planned"),
        ("[Metadata]    Criterion    SEC-01", "SEC-01 is tested, but still said to be planned"),
    ],
)
def test_what_does_not_fit_is_found(metadata: str, mistake: str) -> None:
    suite = running.TestSuite.from_string(f"*** Test Cases ***\nPromise\n    {metadata}\n    No Operation\n")
    suite.name = "Broken"
    assert mistake in mistakes(suite, read_criteria(CRITERIA))
