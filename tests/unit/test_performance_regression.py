"""PERF-07: noise is no regression, ten percent and ten milliseconds are allowed, what is surely worse is named."""

from __future__ import annotations

import random

import pytest
from acceptance.performance.regression import LEVEL, compare, endpoint_of, not_compared, span_seconds
from acceptance.recordings import Endpoint

SPANS = 24


def endpoint(mean: float, scatter: float = 0.05, seed: int = 1) -> Endpoint:
    chance = random.Random(seed)
    return Endpoint(spans=tuple(chance.gauss(mean, scatter * mean) for _ in range(SPANS)), requests=600)


def test_the_same_is_no_regression() -> None:
    [same] = compare({"login": endpoint(100)}, {"login": endpoint(100, seed=2)})
    assert not same.worse
    assert same.margin == pytest.approx(10, abs=1)


@pytest.mark.parametrize(
    ("before", "now", "worse"), [(300, 320, False), (300, 400, True), (20, 28, False), (20, 45, True)]
)
def test_what_exceeds_the_margin_for_certain_is_worse(before: float, now: float, worse: bool) -> None:
    [found] = compare({"x": endpoint(before)}, {"x": endpoint(now, seed=2)})
    assert found.worse is worse
    assert (found.bound > found.margin) is worse


def test_what_scatters_too_much_to_be_certain_is_not_called_worse() -> None:
    [found] = compare({"x": endpoint(100, 0.9)}, {"x": endpoint(130, 0.9, seed=2)})
    assert not found.worse


def test_faster_is_never_worse() -> None:
    [found] = compare({"x": endpoint(300)}, {"x": endpoint(100, seed=2)})
    assert (found.worse, found.bound < 0) == (False, True)


def test_equal_spans_without_scatter_are_compared_too() -> None:
    before = Endpoint(spans=(10.0,) * 6, requests=60)
    assert not compare({"x": before}, {"x": Endpoint(spans=(20.0,) * 6, requests=60)})[0].worse
    assert compare({"x": before}, {"x": Endpoint(spans=(20.1,) * 6, requests=60)})[0].worse


def test_many_endpoints_share_the_level() -> None:
    """Of runs that are alike, no more are called worse than the level allows, though there are twelve endpoints."""
    false = 0
    for seed in range(200):
        before = {f"e{number}": endpoint(100, 0.3, seed=1000 * seed + number) for number in range(12)}
        now = {f"e{number}": endpoint(109, 0.3, seed=1000 * seed + 500 + number) for number in range(12)}
        false += any(one.worse for one in compare(before, now))
    assert false / 200 <= 3 * LEVEL


def test_the_bound_exceeds_the_margin_of_what_is_worse_and_of_nothing_else() -> None:
    """Those that are less certain are held against a greater share of the level than the most certain one."""
    seen = set()
    for seed in range(40):
        before = {f"e{number}": endpoint(20, 0.3, seed=1000 * seed + number) for number in range(9)}
        now = {f"e{number}": endpoint(30 + number, 0.5, seed=1000 * seed + 500 + number) for number in range(9)}
        found = compare(before, now)
        assert [one.worse for one in found] == [one.bound > one.margin for one in found]
        seen |= {one.worse for one in found}
    assert seen == {True, False}


def test_nine_that_are_alike_are_all_worse_or_none_is() -> None:
    """Where the most certain one is not certain enough, none after it is."""
    before = {f"e{number}": endpoint(20, 0.3) for number in range(9)}
    found_worse = set()
    for tenth in range(300, 460, 4):
        found = compare(before, {name: endpoint(tenth / 10, 0.3, seed=2) for name in before})
        found_worse.add(tuple({one.worse for one in found}))
        assert [one.worse for one in found] == [one.bound > one.margin for one in found]
    assert found_worse == {(False,), (True,)}


def test_what_cannot_be_compared_is_named() -> None:
    short = Endpoint(spans=(1.0,) * 3, requests=3)
    assert not_compared(
        {"a": endpoint(1), "b": short, "c": endpoint(1)}, {"b": endpoint(1), "c": endpoint(1), "d": short}
    ) == [
        "d: is not in the recording",
        "a: was recorded, and not called now",
        "b: 3 spans, at least 5 are needed",
    ]


def test_samples_are_taken_by_spans_of_time() -> None:
    found = endpoint_of([(0.0, 10.0), (9.9, 20.0), (10.0, 30.0), (35.0, 50.0)])
    assert (found.spans, found.requests) == ((15.0, 30.0, 50.0), 4)
    assert found.mean == pytest.approx(31.667, abs=0.001)
    assert endpoint_of([(0.0, 10.0), (1.9, 20.0), (2.0, 30.0)], seconds=2.0).spans == (15.0, 30.0)


@pytest.mark.parametrize(("share", "seconds"), [(1.0, 10.0), (0.5, 5.0), (0.1, 2.0)])
def test_a_short_load_has_shorter_spans(share: float, seconds: float) -> None:
    assert span_seconds(share) == seconds
