"""Runs one test of the performance suites in this process, on a run whose measurements are made up."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import LoadLibrary
import PerformanceLibrary
import pytest
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, NotApplicable, Violation
from acceptance.run import RUN, TestContext
from acceptance.yaml_models import PROJECT
from robot.running import TestSuite
from robot_run import keywords

SKIPPED = {"CapabilityMissing: ": CapabilityMissing, "not applicable: ": NotApplicable}


class MadeUp:
    """The parts of a run that every step uses."""

    def __init__(self) -> None:
        self.context = TestContext()

    def wait(self, coroutine: Coroutine[Any, Any, Any], *, within: float) -> Any:
        with ThreadPoolExecutor(1) as thread:  # the test itself may run on a loop
            return thread.submit(asyncio.run, coroutine).result()


def judge(suite: str, test: str, run: Any, scale: str = "full") -> None:
    """Run a test; raises what its failing step raised."""
    found = TestSuite.from_file_system(PROJECT / "suites" / "performance" / suite)
    found.filter(included_tests=test)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(RUN, "a run that is judged elsewhere")
        for module in (LoadLibrary, PerformanceLibrary, keywords):
            patch.setattr(module, "the_run", lambda: run)
        run.context = TestContext()
        executed = found.run(output=None, console="none", variable=f"SCALE:{scale}", stdout=None, stderr=None)
    [result] = executed.suite.all_tests
    if result.skipped:
        start, error = next((start, error) for start, error in SKIPPED.items() if result.message.startswith(start))
        reason = result.message.removeprefix(start)
        raise error(reason) if error is NotApplicable else _missing(reason)
    if result.failed:
        ours = "EnvironmentUnavailable: "
        if result.message.startswith(ours):
            raise EnvironmentUnavailable(result.message.removeprefix(ours))
        assert "Error: " not in result.message.partition(" ")[0] + " ", result.message
        raise Violation(result.message, "", "")


def _missing(reason: str) -> CapabilityMissing:
    error = CapabilityMissing("")
    error.args = (reason,)
    return error


def of_run(**parts: Any) -> Any:
    """A run with these parts beside those of every run."""
    run = MadeUp()
    run.__dict__.update(parts)
    return run
