"""Charts: what is measured stands where it belongs, in words too, and no text of the evidence becomes markup."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Series
from acceptance.report.charts import LOG, POINTS, Chart, Threshold, for_log, histogram, lines, rounded, sparkline

HOSTILE = '<script>alert("x")</script>&'


def _elements(chart: Chart, name: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(str(chart.svg)).iter(name))


def _texts(chart: Chart) -> list[str]:
    return [one.text or "" for one in _elements(chart, "text")]


def _series(points: dict[str, tuple[tuple[float, float], ...]], **more: object) -> Series:
    return Series.model_validate({"criterion": "ERR-01", "name": "response time", "unit": "ms", "lines": points} | more)


def test_every_sample_is_in_a_bar_and_the_percentiles_are_marked() -> None:
    samples = Distribution.of([float(value) for value in range(1, 201)])
    chart = histogram("INT-13: time", samples, "ms")
    assert {"median 100", "p95 190", "p99 198", "samples", "ms"} <= set(_texts(chart))
    assert chart.summary.startswith("200 samples: min 1 ms, median 100 ms, p95 190 ms, p99 198 ms, max 200 ms")
    assert ("samples", "200") in chart.rows
    assert _elements(chart, "rect")


@pytest.mark.parametrize(("count", "named"), [(19, set()), (20, {"p95"}), (100, {"p95", "p99"})])
def test_percentiles_need_samples_that_can_tell_them(count: int, named: set[str]) -> None:
    chart = histogram("", Distribution.of([float(value) for value in range(count)]), "ms")
    assert {name for name in ("p95", "p99") if name in chart.summary} == named


def test_a_threshold_is_drawn_where_it_fits_and_always_said() -> None:
    samples = Distribution.of([float(value) for value in range(100, 150)])
    near = histogram("", samples, "ms", limit=Threshold(200, "at most 200 ms"))
    far = histogram("", samples, "ms", limit=Threshold(30_000, "under 30,000 ms"))
    assert "at most 200 ms" in _texts(near)
    assert "under 30,000 ms" not in _texts(far)
    assert "must be under 30,000 ms, which lies outside the drawing" in far.summary


def test_a_few_far_away_do_not_press_the_others_together() -> None:
    chart = histogram("", Distribution.of([1.0] * 150 + [2.0] * 149 + [5000.0]), "ms")
    assert "1 beyond 3 ms are not drawn" in chart.summary
    assert "max 5,000 ms" in chart.summary


@pytest.mark.parametrize("values", [[0.0], [0.0] * 30, [7.0] * 30, [1e-7], [1e9, 2e9]])
def test_any_samples_can_be_drawn(values: list[float]) -> None:
    chart = histogram("", Distribution.of(values), "s")
    assert len(_elements(chart, "rect")) >= 1
    assert "nan" not in chart.svg


def test_many_samples_make_few_elements() -> None:
    chart = histogram("", Distribution.of([float(value % 977) for value in range(20_000)]), "ms")
    assert len(chart.svg) < 8_000


def test_lines_stand_with_their_names_and_marks() -> None:
    chart = lines(_series({"upload": ((0, 1), (10, 9)), "health": ((0, 2), (10, 3))}, marks={"fault begins": 4.0}))
    assert {"upload", "health", "fault begins", "time, s", "response time, ms"} <= set(_texts(chart))
    assert "upload from 1 to 9" in chart.summary
    assert "fault begins at 4 s" in chart.summary
    assert chart.rows[0] == ("upload", "2", "1", "1", "9", "9")
    dashes = {re.findall(r"stroke-dasharray:[^;]*", one.attrib["style"])[0] for one in _elements(chart, "polyline")}
    assert len(dashes) == 2, "lines differ in more than their colour"


def test_names_of_lines_that_end_together_do_not_lie_on_each_other() -> None:
    names = [f"line {number}" for number in range(6)]
    chart = lines(_series(dict.fromkeys(names, ((0, 0), (1, 5)))))
    heights = sorted(float(one.attrib["y"]) for one in _elements(chart, "text") if one.text in names)
    assert min(after - before for before, after in pairwise(heights)) >= 13


def test_a_name_that_is_too_long_for_the_drawing_stands_in_the_title_alone() -> None:
    flow = Series.model_validate(
        _series({"now": ((0, 1), (10, 9))}).model_dump() | {"name": "first byte, " + 9 * "flow "}
    )
    chart = lines(flow)
    assert "ms" in _texts(chart)
    assert not any("first byte" in text for text in _texts(chart))
    assert "first byte" in chart.title


def test_a_line_of_many_points_keeps_its_peak() -> None:
    points = tuple((float(at), 900.0 if at == 7_777 else float(at % 3)) for at in range(20_000))
    chart = lines(_series({"all": points}))
    drawn = _elements(chart, "polyline")[0].attrib["points"].split()
    assert len(drawn) <= POINTS + 2
    assert chart.rows[0][4] == "900"
    assert "20,000" in chart.rows[0]


def test_lines_without_a_point_or_with_endless_values_do_no_harm() -> None:
    assert lines(_series({})).rows == ()
    chart = lines(_series({"a": ((0, math.inf), (1, 2), (math.nan, 1)), "b": ()}, marks={"never": math.inf}))
    assert chart.rows == (("a", "3", "2", "2", "2", "2"),)


def test_texts_of_the_evidence_are_escaped() -> None:
    series = _series({HOSTILE: ((0, 1),)}, name=HOSTILE, unit=HOSTILE, x_unit=HOSTILE, marks={HOSTILE: 0.0})
    for chart in (lines(series), histogram(HOSTILE, Distribution.of([1, 2]), HOSTILE)):
        assert "<script" not in for_log(chart)
        assert ElementTree.fromstring(str(chart.svg)).tag == "svg"


def test_very_short_times_are_told_in_a_smaller_unit() -> None:
    chart = histogram("t", Distribution.of([0.0001, 0.0002, 0.00177]), "s")
    assert "min 0.1 ms, median 0.2 ms, max 1.77 ms" in chart.summary
    assert not any(one.text == "s" or "0.00" in (one.text or "") for one in _elements(chart, "text"))


def test_a_chart_is_told_to_who_does_not_see_it() -> None:
    chart = histogram("INT-08: lag", Distribution.of([1, 2, 3]), "s")
    root = ElementTree.fromstring(str(chart.svg))
    assert root.attrib["role"] == "img"
    assert [one.text for one in root][:2] == ["INT-08: lag", chart.summary]


def test_what_stands_in_the_log_needs_no_style_sheet() -> None:
    html = for_log(histogram("t", Distribution.of([1.0, 2.0, 3.0]), "s", paint=LOG))
    assert "var(" not in html
    assert "class=" not in html


def test_a_trend_is_a_line_that_ends_with_a_dot() -> None:
    line = str(sparkline([1.0, 2.0, 4.0], 3.0, "s"))
    assert "3 earlier: 1, 2, 4; now 3 s" in line
    assert line.count("<circle") == 1
    assert sparkline([], 3.0, "s")


@pytest.mark.parametrize(
    ("low", "high", "ticks"), [(0, 10, [0, 2, 4, 6, 8, 10]), (0.31, 0.37, [0.3, 0.32, 0.34, 0.36, 0.38]), (5, 5, None)]
)
def test_ticks_are_round_and_enclose_what_is_shown(low: float, high: float, ticks: list[float] | None) -> None:
    found = rounded(low, high, 5)
    assert found[0] <= low
    assert found[-1] >= high
    assert len(found) >= 2
    assert ticks is None or found == ticks


def test_counts_have_whole_ticks() -> None:
    assert rounded(0, 1, 4, whole=True) == [0, 1]
