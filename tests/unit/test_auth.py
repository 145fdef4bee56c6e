"""Two login times differ only where they certainly do; responses are compared; passwords are altered as named."""

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.checks.auth import CONFIDENCE, NEARLY_RIGHT, PASSWORD_CHANGES, RefusedSignIns, altered, certain_gap
from acceptance.clients.http import Response
from acceptance.fixtures.users import User
from acceptance.redaction.redactor import Redactor
from acceptance.run import Run

LOGIN_GAP_MS, PAIRS = 10.0, 21  # of suites/integration/02__accounts.robot


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


def refusal(body: str = "no", milliseconds: float = 30, **headers: str) -> Response:
    return Response("login", "POST", "/login", 401, headers, body.encode(), "r1", milliseconds / 1000)


def test_alike_refusals_have_no_differences() -> None:
    alike = RefusedSignIns([refusal("r1", a="1", id="1")], [refusal("r1", a="2")])
    assert alike.differences("id") == []


@pytest.mark.parametrize("unknown", [refusal("there is no such user"), refusal(retry="1")])
def test_a_refusal_that_reveals_the_user_is_found(unknown: Response) -> None:
    (line,) = RefusedSignIns([refusal(), refusal()], [refusal(), unknown]).differences("id")
    assert line.startswith("wrong password: ") and "request r1" in line


def test_the_gap_leaves_out_the_pair_that_opens_the_connection() -> None:
    slow, fast = refusal(milliseconds=900), [refusal(milliseconds=30)] * PAIRS
    refused = RefusedSignIns([slow, *fast], [slow, *fast])
    assert (refused.gap_ms, refused.medians) == (0, "30.0 ms with a wrong password, 30.0 ms for unknown users")
    assert RefusedSignIns([slow, *fast], [slow] * (PAIRS + 1)).gap_ms == pytest.approx(870)


def run() -> Run:
    limits = SimpleNamespace(password_characters=8)
    return cast(Run, SimpleNamespace(redactor=Redactor(), contract=SimpleNamespace(limits=limits)))


def test_every_change_gives_another_password() -> None:
    user = User("a@b.c", "Aa1!correct")
    changed: list[Any] = [altered(run(), user, change=change).password for change in PASSWORD_CHANGES]
    assert changed[0] == user.password and len(set(changed)) == len(changed) == len(NEARLY_RIGHT) + 2
    assert user.password == "Aa1!correct"


@pytest.mark.parametrize("characters", [0, 1, 7, 28, 100])
def test_a_password_is_cut_or_lengthened(characters: int) -> None:
    long = altered(run(), User("a@b.c", "Aa1!correct"), characters=characters).password
    assert len(long) == characters
    assert long[:11] == "Aa1!correct"[:characters]
