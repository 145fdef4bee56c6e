"""What the report reads from a gate: states, figures and tests of its rows, and how a figure is written in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from acceptance.evidence.reader import Bundle
from acceptance.report.markdown import PAGE, amount, anchor, anchor_of_tests, count, safe, words
from acceptance.verdict.criterion_results import CLOSING, FIXTURE, REPORT, UNCLAIMED, Row, Tried
from acceptance.verdict.gate import UNKNOWN, Gate
from acceptance.verdict.metrics import Figure

WORDS = {
    "violated": "violated",
    "not_verified": "not verified",
    "met": "met",
    "not_applicable": "not applicable",
    "observed": "observed",
    "unclaimed": "not claimed",
}
ENDINGS = {"FAIL": "failed", "SKIP": "skipped", "PASS": "passed"}
NO_FIGURE = "no figure was recorded"
TEXT = 600  # characters of a figure that is a text
FIGURES = 5  # of one criterion in a cell; the gate page has all of them
_CHECKS = ("preflight: ", FIXTURE, CLOSING, REPORT)


@dataclass(frozen=True)
class Unseen:
    """Criteria without an observation, all for the same reason."""

    reason: str
    criteria: tuple[str, ...]


def judged_bundles(gate: Gate, bundles: Iterable[Bundle]) -> list[Bundle]:
    """The judged bundles by run; of copies, the one with the most observations."""
    best: dict[str, Bundle] = {}
    for bundle in sorted(bundles, key=lambda one: (-len(one.observations), one.home)):
        best.setdefault(bundle.run, bundle)
    judged = {one.run for one in gate.runs}
    return [best[run] for run in sorted(best) if run in judged]


def own_runs(gate: Gate, row: Row) -> set[str]:
    """The runs on the deployment that proved a criterion."""
    return {one.run for one in gate.runs if one.deployment in (row.proven_on or gate.deployment, UNKNOWN)}


def state_of(row: Row) -> str:
    """A key of `WORDS`; a criterion that does not gate is not verified where each of its tests was skipped."""
    if row.reason == UNCLAIMED:
        return "unclaimed"
    seen = any(test.status != "SKIP" for test in row.tests) or any(figure.of for figure in row.figures)
    return "not_verified" if row.status == "observed" and not seen else row.status


def is_claimed(row: Row) -> bool:
    """Whether the runs claim it, or it was violated all the same."""
    return state_of(row) != "unclaimed"


def by_state(rows: Iterable[Row]) -> str:
    """Counts by state: `5 met, 3 not claimed`."""
    states = [state_of(row) for row in rows]
    return ", ".join(f"{states.count(state)} {word}" for state, word in WORDS.items() if state in states)


def findings(row: Row) -> list[Figure]:
    """The figures that are texts, of a claimed criterion that does not gate."""
    return [] if row.required else [figure for figure in observed_figures(row) if isinstance(figure.value, str)]


def observed_figures(row: Row) -> list[Figure]:
    """The observed figures of a claimed criterion, those with a limit first."""
    return [] if row.reason == UNCLAIMED else [one for one in row.figures if one.of and one.value is not None]


def benchmarks(row: Row) -> list[Figure]:
    """The figures that have a threshold, measured or not."""
    seen = observed_figures(row)
    limited = [figure for figure in row.figures if figure.must_be]
    return [one if one in seen else one.model_copy(update={"value": None, "of": 0, "margin": None}) for one in limited]


def deciding(row: Row) -> Figure | None:
    """The figure that decides a criterion, or its only one."""
    limited, seen = benchmarks(row), observed_figures(row)
    deciding = [one for one in limited if (one.value, one.threshold) == (row.figure, row.threshold)]
    alone = seen if len(seen) == 1 and not limited else []
    return next(iter([*deciding, *limited, *alone]), None)


def reason_of(row: Row) -> str:
    """The reason of a criterion's status, with the names of its figures in words."""
    reason = row.reason
    for name in sorted((one.name for one in row.figures if "_" in one.name), key=len, reverse=True):
        reason = reason.replace(name, words(name))
    return reason


def by_reason(rows: Iterable[Row]) -> list[Unseen]:
    """Criteria that are not verified, grouped by reason."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(reason_of(row) or NO_FIGURE, []).append(row.id)
    return [Unseen(reason, tuple(names)) for reason, names in found.items()]


def tests_of(gate: Gate) -> list[Tried]:
    """Every test and check of the runs, once, by name and run."""
    found = {(test.name, test.run): test for row in gate.criteria for test in row.tests}
    return [found[key] for key in sorted(found)]


def is_check(test: Tried) -> bool:
    """Whether the runner made it: it is no test of a suite, and log.html does not contain it."""
    return test.name.startswith(_CHECKS)


def counted(tests: Sequence[Tried]) -> str:
    """How many there are: `103 tests and 7 checks of the run itself`."""
    checks = sum(is_check(test) for test in tests)
    many = count(len(tests) - checks, "test")
    return f"{many} and {count(checks, 'check')} of the run itself" if checks else many


def ended(tests: Sequence[Tried]) -> str:
    """How tests ended: `8 passed, 1 flaky, 1 failed`."""
    endings = ["flaky" if test.flaky else ENDINGS[test.status] for test in tests]
    counts = [(endings.count(word), word) for word in ("passed", "flaky", "failed", "skipped")]
    return ", ".join(f"{many:,} {word}" for many, word in counts if many) or "no test ran"


def format_value(figure: Figure, most: int = 80) -> str:
    """The value in Markdown, as a link to its observation."""
    if figure.value is None:
        return "not measured"
    text = isinstance(figure.value, str)
    value = safe(str(figure.value), most) if text else amount(figure.value, figure.unit, figure.threshold)
    return f"[{value or '(empty)'}]({PAGE}#{anchor(figure.observation)})" if figure.observation else value


def format_name(figure: Figure) -> str:
    """The name in words."""
    return safe(words(figure.name), 80)


def format_limit(figure: Figure) -> str:
    """The threshold: `at most 322.2 ms`."""
    if figure.must_be is None or figure.threshold is None:
        return "no limit"
    return f"{figure.must_be} {amount(figure.threshold, figure.unit)}"


def in_line(figures: Sequence[Figure], most: int = FIGURES) -> str:
    """Figures with their limits, all that have one and so many others; the gate page has all of them."""
    kept = figures[: max(most, sum(figure.must_be is not None for figure in figures))]
    limits = [f" ({format_limit(one)})" if one.must_be else "" for one in kept]
    parts = [f"{format_name(one)} {format_value(one)}{limit}" for one, limit in zip(kept, limits, strict=True)]
    more = [f"{len(figures) - len(kept)} more in [the gate]({PAGE})"] if len(figures) > len(kept) else []
    return "; ".join([*parts, *more])


def format_tests(row: Row) -> str:
    """How the tests of a criterion ended, as a link to their list in the gate page."""
    text = ended(row.tests)
    return f"[{text}]({PAGE}#{anchor_of_tests(row.id)})" if row.tests and is_claimed(row) else text
