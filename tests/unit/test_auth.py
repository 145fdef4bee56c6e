"""Two login times differ only where they certainly do; responses are compared; passwords are altered as named."""

import base64
import json
import random
import time
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from acceptance.checks import auth
from acceptance.checks.auth import (
    CONFIDENCE,
    NEARLY_RIGHT,
    PASSWORD_CHANGES,
    RefusedSignIns,
    altered,
    certain_gap,
    expired_session,
    lifetime_of,
)
from acceptance.clients.http import Response
from acceptance.errors import CapabilityMissing
from acceptance.fixtures.users import User
from acceptance.redaction.redactor import Redactor
from acceptance.run import Run

from tests.unit.conftest import descriptor_at

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


def token(**claims: object) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


@pytest.mark.parametrize(
    ("user", "seconds"),
    [
        (User("a@b.c", "p", expires_in=25, access_token=token(iat=0, exp=3600)), 25),
        (User("a@b.c", "p", access_token=token(iat=100, exp=130)), 30),
        (User("a@b.c", "p", access_token=token(exp=130)), 0),
        (User("a@b.c", "p", access_token="opaque"), 0),
    ],
)
def test_a_session_lasts_as_long_as_it_or_its_token_says(user: User, seconds: float) -> None:
    assert lifetime_of(user) == seconds


def run_whose_sessions_last(seconds: float, refused_after: int = 2, *, offered: bool = True) -> Run:
    """A deployment that makes no session shorter, and refuses the token of one from a call on."""
    calls: list[str] = []

    async def signed_in(**options: object) -> User:
        assert not options
        return User("a@b.c", "p", access_token="t", expires_in=seconds, asked_at=time.time() - seconds)

    async def call(route: str, token: str) -> Response:
        calls.append(route)
        return Response(route, "GET", "/user", 401 if len(calls) > refused_after else 200, {}, b"{}", "r1", 0.01)

    async def once(name: str, make: Any) -> Any:
        return await make()

    contract = SimpleNamespace(offers=lambda place: offered, route=lambda name: SimpleNamespace(success=200))
    return cast(
        Run,
        SimpleNamespace(
            once=once, users=SimpleNamespace(signed_in=signed_in), client=SimpleNamespace(call=call, send=call),
            contract=contract, descriptor=descriptor_at("http://127.0.0.1:9"),
        ),
    )  # fmt: skip


async def test_the_end_of_an_ordinary_session_that_is_short_is_waited_for() -> None:
    end = await expired_session(run_whose_sessions_last(25))
    assert end.response is not None and end.response.status == 401


async def test_that_a_session_has_ended_is_known_by_the_clock_where_nothing_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("acceptance.checks.auth.asyncio.sleep", AsyncMock(side_effect=slept.append))
    end = await expired_session(run_whose_sessions_last(25, offered=False))
    assert end.response is None
    assert slept and 0 < slept[0] <= auth.GRACE_SECONDS


@pytest.mark.parametrize("seconds", [0, 61, 3600])
async def test_sessions_that_last_longer_need_the_capability(seconds: float) -> None:
    with pytest.raises(CapabilityMissing, match="short-lived-tokens"):
        await expired_session(run_whose_sessions_last(seconds))


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
