"""The deployment under test, and the listener that redacts and records; `common.resource` imports it first of all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from acceptance.deployment.contract import ABSENT, MISSING, pick
from acceptance.errors import (
    BLOCKED,
    NOT_OFFERED,
    SUITE_ERROR,
    Blocked,
    CapabilityMissing,
    EnvironmentUnavailable,
    NotOffered,
    SuiteError,
    violation,
)
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Cause, Status
from acceptance.faults.faults import UNDO_SECONDS
from acceptance.run import Run, TestContext, close_run, opened_run
from acceptance.verdict.criteria import known_criteria, limit_for
from acceptance.verdict.failures import FURTHER, failures_in
from acceptance.yaml_models import PROJECT
from AcceptancePlan import criteria_of, fail_on_unknown_criteria, identity
from RedactingListener import RedactingListener
from robot.api import logger
from robot.api.deco import library
from robot_run.artifact_scrubbing import sweep_at_exit
from robot_run.empty_loops import empty_loops
from robot_run.keywords import Observed, getter, keyword
from robot_run.lifecycle import begin_test, refuse_debug_file, the_run
from robot_run.verdict_test import TEST as VERDICT_TEST
from robot_run.verdict_test import add_verdict, judge_after_all, judge_what_was_seen


class _Listener(RedactingListener):
    """Redacts, closes what each test opened, and records how it ended."""

    def start_suite(self, data: Any, result: Any) -> None:
        if data.parent is None:
            fail_on_unknown_criteria(data.all_tests)
        add_verdict(data)
        begin_test("")

    def start_test(self, data: Any, result: Any) -> None:
        begin_test(identity(result))

    def end_test(self, data: Any, result: Any) -> None:
        run = opened_run()
        if run is not None:
            ended, run.context = run.context, TestContext()
            left_before = bool(run.faults.left)
            problem = _undo_faults(run)
            run.wait(ended.channels.aclose())
            run.error_log.keep_named(result.message)
        super().end_test(data, result)
        if run is not None and not run.evidence.closed and result.name != VERDICT_TEST:
            if result.passed and criteria_of(result) and (loops := list(empty_loops(result))):
                over = ", ".join(" ".join(loop.values) for loop in loops)
                result.status, result.message = "FAIL", f"{EMPTY_LOOP}: {over}"
            ended.left_out |= _take_skipped_rows(result)
            if lacking := _IN_A_VARIABLE.match(result.message):
                result.message = lacking[1]
            result.message = _as_blocked(result.message, run.broken)
            if left_before or problem:
                _excuse(result, problem or str(run.faults.left[0]), failed=bool(problem) and not left_before)
            if ended.excuse:
                _excuse(result, ended.excuse, failed=False)
            status = _status(result.status, result.message)
            run.evidence.test(
                name=identity(result),
                status=status,
                criteria=criteria_of(result),
                message=result.message,
                cause=_cause(status, result.message),
                seconds=result.elapsed_time.total_seconds(),
                place=result.id,
                source=_source(result),
                looks=ended.looks,
                without=ended.left_out,
            )

    def end_keyword(self, data: Any, result: Any) -> None:
        super().end_keyword(data, result)
        run = opened_run()
        if run is not None and "Should" in (result.name or ""):
            run.context.looks += 1

    def close(self) -> None:
        judge_after_all()
        run = opened_run()
        if run is not None:
            sweep_at_exit(run)
        for line in close_run():
            logger.warn(line)


TRIED_AGAIN_SECONDS = 2.0  # where a fault could not be undone at the end of an earlier test


def _undo_faults(run: Run) -> str:
    """Undo what the test has broken and not undone; returns why that failed, or nothing."""
    if not run.faults.active():
        return ""
    try:
        within = TRIED_AGAIN_SECONDS if run.faults.left else UNDO_SECONDS
        run.wait(run.faults.undo_all(within=within), within=2 * UNDO_SECONDS)
    except (EnvironmentUnavailable, AssertionError) as error:
        return str(error)
    return ""


def _excuse(result: Any, reason: str, *, failed: bool) -> None:
    """Let a test say that a fault stayed, or that a tool failed: what it saw then says nothing of the deployment.

    Args:
        failed: whether it is this test that left the fault behind, and does not pass for that.
    """
    if result.failed or (failed and result.passed):
        if seen := result.message.partition("\nBrowser logs:")[0]:  # which Playwright adds, by the page
            reason += f"; the test ended with: {seen}"
        result.status, result.message = "FAIL", f"{EnvironmentUnavailable.__name__}: {reason}"


def _source(test: Any) -> str:
    """File and line of a test; the file as seen from the project, where it is in it."""
    source = Path(test.source or "")
    return f"{source.relative_to(PROJECT) if source.is_relative_to(PROJECT) else source}:{test.lineno}"


# What Robot Framework says of tests that it did not get to, or not to the end of.
_STOPPED = (
    "Execution terminated by signal",
    "Test execution stopped due to a fatal error.",
    "Failure occurred and exit-on-failure mode is in use.",
    "Error occurred and exit-on-error mode is in use.",
)
EMPTY_LOOP = f"{SUITE_ERROR}: a loop that checks nothing, since it has nothing to go through"
_IN_A_VARIABLE = re.compile(rf"(?:Setting variable .+ failed: )?Resolving variable .+ failed: ({NOT_OFFERED}: .+)")
_FAILED = "Failed test skipped using "  # how the message begins that --skiponfailure leaves


ALL_SKIPPED = "All iterations skipped."  # of a template


def _take_skipped_rows(result: Any) -> set[str]:
    """Let a template's test say why its rows were skipped; returns what the contract marks `absent` of it.

    Robot Framework gives such a test no reason, or passes it where another row passed: that a row needs what is not
    offered leaves the others; that we cannot look leaves the test not verified.
    """
    reasons = [str(row.message) for row in result.body if getattr(row, "status", "") == "SKIP"]
    lacking = [reason for reason in reasons if not reason.startswith(f"{NOT_OFFERED}: ")]
    if reasons and (result.message == ALL_SKIPPED or (result.passed and lacking)):
        result.status, result.message = "SKIP", (lacking or reasons)[0]
    return {reason.removeprefix(f"{NOT_OFFERED}: ") for reason in reasons if reason not in lacking}


def _status(status: Status, message: str) -> Status:
    """How a test ended: one that failed has failed, even where options make Robot Framework report it as skipped."""
    skipped_failure = _FAILED in message.partition("\n")[0] or (status == "SKIP" and _several(message))
    return "FAIL" if skipped_failure else status


def _cause(status: str, message: str) -> Cause | None:
    """Why a test did not pass, by the exceptions that its steps raised (see acceptance.errors).

    It is the deployment's fault where any of its failures may be: one that is ours excuses none of the others.
    """
    if status == "PASS":
        return None
    failures = failures_in(message)
    if failures and all(one.text.startswith(NOT_OFFERED) for one in failures):
        return "not_offered"
    if failures and all(one.is_ours for one in failures):
        if any(one.text.startswith(BLOCKED) for one in failures):
            return "blocked"
        lacking = any(one.text.startswith(CapabilityMissing.__name__) for one in failures)
        return "capability" if lacking else "environment"
    return "environment" if message.endswith(_STOPPED) and not _several(message) else "product"


def _as_blocked(message: str, broken: Mapping[str, str]) -> str:
    """A message whose failures are those of fixtures says so: the fixture's criterion is judged by them, once."""
    failures = [one for one in failures_in(message) if not one.is_ours]
    causes = [next((cause for cause in broken if cause in one.key), None) for one in failures]
    if not causes or None in causes:
        return message
    return str(Blocked(broken[str(causes[0])], failures[0].text))


def _check_figure(criterion: str, name: str, unit: str, samples: int) -> None:
    """What is recorded is a figure that the criterion can have, of one sample at least; else SuiteError."""
    known = known_criteria().criteria
    if criterion not in known:
        raise SuiteError(f"there is no criterion {criterion}")
    units = {limit.figure: limit.unit for limit in known[criterion].limits}
    near = get_close_matches(name, units, n=1, cutoff=0.75)
    if near and name not in units:
        raise SuiteError(f"{criterion} has no figure '{name}': did you mean '{near[0]}', in {units[near[0]]}?")
    if name in units and units[name] != unit:
        raise SuiteError(f"the figure '{name}' of {criterion} is in {units[name]}, not in {unit}")
    if samples < 1:
        raise SuiteError(f"the figure '{name}' of {criterion} has no sample: nothing was measured")


def _several(message: str) -> bool:
    return any(words in message for words in FURTHER)


@library(scope="GLOBAL", listener=_Listener(), version="1.0.0")
class DeploymentLibrary:
    """What every suite needs of the deployment; it is opened by the first step that needs it."""

    def __init__(self) -> None:
        refuse_debug_file()

    @keyword()
    def is_offered(self, *places: str) -> bool:
        """Returns whether the contract offers everything at these dotted paths.

        What it does not offer is named with the criterion of the test, which goes on without it.

        | ${listed} =    Is Offered    routes.documents
        | IF    ${listed}    Get Documents    filename    ==    ${names}
        """
        run = the_run()
        return not {run.is_offered(place) for place in places} & {False}

    @keyword()
    def need_offered(self, place: str) -> None:
        """Skips the test, or the row of a template, unless the contract offers what stands at a dotted path.

        | Need Offered    routes.job_events
        """
        if not the_run().is_offered(place):
            raise NotOffered(place)

    @keyword()
    def need(self, capability: str) -> None:
        """Skips the test, naming the capability, unless the deployment's descriptor lists it.

        | Need    sql
        """
        the_run().descriptor.need(capability)

    @keyword()
    def record_figure(self, criterion: str, name: str, value: float | str, unit: str, samples: int = 1) -> None:
        """Records something measured for a criterion, in its unit (``text`` for a text), from so many samples.

        | Record Figure    INT-13    documents_completed    ${100}    %    samples=${count}
        """
        _check_figure(criterion, name, unit, samples)
        the_run().observe(criterion, name, value, unit, samples=samples)

    @keyword()
    def record_samples(
        self, criterion: str, name: str, samples: list[float], unit: str, statistic: str = "max"
    ) -> float:
        """Records all samples of something measured; returns the statistic that is judged: mean, median, max, p95, ….

        | ${slowest} =    Record Samples    INT-13    slowest_processing    ${seconds}    s    statistic=max
        """
        _check_figure(criterion, name, unit, len(samples))
        the_run().observe(criterion, name, samples, unit, statistic=statistic)
        return Distribution.of(samples).statistic(statistic)

    @keyword()
    def record_share(self, criterion: str, name: str, part: int, whole: int) -> None:
        """Records a share in percent, of so many samples.

        | Record Share    INT-06    sentences_that_find_their_chunk    ${found}    ${asked}
        """
        _check_figure(criterion, name, "%", whole)
        the_run().observe(criterion, name, 100 * part / whole, "%", samples=whole)

    @keyword()
    def limit_should_be_kept(self, criterion: str, figure: str, value: float, what: str = "") -> None:
        """A value keeps the limit of a criterion's figure, with the deployment's own threshold where it has one.

        | Limit Should Be Kept    INT-13    slowest_processing    ${seconds}    what=processing of 'note'
        """
        limit = limit_for(the_run().descriptor.thresholds, criterion, figure)
        logger.info(f"{what or figure}: {value:g} {limit.unit}, {limit}")
        if not limit.kept_by(value):
            raise violation(what or figure, expected=str(limit), observed=f"{value:g} {limit.unit}")

    @keyword()
    def get_limit(self, criterion: str, figure: str) -> float | None:
        """Returns the threshold of a criterion's figure: the deployment's own, or that of ``variables/criteria.yaml``.

        | ${seconds} =    Get Limit    INT-08    realtime_lag
        """
        return limit_for(the_run().descriptor.thresholds, criterion, figure).threshold

    @getter()
    def get_deployment_field(self, path: str) -> Observed:
        """Returns a field of the deployment's descriptor by its dotted path, such as ``providers.parser.name``.

        Skips the test where the descriptor leaves it out and may.

        | ${model} =    Get Deployment Field    providers.model
        """
        descriptor, words = the_run().descriptor.model_dump(exclude={"secrets"}, warnings=False), path.split(".")
        for place in (".".join(words[:number]) for number in range(1, len(words) + 1)):
            if pick(descriptor, place) == ABSENT:
                raise NotOffered(place)
        value = pick(descriptor, path)
        if value is MISSING:
            raise SuiteError(f"the descriptor has no field '{path}'")
        return Observed(value, f"{path} of the descriptor")

    @keyword()
    def report_environment_problem(self, reason: str) -> None:
        """Fails the test because of our own documents or tools; the deployment is not judged by it.

        | Report Environment Problem    all facts are in one chunk
        """
        raise EnvironmentUnavailable(reason)

    @keyword()
    def judge_what_was_seen(self) -> None:
        """Seals, judges and reports what this call of robot observed; fails unless the verdict is GO or PASS.

        The test that ends a plain run calls it; suites do not.

        | Judge What Was Seen
        """
        judge_what_was_seen()
