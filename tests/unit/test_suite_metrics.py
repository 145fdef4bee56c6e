"""Metrics of a small project of keywords, steps and suites are counted as documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suite_metrics import Metric, library_keywords, measure, user_keywords

LIBRARY = """
class MadeUpMetricsLibrary:
    def twice(self): ...
    def through_a_user_keyword(self): ...
    def once(self): ...
    def in_a_suite_setup(self): ...
    def never(self): ...
"""
RESOURCE = """
*** Settings ***
Library    MadeUpMetricsLibrary
Library    RequestsLibrary

*** Keywords ***
${user} Asks
    IF    $user == "Alice"
        No Operation
    ELSE
        Through A User Keyword
    END

A Session Is Opened
    Create Session    api    http://127.0.0.1:9
"""
FIRST = """
*** Settings ***
Resource       ../resources/made_up.resource
Suite Setup    In A Suite Setup

*** Test Cases ***
Single Step
    [Setup]    Twice
    Given Alice asks

Controls Are One Step
    VAR    ${number}    1
    FOR    ${each}    IN    1    2
        Bob asks
        No Operation
    END
    Run Keyword And Ignore Error    Twice
    GROUP    Two steps
        Once
        No Operation
    END
    [Teardown]    No Operation

Rows
    [Template]    Should Be Equal
    1    1
    2    2
    3    3
"""
SECOND = """
*** Settings ***
Resource    ../resources/made_up.resource

*** Test Cases ***
Through A User Keyword
    When a session is opened
    Twice
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in {
        "libraries/MadeUpMetricsLibrary.py": LIBRARY,
        "resources/made_up.resource": RESOURCE,
        "suites/first.robot": FIRST,
        "suites/second.robot": SECOND,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path / "libraries")
    return tmp_path


def test_every_metric_is_counted_as_documented(project: Path) -> None:
    values = {metric.name: metric.value for metric in measure(project)}
    assert values == {
        "user keywords in resources/": 2,
        "share of library keywords used by two tests or more": 2 / 5,  # Twice, Through A User Keyword
        "share of tests with a single step": 1 / 4,
        "mean steps per test": (1 + 4 + 3 + 2) / 4,
        "suites that use RequestsLibrary": 1,
        "lines of Python below libraries/": len(LIBRARY.splitlines()),
    }


def test_keywords_are_those_of_libraries_and_resources(project: Path) -> None:
    assert user_keywords(project / "resources") == ["${user} Asks", "A Session Is Opened"]
    names = ["In A Suite Setup", "Never", "Once", "Through A User Keyword", "Twice"]
    assert library_keywords(project / "libraries") == [("MadeUpMetricsLibrary", name) for name in names]


def test_a_dry_run_that_fails_gives_no_metric(project: Path) -> None:
    (project / "suites" / "second.robot").write_text("*** Test Cases ***\nUnknown\n    No Such Keyword\n")
    with pytest.raises(ValueError, match="4 tests declared, 4 in the dry run, 1 failed"):
        measure(project)


@pytest.mark.parametrize(
    ("value", "at_least", "reached"), [(2, True, True), (1.9, True, False), (2, False, True), (2.1, False, False)]
)
def test_a_target_is_reached_or_missed(value: float, *, at_least: bool, reached: bool) -> None:
    metric = Metric("steps", value, 2, at_least=at_least)
    assert metric.reached is reached
    assert str(metric).startswith("reached" if reached else "MISSED")
