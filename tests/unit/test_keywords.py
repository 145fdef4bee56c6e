"""Steps and getters of keyword libraries: their signature, their comparison, and what a failed one says."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from acceptance.errors import Violation
from assertionengine import AssertionOperator
from robot.libdocpkg import LibraryDocumentation
from robot_run import keywords
from robot_run.keywords import Duration, Observed, checked, getter, seconds_of, step

from docs.build import PROJECT, sources


class Shelf:
    @getter()
    def get_size(self, name: str, *, unit: str = "cm") -> Observed:
        return Observed(7, f"size of {name} in {unit}", "request 9ab")


def test_a_getter_takes_operator_expectation_and_message_behind_its_own_arguments() -> None:
    names = list(inspect.signature(Shelf.get_size).parameters)
    assert names == ["self", "name", "assertion_operator", "assertion_expected", "unit", "message"]
    assert Shelf.get_size.__annotations__["assertion_operator"] == AssertionOperator | None


def test_a_getter_returns_the_value_with_and_without_a_comparison() -> None:
    assert Shelf().get_size("oak") == 7
    assert Shelf().get_size("oak", AssertionOperator["<"], 8, unit="in") == 7


def test_a_failed_comparison_says_what_was_expected_and_observed_and_where_to_look() -> None:
    with pytest.raises(Violation, match=r"size of oak in cm: expected 8, observed 7; request 9ab"):
        Shelf().get_size("oak", AssertionOperator["=="], 8)
    with pytest.raises(Violation, match="too small: expected greater than 9"):
        Shelf().get_size("oak", AssertionOperator[">"], 9, message="too small")


@pytest.mark.parametrize(("value", "expected"), [(7, "7"), (7.5, "7.5"), ("7", "7")])
def test_a_number_is_compared_with_a_number_in_text(value: Any, expected: str) -> None:
    assert checked(value, AssertionOperator["=="], expected, "it") == value
    with pytest.raises(Violation):
        checked(value, AssertionOperator["=="], "8", "it")


def test_a_list_of_lines_is_reported_by_its_lines() -> None:
    with pytest.raises(Violation, match="problems: expected none, observed one; two"):
        checked(["one", "two"], AssertionOperator["=="], [], "problems")


def test_every_duration_may_be_written_as_robot_framework_writes_times() -> None:
    wanted = {
        f"{library.name}.{keyword.name}": {kind.name for kind in argument.type.nested or [argument.type]}
        for library in map(LibraryDocumentation, sources(PROJECT))
        for keyword in library.keywords
        for argument in keyword.args
        if argument.name in ("timeout", "duration") and argument.type
    }
    assert len(wanted) >= 9
    # A user keyword hands its text on to a library keyword.
    assert {name for name, kinds in wanted.items() if not kinds & {"timedelta", "str"}} == set()


@pytest.mark.parametrize(("written", "seconds"), [(timedelta(minutes=1), 60.0), (20, 20.0), (0.5, 0.5)])
def test_a_duration_is_a_number_of_seconds(written: Duration, seconds: float) -> None:
    assert seconds_of(written) == seconds


class Clock:
    @step(within=60)
    async def wait_for_it(self, *, timeout: Duration = 30.0) -> None:
        """Wait."""

    @getter(within=60)
    async def get_time(self, *, timeout: Duration = 30.0) -> Observed:
        return Observed(1, "time")


@pytest.mark.parametrize(
    ("given", "within"), [({}, 60.0), ({"timeout": 20}, 60.0), ({"timeout": timedelta(minutes=5)}, 305.0)]
)
def test_a_timeout_that_is_longer_than_a_step_may_take_extends_it(
    given: dict[str, Duration], within: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed: list[float] = []

    class Run:
        def wait(self, waited: Coroutine[Any, Any, Any], *, within: float) -> Any:
            allowed.append(within)
            return asyncio.run(waited)

    monkeypatch.setattr(keywords, "the_run", Run)
    Clock().wait_for_it(**given)
    Clock().get_time(**given)
    assert allowed == [within, within]
