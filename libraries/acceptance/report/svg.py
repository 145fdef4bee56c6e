"""Scales, ticks, colours and escaped SVG elements for charts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from acceptance.report.markdown import number

FONT = 13
_CHARACTER = 6.9  # mean width of one in that size


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
