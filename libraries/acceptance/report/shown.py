"""What the gate page shows: the rows of a gate with everything a template needs, in the order it is read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from acceptance.evidence.reading import Bundle
from acceptance.evidence.records import Trend
from acceptance.report import charts
from acceptance.report.charts import Chart, Threshold
from acceptance.report.links import anchor
from acceptance.report.shown_row import ShownRow, limit_of, shown_figure
from acceptance.report.states import WORDS, counted, tests_of
from acceptance.report.wording import words
from acceptance.verdict.criteria import Criteria, area
from acceptance.verdict.figures import Figure, Seen, samples_of
from acceptance.verdict.gate import UNKNOWN, Gate, Judged
from acceptance.verdict.rows import KINDS, Row, Tried

MEANING = {
    "GO": "Every required criterion is met, or does not apply by its own rule.",
    "PASS": "Everything that this run claims is met. It claims fewer than all required criteria, so it cannot say GO.",
    "NO-GO": "What must hold does not: {count} of {required} required criteria {are} violated.",
    "INCONCLUSIVE": "Nothing required is violated, but not everything is verified: this is not a GO.",
}
KIND_TITLES = {
    "cannot be known here": "Cannot be known here: the deployment does not offer what it takes",
    "we failed to look": "We failed to look: it could have been seen, and was not",
    "its evidence does not count": "Its evidence does not count: it is there, but not sound",
    "planned, no suite yet": "Planned: no suite exists yet",
}
FIGURES = 2_000  # of one criterion
CHARTS = 120
LEAST_SAMPLES = 10  # of a histogram; fewer are read better as figures


@dataclass(frozen=True)
class Open:
    """What is not verified for one and the same reason."""

    reason: str
    rows: tuple[ShownRow, ...]

    @property
    def looked(self) -> list[Tried]:
        """The tests that could not tell, each once."""
        found = {test.name: test for row in self.rows for test in row.tests if test.status != "PASS"}
        return list(found.values())


@dataclass(frozen=True)
class Drawn:
    """A chart and where it stands."""

    id: str
    chart: Chart
    row: Row


@dataclass(frozen=True)
class ShownGate:
    """The whole page."""

    gate: Gate
    rows: tuple[ShownRow, ...]
    charts: tuple[Drawn, ...]
    charts_left_out: int

    @classmethod
    def of(cls, gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> ShownGate:
        """The gate of these bundles, as it is shown."""
        judged = {one.run: one for one in gate.runs}
        seen = _sampled(_each_once(bundles, judged))
        drawn: list[Drawn] = []
        rows = []
        for row in gate.criteria:
            own = {run for run, one in judged.items() if one.deployment in (row.proven_on or gate.deployment, UNKNOWN)}
            figures = []
            for figure in row.figures[:FIGURES]:
                chart = _distribution(row, figure, [one for one in seen[row.id, figure.name] if one[0] in own])
                if chart is not None:
                    drawn.append(Drawn(f"chart-{len(drawn) + 1}", chart, row))
                figures.append(shown_figure(figure, row, judged, drawn[-1].id if chart else ""))
            for bundle in _each_once(bundles, judged):
                for series in bundle.series:
                    if series.criterion == row.id and bundle.run in own:
                        place = anchor(f"{bundle.run}/{series.reference}")
                        drawn.append(Drawn(place, charts.lines(series), row))
            criterion = criteria.criteria[row.id]
            rows.append(ShownRow(row, criterion, criteria.areas[area(row.id)], tuple(figures)))
        return cls(gate, tuple(rows), tuple(drawn[:CHARTS]), max(0, len(drawn) - CHARTS))

    @property
    def meaning(self) -> str:
        """The verdict in plain words."""
        count = len(self.violated)
        return MEANING[self.gate.verdict].format(
            count=count, required=self.gate.required, are="is" if count == 1 else "are"
        )

    @property
    def time(self) -> str:
        """From when to when was observed."""
        began = min((one.began for one in self.gate.runs if one.began), default="")
        ended = max((one.ended for one in self.gate.runs if one.ended), default="")
        if not began:
            return "nothing was recorded"
        first, last = datetime.fromisoformat(began), datetime.fromisoformat(ended)
        seconds = round((last - first).total_seconds())
        took = f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
        took = took.replace(" ", "\N{NO-BREAK SPACE}")
        same = "%H:%M" if first.date() == last.date() else "%-d %B %Y, %H:%M"
        return f"{first:%-d %B %Y, %H:%M} to {last.strftime(same)} UTC ({took})"

    @property
    def tests(self) -> str:
        """How many there were."""
        return counted(tests_of(self.gate))

    @property
    def siblings(self) -> list[str]:
        """Deployments of the same build that showed what this one cannot."""
        return sorted({row.row.proven_on for row in self.rows if row.row.proven_on})

    @property
    def logs(self) -> list[str]:
        """The logs that tests are linked to."""
        return sorted({test.link.partition("#")[0] for row in self.rows for test in row.row.tests if test.link})

    @property
    def share(self) -> list[tuple[str, int]]:
        """How many required criteria are in which state."""
        states = [row.state for row in self.rows if row.row.required]
        return [(state, states.count(state)) for state in WORDS if state in states]

    @cached_property
    def areas(self) -> list[tuple[str, str, list[ShownRow]]]:
        """Identifier and title of each area, with its required criteria that are claimed."""
        groups: dict[str, list[ShownRow]] = defaultdict(list)
        for row in self.rows:
            if row.row.required and row.state != "unclaimed":
                groups[area(row.row.id)].append(row)
        return [(name, rows[0].area.title, rows) for name, rows in groups.items()]

    @property
    def not_gating(self) -> list[ShownRow]:
        """Criteria that do not gate, and are claimed."""
        return [row for row in self.rows if not row.row.required and row.state != "unclaimed"]

    @property
    def unclaimed(self) -> list[ShownRow]:
        """Criteria that the run did not set out to judge."""
        return [row for row in self.rows if row.state == "unclaimed"]

    @property
    def violated(self) -> list[ShownRow]:
        """Required criteria that are violated."""
        return [row for row in self.rows if row.row.required and row.state == "violated"]

    @property
    def findings(self) -> list[ShownRow]:
        """Criteria that do not gate and for which something was found."""
        return [row for row in self.not_gating if row.state == "observed" and (row.row.reason or row.found)]

    @property
    def worse(self) -> list[tuple[ShownRow, Trend]]:
        """What got worse since earlier runs."""
        return [(row, trend) for row in self.rows for trend in row.row.trend if trend.regression]

    @cached_property
    def unverified(self) -> list[tuple[str, list[Open]]]:
        """What is not verified, by kind; what has the same reason stands together."""
        rows = [row for row in self.rows if row.row.required and row.state == "not_verified"]
        found = []
        for kind in KINDS:
            reasons: dict[str, list[ShownRow]] = defaultdict(list)
            for row in rows:
                if row.row.reason.startswith(kind):
                    reasons[row.row.reason.removeprefix(kind).removeprefix(": ")].append(row)
            if reasons:
                found.append((KIND_TITLES[kind], [Open(reason, tuple(group)) for reason, group in reasons.items()]))
        return found

    @cached_property
    def flaky(self) -> list[tuple[Tried, list[str]]]:
        """Tests that passed on a later try only, with their criteria."""
        found: dict[str, tuple[Tried, list[str]]] = {}
        for row in self.rows:
            for test in row.row.tests:
                if test.flaky:
                    found.setdefault(test.name, (test, []))[1].append(row.row.id)
        return list(found.values())

    @property
    def has_trend(self) -> bool:
        """Whether there is a history to show."""
        return any(row.main and row.main.trend for row in self.rows)


def _each_once(bundles: Iterable[Bundle], judged: Mapping[str, Judged]) -> list[Bundle]:
    """The bundles that count; of copies, the one with the most in it."""
    best: dict[str, Bundle] = {}
    for bundle in sorted(bundles, key=lambda one: (-len(one.observations), one.home)):
        best.setdefault(bundle.run, bundle)
    return [best[run] for run in sorted(best) if run in judged]


def _sampled(bundles: Iterable[Bundle]) -> Mapping[tuple[str, str], list[Seen]]:
    """Observations by criterion and name."""
    found: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for bundle in bundles:
        for one in bundle.observations:
            found[one.criterion, one.name].append((bundle.run, one))
    return found


def _distribution(row: Row, figure: Figure, seen: Sequence[Seen]) -> Chart | None:
    if figure.statistic is None or figure.samples < LEAST_SAMPLES:
        return None
    whole = samples_of(seen)
    if whole is None:
        return None
    limit = Threshold(figure.threshold, limit_of(figure)) if figure.threshold is not None else None
    return charts.histogram(f"{row.id}: {words(figure.name)}", whole[1], figure.unit, limit=limit)
