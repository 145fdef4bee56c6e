"""Charts as SVG: distributions of samples, lines over time, and the small line of a trend.

Each has a summary in words and a table. No script, nothing to load.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Panel, Point, Series
from acceptance.report.markdown import number, unit_for, words

FONT = 13
_CHARACTER = 6.9  # mean width of one in that size
WIDTH, HEIGHT = 400.0, 270.0
BELOW = 110.0  # height of a second drawing below
ROW = 16.0  # of labels above the drawing
BARS = 30
LINES = 12  # of one chart
LABEL = 22  # characters
POINTS = 300  # of one line; more could not be distinguished
MARKS = 10
_DASHES = ("", "7 3", "2 3")
_TIMES = {"ms", "s", "min", "h"}


@dataclass(frozen=True)
class Paint:
    """The colours of a chart: of `PAGE` those of the page's style sheet, light or dark; of `LOG` fixed ones."""

    ink: str
    muted: str
    grid: str
    surface: str
    bar: str
    limit: str
    lines: tuple[str, ...]


PAGE = Paint(
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--line)",
    surface="var(--surface)",
    bar="var(--bar)",
    limit="var(--bad)",
    lines=tuple(f"var(--c{number})" for number in range(1, 7)),
)
LOG = Paint(
    ink="#1c2127",
    muted="#59636e",
    grid="#dfe3e8",
    surface="#ffffff",
    bar="#6f94cd",
    limit="#b3202c",
    lines=("#2b5fb3", "#a85400", "#0b7566", "#7547b0", "#a8327d", "#59636e"),
)


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """An element; texts and attributes are escaped, `_` in a name is `-`, coordinates keep one decimal."""
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{words}>{joined(inside)}</{name}>")


def joined(parts: Iterable[object]) -> Markup:
    """The parts concatenated, each escaped."""
    return Markup("").join(str(part) if not isinstance(part, Markup) else part for part in parts)


def text(x: float, y: float, words: str, paint: Paint, *, anchor: str = "start", fill: str = "") -> Markup:
    """A text with an outline, legible in front of lines."""
    seam = f"fill:{fill or paint.ink};stroke:{paint.surface};stroke-width:3px;paint-order:stroke;stroke-linejoin:round"
    return tag("text", words, x=x, y=y, text_anchor=anchor, style=seam)


def width_of(words: str) -> float:
    """About how wide a text is drawn."""
    return len(words) * _CHARACTER


def _short(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value


@dataclass(frozen=True)
class Axis:
    """Where a value lies between two ends of the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def step_of(span: float, parts: int) -> float:
    """The round step (1, 2 or 5 of some power of ten) that cuts a span into at most so many parts."""
    rough = span / parts
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))


def rounded(low: float, high: float, parts: int, *, whole: bool = False) -> list[float]:
    """Ticks at round values that enclose both ends.

    Args:
        whole: of what is counted; no tick lies between whole numbers.
    """
    span = high - low
    if span <= abs(high) * 1e-9:
        span = abs(high) or 1.0
        high = low + span
    step = step_of(span, parts)
    step = max(1.0, step) if whole else step
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def frame(
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x: Axis,
    y: Axis,
    labels: tuple[str, str],
    paint: Paint,
    *,
    times: int = 1,
) -> list[Markup]:
    """Grid, ticks and axis labels (x, y); ticks of x are multiplied by `times`."""
    thin = f"stroke:{paint.grid};stroke-width:1"
    parts = []
    for value in y_ticks:
        parts.append(tag("line", x1=x.start, x2=x.end, y1=y(value), y2=y(value), style=thin))
        parts.append(text(x.start - 7, y(value) + 4, number(value), paint, anchor="end", fill=paint.muted))
    for value in x_ticks:
        parts.append(tag("line", x1=x(value), x2=x(value), y1=y.start, y2=y.start + 4, style=thin))
        parts.append(text(x(value), y.start + 18, number(times * value), paint, anchor="middle", fill=paint.muted))
    parts.append(text((x.start + x.end) / 2, y.start + 36, labels[0], paint, anchor="middle"))
    parts.append(text(2, 12, labels[1], paint))
    return parts


@dataclass(frozen=True)
class Chart:
    """A drawing, with a summary in words and a table."""

    title: str
    svg: Markup
    summary: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Threshold:
    """The limit in a chart, and its text (`at most 30 s`)."""

    value: float
    text: str


def histogram(
    title: str, samples: Distribution, unit: str, *, limit: Threshold | None = None, paint: Paint = PAGE
) -> Chart:
    """How often which value was measured, with median, p95 and p99 as far as there are samples enough for them."""
    known = _percentiles(samples)
    times, unit = unit_for(samples.statistic("max"), unit)
    lowest, highest = samples.statistic("min"), samples.statistic("max")
    usual = samples.percentile(99) if samples.count >= 100 else highest
    top = highest if highest <= 3 * usual else 1.5 * usual  # few far away would leave no room for the others
    low = 0.0 if lowest < top / 2 else lowest
    inside = limit is not None and low / 2 <= limit.value <= 2 * top
    if limit is not None and inside:
        low, top = min(low, limit.value), max(top, limit.value * 1.05)
    edges = rounded(low, top, BARS)
    counts = samples.buckets([*edges, math.inf] if highest > edges[-1] else edges)
    beyond = counts.pop() if highest > edges[-1] else 0
    marks = dict(known)
    labels = {f"{name} {number(times * value)}": value for name, value in marks.items() if value <= edges[-1]}
    limits = {limit.text: limit.value} if limit is not None and inside else {}
    y_ticks = rounded(0, max(*counts, 1), 4, whole=True)
    x, y = _place(labels | limits, y_ticks, edges[0], edges[-1])
    x_ticks = [tick for tick in rounded(edges[0], edges[-1], 6) if edges[0] <= tick <= edges[-1]]
    bars = [
        tag(
            "rect", x=x(edge) + 0.5, y=y(count), width=max(1.0, x(after) - x(edge) - 1), height=y.start - y(count),
            style=f"fill:{paint.bar}",
        )
        for edge, after, count in zip(edges, edges[1:], counts, strict=False)
        if count
    ]  # fmt: skip
    grid = frame(x_ticks, y_ticks, x, y, (unit, "samples"), paint, times=times)
    parts = [*grid, *bars, *_marks(labels, limits, x, y, paint)]
    figures = {"min": lowest, **known, "max": highest, "mean": samples.mean}
    values = {name: f"{number(times * value)} {unit}" for name, value in figures.items()}
    summary = f"{number(samples.count)} samples: " + ", ".join(f"{name} {value}" for name, value in values.items())
    summary += f"; must be {limit.text}" if limit else ""
    summary += ", which lies outside the drawing" if limit and not inside else ""
    summary += f"; {number(beyond)} beyond {number(times * edges[-1])} {unit} are not drawn" if beyond else ""
    rows = (("samples", number(samples.count)), *values.items())
    return Chart(title, _svg(title, summary, parts), summary, ("statistic", "value"), rows)


def lines(series: Series, *, title: str = "", paint: Paint = PAGE) -> Chart:
    """How something went over time, or against something else; marks stand where they happened."""
    title = title or f"{series.criterion}: {words(series.name)}"
    drawn, left_out = _drawable(series.lines)
    below, below_left_out = _drawable(series.below.lines if series.below else {})
    marks = {_cut(label): at for label, at in list(series.marks.items())[:MARKS] if math.isfinite(at)}
    xs = [x for points in (*drawn.values(), *below.values()) for x, _ in points] + list(marks.values()) or [0.0, 1.0]
    ys = [y for points in drawn.values() for _, y in points] or [0.0, 1.0]
    x_ticks = rounded(0.0 if 0 <= min(xs) < max(xs) / 2 else min(xs), max(xs), 6)
    y_ticks = rounded(min(0.0, *ys), max(ys), 4)
    right = max((width_of(_cut(label)) for label in (*drawn, *below)), default=0) + 18
    lower_ticks = rounded(0.0, max((y for points in below.values() for _, y in points), default=1.0), 3, whole=True)
    x, y = _place(marks, y_ticks, x_ticks[0], x_ticks[-1], right=right, also=lower_ticks if below else ())
    axis = f"time, {series.x_unit}" if series.x_unit in _TIMES else series.x_unit
    measured = series.unit if series.name == series.unit else f"{words(series.name)}, {series.unit}"
    above = measured if width_of(measured) <= WIDTH - 4 else series.unit  # the title has the rest
    lower = Axis(lower_ticks[0], lower_ticks[-1], HEIGHT + BELOW - 44, HEIGHT - 6)
    parts = frame(x_ticks, y_ticks, x, y, ("" if below else axis, above), paint)
    parts += _marks(marks, {}, x, lower if below else y, paint)
    parts += _lines_of(drawn, x, y, paint)
    summary = f"{measured}: {_ranges(drawn)}"
    if series.below and below:
        parts += frame(x_ticks, lower_ticks, x, lower, (axis, ""), paint)
        parts.append(text(2, HEIGHT - 16, _panel_label(series.below), paint))
        parts += _lines_of(below, x, lower, paint, first=len(drawn))
        summary += f"; below, {_panel_label(series.below)}: {_ranges(below)}"
        left_out += below_left_out
    summary += "".join(f"; {label} at {number(at)} {series.x_unit}" for label, at in marks.items())
    summary += f"; {left_out} more lines are not drawn" if left_out else ""
    rows = tuple(
        (label, number(len(measured_at[label])), *(number(value) for value in _ends_of(points)))
        for measured_at, lines_of in ((series.lines, drawn), (series.below.lines if series.below else {}, below))
        for label, points in lines_of.items()
    )
    svg = _svg(title, summary, parts, height=HEIGHT + BELOW if below else HEIGHT)
    return Chart(title, svg, summary, ("line", "points", "first", "least", "greatest", "last"), rows)


def _drawable(lines: Mapping[str, Sequence[Point]]) -> tuple[dict[str, Sequence[Point]], int]:
    """The lines with points, thinned, as many as can be distinguished; and the number of the others."""
    known = {label: thinned for label, points in lines.items() if (thinned := _thinned(points))}
    return dict(list(known.items())[:LINES]), max(0, len(known) - LINES)


def _lines_of(drawn: Mapping[str, Sequence[Point]], x: Axis, y: Axis, paint: Paint, *, first: int = 0) -> list[Markup]:
    parts = [part for index, points in enumerate(drawn.values(), first) for part in _line(points, index, x, y, paint)]
    return parts + _ends(drawn, x, y, paint, first=first)


def _ranges(drawn: Mapping[str, Sequence[Point]]) -> str:
    return "; ".join(
        f"{label} from {number(min(y for _, y in points))} to {number(max(y for _, y in points))}"
        for label, points in drawn.items()
    )


def _panel_label(panel: Panel) -> str:
    return panel.name if panel.name == panel.unit else f"{words(panel.name)}, {panel.unit}"


def sparkline(past: Sequence[float], now: float, unit: str) -> Markup:
    """A line as small as a word: the values of earlier runs, then the present one as a dot."""
    values = [value for value in (*past, now) if math.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    x, y = Axis(0, max(1, len(values) - 1), 3, 85), Axis(low, high if high > low else low + 1, 21, 4)
    points = " ".join(f"{x(index):.1f},{y(value):.1f}" for index, value in enumerate(values))
    summary = f"{len(past)} earlier: {', '.join(number(value) for value in past[-5:])}; now {number(now)} {unit}"
    return tag(
        "svg",
        tag("polyline", points=points, style=f"fill:none;stroke:{PAGE.muted};stroke-width:1.5;stroke-linejoin:round"),
        tag("circle", cx=x(len(values) - 1), cy=y(values[-1]), r=2.6, style=f"fill:{PAGE.ink}") if values else "",
        viewBox="0 0 90 25", width=90, height=25, role="img", aria_label=summary,
    )  # fmt: skip


def for_log(chart: Chart) -> str:
    """A chart as HTML for Robot Framework's log; draw it with `paint=LOG`, since that has styles of its own."""
    style = f"max-width:420px;padding:10px 12px;background:{LOG.surface};color:{LOG.ink};border-radius:6px"
    style += ";font:13px/1.5 system-ui,sans-serif"
    return str(
        tag("div", tag("strong", chart.title), chart.svg, tag("div", chart.summary, style="white-space:normal"),
            style=style)
    )  # fmt: skip


def _percentiles(samples: Distribution) -> Mapping[str, float]:
    """Those that are meaningful for so many samples: the p99 of twenty is the maximum."""
    least = {"median": 1, "p95": 20, "p99": 100}
    return {name: samples.statistic(name) for name, count in least.items() if samples.count >= count}


def _svg(title: str, summary: str, parts: Iterable[Markup], *, height: float = HEIGHT) -> Markup:
    style = f"font:{FONT}px system-ui,sans-serif;font-variant-numeric:tabular-nums;width:100%;height:auto;display:block"
    words = [tag("title", title), tag("desc", summary)]
    return tag("svg", *words, joined(parts), viewBox=f"0 0 {WIDTH:g} {height:g}", role="img", style=style)


def _place(
    marks: Mapping[str, float], y_ticks: Sequence[float], low: float, high: float, *, right: float = 14,
    also: Sequence[float] = (),
) -> tuple[Axis, Axis]:  # fmt: skip
    left = 14 + max(width_of(number(tick)) for tick in (*y_ticks, *also))
    above = 26 + ROW * len(marks)
    return Axis(low, high, left, WIDTH - right), Axis(y_ticks[0], y_ticks[-1], HEIGHT - 44, above)


def _marks(known: Mapping[str, float], limits: Mapping[str, float], x: Axis, y: Axis, paint: Paint) -> list[Markup]:
    """Vertical lines, each with its label in a row of its own, so that no two can lie on another."""
    strokes, labels = [], []
    for row, (label, value) in enumerate(sorted({**known, **limits}.items(), key=lambda one: one[1])):
        at, top = x(value), 26 + ROW * row
        colour = paint.limit if label in limits else paint.ink
        style = f"stroke:{colour};stroke-width:{1.5 if label in limits else 1};stroke-dasharray:4 3"
        strokes.append(tag("line", x1=at, x2=at, y1=top - 4, y2=y.start, style=style))
        fits = at + 5 + width_of(label) <= WIDTH
        place, anchor = (at + 5, "start") if fits else (at - 5, "end")
        labels.append(text(place, top + 4, label, paint, anchor=anchor, fill=colour if label in limits else ""))
    return strokes + labels


def _line(points: Sequence[Point], index: int, x: Axis, y: Axis, paint: Paint) -> list[Markup]:
    colour = paint.lines[index % len(paint.lines)]
    dash = _DASHES[index % len(_DASHES)]
    path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in points)
    style = f"fill:none;stroke:{colour};stroke-width:1.8;stroke-linejoin:round;stroke-dasharray:{dash or 'none'}"
    few = points if len(points) <= 40 else ()
    dots = [tag("circle", cx=x(at), cy=y(value), r=2.4, style=f"fill:{colour}") for at, value in few]
    return [tag("polyline", points=path, style=style), *dots]


def _ends(drawn: Mapping[str, Sequence[Point]], x: Axis, y: Axis, paint: Paint, *, first: int = 0) -> list[Markup]:
    """The name of each line where it ends; where they would touch, they move apart."""
    at = {label: (y(points[-1][1]), index) for index, (label, points) in enumerate(drawn.items(), first)}
    placed: list[tuple[str, int, float]] = []
    for label, (height, index) in sorted(at.items(), key=lambda one: one[1]):
        placed.append((label, index, max(height, placed[-1][2] + 14 if placed else 0.0)))
    over = max(0.0, placed[-1][2] - y.start) if placed else 0.0
    return [
        text(x.end + 8, height + 4 - over, _cut(label), paint, fill=paint.lines[index % len(paint.lines)])
        for label, index, height in placed
    ]


def _ends_of(points: Sequence[Point]) -> tuple[float, float, float, float]:
    values = [value for _, value in points]
    return values[0], min(values), max(values), values[-1]


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Of many points the least and the greatest of each short stretch: no peak is lost."""
    whole = [point for point in points if all(math.isfinite(part) for part in point)]
    if len(whole) <= POINTS:
        return whole
    size = math.ceil(len(whole) / (POINTS // 2))
    thin: list[Point] = []
    for start in range(0, len(whole), size):
        part = whole[start : start + size]
        ends = {min(part, key=lambda point: point[1]), max(part, key=lambda point: point[1])}
        thin += sorted(ends, key=part.index)
    return [whole[0], *thin, whole[-1]]


def _cut(label: str) -> str:
    return label if len(label) <= LABEL else f"{label[: LABEL - 1]}…"
