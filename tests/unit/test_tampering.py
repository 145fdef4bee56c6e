"""Nothing that is done to evidence makes a verdict better: loss, change, disorder, ageing, claiming or running less."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from acceptance.evidence.histogram import Distribution, merged
from acceptance.evidence.reader import EVIDENCE, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Cause, Status
from acceptance.verdict.gate import Gate, judge
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence import complete, write_run

CRITERIA = complete()
SOME = ("PRE-01", "INT-01", "INT-02", "INT-13", "INT-14", "DOC-01", "SEC-01")
BETTER = {"NO-GO": 0, "INCONCLUSIVE": 1, "PASS": 2, "GO": 3}
ENDINGS: list[tuple[Status, Cause | None]] = [
    ("PASS", None), ("FAIL", "product"), ("FAIL", None), ("FAIL", "environment"),
    ("SKIP", "capability"), ("SKIP", None),
]  # fmt: skip
NOW = datetime.now(UTC)


def rank(gate: Gate) -> int:
    return BETTER[gate.verdict]


@st.composite
def changes(draw: st.DrawFn) -> Callable[[Recorder], None]:
    """What else may happen in a run: some tests end in any way, some figures are bad."""
    endings = draw(st.lists(st.tuples(st.sampled_from(SOME), st.sampled_from(ENDINGS)), max_size=3))
    slow = draw(st.one_of(st.none(), st.floats(20, 40)))

    def record(recorder: Recorder) -> None:
        for name, (status, cause) in endings:
            recorder.test(name=f"more: {name}", status=status, cause=cause, criteria=[name], message="m")
        if slow is not None:
            recorder.observe("INT-13", "slowest_processing", slow, "s", samples=5)

    return record


def lost_line(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    at = draw(st.integers(0, len(lines) - 1))
    return lines[:at] + lines[at + 1 :]


def doubled_line(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    at = draw(st.integers(0, len(lines) - 1))
    return [*lines[: at + 1], lines[at], *lines[at + 1 :]]


def reordered(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    return draw(st.permutations(lines))


def truncated(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    whole = b"".join(lines)
    return [whole[: draw(st.integers(0, len(whole) - 1))]]


def altered(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    whole = bytearray(b"".join(lines))
    whole[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return [bytes(whole)]


def turned(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    return [line.replace(b'"FAIL"', b'"PASS"') for line in lines]


def gone(draw: st.DrawFn, lines: list[bytes]) -> list[bytes]:
    return []


WAYS = [lost_line, doubled_line, reordered, truncated, altered, turned, gone]


@settings(max_examples=150)
@given(st.data(), changes(), st.sampled_from(WAYS))
def test_no_change_of_sealed_records_improves_the_verdict(
    data: st.DataObject, change: Callable[[Recorder], None], way: Callable[[st.DrawFn, list[bytes]], list[bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = sealed_run(Path(name), change)
        before = rank(judged(folder))
        [path] = (folder / EVIDENCE).glob("records-*.jsonl")
        old = path.read_bytes()
        path.write_bytes(b"".join(way(cast(st.DrawFn, data.draw), old.splitlines(keepends=True))))
        after = judged(folder)
        assert rank(after) <= before
        if path.read_bytes() != old:
            assert rank(after) <= BETTER["INCONCLUSIVE"]
            assert after.unsound


@settings(max_examples=40)
@given(changes())
def test_removing_the_seal_improves_nothing(change: Callable[[Recorder], None]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = sealed_run(Path(name), change)
        before = rank(judged(folder))
        next((folder / EVIDENCE).glob("seal-*")).unlink()
        assert rank(judged(folder)) <= min(before, BETTER["INCONCLUSIVE"])


@settings(max_examples=40)
@given(changes(), st.floats(0, 1000))
def test_ageing_improves_nothing(change: Callable[[Recorder], None], hours: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = sealed_run(Path(name), change)
        before = rank(judged(folder))
        aged = judge(read_run(folder), CRITERIA, NOW + timedelta(hours=hours))
        assert rank(aged) <= before
        if hours > CRITERIA.evidence.counts_for_hours + 1:
            assert rank(aged) <= BETTER["INCONCLUSIVE"]


@settings(max_examples=40)
@given(changes(), st.sets(st.sampled_from(sorted(CRITERIA.criteria)), max_size=5))
def test_claiming_or_running_less_improves_nothing(change: Callable[[Recorder], None], less: set[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = rank(judged(sealed_run(folder / "whole", change)))
        claims = [one for one in CRITERIA.criteria if one not in less]
        fewer = judged(write_run(folder / "claims", claims=claims, change=change))
        assert rank(fewer) <= before or (before == BETTER["INCONCLUSIVE"] and fewer.scope == "partial")
        assert fewer.verdict != "GO" or not less & CRITERIA.required
        assert rank(judged(write_run(folder / "run", left_out=less, change=change))) <= before


def sealed_run(folder: Path, change: Callable[[Recorder], None]) -> Path:
    """A run that was sealed as the runner does it: with what was violated then."""
    violated = judged(write_run(folder / "draft", change=change)).criteria
    return write_run(folder / "run", change=change, violated=[row.id for row in violated if row.status == "violated"])


def judged(folder: Path) -> Gate:
    return judge(read_run(folder), CRITERIA)


SAMPLES = st.lists(st.floats(0, 100), min_size=1, max_size=30)


@given(SAMPLES, SAMPLES, SAMPLES, st.integers(1, 60))
def test_merging_distributions_is_associative_and_commutative(
    one: list[float], two: list[float], three: list[float], times: int
) -> None:
    a, b, c = (Distribution.of(samples * times) for samples in (one, two, three))
    assert a.merged(b).merged(c) == a.merged(b.merged(c)) == c.merged(a).merged(b)
    together = Distribution.of((one + two + three) * times)
    assert merged([a, b, c]).mean == pytest.approx(together.mean, rel=1e-9)
    for percent in (50, 95, 99):
        assert merged([a, b, c]).percentile(percent) == pytest.approx(together.percentile(percent), rel=2e-3, abs=2e-6)


@pytest.mark.parametrize("samples", [[], [-1.0], [float("nan")], [float("inf")]])
def test_a_distribution_is_of_samples(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="samples of 0 or more"):
        Distribution.of(samples)


def test_percentiles_are_nearest_ranks() -> None:
    kept = Distribution.of([float(value) for value in range(1, 101)])
    assert [kept.percentile(percent) for percent in (0, 1, 50, 95, 99, 100)] == [1, 1, 50, 95, 99, 100]
    assert (kept.mean, kept.statistic("median"), kept.statistic("p95")) == (50.5, 50, 95)
    many = Distribution.of([value / 1000 for value in range(1, 10_001)])
    assert many.hdr
    assert many.percentile(99) == pytest.approx(9.9, rel=1e-3)
    assert many.buckets([0, 5, 10]) == pytest.approx([5000, 5000], abs=5)


def test_times_sort_as_they_are() -> None:
    assert re.fullmatch(r".*Z", max("2026-11-24T02:00:00.000Z", "2026-11-24T02:00:00.001Z"))
