"""Two login times are told apart only where they surely differ, and tokens given twice are found."""

import random

import pytest
from acceptance.checks.auth import CONFIDENCE, LOGIN_GAP_MS, PAIRS, certain_gap, refresh_tokens_differ
from acceptance.fixtures.users import User


def differences(shift: float, noise: float, seed: int, number: int = PAIRS) -> list[float]:
    """Of paired times whose noise has a long tail, as that of a busy machine has."""
    draw = random.Random(seed)
    return [shift + draw.choice((-1, 1)) * noise * draw.paretovariate(1.2) for _ in range(number)]


def test_noise_alone_is_no_gap() -> None:
    wrong = sum(certain_gap(differences(0, 30, seed), CONFIDENCE) > LOGIN_GAP_MS for seed in range(500))
    assert wrong <= 5  # of 500, at 99 %


@pytest.mark.parametrize("shift", [40.0, -40.0])
def test_a_password_that_is_not_hashed_shows(shift: float) -> None:
    found = sum(certain_gap(differences(shift, 4, seed), CONFIDENCE) > LOGIN_GAP_MS for seed in range(100))
    assert found == 100


def test_a_few_outliers_decide_nothing() -> None:
    assert certain_gap([0.1] * (PAIRS - 2) + [5000, 9000], CONFIDENCE) == pytest.approx(0.1)
    assert certain_gap([-50.0] * (PAIRS - 2) + [5000, 9000], CONFIDENCE) == 50.0


def test_the_bounds_are_those_of_the_sign_test() -> None:
    assert certain_gap(list(range(1, 16)), 0.99) == 3  # the third of 15, as the tables have it
    assert certain_gap(list(range(1, 13)), 0.99) == 2  # the second of 12
    with pytest.raises(ValueError, match="7 pairs are too few"):
        certain_gap([1] * 7, 0.99)


def test_a_refresh_token_given_twice_is_found() -> None:
    held = [User("a@b.c", "p", refresh_token=token) for token in ("one", "two", "one")]
    refresh_tokens_differ(held[:2])
    with pytest.raises(AssertionError, match="expected 3 different refresh tokens, observed 2"):
        refresh_tokens_differ(held)
