"""Concludes a run: records trends, rehearses the report, seals the evidence, judges and reports it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import EVIDENCE, Bundle, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Cause, moment
from acceptance.evidence.seal import Seal, write_seal
from acceptance.performance.partial_results import record_unfinished
from acceptance.report.decisions import read_decisions
from acceptance.report.handoff import CRITERION as ANSWERED
from acceptance.report.handoff import read_answers
from acceptance.report.render import bare_report, report, write_report
from acceptance.report.validate import problems
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.criterion_results import REPORT
from acceptance.verdict.gate import Gate, judge
from acceptance.verdict.history import remember, trends
from acceptance.yaml_models import PROJECT

REHEARSED = "0" * 64


def conclude(
    folder: Path, recorder: Recorder, criteria: Criteria, *, history: Path | None = None
) -> tuple[Gate, list[str]]:
    """Close and seal the records of a run, judge them, and write the report.

    Args:
        folder: the run's folder; all other writers have ended.
        recorder: the last writer; it is closed.
        history: folder of past gates; this one is added.

    Returns:
        The gate, and problems of the report.
    """
    record_unfinished(folder, recorder)
    _record_decisions(recorder)
    _record_answers(recorder, folder)
    bundles = _as_if_sealed(read_run(folder))
    gate = judge(bundles, criteria)
    if history is not None and _record_trends(recorder, history, gate):
        bundles = _as_if_sealed(read_run(folder))
        gate = judge(bundles, criteria)
    _rehearse(recorder, gate, bundles, criteria)
    recorder.close()
    bundles = read_run(folder)
    violated = [row.id for row in judge(_as_if_sealed(bundles), criteria).criteria if row.status == "violated"]
    for bundle in bundles:
        write_seal(folder / EVIDENCE, bundle.run, bundle.chains, bundle.artifacts, violated)
    gate, problems_of_report = judge_again(folder, criteria)
    if history is not None:
        with suppress(OSError):  # a history that cannot be written fails no run
            remember(history, gate)
    return gate, problems_of_report


def _rehearse(recorder: Recorder, gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> None:
    cause: Cause | None = None
    try:
        found = problems(gate, bundles, criteria)
    except Exception as error:  # noqa: BLE001 a broken report is recorded; the evidence is sealed all the same
        reports = [name for name, criterion in criteria.criteria.items() if criterion.judged_by == "report"]
        found = {name: [_broke(error)] for name in reports}
        cause = "environment"
    for criterion, wrong in found.items():
        recorder.test(
            name=f"{REPORT}{criterion}",
            status="FAIL" if wrong else "PASS",
            criteria=[criterion],
            cause=cause,
            message="; ".join(wrong),
        )


def judge_again(folder: Path, criteria: Criteria) -> tuple[Gate, list[str]]:
    """Judge a folder by its evidence alone, and write the report; returns the gate, and edited or broken parts.

    Raises:
        ConfigurationError: the folder holds no evidence.
    """
    bundles = read_run(folder)
    gate = judge(bundles, criteria)
    try:
        return gate, write_report(folder, report(gate, bundles, criteria, folder))
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 the verdict stands without its pages
        broke = _broke(error)
        return gate, [broke, *write_report(folder, bare_report(gate, broke))]


def _broke(error: Exception) -> str:
    return f"the report broke: {type(error).__name__}: {error}"


def _record_decisions(recorder: Recorder) -> None:
    decisions, unread = read_decisions(PROJECT)
    for decision in decisions:
        recorder.write(decision)
    for text in unread:
        recorder.note(text)


def _record_answers(recorder: Recorder, folder: Path) -> None:
    """What people found on browsers and devices, of the deployment that the run judged."""
    deployments = {bundle.scope.deployment for bundle in read_run(folder) if bundle.scope}
    try:
        for answer in (one for name in sorted(deployments) for one in read_answers(name)):
            recorder.observe(ANSWERED, answer.check, str(answer), "text", samples=1)
    except ConfigurationError as error:
        for problem in error.problems:
            recorder.note(f"answers of the handoff are left out: {problem}")


def _record_trends(recorder: Recorder, history: Path, gate: Gate) -> bool:
    """Record the trends; returns whether there were any."""
    points, unreadable = trends(history, gate)
    for record in points:
        recorder.write(record)
    for text in unreadable:
        recorder.note(text)
    return bool(points or unreadable)


def _as_if_sealed(bundles: Iterable[Bundle]) -> list[Bundle]:
    sealed = list(bundles)
    for bundle in sealed:
        bundle.seal = Seal(run=bundle.run, time=moment(), chains=bundle.chains, artifacts=bundle.artifacts, violated=())
        bundle.digest = REHEARSED
    return sealed
