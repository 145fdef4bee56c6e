"""What changed between two runs, each judged by its own evidence as it was when the run ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from math import inf
from pathlib import Path

from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import read_run
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.criterion_results import UNCLAIMED, Row, Tried
from acceptance.verdict.gate import Gate, judge
from acceptance.verdict.metrics import Figure
from acceptance.verdict.validity import times_of, utc_now
from acceptance.yaml_models import Data

SLOWER = 2.0  # times as long as before, and
SLOWER_SECONDS = 1.0  # at least so much longer
NOTHING: Mapping[str, str] = {}
_RANK = {"violated": 0, "not_verified": 1, "not_applicable": 2, "observed": 2, "met": 2}


class Moved(Data):
    """A criterion whose status changed; `reason` is that of the worse status. `better` is None where neither is."""

    id: str
    title: str
    before: str
    after: str
    reason: str
    better: bool | None


class Difference(Data):
    """A figure that changed.

    Args:
        difference: after minus before; `percent` of what it was before, None where that was 0 or is not known.
        worse: by what share of what it was before it got worse, negative where it got better; None without a limit.
        limit: `at most 30`, as the later run had it.
        kept_before: whether the threshold was kept; None without a threshold, or where the figure is missing.
    """

    criterion: str
    name: str
    unit: str
    before: float | None
    after: float | None
    difference: float | None
    percent: float | None
    worse: float | None
    limit: str
    kept_before: bool | None
    kept_after: bool | None


class Ended(Data):
    """A test that ended differently: `pass`, `fail`, `skip`, `flaky`, or empty where it did not run."""

    test: str
    before: str
    after: str
    message: str


class Slower(Data):
    """A test that takes much longer, in seconds."""

    test: str
    before: float
    after: float


class Edited(Data):
    """A threshold or a decision that is not the same; empty where there is none."""

    name: str
    before: str
    after: str


class Comparison(Data):
    """What changed from one run to the other; `equal` counts what did not, by kind."""

    one: Gate
    other: Gate
    claimed: tuple[str, ...]
    unclaimed: tuple[str, ...]
    criteria: tuple[Moved, ...]
    figures: tuple[Difference, ...]
    tests: tuple[Ended, ...]
    slower: tuple[Slower, ...]
    thresholds: tuple[Edited, ...]
    decisions: tuple[Edited, ...]
    equal: dict[str, int]


def load_gate(path: Path, criteria: Criteria) -> tuple[Gate, Mapping[str, str]]:
    """The gate of a run's folder, or of the folder of a `gate.json`, and the SHA-256 of its decisions by file.

    It is judged at the time when the run ended: a comparison may reach further back than evidence counts.

    Raises:
        ConfigurationError: it is no folder of a run.
    """
    if path.is_file() and path.suffix != ".json":
        raise ConfigurationError([f"{path}: is neither the folder of a run nor its gate.json"])
    bundles = read_run(path.parent if path.is_file() else path)
    now = utc_now()
    with suppress(ValueError):  # no time at all, or none that exists
        now = min(now, datetime.fromisoformat(max(time for bundle in bundles for time in times_of(bundle))))
    decisions = {one.file: one.sha256 for bundle in bundles for one in bundle.decisions}
    return judge(bundles, criteria, now), decisions


def compare(
    one: Gate, other: Gate, *, decided: Mapping[str, str] = NOTHING, decided_other: Mapping[str, str] = NOTHING
) -> Comparison:
    """What changed from one run to the other.

    Args:
        decided: SHA-256 of each decision that stood when the one was sealed, by file; `decided_other` likewise.
    """
    rows, others = ({row.id: row for row in gate.criteria} for gate in (one, other))
    claims, claims_other = ({name for name in of if of[name].reason != UNCLAIMED} for of in (rows, others))
    both = [(rows[name], others[name]) for name in rows if name in claims & claims_other]
    moved = [_moved(before, after) for before, after in both if before.status != after.status]
    pairs = [pair for before, after in both for pair in _pairs(before, after)]
    differences = [_difference(*pair) for pair in pairs]
    changed = [one for one in differences if one.before != one.after]
    tests, tests_other = _tests(one), _tests(other)
    ended = [_ended(name, tests.get(name), tests_other.get(name)) for name in sorted(tests.keys() | tests_other.keys())]
    altered = [test for test in ended if test.before != test.after]
    return Comparison(
        one=one,
        other=other,
        claimed=tuple(sorted(claims_other - claims)),
        unclaimed=tuple(sorted(claims - claims_other)),
        criteria=tuple(sorted(moved, key=lambda row: (_RANK[row.after] - _RANK[row.before], row.id))),
        figures=tuple(sorted(changed, key=_how_much_worse)),
        tests=tuple(altered),
        slower=tuple(sorted(_slower(tests, tests_other), key=lambda test: (test.before - test.after, test.test))),
        thresholds=tuple(_edited(_thresholds(pairs, 1), _thresholds(pairs, 2))),
        decisions=tuple(_edited(decided, decided_other)),
        equal={
            "criteria": len(both) - len(moved),
            "figures": len(differences) - len(changed),
            "tests": len(ended) - len(altered),
            "decisions": sum(decided_other.get(name) == digest for name, digest in decided.items()),
        },
    )


Pair = tuple[str, Figure | None, Figure | None]


def _moved(before: Row, after: Row) -> Moved:
    step = _RANK[after.status] - _RANK[before.status]
    worse = before if step > 0 else after
    return Moved(
        id=after.id,
        title=after.title,
        before=before.status,
        after=after.status,
        reason=worse.reason,
        better=None if step == 0 else step > 0,
    )


def _pairs(before: Row, after: Row) -> Iterator[Pair]:
    """The figures of a criterion that are numbers in the same unit, or that have a limit and are missing once."""
    figures, others = (
        {(figure.name, figure.unit): figure for figure in row.figures if not isinstance(figure.value, str)}
        for row in (before, after)
    )
    for key in dict.fromkeys([*figures, *others]):
        one, other = figures.get(key), others.get(key)
        if (one and other) or any(figure and figure.least_samples is not None for figure in (one, other)):
            yield before.id, one, other


def _difference(criterion: str, one: Figure | None, other: Figure | None) -> Difference:
    figure = other or one or Figure(name="", unit="")
    before, after = _number(one), _number(other)
    difference = None if before is None or after is None else after - before
    share = worse = None
    if difference is not None and before is not None:
        share = difference / abs(before) if before else (0.0 if not difference else inf if difference > 0 else -inf)
    if share is not None and figure.must_be is not None:
        worse = -share if figure.must_be in ("at least", "over") else share
    return Difference(
        criterion=criterion,
        name=figure.name,
        unit=figure.unit,
        before=before,
        after=after,
        difference=difference,
        percent=None if share is None or share in (inf, -inf) else 100 * share,
        worse=worse,
        limit="" if figure.must_be is None else f"{figure.must_be} {figure.threshold:g}",
        kept_before=_kept(one),
        kept_after=_kept(other),
    )


def _number(figure: Figure | None) -> float | None:
    return None if figure is None or figure.value is None or isinstance(figure.value, str) else float(figure.value)


def _kept(figure: Figure | None) -> bool | None:
    if figure is None or figure.must_be is None or figure.missing:
        return None
    return not figure.broken


def _how_much_worse(one: Difference) -> tuple[bool, bool, float, str, str]:
    """First what its threshold does not hold any more, then by how much worse, last what has no direction."""
    broken = one.kept_after is False and one.kept_before is not False
    much = one.worse if one.worse is not None else inf if one.percent is None else abs(one.percent)
    return (not broken, one.worse is None, -much, one.criterion, one.name)


def _tests(gate: Gate) -> dict[str, Tried]:
    return {test.name: test for row in gate.criteria for test in row.tests}


def _ended(name: str, one: Tried | None, other: Tried | None) -> Ended:
    return Ended(test=name, before=_ending(one), after=_ending(other), message=other.message if other else "")


def _ending(test: Tried | None) -> str:
    if test is None:
        return ""
    return "flaky" if test.flaky else test.status.lower()


def _slower(tests: Mapping[str, Tried], others: Mapping[str, Tried]) -> Iterator[Slower]:
    for name in tests.keys() & others.keys():
        before, after = tests[name].seconds, others[name].seconds
        if after >= SLOWER * before and after - before >= SLOWER_SECONDS:
            yield Slower(test=name, before=before, after=after)


def _thresholds(pairs: Iterable[Pair], which: int) -> dict[str, str]:
    """Of the figures whose limit both runs know: the limit by criterion and figure."""
    known = [(name, one, other) for name, one, other in pairs if one and other]
    found = {}
    for name, one, other in known:
        figure = one if which == 1 else other
        if figure.must_be is not None:
            found[f"{name} {figure.name}"] = f"{figure.must_be} {figure.threshold:g} {figure.unit}"
    return found


def _edited(one: Mapping[str, str], other: Mapping[str, str]) -> Iterator[Edited]:
    for name in sorted(one.keys() | other.keys()):
        before, after = one.get(name, ""), other.get(name, "")
        if before != after:
            yield Edited(name=name, before=before, after=after)
