"""The gate: criteria and verdict that follow from the evidence of one or more runs alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Literal

from acceptance.errors import NOT_OFFERED
from acceptance.evidence.reader import Bundle, without_copies
from acceptance.evidence.records import Scope
from acceptance.verdict.criteria import Criteria, area
from acceptance.verdict.criterion_results import KINDS, Group, Row, Status, Tried, row_of, tried, violations
from acceptance.verdict.failures import RootCause, root_causes
from acceptance.verdict.validity import times_of, unsound, utc_now
from acceptance.yaml_models import Data

Verdict = Literal["GO", "NO-GO", "INCONCLUSIVE", "PASS"]
UNKNOWN = "unknown"
LISTED = 3


class Judged(Data):
    """A run whose evidence was judged. `home` is its folder within that of the gate, `seal` the SHA-256 of its seal."""

    run: str
    name: str
    deployment: str
    build: str | None
    home: str
    began: str
    ended: str
    records: int
    seal: str


class Gate(Data):
    """The verdict and what it rests on. `scope` is `partial` when fewer than all required criteria were claimed.

    Args:
        relaxed: one line for each threshold that is looser than the criterion's own.
        contract: what the deployment's contract says otherwise than the standard one, a line each.
        left_out: runs that were given and do not count, with the reason.
        unsound: why the evidence, or a part of it, is invalid.
        beside: tests that name no criterion and did not pass; while there are any, the verdict is neither GO nor PASS.
        causes: the failures of tests that violate required criteria, by root cause.
    """

    run: str
    name: str
    scope: Literal["full", "partial"]
    deployment: str
    build: str | None
    verdict: Verdict
    line: str
    claimed: int
    required: int
    relaxed: tuple[str, ...] = ()
    contract: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unsound: tuple[str, ...] = ()
    runs: tuple[Judged, ...] = ()
    notes: tuple[str, ...] = ()
    criteria: tuple[Row, ...]
    beside: tuple[Tried, ...] = ()
    causes: tuple[RootCause, ...] = ()

    @property
    def is_in_part(self) -> bool:
        """Whether something that a claimed criterion needs is not offered."""
        return any(row.required and row.without for row in self.criteria)

    def named(self, status: Status) -> list[str]:
        """Identifiers of the required criteria of that status."""
        return [row.id for row in self.criteria if row.required and row.status == status]


def judge(given: Sequence[Bundle], criteria: Criteria, now: datetime | None = None) -> Gate:
    """The gate of the runs, in any order.

    The newest run that is no sibling determines which deployment and build is judged.

    Args:
        now: the time against which the age of evidence is judged; default is the present.
    """
    bundles, siblings, left_out = _sorted(without_copies(given))
    scopes = [bundle.scope for bundle in bundles if bundle.scope]
    subject = _subject(bundles)
    criteria, relaxed = criteria.with_strictest([scope.thresholds for scope in scopes])
    problems = {bundle.run: unsound(bundle, criteria, now or utc_now()) for bundle in (*bundles, *siblings)}
    own = Group(subject.deployment if subject else UNKNOWN, bundles, problems)
    others = [
        Group(name, [one for one in siblings if one.scope and one.scope.deployment == name], problems)
        for name in sorted({bundle.scope.deployment for bundle in siblings if bundle.scope})
    ]
    rows = tuple(row_of(name, criterion, own, others) for name, criterion in criteria.criteria.items())
    claims = {claim for scope in scopes for claim in scope.claims}
    whole = [problem for bundle in bundles for problem in problems[bundle.run]]
    beside = tuple(_beside(bundles))
    core = sorted({place for scope in scopes for place in scope.core_absent})
    verdict, why = _verdict(rows, criteria, claims, [*whole, *_failed_beside(beside)], core)
    name = " + ".join(sorted({scope.name for scope in scopes})) or UNKNOWN
    proven = sorted({row.proven_on for row in rows if row.proven_on})
    line = f"{verdict} ({name}: {why})"
    line += f", with what was seen on {', '.join(proven)}" if proven else ""
    line += f", demoted: {', '.join(criteria.demoted)}" if criteria.demoted else ""
    line += f", without {', '.join(left_out)}" if left_out else ""
    line += f", against relaxed thresholds: {'; '.join(relaxed)}" if relaxed else ""
    return Gate(
        run=" + ".join(sorted(bundle.run for bundle in bundles)),
        name=name,
        scope="full" if criteria.required <= claims else "partial",
        deployment=own.deployment,
        build=subject.build if subject else None,
        verdict=verdict,
        line=line,
        claimed=len(claims & criteria.required),
        required=len(criteria.required),
        relaxed=tuple(relaxed),
        contract=tuple(sorted({line for scope in scopes for line in scope.contract})),
        left_out=tuple(left_out),
        unsound=tuple(problem for run in sorted(problems) for problem in problems[run]),
        runs=tuple(_judged(bundle) for bundle in sorted((*bundles, *siblings), key=lambda bundle: bundle.run)),
        notes=tuple(_notes((*bundles, *siblings))),
        criteria=rows,
        beside=beside,
        causes=tuple(root_causes(violations(rows))),
    )


def _beside(bundles: Sequence[Bundle]) -> Iterator[Tried]:
    """The tests that name no criterion and did not pass."""
    named = {outcome.test for bundle in bundles for outcome in bundle.outcomes if outcome.criteria}
    yield from (test for test in tried(bundles) if test.name not in named and test.status == "FAIL")


def _failed_beside(beside: Sequence[Tried]) -> Iterator[str]:
    if beside:
        names = ", ".join(test.name for test in beside[:LISTED]) + (", …" if len(beside) > LISTED else "")
        tests = "1 test that names" if len(beside) == 1 else f"{len(beside)} tests that name"
        yield f"{tests} no criterion did not pass: {names}"


def _newest(scope: Scope) -> tuple[str, str, int]:
    return (scope.time, scope.writer, scope.number)


def _subject(bundles: Sequence[Bundle]) -> Scope | None:
    """The scope that names the judged deployment and build: the newest, undamaged and of no sibling if possible."""
    scoped = [(bundle, bundle.scope) for bundle in bundles if bundle.scope]
    for some in (
        [scope for bundle, scope in scoped if not bundle.damage and scope.sibling_of is None],
        [scope for bundle, scope in scoped if not bundle.damage],
        [scope for _, scope in scoped],
    ):
        if some:
            return max(some, key=_newest)
    return None


def _sorted(bundles: Sequence[Bundle]) -> tuple[list[Bundle], list[Bundle], list[str]]:
    """The runs of the deployment that is judged, those of its siblings, and why others are left out."""
    scoped = [(bundle, bundle.scope) for bundle in bundles if bundle.scope]
    subject = _subject(bundles)
    if subject is None:
        return list(bundles), [], []
    own = [bundle for bundle in bundles if bundle.scope is None]
    siblings, left_out = [], []
    for bundle, scope in scoped:
        if bundle.damage:
            own.append(bundle)  # its scope may be altered; its violations count
        elif scope.build != subject.build or (scope is not subject and scope.build is None):
            left_out.append(f"{bundle.run}: of build {scope.build or UNKNOWN}, judged is {subject.build or UNKNOWN}")
        elif scope.deployment == subject.deployment:
            own.append(bundle)
        elif scope.sibling_of == subject.deployment:
            siblings.append(bundle)
        else:
            left_out.append(
                f"{bundle.run}: of {scope.deployment}, whose descriptor does not say sibling_of: {subject.deployment}"
            )
    return own, siblings, left_out


def _verdict(
    rows: Sequence[Row], criteria: Criteria, claims: set[str], unsound: list[str], core: Sequence[str]
) -> tuple[Verdict, str]:
    """The verdict and why; `core` is what the application consists of and does not offer."""
    violated = [row.id for row in rows if row.required and row.status == "violated"]
    claimed = [row for row in rows if row.required and row.id in claims and not _is_absent(row)]
    unknown = [row for row in claimed if row.status not in ("met", "not_applicable", "violated")]
    if violated:
        also = f"; {len(unknown)} not verified" if unknown else ""
        return "NO-GO", f"violated: {', '.join(violated)}{also}"
    if unsound:
        return "INCONCLUSIVE", "; ".join(unsound)
    absent = [row for row in rows if row.required and row.id in claims and _is_absent(row)]
    if not claimed:
        nothing = "nothing that it claims is offered" if absent else "it claims no required criterion"
        return "INCONCLUSIVE", nothing
    if unknown:
        return "INCONCLUSIVE", "; ".join(_grouped(unknown))
    if core and any(area(row.id) != "PRE" for row in (*claimed, *absent)):
        return "INCONCLUSIVE", f"{NOT_OFFERED}, though the application consists of it: {', '.join(core)}"
    count = f"{len(claimed)} of {len(criteria.required)} required"
    without = [row.id for row in claimed if row.without]
    left_out = "; ".join(
        f"{word}: {', '.join(names)}"
        for word, names in ((NOT_OFFERED, [row.id for row in absent]), ("in part", without))
        if names
    )
    if left_out:
        met = f"{len(claimed)} of {len(claimed) + len(absent)} claimed, {len(criteria.required)} required"
        return "PASS", f"{met}; {left_out}"
    return ("GO" if len(claimed) == len(criteria.required) and not criteria.demoted else "PASS"), count


def _is_absent(row: Row) -> bool:
    return row.status == "not_verified" and row.reason.startswith(NOT_OFFERED)


def _grouped(rows: Sequence[Row]) -> Iterable[str]:
    for kind in KINDS:
        names = [row.id for row in rows if row.reason.startswith(kind)]
        if names:
            yield f"{kind}: {', '.join(names)}"


def _judged(bundle: Bundle) -> Judged:
    times, scope = times_of(bundle), bundle.scope
    return Judged(
        run=bundle.run,
        name=scope.name if scope else UNKNOWN,
        deployment=scope.deployment if scope else UNKNOWN,
        build=scope.build if scope else None,
        home=bundle.home,
        began=min(times, default=""),
        ended=max(times, default=""),
        records=sum(chain.records for chain in bundle.chains.values()),
        seal=bundle.digest,
    )


def _notes(bundles: Iterable[Bundle]) -> Iterator[str]:
    notes = chain.from_iterable(bundle.notes for bundle in bundles)
    yield from (note.text for note in sorted(notes, key=lambda note: (note.time, note.writer, note.number)))
