"""What the gate page shows of one criterion: its figures with where they were read, its tests, and its margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from markupsafe import Markup

from acceptance.evidence.reading import EVIDENCE
from acceptance.evidence.recorder import FILES
from acceptance.report import charts
from acceptance.report.wording import number
from acceptance.verdict.criteria import Area, Criterion
from acceptance.verdict.figures import Figure
from acceptance.verdict.gate import Judged
from acceptance.verdict.rows import UNCLAIMED, Row, Tried

WORDS = {
    "violated": "violated",
    "not_verified": "not verified",
    "met": "met",
    "not_applicable": "not applicable",
    "observed": "observed",
    "unclaimed": "not claimed",
}
TESTS = 2_000  # of one criterion
CHARACTERS = 1_500  # of one message; the evidence has all of it
_ENDINGS = {"FAIL": "failed", "SKIP": "skipped", "PASS": "passed"}


@dataclass(frozen=True)
class ShownTrend:
    """How a figure was before, as a small line, and what a test made of it."""

    line: Markup
    regression: str
    runs: int


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
    def limit(self) -> str:
        """The threshold in words."""
        return limit_of(self.figure)


@dataclass(frozen=True)
class Count:
    """So many tests ended like this; `link` is the first of them in log.html."""

    status: str
    count: int
    link: str


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
        return "unclaimed" if self.row.reason == UNCLAIMED else self.row.status

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
        share = 50 * min(1.0, max(-1.0, self.row.margin))
        return round(50 + min(0.0, share), 1), round(abs(share), 1)

    @property
    def tests(self) -> tuple[Tried, ...]:
        """What was tried, what did not pass first."""
        return tuple(sorted(self.row.tests, key=lambda test: (test.status == "PASS" and not test.flaky, test.name)))

    @property
    def counts(self) -> list[Count]:
        """How many tests ended how."""
        by_status = {status: [one for one in self.row.tests if one.status == status] for status in _ENDINGS}
        return [
            Count(_ENDINGS[status], len(tests), next((test.link for test in tests if test.link), ""))
            for status, tests in by_status.items()
            if tests
        ]

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
    trend = next((one for one in row.trend if one.figure == figure.name and one.past), None)
    shown = None
    if trend is not None and not isinstance(figure.value, str | None):
        past = [one.value for one in trend.past]
        shown = ShownTrend(charts.sparkline(past, float(figure.value), figure.unit), trend.regression, len(past))
    test = next((one for one in row.tests if one.name == figure.test), None)
    return ShownFigure(figure, shown, quote(file) if line else "", at, chart, test)


def limit_of(figure: Figure) -> str:
    """The threshold of a figure in words."""
    return (
        f"{figure.must_be} {number(figure.threshold)}\N{NO-BREAK SPACE}{figure.unit}"
        if figure.threshold is not None
        else ""
    )


def value_of(figure: Figure) -> str:
    """The value of a figure with its unit; as many digits as it takes to tell it from the threshold."""
    if isinstance(figure.value, bool):
        return "yes" if figure.value else "no"
    if isinstance(figure.value, str):
        return cut(figure.value)
    return "" if figure.value is None else f"{number(figure.value, figure.threshold)}\N{NO-BREAK SPACE}{figure.unit}"


def cut(text: str, characters: int = CHARACTERS) -> str:
    """A text as far as a page can bear it."""
    return text if len(text) <= characters else f"{text[:characters]} … {len(text) - characters} more characters"
