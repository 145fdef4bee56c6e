"""Texts, numbers and links of the evidence in Markdown."""

from __future__ import annotations

from acceptance.report.markdown import (
    amount,
    count,
    lost_references,
    number,
    prose,
    ranges,
    safe,
    with_references,
    without_references,
)


def test_targets_stand_at_the_end_each_once() -> None:
    inline = "[5 s](gate.html#o-1), [6 s](gate.html#o-2), [t](gate.html#tests-1), [it](gate.html), \\[no\\](x#y)\n"
    text = with_references(inline)
    assert text.splitlines() == [
        "[5 s][1], [6 s][2], [t][3], [it](gate.html), \\[no\\](x#y)",
        "",
        "[1]: gate.html#o-1",
        "[2]: gate.html#o-2",
        "[3]: gate.html#tests-1",
    ]
    assert without_references(text).strip() == inline.strip()
    assert lost_references(text) == []
    assert lost_references(text + "[a][4] [b][2]\n[1]: gate.html#o-3\n") == ["1", "4"]


def test_a_figure_links_to_its_observation_once() -> None:
    text = with_references(
        "[5 \\[s\\]](gate.html#o-1) [5 \\[s\\]](gate.html#o-1) [t](gate.html#tests-1) [t](gate.html#tests-1)"
    )
    assert text.splitlines()[0] == "[5 \\[s\\]][1] 5 \\[s\\] [t][2] [t][2]"


def test_texts_and_figures_are_readable() -> None:
    assert safe("intra_word stays, _this_ does not") == "intra_word stays, \\_this\\_ does not"
    assert safe("a" * 400).endswith("…")
    assert prose("`a | b` and *so* and 2 * 3 * 4") == "`a | b` and *so* and 2 \\* 3 \\* 4"
    assert [number(one) for one in (0.0064406, 322.2, 4814.0, 29.9, 1e300)] == [
        "0.00644",
        "322.2",
        "4,814",
        "29.9",
        "1e+300",
    ]
    assert number(29.99999, 30) == "29.99999"
    assert [amount(one, "s") for one in (9.03e-05, 0.00644, 0.1, 0.0, 4e-7)] == [
        "0.0903 ms",
        "6.44 ms",
        "0.1 s",
        "0 s",
        "0.4 µs",
    ]
    assert amount(0.0199999, "s", 0.02) == "19.9999 ms"
    assert ranges(["A-01", "A-02", "A-03", "A-05", "B-06"]) == "A-01…03, A-05, B-06"
    assert (count(0, "test"), count(1, "test"), count(2, "test")) == ("no test", "1 test", "2 tests")
