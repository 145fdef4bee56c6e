"""The five sections of the analysis (DOC-03) and the performance strategies: a table and a few lines of linked figures.

A section with no observation says which criteria are not verified, and why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Series
from acceptance.report.markdown import PAGE, amount, anchor, number, safe, words
from acceptance.report.rows import (
    NO_FIGURE,
    TEXT,
    WORDS,
    Unseen,
    benchmarks,
    by_reason,
    format_limit,
    format_name,
    format_tests,
    format_value,
    in_line,
    is_claimed,
    judged_bundles,
    observed_figures,
    own_runs,
    state_of,
)
from acceptance.verdict.criterion_results import Row
from acceptance.verdict.gate import Gate
from acceptance.verdict.metrics import Figure

LINES = 10  # below a table
LAST = "utilization, "  # figures of PERF-09: the mean of a resource in the last step
FIRST = "first, "  # the series of PERF-09: the first resource to saturate, over time
STEPS = (  # columns of the scaling table: heading, series of PERF-08
    ("answered", "requests answered"),
    ("first byte p95", "first byte p95"),
    ("first byte p99", "first byte p99"),
    ("errors", "error rate"),
)
PERFORMANCE = ("PERF", "CLOUD")  # areas; a decision that rests on one of them is an optimization
_LINK = re.compile(r"\(gate\.html#([^)]+)\)")

_FACT = re.compile(
    r"(.*? users/s(?:[^:(]|\([^()]*\))*): (.*)"
)  # as acceptance.performance.recommendations writes a suggestion

Cells = Sequence[str]
Table = tuple[Cells, Sequence[Cells]]  # head, rows


@dataclass(frozen=True)
class Section:
    """One subject: its table and lines in Markdown, and the criteria without an observation, by reason."""

    title: str
    head: Cells
    rows: Sequence[Cells]
    lines: Sequence[str]
    unseen: Sequence[Unseen]

    def holds(self, figure: Figure) -> bool:
        """Whether it links to the figure's observation."""
        return bool(figure.observation) and anchor(figure.observation) in self.anchors

    @cached_property
    def anchors(self) -> set[str]:
        """The anchors that it links to."""
        cells = [cell for row in (self.head, self.lines, *self.rows) for cell in row]
        return {one for cell in cells for one in _LINK.findall(cell)}


class Measured:
    """What the runs measured of their claims: figures by `ID` or `ID.beginning` of a name, series, and the rows."""

    def __init__(self, gate: Gate, bundles: Sequence[Bundle]) -> None:
        self.rows = {row.id: row for row in gate.criteria}
        self._gate, self._bundles = gate, judged_bundles(gate, bundles)

    def figures(self, *names: str) -> Iterator[tuple[Row, Figure]]:
        """The observed figures, in the order of the names."""
        for name, _, beginning in (name.partition(".") for name in names):
            row = self.rows.get(name)
            for figure in observed_figures(row) if row else ():
                if figure.name.startswith(beginning):
                    yield row, figure  # type: ignore[misc]

    def series(self, criterion: str, beginning: str) -> tuple[Series, str] | None:
        """The series of the newest run that has one, and the link to its chart; none of what is not claimed."""
        if criterion not in self.rows or not is_claimed(self.rows[criterion]):
            return None
        own = own_runs(self._gate, self.rows[criterion])
        found = ((bundle.run, one) for bundle in reversed(self._bundles) if bundle.run in own for one in bundle.series)
        of = ((run, one) for run, one in found if one.criterion == criterion and one.name.startswith(beginning))
        return next(((one, f"{PAGE}#{anchor(f'{run}/{one.reference}')}") for run, one in of), None)


def _baseline(seen: Measured, criteria: Cells) -> Table:
    """Each figure with a threshold against the local run's."""
    rows = [seen.rows[name] for name in criteria if name in seen.rows and is_claimed(seen.rows[name])]
    limited = [(row, one) for row in rows for one in benchmarks(row)]
    cells = [
        (f"{row.id} {format_name(one)}", format_limit(one), format_value(one), _difference(one), _verdict(row, one))
        for row, one in limited
    ]
    return ("metric", "local", "measured", "difference", "verdict"), cells if any(one.of for _, one in limited) else ()


def _difference(figure: Figure) -> str:
    """How far the value is from the local one: in percent of it, or in the unit where that says nothing."""
    if not isinstance(figure.value, int | float) or figure.threshold is None:
        return ""
    difference = figure.value - figure.threshold
    if figure.unit == "%" or not figure.threshold:
        return ("+" if difference > 0 else "") + amount(difference, "points" if figure.unit == "%" else figure.unit)
    return f"{100 * difference / abs(figure.threshold):+.3g} %" if difference else "0 %"


def _verdict(row: Row, figure: Figure) -> str:
    if figure.broken:
        return "**broken**"
    if row.status == "not_applicable":
        return WORDS[row.status]
    return "not verified" if figure.missing or row.status not in ("met", "violated", "observed") else "kept"


def _steps(seen: Measured, _: Cells) -> Table:
    """Each step of the rising load: the range over its repeats."""
    found = [(title, one) for title, name in STEPS if (one := seen.series("PERF-08", name))]
    head = ["users/s", *(f"[{title}, {safe(series.unit, 20)}]({link})" for title, (series, link) in found)]
    columns = [
        _by_step([points for line, points in series.lines.items() if line != "offered"]) for _, (series, _) in found
    ]
    steps = sorted({step for column in columns for step in column})
    return head, [(number(step), *(_range(column.get(step, ())) for column in columns)) for step in steps]


def _by_step(lines: Sequence[Sequence[tuple[float, float]]]) -> dict[float, list[float]]:
    found: dict[float, list[float]] = {}
    for at, value in (point for line in lines for point in line):
        found.setdefault(at, []).append(value)
    return found


def _range(values: Sequence[float]) -> str:
    ends = list(dict.fromkeys(number(value) for value in (min(values, default=0.0), max(values, default=0.0))))
    return " to ".join(ends) if values else ""


def _curve(seen: Measured, _: Cells) -> Table:
    """The first resource to saturate against the load."""
    first, shares = seen.series("PERF-09", FIRST), seen.series("PERF-09", "utilization")
    if first is None:
        return (), ()
    name = first[0].name.removeprefix(FIRST).removesuffix("_of_a_short_load")
    own = seen.series("PERF-09", name)
    lines = shares[0].lines.get(name) if shares else None
    points = lines or (own[0].lines.get("mean") if own else None) or ()
    head = ("users/s", f"[{safe(name, 80)}, mean in {safe(first[0].unit, 20)}]({first[1]})")
    return head, [(number(at), number(value)) for at, value in points]


def _opportunities(seen: Measured, _: Cells) -> Table:
    """What to try, with the fact that it follows from."""
    found = [figure for _, figure in seen.figures("PERF-09.suggestion")]
    parts = [(_FACT.fullmatch(str(figure.value)), figure) for figure in found]
    cells = [
        (safe(match[2], TEXT), format_value(figure.model_copy(update={"value": match[1]}), TEXT))
        if match
        else (format_value(figure, TEXT), "")
        for match, figure in parts
    ]
    return ("opportunity", "follows from"), cells


def _utilization(seen: Measured, _: Cells) -> Table:
    """How much of each resource was used, and its limit where it has one."""
    names = (f"PERF-09.{LAST}", "PERF-05.generator", "PERF-11.connections_open", "PERF-11.connections_at_most",
             "PERF-11.blocks", "PERF-12.generator", "PERF-12.subscribers_cpu", "PERF-12.subscribers_lag")  # fmt: skip
    cells = [
        (
            safe(words(figure.name.removeprefix(LAST)), 80),
            format_value(figure),
            format_limit(figure) if figure.must_be else "",
            f"the last step of the rising load ({row.id})" if row.id == "PERF-09" else f"{safe(row.title)} ({row.id})",
        )
        for row, figure in seen.figures(*names)
    ]
    return ("resource", "measured", "limit", "during"), cells


@dataclass(frozen=True)
class Subject:
    """What a section is made of.

    Args:
        criteria: what it rests on; `not verified` names those without an observation in it.
        lines: figures below the table, as `ID.beginning of their names`.
    """

    title: str
    criteria: tuple[str, ...]
    table: Callable[[Measured, Cells], Table]
    lines: tuple[str, ...] = ()


SECTIONS = (
    Subject(
        "Baseline comparison",
        ("PERF-01", "PERF-02", "PERF-03", "PERF-04", "PERF-06", "PERF-07", "PERF-12", "INT-16"),
        _baseline,
        ("PERF-06.baseline", "PERF-07.baseline", "INT-16"),
    ),
    Subject(
        "Scaling behaviour",
        ("PERF-08", "CLOUD-04"),
        _steps,
        ("PERF-08.stated_capacity", "PERF-08.the end", "PERF-12.mean_first_byte_50", "PERF-12.requests_per_second",
         "PERF-12.delivery_latency", "CLOUD-04"),
    ),
    Subject(
        "Bottlenecks",
        ("PERF-09", "PERF-11"),
        _curve,
        ("PERF-09.first_to_saturate", "PERF-11.slowest_query", "PERF-11.query_p95", "PERF-11.query_slowest",
         "PERF-11.connect_time"),
    ),
    Subject(
        "Optimization opportunities",
        ("PERF-09", "PERF-10", "CLOUD-01", "CLOUD-03", "CLOUD-05"),
        _opportunities,
        ("PERF-10", "CLOUD-01", "CLOUD-03"),
    ),
    Subject(
        "Resource utilization",
        ("PERF-09", "PERF-05", "CLOUD-05"),
        _utilization,
        ("PERF-09.not_watched", "CLOUD-05"),
    ),
)  # fmt: skip
STRATEGIES = (
    ("Caching at the edge", ("CLOUD-01", "CLOUD-02")),
    ("Execution at the edge", ("CLOUD-03",)),
    ("Scaling out", ("CLOUD-04",)),
    ("Connection pooling", ("CLOUD-05",)),
    ("Quick queries", ("PERF-11",)),
    ("Many users at once", ("INT-10", "PERF-12")),
    ("Large uploads", ("INT-11",)),
)


def sections(gate: Gate, bundles: Sequence[Bundle]) -> list[Section]:
    """The five sections."""
    seen = Measured(gate, bundles)
    return [_section(seen, subject) for subject in SECTIONS]


def strategies(gate: Gate) -> Iterator[Cells]:
    """A row for each strategy: title, status by criterion, what was measured, or why nothing was."""
    rows = {row.id: row for row in gate.criteria}
    for title, names in STRATEGIES:
        known = [rows[name] for name in names if name in rows]
        states = "; ".join(f"{row.id} {WORDS[state_of(row)]}" for row in known) or "no criterion"
        figures = [in_line(observed_figures(row), 3) for row in known if observed_figures(row)]
        reasons = [safe(one.reason) for one in by_reason(row for row in known if not observed_figures(row))]
        yield title, states, "; ".join(figures or reasons)


def _section(seen: Measured, subject: Subject) -> Section:
    head, rows = subject.table(seen, subject.criteria)
    bullets = list(_bullets(seen, subject.lines))
    more = [f"{len(bullets) - LINES + 1} more in [the gate]({PAGE})"] if len(bullets) > LINES else []
    lines = [*bullets[: LINES - len(more)], *more]
    section = Section(subject.title, head, rows if len(head) else (), lines, ())
    known = [seen.rows[name] for name in subject.criteria if name in seen.rows]
    lacking = [row for row in known if not any(section.holds(one) for one in observed_figures(row))]
    without = [row for row in lacking if row.status in ("met", "violated") and is_claimed(row) and row.tests]
    lines += [f"{safe(row.title)} ({row.id}): {row.status}, {format_tests(row)}, without a figure" for row in without]
    unseen = by_reason(row for row in sorted(lacking, key=lambda row: row.id) if row not in without)
    if not section.anchors and not unseen:
        unseen = [Unseen(NO_FIGURE, tuple(row.id for row in known))]
    return Section(subject.title, head, section.rows, lines, unseen)


def _bullets(seen: Measured, names: Sequence[str]) -> Iterator[str]:
    """One line for the numbers of a criterion, and one for each text."""
    numbers: dict[str, list[Figure]] = {}
    for row, figure in seen.figures(*names):
        if isinstance(figure.value, str):
            yield f"{row.id} {format_name(figure)}: {format_value(figure, TEXT)}"
        else:
            numbers.setdefault(row.id, []).append(figure)
    yield from (f"{safe(seen.rows[name].title)} ({name}): {in_line(found)}" for name, found in numbers.items())
