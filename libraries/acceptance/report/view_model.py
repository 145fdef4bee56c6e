"""The content of the gate page: the rows of a gate with all that the template needs, in reading order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from urllib.parse import quote

from markupsafe import Markup

from acceptance.errors import BLOCKED, NOT_OFFERED
from acceptance.evidence.reader import EVIDENCE, Bundle
from acceptance.evidence.recorder import FILES
from acceptance.evidence.records import Trend
from acceptance.report import charts
from acceptance.report.charts import Chart, Threshold
from acceptance.report.markdown import anchor, in_unit, is_all, words
from acceptance.report.rows import ENDINGS, WORDS, counted, findings, judged_bundles, own_runs, state_of, tests_of
from acceptance.verdict.criteria import Area, Criteria, Criterion, area
from acceptance.verdict.criterion_results import KINDS, NOT_THE_PRODUCT, Row, Tried
from acceptance.verdict.failures import RootCause
from acceptance.verdict.gate import Gate, Judged
from acceptance.verdict.metrics import Figure, Seen, samples_of

MEANING = {
    "GO": "Every required criterion is met, or does not apply by its own rule.",
    "PASS": "Every criterion that this run claims is met. It claims fewer than all required criteria, so it is no GO.",
    "NO-GO": "{count} of {required} required criteria {are} violated.",
    "INCONCLUSIVE": "No required criterion is violated, but not every claimed one is verified, so it is no GO.",
}
KIND_TITLES = {
    "cannot be known here": "Cannot be known here: the deployment lacks a capability",
    "we failed to look": "Not checked: it could have been observed, and was not",
    "its evidence does not count": "Its evidence does not count: it is invalid",
    "planned, no suite yet": "Planned: no suite exists yet",
    BLOCKED: "Blocked: a fixture could not be made, which violates a criterion of its own",
    NOT_OFFERED: "Not offered: the deployment's contract marks it absent",
}
IN_PART = (
    "Everything is met that this run claims and the deployment offers. What it does not offer is not judged, so it is"
    " no GO."
)
FIGURES = 2_000  # of one criterion
CHARTS = 120
LEAST_SAMPLES = 10  # of a histogram; fewer are read better as figures
TESTS = 2_000  # of one criterion
LEAST_POINTS = 3  # of a line; fewer are listed as numbers
CHARACTERS = 1_500  # of one message; the evidence has all of it
CHECK = "check of the run"


@dataclass(frozen=True)
class Open:
    """Criteria that are not verified for the same reason."""

    reason: str
    rows: tuple[CriterionView, ...]

    @property
    def tests(self) -> list[Tried]:
        """The tests that did not verify it, each once."""
        found = {test.name: test for row in self.rows for test in row.tests if test.status != "PASS"}
        return list(found.values())


@dataclass(frozen=True)
class CauseView:
    """A root cause with the criteria that it violates, and the tests that failed by it."""

    cause: RootCause
    rows: tuple[CriterionView, ...]
    tests: tuple[Tried, ...]


@dataclass(frozen=True)
class Drawn:
    """A chart with its anchor."""

    id: str
    chart: Chart
    row: Row


@dataclass(frozen=True)
class GateView:
    """The whole page."""

    gate: Gate
    rows: tuple[CriterionView, ...]
    charts: tuple[Drawn, ...]
    charts_left_out: int

    @classmethod
    def of(cls, gate: Gate, bundles: Sequence[Bundle], criteria: Criteria) -> GateView:
        """The view of the gate of these bundles."""
        judged = {one.run: one for one in gate.runs}
        seen = _sampled(judged_bundles(gate, bundles))
        drawn: list[Drawn] = []
        rows = []
        for row in gate.criteria:
            own = own_runs(gate, row)
            figures = []
            for figure in row.figures[:FIGURES]:
                chart = _distribution(row, figure, [one for one in seen[row.id, figure.name] if one[0] in own])
                if chart is not None:
                    drawn.append(Drawn(f"chart-{len(drawn) + 1}", chart, row))
                figures.append(figure_view(figure, row, judged, drawn[-1].id if chart else ""))
            for bundle in judged_bundles(gate, bundles):
                for series in bundle.series:
                    if series.criterion == row.id and bundle.run in own:
                        place = anchor(f"{bundle.run}/{series.reference}")
                        drawn.append(Drawn(place, charts.lines(series), row))
            criterion = criteria.criteria[row.id]
            rows.append(CriterionView(row, criterion, criteria.areas[area(row.id)], tuple(figures)))
        series_first = sorted(drawn, key=lambda one: one.id.startswith("chart-"))  # the documents link to series
        kept = {one.id for one in series_first[:CHARTS]}
        return cls(gate, tuple(rows), tuple(one for one in drawn if one.id in kept), len(drawn) - len(kept))

    @property
    def meaning(self) -> str:
        """The verdict in plain words."""
        count = len(self.violated)
        if self.gate.verdict == "PASS" and self.gate.is_in_part:
            return IN_PART
        return MEANING[self.gate.verdict].format(
            count=count, required=self.gate.required, are="is" if count == 1 else "are"
        )

    @property
    def time(self) -> str:
        """The time span of the observations."""
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
        """How many tests ran."""
        return counted(tests_of(self.gate))

    @property
    def siblings(self) -> list[str]:
        """Deployments of the same build that proved what this one cannot."""
        return sorted({row.row.proven_on for row in self.rows if row.row.proven_on})

    @property
    def logs(self) -> list[str]:
        """The logs that tests are linked to."""
        return sorted({test.link.partition("#")[0] for row in self.rows for test in row.row.tests if test.link})

    @property
    def share(self) -> list[tuple[str, int]]:
        """Counts of required criteria by state."""
        states = [row.state for row in self.rows if row.row.required]
        return [(state, states.count(state)) for state in WORDS if state in states]

    @cached_property
    def areas(self) -> list[tuple[str, str, list[CriterionView]]]:
        """Identifier and title of each area, with its required criteria that are claimed."""
        groups: dict[str, list[CriterionView]] = defaultdict(list)
        for row in self.rows:
            if row.row.required and row.state != "unclaimed":
                groups[area(row.row.id)].append(row)
        return [(name, rows[0].area.title, rows) for name, rows in groups.items()]

    @property
    def not_gating(self) -> list[CriterionView]:
        """Criteria that do not gate, and are claimed."""
        return [row for row in self.rows if not row.row.required and row.state != "unclaimed"]

    @property
    def unclaimed(self) -> list[CriterionView]:
        """Criteria that the run does not claim."""
        return [row for row in self.rows if row.state == "unclaimed"]

    @property
    def violated(self) -> list[CriterionView]:
        """Required criteria that are violated."""
        return [row for row in self.rows if row.row.required and row.state == "violated"]

    @cached_property
    def causes(self) -> list[CauseView]:
        """The violations, each root cause once."""
        tests = {test.name: test for row in self.violated for test in row.wrong}
        rows = {row.row.id: row for row in self.violated}
        return [
            CauseView(cause, tuple(rows[name] for name in cause.criteria), tuple(tests[name] for name in cause.tests))
            for cause in self.gate.causes
        ]

    @property
    def otherwise_violated(self) -> list[CriterionView]:
        """Required criteria that are violated by a figure, or by what no test says."""
        named = {name for cause in self.gate.causes for name in cause.criteria}
        return [
            row for row in self.violated if row.row.id not in named or any(one.figure.broken for one in row.figures)
        ]

    @property
    def findings(self) -> list[CriterionView]:
        """Criteria that do not gate and have findings."""
        return [row for row in self.not_gating if row.state == "observed" and (row.row.reason or row.found)]

    @property
    def worse(self) -> list[tuple[CriterionView, Trend]]:
        """Figures that got worse since earlier runs."""
        return [(row, trend) for row in self.rows for trend in row.row.trend if trend.regression]

    @cached_property
    def unverified(self) -> list[tuple[str, list[Open]]]:
        """Criteria that are not verified, by kind and reason."""
        rows = [row for row in self.rows if row.row.required and row.state == "not_verified"]
        found = []
        for kind in KINDS:
            reasons: dict[str, list[CriterionView]] = defaultdict(list)
            for row in rows:
                if row.row.reason.startswith(kind):
                    reasons[row.row.reason.removeprefix(kind).removeprefix(": ")].append(row)
            if reasons:
                found.append((KIND_TITLES[kind], [Open(reason, tuple(group)) for reason, group in reasons.items()]))
        return found

    @property
    def in_part(self) -> list[CriterionView]:
        """Required criteria that are met without what is not offered."""
        return [row for row in self.rows if row.row.required and row.state == "met" and row.row.without]

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
        """Whether a figure has a history."""
        return any(row.main and row.main.trend for row in self.rows)


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


@dataclass(frozen=True)
class TrendView:
    """A figure in earlier runs of the same name: as a small line, or as text where there are too few."""

    line: Markup | None
    text: str
    regression: str


@dataclass(frozen=True)
class FigureView:
    """A figure with the place of its observation, and the chart of its samples."""

    figure: Figure
    trend: TrendView | None
    evidence: str
    line: str
    chart: str
    test: Tried | None

    @property
    def name(self) -> str:
        """Its name in words."""
        return words(self.figure.name)

    @property
    def broken(self) -> str:
        """How its limit is broken."""
        return self.figure.broken.replace(self.figure.name, self.name)

    @property
    def limit(self) -> str:
        """The threshold in words."""
        return limit_of(self.figure)


@dataclass(frozen=True)
class Count:
    """How many tests ended with a status."""

    status: str
    count: int


@dataclass(frozen=True)
class CriterionView:
    """One criterion."""

    row: Row
    criterion: Criterion
    area: Area
    figures: tuple[FigureView, ...]

    @property
    def state(self) -> str:
        """A key of `WORDS`."""
        return state_of(self.row)

    @property
    def found(self) -> list[FigureView]:
        """The findings in words, where the criterion does not gate."""
        found = findings(self.row)
        return [one for one in self.figures if one.figure in found]

    @property
    def main(self) -> FigureView | None:
        """The figure that decides it."""
        row = self.row
        asked = (row.figure, row.threshold, row.unit)
        same = (one for one in self.figures if (one.figure.value, one.figure.threshold, one.figure.unit) == asked)
        return next(same, None) if row.figure is not None else None

    @property
    def bar(self) -> tuple[float, float] | None:
        """Start and width of the margin's bar in percent; the middle is the threshold itself."""
        if self.row.margin is None:
            return None
        if self.is_all:
            return 0.0, 100.0
        share = 50 * min(1.0, max(-1.0, self.row.margin))
        return round(50 + min(0.0, share), 1), round(abs(share), 1)

    @property
    def is_all(self) -> bool:
        """Whether the deciding figure is as good as it can be."""
        return is_all(self.row.figure, self.row.unit, self.row.must_be)

    @property
    def tests(self) -> tuple[Tried, ...]:
        """The tests, those that did not pass first."""
        return tuple(sorted(self.row.tests, key=lambda test: test.status == "PASS" and not test.flaky))

    @property
    def counts(self) -> list[Count]:
        """Counts of tests by status."""
        ended = [test.status for test in self.row.tests]
        return [Count(word, ended.count(status)) for status, word in ENDINGS.items() if status in ended]

    @property
    def wrong(self) -> tuple[Tried, ...]:
        """The tests that failed because of the deployment."""
        failed = (test for test in self.tests if test.status == "FAIL" or test.flaky)
        return tuple(test for test in failed if test.cause not in NOT_THE_PRODUCT)


def figure_view(figure: Figure, row: Row, judged: Mapping[str, Judged], chart: str) -> FigureView:
    """A figure of a row, with the file and line of its observation; `chart` is the anchor of its drawing, or empty."""
    run, _, line = figure.observation.rpartition("/")
    writer, _, at = line.rpartition(":")
    home = judged[run].home if run in judged else ""
    file = "/".join(part for part in (home, EVIDENCE, FILES.replace("*", writer)) if part)
    name = judged[run].name if run in judged else ""
    test = next((one for one in row.tests if one.name == figure.test), None)
    return FigureView(figure, _trend(figure, row, name), quote(file) if line else "", at, chart, test)


def limit_of(figure: Figure) -> str:
    """The threshold of a figure in words."""
    return "" if figure.threshold is None else f"{figure.must_be} {_with_unit(figure.threshold, figure)}"


def value_of(figure: Figure) -> str:
    """The value with its unit, with enough digits to differ from the threshold."""
    if isinstance(figure.value, bool):
        return "yes" if figure.value else "no"
    if isinstance(figure.value, str):
        return cut(figure.value)
    return "" if figure.value is None else _with_unit(figure.value, figure, figure.threshold)


def cut(text: str, characters: int = CHARACTERS) -> str:
    """A text, cut where it is too long for a page."""
    return text if len(text) <= characters else f"{text[:characters]} … {len(text) - characters} more characters"


def _with_unit(value: float, figure: Figure, beside: float | None = None) -> str:
    return "\N{NO-BREAK SPACE}".join(in_unit(value, figure.unit, beside))


def _trend(figure: Figure, row: Row, name: str) -> TrendView | None:
    """Earlier runs of that name only: others load the deployment differently."""
    trend = next((one for one in row.trend if one.figure == figure.name), None)
    if trend is None or isinstance(figure.value, str | None):
        return None
    past = [one.value for one in trend.past if one.name == name]
    if not past and not trend.regression:
        return None
    line = charts.sparkline(past, float(figure.value), figure.unit) if len(past) + 1 >= LEAST_POINTS else None
    values = ", ".join(_with_unit(value, figure) for value in past)
    return TrendView(line, f"{values} before" if values else "", trend.regression)
