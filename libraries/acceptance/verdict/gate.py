"""The gate: what the evidence of a run decides, criterion by criterion, and the verdict that follows from it alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from acceptance.data import Data
from acceptance.errors import ConfigurationError
from acceptance.verdict.criteria import Criteria, Criterion, Limit
from acceptance.verdict.evidence import Evidence, Observation, Outcome, Scope

Status = Literal["met", "violated", "not_verified", "not_applicable", "observed"]
Verdict = Literal["GO", "NO-GO", "INCONCLUSIVE", "PASS"]

# Beginnings of the reasons for `not_verified`: what nobody could know here, and what we should have looked at.
UNKNOWABLE = "cannot be known here"
NOT_LOOKED = "we failed to look"
PLANNED = "planned, no suite yet"
UNCLAIMED = "not claimed by this run"


class Row(Data):
    """One criterion as decided; `figure` is the worst that was observed against `threshold`, both in `unit`."""

    id: str
    title: str
    required: bool
    status: Status
    figure: float | None = None
    unit: str | None = None
    threshold: float | None = None
    must_be: str | None = None
    reason: str = ""
    tests: tuple[str, ...] = ()
    observations: tuple[Observation, ...] = ()


class Gate(Data):
    """The verdict and what it rests on. `scope` is `partial` when fewer than all required criteria were claimed."""

    run: str
    scope: Literal["full", "partial"]
    deployment: str
    build: str | None
    verdict: Verdict
    line: str
    criteria: tuple[Row, ...]

    def named(self, status: Status) -> list[str]:
        """Identifiers of the required criteria of that status."""
        return [row.id for row in self.criteria if row.required and row.status == status]


def judge(evidence: Evidence, criteria: Criteria) -> Gate:
    """The gate of one run.

    Raises:
        ConfigurationError: nothing says what the run set out to judge, or of which deployment.
    """
    if not evidence.scopes:
        raise ConfigurationError(["the evidence does not say what was to be judged: no record of kind 'run'"])
    scope = evidence.scopes[0]
    criteria, relaxed = criteria.with_thresholds(scope.thresholds)
    rows = tuple(_row(name, criterion, evidence, scope) for name, criterion in criteria.criteria.items())
    verdict, why = _verdict(rows, criteria, scope, _unsound(evidence, criteria))
    full = criteria.required <= set(scope.claims)
    return Gate(
        run=scope.run,
        scope="full" if full else "partial",
        deployment=scope.deployment,
        build=scope.build,
        verdict=verdict,
        line=f"{verdict} ({scope.name}: {why})"
        + (f", against relaxed thresholds: {'; '.join(relaxed)}" if relaxed else ""),
        criteria=rows,
    )


def _verdict(rows: Sequence[Row], criteria: Criteria, scope: Scope, unsound: list[str]) -> tuple[Verdict, str]:
    violated = [row.id for row in rows if row.required and row.status == "violated"]
    claimed = [row for row in rows if row.required and row.id in scope.claims]
    unknown = [row for row in claimed if row.status not in ("met", "not_applicable", "violated")]
    if violated:
        also = f"; {len(unknown)} not verified" if unknown else ""
        return "NO-GO", f"violated: {', '.join(violated)}{also}"
    if not claimed:
        return "INCONCLUSIVE", "it claims no required criterion"
    if unknown or unsound:
        return "INCONCLUSIVE", "; ".join(chain(unsound, _grouped(unknown)))
    count = f"{len(claimed)} of {len(criteria.required)} required"
    return ("GO" if len(claimed) == len(criteria.required) else "PASS"), count


def _grouped(rows: Sequence[Row]) -> Iterable[str]:
    for kind in (UNKNOWABLE, NOT_LOOKED, PLANNED):
        names = [row.id for row in rows if row.reason.startswith(kind)]
        if names:
            yield f"{kind}: {', '.join(names)}"


def _unsound(evidence: Evidence, criteria: Criteria) -> list[str]:
    """Why the evidence as a whole proves nothing good."""
    named = {name for plan in evidence.plans for name in plan.tests}
    named |= {name for outcome in evidence.outcomes for name in outcome.criteria}
    named |= {observation.criterion for observation in evidence.observations}
    unknown = sorted(named - set(criteria.criteria))
    problems = [f"damaged evidence: {', '.join(evidence.damage)}"] if evidence.damage else []
    return problems + ([f"unknown criteria are named: {', '.join(unknown)}"] if unknown else [])


def _row(name: str, criterion: Criterion, evidence: Evidence, scope: Scope) -> Row:
    declared = {test for plan in evidence.plans for test in plan.tests.get(name, ())}
    outcomes = [outcome for outcome in evidence.outcomes if name in outcome.criteria]
    observations = tuple(one for one in evidence.observations if one.criterion == name)
    figures = [_figure(limit, observations) for limit in criterion.limits]
    shown = next((one for one in figures if one.broken), next((one for one in figures if one.missing), None))
    shown = shown or (figures[0] if figures else None)
    status, reason = _status(name, criterion, scope, declared, outcomes, figures)
    return Row(
        id=name,
        title=criterion.title,
        required=criterion.required == "R",
        status=status,
        figure=shown.worst if shown else None,
        unit=shown.limit.unit if shown else None,
        threshold=shown.limit.threshold if shown else None,
        must_be=shown.limit.must_be if shown else None,
        reason=reason,
        tests=tuple(sorted(declared | {outcome.test for outcome in outcomes})),
        observations=observations,
    )


def _status(
    name: str,
    criterion: Criterion,
    scope: Scope,
    declared: set[str],
    outcomes: Sequence[Outcome],
    figures: Sequence[_Figure],
) -> tuple[Status, str]:
    failed = [f"{one.test}: {one.message}" for one in outcomes if one.status == "FAIL" and one.cause != "environment"]
    wrong = [*failed, *(figure.broken for figure in figures if figure.broken)]
    if criterion.required == "O" and (outcomes or any(figure.worst is not None for figure in figures)):
        return "observed", "; ".join(wrong)
    if wrong:
        return "violated", "; ".join(wrong)
    if name not in scope.claims:
        return "not_verified", UNCLAIMED
    if criterion.status == "planned":
        return "not_verified", PLANNED
    if not scope.started:
        return "not_verified", f"{NOT_LOOKED}: the run could not start"
    lacking = [f"needs the capability '{need}'" for need in criterion.needs if need not in scope.capabilities]
    lacking += [f"{one.test}: {one.message}" for one in outcomes if one.cause == "capability"]
    if lacking:
        return "not_verified", f"{UNKNOWABLE}: {'; '.join(lacking)}"
    unseen = list(_unseen(criterion, declared, outcomes)) + [figure.missing for figure in figures if figure.missing]
    if unseen:
        return "not_verified", f"{NOT_LOOKED}: {'; '.join(unseen)}"
    return "met", ""


def _unseen(criterion: Criterion, declared: set[str], outcomes: Sequence[Outcome]) -> Iterable[str]:
    """What should have been looked at, and was not."""
    if not declared:
        yield "no test is declared for it"
    not_run = sorted(declared - {outcome.test for outcome in outcomes})
    if not_run:
        yield f"declared but did not run: {', '.join(not_run)}"
    if criterion.judged_by == "closing" and not any(one.test.startswith(CLOSING) for one in outcomes):
        yield "the closing check did not run"
    for outcome in outcomes:
        if outcome.status != "PASS":
            yield f"{outcome.test}: {'skipped: ' if outcome.status == 'SKIP' else ''}{outcome.message}"


CLOSING = "closing: "


@dataclass(frozen=True)
class _Figure:
    """What was observed against one limit: how it is broken, or what is missing to say so."""

    limit: Limit
    worst: float | None = None
    broken: str = ""
    missing: str = ""


def _figure(limit: Limit, observations: Sequence[Observation]) -> _Figure:
    mine = [one for one in observations if one.name == limit.figure]
    if not mine:
        return _Figure(limit, missing=f"no observation of {limit.figure}")
    if any(one.unit != limit.unit or isinstance(one.value, str) for one in mine):
        return _Figure(limit, missing=f"{limit.figure} is not a number in {limit.unit}")
    values = [float(one.value) for one in mine]
    worst = min(values) if limit.must_be in ("at least", "over") else max(values)
    samples = sum(one.samples for one in mine)
    if samples < limit.least_samples:
        return _Figure(
            limit, worst, missing=f"{limit.figure}: {samples} samples, at least {limit.least_samples} needed"
        )
    if all(limit.kept_by(value) for value in values):
        return _Figure(limit, worst)
    return _Figure(limit, worst, broken=f"{limit.figure} is {worst:g} {limit.unit}, must be {limit}")
