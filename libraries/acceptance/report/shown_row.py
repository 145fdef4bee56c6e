"""What the gate page shows of one criterion: its figures with where they were read, its tests, and its margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from acceptance.evidence.reading import EVIDENCE
from acceptance.evidence.recorder import FILES
from acceptance.report import charts
from acceptance.report.analysis import findings
from acceptance.report.states import state_of
from acceptance.report.wording import in_unit, is_all, words
from acceptance.verdict.criteria import Area, Criterion
from acceptance.verdict.figures import Figure
from acceptance.verdict.gate import Judged
from acceptance.verdict.rows import Row, Tried

TESTS = 2_000  # of one criterion
LEAST_POINTS = 3  # of a line; fewer are told
CHARACTERS = 1_500  # of one message; the evidence has all of it
_ENDINGS = {"FAIL": "failed", "SKIP": "skipped", "PASS": "passed"}


@dataclass(frozen=True)
class ShownTrend:
    """How a figure was in earlier runs of the same name: as a small line, or told where there are too few of them."""

    line: Markup | None
    told: str
    regression: str


@dataclass(frozen=True)
class ShownFigure:
    """A figure with where it was read, and the chart of its samples."""

    figure: Figure
    trend: ShownTrend | None
    evidence: str
    line: str
    chart: str
    test: Tried | None

    @property
    def name(self) -> str:
        """Its name as it is read."""
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
    """So many tests ended like this."""

    status: str
    count: int


@dataclass(frozen=True)
class ShownRow:
    """One criterion."""

    row: Row
    criterion: Criterion
    area: Area
    figures: tuple[ShownFigure, ...]

    @property
    def state(self) -> str:
        """A key of `WORDS`."""
        return state_of(self.row)

    @property
    def found(self) -> list[ShownFigure]:
        """What was found out in words, where the criterion does not gate."""
        told = findings(self.row)
        return [one for one in self.figures if one.figure in told]

    @property
    def main(self) -> ShownFigure | None:
        """The figure that matters most."""
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
        """Whether the figure that matters most is as good as it can be."""
        return is_all(self.row.figure, self.row.unit, self.row.must_be)

    @property
    def tests(self) -> tuple[Tried, ...]:
        """What was tried, what did not pass first."""
        return tuple(sorted(self.row.tests, key=lambda test: (test.status == "PASS" and not test.flaky, test.name)))

    @property
    def counts(self) -> list[Count]:
        """How many tests ended how."""
        ended = [test.status for test in self.row.tests]
        return [Count(word, ended.count(status)) for status, word in _ENDINGS.items() if status in ended]

    @property
    def wrong(self) -> tuple[Tried, ...]:
        """The tests that say what is violated."""
        failed = (test for test in self.tests if test.status == "FAIL" or test.flaky)
        return tuple(test for test in failed if test.cause not in ("environment", "capability"))


def shown_figure(figure: Figure, row: Row, judged: Mapping[str, Judged], chart: str) -> ShownFigure:
    """A figure of a row, with the file and line of its observation; `chart` is the anchor of its drawing, or empty."""
    run, _, line = figure.observation.rpartition("/")
    writer, _, at = line.rpartition(":")
    home = judged[run].home if run in judged else ""
    file = "/".join(part for part in (home, EVIDENCE, FILES.replace("*", writer)) if part)
    name = judged[run].name if run in judged else ""
    test = next((one for one in row.tests if one.name == figure.test), None)
    return ShownFigure(figure, _trend(figure, row, name), quote(file) if line else "", at, chart, test)


def limit_of(figure: Figure) -> str:
    """The threshold of a figure in words."""
    return "" if figure.threshold is None else f"{figure.must_be} {_with_unit(figure.threshold, figure)}"


def value_of(figure: Figure) -> str:
    """The value of a figure with its unit; as many digits as it takes to tell it from the threshold."""
    if isinstance(figure.value, bool):
        return "yes" if figure.value else "no"
    if isinstance(figure.value, str):
        return cut(figure.value)
    return "" if figure.value is None else _with_unit(figure.value, figure, figure.threshold)


def cut(text: str, characters: int = CHARACTERS) -> str:
    """A text as far as a page can bear it."""
    return text if len(text) <= characters else f"{text[:characters]} … {len(text) - characters} more characters"


def _with_unit(value: float, figure: Figure, beside: float | None = None) -> str:
    return "\N{NO-BREAK SPACE}".join(in_unit(value, figure.unit, beside))


def _trend(figure: Figure, row: Row, name: str) -> ShownTrend | None:
    """How it was in earlier runs of that name: others load the deployment otherwise."""
    trend = next((one for one in row.trend if one.figure == figure.name), None)
    if trend is None or isinstance(figure.value, str | None):
        return None
    past = [one.value for one in trend.past if one.name == name]
    if not past and not trend.regression:
        return None
    line = charts.sparkline(past, float(figure.value), figure.unit) if len(past) + 1 >= LEAST_POINTS else None
    told = ", ".join(_with_unit(value, figure) for value in past)
    return ShownTrend(line, f"{told} before" if told else "", trend.regression)
