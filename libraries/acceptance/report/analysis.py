"""What the documents tell of performance: per subject what was observed of its criteria, and why the rest was not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from acceptance.report.markdown import words
from acceptance.verdict.criterion_results import UNCLAIMED, Row
from acceptance.verdict.gate import Gate
from acceptance.verdict.metrics import Figure

# Criteria, or `ID.beginning` for those of its figures whose names begin so.
Subjects = tuple[tuple[str, tuple[str, ...]], ...]

SECTIONS: Subjects = (
    ("Baseline comparison", ("PERF-01", "PERF-02", "PERF-03", "PERF-06", "PERF-07", "PERF-12", "INT-16")),
    ("Scaling behaviour", ("PERF-08", "PERF-12", "CLOUD-04")),
    ("Bottlenecks", ("PERF-09.first", "PERF-05", "PERF-11")),
    ("Optimization opportunities", ("PERF-09.suggestion", "PERF-10", "CLOUD-01", "CLOUD-03", "CLOUD-05")),
    ("Resource utilization", ("PERF-09.utilization", "PERF-05", "CLOUD-05")),
)
STRATEGIES: Subjects = (
    ("Caching at the edge", ("CLOUD-01", "CLOUD-02")),
    ("Execution at the edge", ("CLOUD-03",)),
    ("Scaling out", ("CLOUD-04",)),
    ("Connection pooling", ("CLOUD-05",)),
    ("Quick queries", ("PERF-11",)),
    ("Many users at once", ("INT-10", "PERF-12")),
    ("Large uploads", ("INT-11",)),
)
PERFORMANCE = ("PERF", "CLOUD")  # areas; a decision that rests on one of them is an optimization
NO_FIGURE = "no figure was recorded"


@dataclass(frozen=True)
class Unseen:
    """Criteria of which nothing was observed, all for the same reason."""

    reason: str
    criteria: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """One subject: the criteria of which something was observed, and the others by reason."""

    title: str
    seen: Sequence[Row]
    unseen: Sequence[Unseen]


def sections(gate: Gate, subjects: Subjects) -> list[Section]:
    """The subjects as the gate shows them."""
    rows = {row.id: row for row in gate.criteria}
    return [_section(title, list(_chosen(rows, names))) for title, names in subjects]


def findings(row: Row) -> list[Figure]:
    """What was found out in words of a criterion that does not gate; none of one that the run does not claim."""
    return [] if row.required else [figure for figure in observed_figures(row) if isinstance(figure.value, str)]


def observed_figures(row: Row) -> list[Figure]:
    """Figures of a criterion that were observed, those with a limit first; none of one that the run does not claim."""
    if row.reason == UNCLAIMED:
        return []
    return [figure for figure in row.figures if figure.of and figure.value is not None]


def benchmarks(row: Row) -> list[Figure]:
    """The figures of a criterion that have a threshold, measured or not."""
    seen = observed_figures(row)
    limited = [figure for figure in row.figures if figure.must_be]
    return [one if one in seen else one.model_copy(update={"value": None, "of": 0, "margin": None}) for one in limited]


def deciding(row: Row) -> Figure | None:
    """The figure that stands for a criterion: the one that decides it, or all that there is."""
    limited, seen = benchmarks(row), observed_figures(row)
    shown = [one for one in limited if (one.value, one.threshold) == (row.figure, row.threshold)]
    alone = seen if len(seen) == 1 and not limited else []
    return next(iter([*shown, *limited, *alone]), None)


def reason_of(row: Row) -> str:
    """The reason of a criterion's status, with the names of its figures as they are read."""
    reason = row.reason
    for name in sorted((one.name for one in row.figures if "_" in one.name), key=len, reverse=True):
        reason = reason.replace(name, words(name))
    return reason


def by_reason(rows: Iterable[Row]) -> list[Unseen]:
    """Criteria in groups of the same reason why they are not verified."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(reason_of(row) or NO_FIGURE, []).append(row.id)
    return [Unseen(reason, tuple(names)) for reason, names in found.items()]


def _chosen(rows: Mapping[str, Row], names: Iterable[str]) -> Iterator[Row]:
    for name, _, beginning in (name.partition(".") for name in names):
        if name in rows:
            figures = tuple(one for one in rows[name].figures if one.name.startswith(beginning))
            yield rows[name].model_copy(update={"figures": figures})


def _section(title: str, rows: Sequence[Row]) -> Section:
    unseen = by_reason(sorted((row for row in rows if not observed_figures(row)), key=lambda row: row.id))
    if not rows:
        unseen = [Unseen("no criterion is about it", ())]
    return Section(title, [row for row in rows if observed_figures(row)], unseen)
