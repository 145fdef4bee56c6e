"""When a figure got worse than in the runs before, and what is never told as that."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from acceptance.verdict.history import ALPHA, LEAST_BEFORE, rank_test, regression
from acceptance.verdict.metrics import Figure
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import PermutationMethod, mannwhitneyu


def figure(value: float, *, unit: str = "s", must_be: str | None = "under") -> Figure:
    threshold = None if must_be is None else 30.0
    return Figure(
        name="speed", unit=unit, value=value, samples=7, must_be=must_be, threshold=threshold, least_samples=5
    )


def slowly(*recent: float, before: int = 12, usual: float = 0.31, **changes: Any) -> str:
    past = [usual + 0.001 * (number % 3) for number in range(before)]
    return regression(figure(recent[-1], **changes), [*past, *recent[:-1]])


def test_a_regression_is_told_with_its_figures() -> None:
    assert slowly(0.40, 0.42, 0.45) == (
        "slower than before: median 0.42 s in the last 3 runs, 0.311 s in the 12 before (rank test p = 0.0022)"
    )


@pytest.mark.parametrize(
    ("recent", "changes"),
    [
        ((0.31, 0.311, 0.312), {}),  # as before
        ((0.2, 0.2, 0.2), {}),  # better
        ((0.40, 0.311, 0.45), {}),  # one of the last runs was as before
        ((0.33, 0.33, 0.33), {}),  # surely worse, but by less than a tenth
        ((0.018, 0.018, 0.018), {"usual": 0.01}),  # surely worse, but by less than 10 ms
        ((0.40, 0.42, 0.45), {"before": LEAST_BEFORE - 1}),  # too few runs
        ((0.40, 0.42, 0.45), {"must_be": None}),  # nothing says which direction is worse
        ((0.40, 0.42, 0.45), {"must_be": "at least"}),  # it got better
        ((97.3, 97.3, 97.3), {"usual": 97.6, "unit": "%", "must_be": "over"}),  # less than half a point
    ],
)
def test_what_is_no_regression(recent: tuple[float, ...], changes: dict[str, Any]) -> None:
    assert slowly(*recent, **changes) == ""


def test_the_direction_is_that_of_the_limit() -> None:
    assert slowly(95.0, 95.1, 95.2, usual=97.0, unit="%", must_be="over").startswith("lower than before: median 95.1 %")
    assert slowly(2.0, 2.1, 2.2, usual=0.1, unit="%", must_be="under").startswith("higher than before: median 2.1 %")


@pytest.mark.parametrize("past", range(25))
@pytest.mark.parametrize("must_be", ["under", "at least"])
def test_equal_values_are_never_a_regression(past: int, must_be: str) -> None:
    assert regression(figure(100.0, unit="%", must_be=must_be), [100.0] * past) == ""


def test_fewer_runs_could_never_reach_the_level_and_the_least_can() -> None:
    assert rank_test([1.0] * 3, [0.0] * LEAST_BEFORE) <= ALPHA < rank_test([1.0] * 3, [0.0] * (LEAST_BEFORE - 1))


@given(st.lists(st.integers(0, 4), min_size=3, max_size=3), st.lists(st.integers(0, 4), min_size=5, max_size=12))
@settings(max_examples=50)
def test_the_rank_test_is_that_of_scipy_also_with_equal_values(recent: list[int], before: list[int]) -> None:
    expected = mannwhitneyu(recent, before, alternative="greater", method=PermutationMethod(n_resamples=10**6)).pvalue
    assert rank_test(recent, before) == pytest.approx(expected)


def test_chance_alone_seldom_looks_like_a_regression() -> None:
    """Of all orders in which runs can follow one another, no more than the stated share is told."""
    values = [0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
    orders = list(permutations(values))
    for level in (0.03, 0.1, 0.3):
        assert sum(rank_test(order[-3:], order[:-3]) <= level for order in orders) <= level * len(orders)
