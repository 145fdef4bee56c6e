"""Decides one criterion from the evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from acceptance.errors import BLOCKED, NOT_APPLICABLE, NOT_OFFERED
from acceptance.evidence.reader import Bundle
from acceptance.evidence.recorder import NOTHING_LOOKED_AT
from acceptance.evidence.records import Cause, Outcome, Trend
from acceptance.evidence.records import Status as Ending
from acceptance.verdict.criteria import Criterion
from acceptance.verdict.failures import grouped, summary_of
from acceptance.verdict.metrics import Figure, figures_of, observed
from acceptance.yaml_models import Data

Status = Literal["met", "violated", "not_verified", "not_applicable", "observed"]

# Prefixes of the reasons for `not_verified`.
UNKNOWABLE = "cannot be known here"
NOT_LOOKED = "we failed to look"
UNSOUND = "its evidence does not count"
PLANNED = "planned, no suite yet"
UNCLAIMED = "not claimed by this run"
KINDS = (UNKNOWABLE, NOT_LOOKED, UNSOUND, PLANNED, NOT_OFFERED, BLOCKED)

NOT_THE_PRODUCT = ("environment", "capability", "not_offered", "blocked")  # causes that say nothing of the deployment

CLOSING = "closing: "
REPORT = "report: "
FIXTURE = "fixture: "  # that could not be made


class Tried(Data):
    """A test, as it ended last. `link` is relative to the folder of the gate; `tries` counts how often it ran."""

    name: str
    run: str
    status: Ending
    cause: Cause | None = None
    message: str = ""
    seconds: float = 0.0
    tries: int = 1
    flaky: bool = False
    link: str = ""
    source: str = ""
    looks: int | None = None
    without: tuple[str, ...] = ()


class Row(Data):
    """One criterion as decided; figure, unit, threshold and must_be are those of the deciding limit.

    `without` names what its tests need and the contract marks `absent`.
    """

    id: str
    title: str
    required: bool
    status: Status
    figure: float | None = None
    unit: str | None = None
    threshold: float | None = None
    must_be: str | None = None
    margin: float | None = None
    reason: str = ""
    proven_on: str = ""
    figures: tuple[Figure, ...] = ()
    tests: tuple[Tried, ...] = ()
    not_run: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    trend: tuple[Trend, ...] = ()


@dataclass(frozen=True)
class Group:
    """Runs of one deployment, and why the evidence of some of them does not count."""

    deployment: str
    bundles: Sequence[Bundle]
    unsound: Mapping[str, Sequence[str]]


def row_of(name: str, criterion: Criterion, own: Group, siblings: Sequence[Group]) -> Row:
    """The criterion on the deployment, or, what cannot be known there, on a sibling of the same build."""
    row = _alone(name, criterion, own)
    others = {group.deployment: _alone(name, criterion, group) for group in siblings}
    for deployment, other in others.items():
        if other.status == "violated" and row.status != "violated":
            return other.model_copy(update={"reason": f"on {deployment}: {other.reason}", "proven_on": deployment})
    if criterion.siblings and row.reason.startswith(UNKNOWABLE):
        for deployment, other in others.items():
            if other.status == "met":
                return other.model_copy(update={"reason": f"seen on {deployment}", "proven_on": deployment})
    return row


def tried(bundles: Iterable[Bundle], criterion: str | None = None) -> list[Tried]:
    """The tests of these runs, or those of them that name a criterion, each as it ended last, in the order of time."""
    tries: dict[str, list[tuple[Bundle, Outcome]]] = defaultdict(list)
    for bundle in bundles:
        for outcome in bundle.outcomes:
            if criterion is None or criterion in outcome.criteria:
                tries[outcome.test].append((bundle, outcome))
    by_time = sorted(tries.items(), key=lambda one: (min(outcome.time for _, outcome in one[1]), one[0]))
    return [_last(test, sorted(ended, key=_outcome_order)) for test, ended in by_time]


def _alone(name: str, criterion: Criterion, group: Group) -> Row:
    bundles = group.bundles
    declared = {test for bundle in bundles for plan in bundle.plans for test in plan.tests.get(name, ())}
    tests = tried(bundles, name)
    figures = figures_of(criterion, observed(bundles, name))
    limited = figures[: len(criterion.limits)]
    main = next((one for one in limited if one.broken), next((one for one in limited if one.missing), None))
    main = main or min(limited, key=_room, default=None)
    absent = _places(tests)
    status, reason = _status(name, criterion, group, declared, tests, limited)
    return Row(
        id=name,
        title=criterion.title,
        required=criterion.required == "R",
        status=status,
        figure=None if main is None or isinstance(main.value, str) else main.value,
        unit=main.unit if main else None,
        threshold=main.threshold if main else None,
        must_be=main.must_be if main else None,
        margin=main.margin if main else None,
        reason=reason or (f"without {', '.join(absent)}" if absent else ""),
        figures=tuple(figures),
        tests=tuple(tests),
        not_run=tuple(sorted(declared - {test.name for test in tests})),
        without=absent,
        trend=tuple(
            sorted((one for bundle in bundles for one in bundle.trends if one.criterion == name), key=_trend_order)
        ),
    )


def _room(figure: Figure) -> float:
    """How near a figure is to its limit; 100 % of at least 100 % is not near."""
    everything = figure.unit == "%" and figure.threshold == 100 and figure.value == 100
    return 1 if figure.margin is None or everything else figure.margin


def _trend_order(trend: Trend) -> tuple[str, str, int]:
    return (trend.figure, trend.writer, trend.number)


def _outcome_order(one: tuple[Bundle, Outcome]) -> tuple[str, str, str, int]:
    bundle, outcome = one
    return (outcome.time, bundle.run, outcome.writer, outcome.number)


def _last(test: str, tried: Sequence[tuple[Bundle, Outcome]]) -> Tried:
    bundle, last = tried[-1]
    wrong = [outcome for _, outcome in tried if is_wrong(outcome)]
    flaky = bool(wrong) and last.status == "PASS"
    message = f"flaky: passed on try {len(tried)}, after: {summary_of(wrong[0].message)}" if flaky else ""
    if wrong and not flaky:
        last = wrong[-1]
    log = "/".join(part for part in (bundle.home, "log.html") if part)
    return Tried(
        name=test,
        run=bundle.run,
        status=last.status,
        cause=last.cause,
        message=message or last.message,
        seconds=last.seconds,
        tries=len(tried),
        flaky=flaky,
        link=f"{log}#{last.place}" if last.place else "",
        source=last.source,
        looks=last.looks,
        without=last.without,
    )


def is_wrong(outcome: Outcome) -> bool:
    """Whether it says that the deployment is wrong; whatever failed for no known cause does."""
    return outcome.status == "FAIL" and outcome.cause not in NOT_THE_PRODUCT


def _status(
    name: str, criterion: Criterion, group: Group, declared: set[str], tests: Sequence[Tried], figures: Sequence[Figure]
) -> tuple[Status, str]:
    scopes = [bundle.scope for bundle in group.bundles if bundle.scope]
    wrong = list(_wrong(name, criterion, group, tests, figures))
    ran = any(test.status != "SKIP" and _product(test) for test in tests)
    if criterion.required == "O" and (ran or any(figure.of for figure in figures)):
        return "observed", "; ".join(wrong)
    if wrong:
        return "violated", "; ".join(wrong)
    if not any(name in scope.claims for scope in scopes):
        return "not_verified", UNCLAIMED
    if criterion.status == "planned":
        return "not_verified", PLANNED
    unsound = [problem for bundle in group.bundles for problem in group.unsound.get(bundle.run, ())]
    if unsound:
        return "not_verified", f"{UNSOUND}: {'; '.join(unsound)}"
    if not any(scope.started for scope in scopes if name in scope.claims):
        why = "".join(f": {test.message}" for test in tests if test.status == "FAIL")
        return "not_verified", f"{NOT_LOOKED}: the run could not start{why}"
    offered = {capability for scope in scopes for capability in scope.capabilities}
    lacking = [f"needs the capability '{need}'" for need in criterion.needs if need not in offered]
    lacking += [f"{test.name}: {test.message}" for test in tests if test.cause == "capability"]
    unseen = list(_unseen(criterion, declared, tests))
    blocked = list(dict.fromkeys(summary_of(test.message) for test in tests if test.cause == "blocked"))
    absent = [test for test in tests if test.cause == "not_offered"]
    if absent and not unseen and not blocked and not lacking and declared == {test.name for test in absent}:
        return "not_verified", f"{NOT_OFFERED}: {', '.join(_places(absent))}"
    # A figure that nobody took is one of the tests' that need what is not offered.
    unseen += [figure.missing for figure in figures if figure.missing and (figure.of or not absent)]
    settled = {test.name for test in tests if test.status == "PASS" or test.cause in ("capability", "not_offered")}
    if lacking and declared <= settled:
        return "not_verified", f"{UNKNOWABLE}: {'; '.join(lacking)}"  # everything else passed
    unseen += [one for one in lacking if one not in unseen]
    by_rule = [test.message for test in tests if criterion.may_not_apply and _by_rule(test)]
    if by_rule and declared == {test.name for test in tests if _by_rule(test)}:
        return "not_applicable", "; ".join(by_rule)
    if blocked:
        return "not_verified", "; ".join([*blocked, *unseen])
    if unseen:
        return "not_verified", f"{NOT_LOOKED}: {'; '.join(unseen)}"
    return "met", ""


def _wrong(
    name: str, criterion: Criterion, group: Group, tests: Sequence[Tried], figures: Sequence[Figure]
) -> Iterator[str]:
    failed = [test for test in tests if test.status == "FAIL" and _product(test)]
    failed += [test for test in tests if test.flaky and not criterion.flaky_allowed]
    given = list(grouped((test.name, test.message) for test in failed))
    given += [figure.broken for figure in figures if figure.broken and not any(figure.broken in one for one in given)]
    yield from given
    sealed = [bundle.run for bundle in group.bundles if name in bundle.violated]
    if sealed and not given:
        yield f"it was violated when the run {', '.join(sealed)} was sealed; the records that say why are gone"


def violations(rows: Iterable[Row]) -> Iterator[tuple[str, str, str]]:
    """Criterion, name and message of each test that violates a required criterion."""
    for row in rows:
        if row.required and row.status == "violated":
            failed = (test for test in row.tests if (test.status == "FAIL" and _product(test)) or test.flaky)
            yield from ((row.id, test.name, test.message) for test in failed)


def _product(test: Tried) -> bool:
    return test.cause not in NOT_THE_PRODUCT


def _places(tests: Iterable[Tried]) -> tuple[str, ...]:
    """What tests need or left out, and the contract marks `absent`: dotted paths, without those within another."""
    named = [place for test in tests for place in test.without]
    named += [_needed(test) for test in tests if test.cause == "not_offered"]
    places = {place for one in named for place in one.split(", ") if place}
    return tuple(sorted(one for one in places if not any(one.startswith(f"{other}.") for other in places)))


def _needed(test: Tried) -> str:
    return test.message.partition(f"{NOT_OFFERED}: ")[2].partition("\n")[0]


def _by_rule(test: Tried) -> bool:
    return test.status == "SKIP" and test.message.startswith(NOT_APPLICABLE)


def _unseen(criterion: Criterion, declared: set[str], tests: Sequence[Tried]) -> Iterable[str]:
    """What should have been checked, and was not."""
    if not declared:
        yield "no test is declared for it"
    not_run = sorted(declared - {test.name for test in tests})
    if not_run:
        yield f"declared but did not run: {', '.join(not_run)}"
    kind = {"closing": CLOSING, "report": REPORT}.get(criterion.judged_by)
    if kind and not any(test.name.startswith(kind) for test in tests):
        yield f"the {kind.strip(': ')} check did not run"
    for test in tests:
        if test.status == "PASS" and test.looks == 0:
            yield f"{test.name}: {NOTHING_LOOKED_AT}"
        if test.status != "PASS" and test.cause not in ("not_offered", "blocked"):
            yield f"{test.name}: {'skipped: ' if test.status == 'SKIP' else ''}{summary_of(test.message)}"
