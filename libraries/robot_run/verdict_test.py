"""The verdict of a plain `robot` call: a last test, named for it, that seals, judges and reports what was observed.

Suites whose tests name no criterion get none.

`make acceptance` owns its run and judges it from outside; there, and in a dry run, no test is added.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from acceptance.errors import violation
from acceptance.evidence.records import Plan
from acceptance.report.render import PAGE
from acceptance.run import RUN, opened_run
from acceptance.runner.inline_run import conclude_inline
from AcceptancePlan import criteria_of, plan_of
from robot.api import logger
from robot.running.context import EXECUTION_CONTEXTS

from robot_run.artifact_scrubbing import sealing

CLAIMS = "Claims"  # suite metadata; without it, the criteria that the tests name
TEST = "The Verdict Is GO Or PASS"
KEYWORD = "Judge What Was Seen"

_name, _claims, _plan = "", list[str](), Plan(tests={})
_judged = False


def add_verdict(suite: Any) -> None:
    """Add the last test, when the last suite with tests begins."""
    global _name, _claims, _plan
    if RUN in os.environ or EXECUTION_CONTEXTS.current.dry_run:
        return
    root = suite
    while root.parent is not None:
        root = root.parent
    tests = list(root.all_tests)
    if tests[-1].parent is not suite or tests[-1].name == TEST:
        return
    _claims = str(root.metadata.get(CLAIMS, "")).split() or sorted(
        {name for test in tests for name in criteria_of(test)}
    )
    if not _claims:  # tests of criteria are judged; others speak for themselves
        return
    _name, _plan = str(root.name), plan_of(tests)
    suite.tests.create(name=TEST, doc="All that was seen, sealed and judged.").body.create_keyword(name=KEYWORD)


def judge_after_all() -> None:
    """Judge what was seen where the execution was stopped before its last test."""
    if _name and not _judged and opened_run() is not None:
        with suppress(AssertionError):  # the console has it
            judge_what_was_seen()


def judge_what_was_seen() -> None:
    """Seal, judge and report; raises AssertionError unless the verdict is GO or PASS."""
    global _judged
    run = opened_run()
    if run is None:
        raise violation("the run", expected="to see something of the deployment", observed="nothing")
    _judged = True
    with sealing(run):
        gate, problems = conclude_inline(run, name=_name, claims=_claims, plan=_plan)
    for line in problems:
        logger.warn(line)
    logger.info(f'<a href="{PAGE}">{PAGE}</a>: {gate.verdict}', html=True)
    logger.console(f"\n{gate.line}\n{run.folder / PAGE}")
    if gate.verdict not in ("GO", "PASS"):
        reasons = [f"{row.id}: {row.reason}" for row in gate.criteria if row.id in gate.line]
        raise AssertionError("\n".join([gate.line, *reasons]))
