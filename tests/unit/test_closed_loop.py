"""Closed-loop users: how many were at work, what failed, how long they waited, and whose data each received."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.chat import Answer, Source
from acceptance.clients.http import RequestTiming, Response
from acceptance.errors import EnvironmentUnavailable
from acceptance.fixtures.handbook import write
from acceptance.fixtures.users import User
from acceptance.flow import Flow
from acceptance.performance import closed_loop
from acceptance.performance.closed_loop import (
    ClosedLoopUser,
    Load,
    RequestSample,
    at_once,
    first_bytes,
    format_failures,
    work,
)
from acceptance.performance.generator_health import Bounds, Generator, watched
from acceptance.performance.load_profiles import profile
from acceptance.run import Run
from acceptance.uploads import Payload

from tests.unit.promises import MadeUp, judge

SCALE = profile().of("full")
AT_WORK = "Many Users Are At Work At Once"
FEW_FAIL = "Few Requests Of Users At Once Fail"
FIRST_BYTES = "Users At Once Get Their First Byte In Time"
FLOWS = ("authentication", "upload", "conversation")


def _user(number: int, *attempts: RequestSample, under_way: tuple[float, float] = (0.0, 82.0)) -> ClosedLoopUser:
    fact = write("run", "note", number, topics=3).facts[0]
    account = User(f"user-{number}@example.com", "password", f"u{number}", "token")
    return ClosedLoopUser(number, account, fact, deque(), [], 1, {f"d{number}": number}, list(attempts), under_way)


def _attempt(began: float, first: float = 0.05, *, route: str = "jobs", flow: str = "upload", problem: str = "") -> Any:
    return RequestSample(0, cast(Any, flow), RequestTiming(route, 200, began, first, first + 0.01), problem)


def _load(*attempts: RequestSample, at_work: int = 50, all: tuple[float, float] = (21.0, 82.0)) -> Load:
    users = [_user(number) for number in range(at_work)]
    users[0].attempts += [*attempts, *(_attempt(30.0, flow=flow) for flow in FLOWS)]
    return Load(SCALE, users, (0.0, 20.0), all)


class _Run(MadeUp):
    """Holds a load that was applied already, and keeps what is observed."""

    def __init__(self, load: Load) -> None:
        super().__init__()
        self.seen: dict[str, float] = {}
        self.descriptor = SimpleNamespace(thresholds={})
        self.contract = SimpleNamespace(model_bound=("chat",))
        self._load = load

    def begin(self, name: str, make: object) -> asyncio.Future[Load]:
        there: asyncio.Future[Load] = asyncio.get_running_loop().create_future()
        there.set_result(self._load)
        return there

    def observe(
        self, criterion: str, name: str, value: Any, unit: str, *, samples: int = 0, statistic: str | None = None
    ) -> None:
        self.seen[name] = sum(value) / len(value) if statistic else value

    def observe_series(self, *args: object) -> None:
        """Charts are not looked at here."""


def _judged(load: Load, test: str) -> dict[str, float]:
    run = _Run(load)
    judge("02__users.robot", test, run)
    return run.seen


def test_fifty_users_at_work_all_the_time_are_fifty() -> None:
    seen = _judged(_load(), AT_WORK)
    assert (seen["users_at_once"], seen["users_at_once_most"]) == (50, 50)


def test_the_moment_with_the_fewest_counts() -> None:
    load = _load()
    for user in load.users[:3]:
        user.under_way = (0.0, 81.5)
    with pytest.raises(EnvironmentUnavailable, match="of 50 users: expected at least 48 users, observed 47 users"):
        _judged(load, AT_WORK)


def test_a_load_without_one_of_the_flows_was_not_applied() -> None:
    load = _load()
    load.users[0].attempts.pop()
    with pytest.raises(EnvironmentUnavailable, match=r"in authentication, upload$"):
        _judged(load, AT_WORK)


def test_a_short_load_gives_its_figures_other_names() -> None:
    seen = _judged(_load(all=(21.0, 80.0)), AT_WORK)
    assert "users_at_once" not in seen
    assert seen["users_at_once_of_a_short_load"] == 50


def test_one_failure_of_a_hundred_is_one_too_many() -> None:
    good = [_attempt(1.0)] * 97
    with pytest.raises(
        AssertionError,
        match=r"100 requests of 50 users: expected under 1 %, observed 1 %: 1 x chat; the first: another's answer",
    ):
        _judged(_load(*good[1:], _attempt(1.0, route="chat", problem="another's answer")), FEW_FAIL)
    assert _judged(_load(*good, _attempt(1.0, problem="late")), FEW_FAIL)["error_rate"] < 1


def test_the_first_bytes_of_thirty_users_without_the_model() -> None:
    slow_model = [_attempt(1.0, 9.0, route="chat")] * 5
    quick, slow = [_attempt(1.0, 0.2)] * 100, [_attempt(1.0, 0.3)] * 100
    later = [_attempt(40.0, 5.0)] * 50
    seen = _judged(_load(*quick, *slow_model, *later), FIRST_BYTES)
    assert seen["mean_first_byte_30_users"] == pytest.approx(200)
    assert seen["mean_first_byte_30_users_model_bound"] == pytest.approx(9000)
    with pytest.raises(AssertionError, match=r"at most 267.4 ms, observed 300 ms: chat 9000 ms, jobs 300 ms"):
        _judged(_load(*slow, *slow_model), FIRST_BYTES)
    with pytest.raises(AssertionError, match="observed inf ms"):
        _judged(_load(), FIRST_BYTES)


def test_a_generator_that_was_too_busy_says_nothing_about_the_deployment() -> None:
    load = _load(*[_attempt(1.0, 0.3)] * 100)
    load.generator = Generator([0.2] * 100, 30.0)
    with pytest.raises(EnvironmentUnavailable, match="did not keep up"):
        _judged(load, FIRST_BYTES)
    for busy in (Generator([0.0], 81.0), Generator([0.06], 1.0)):
        with pytest.raises(EnvironmentUnavailable):
            busy.check(Bounds(lag_ms=50, cpu=80))
    Generator([0.0, 0.04], 79.0).check(Bounds(lag_ms=50, cpu=80))


def test_a_loop_that_stands_still_is_late() -> None:
    async def stand_still() -> Generator:
        with watched() as generator:
            await asyncio.sleep(0.03)
            held = asyncio.get_running_loop().time() + 0.2
            while asyncio.get_running_loop().time() < held:
                pass
            await asyncio.sleep(0.03)
        return generator

    assert asyncio.run(stand_still()).lag_p99_ms > 100


def test_how_many_were_there_at_once() -> None:
    spans = [(0.0, 5.0), (1.0, 3.0), (3.0, 0.0)]
    assert at_once(spans, (1.0, 5.0)) == (2, 2)
    assert at_once(spans, (0.0, 6.0)) == (1, 2)
    assert at_once([], (0.0, 1.0)) == (0, 0)


def test_failures_have_no_first_byte_that_counts() -> None:
    assert first_bytes([_attempt(1.0, 0.1), _attempt(1.0, 0.0, problem="500")], (0.0, 2.0)) == [100.0]
    assert format_failures([_attempt(1.0, problem="a"), _attempt(1.0, route="chat")]).startswith(
        "1 x jobs, 1 x chat; the first: a"
    )


def test_the_profile_is_as_the_criterion_asks() -> None:
    full = profile().of("full")
    assert (full.fewer.users, full.all.users) == (30, 50)
    assert full.all.seconds >= closed_loop.MEASURED[1]
    assert profile().of("detection").all.seconds < closed_loop.MEASURED[1]
    with pytest.raises(EnvironmentUnavailable, match=r"SCALE fully: unknown; .* full, detection"):
        profile().of("fully")


def _answered(monkeypatch: pytest.MonkeyPatch, text: str, *sources: str, conversation: str = "c1") -> ClosedLoopUser:
    """A user whose question is answered so, in the conversation flow."""
    user = _user(1)
    user.owners.update({"d2": 2, "c2": 2})
    response = Response("chat", "POST", "http://deployment/api/chat", 200, {}, b"", "r-1", 0.1)
    cited = [Source(source, "note", "k") for source in sources]

    async def ask(run: Run, account: User, question: str, *, conversation_id: str | None = None) -> Answer:
        format_failures = user.fact.follow_up.sentence if conversation_id and user.fact.follow_up else text
        return Answer(question, format_failures, conversation_id or conversation, "w", cited, "m", response)

    async def listed(run: Run, account: User) -> list[str]:
        return ["c1"]

    monkeypatch.setattr(closed_loop, "ask", ask)
    monkeypatch.setattr(closed_loop, "listed_conversations", listed)
    moments = iter([True] * 4 + [False] * 9)
    run = cast(Run, SimpleNamespace(identifier="run"))
    user.number = user.owners["d1"] = 2 if not sources else 1
    monkeypatch.setattr(closed_loop, "FLOWS", ("conversation",))
    asyncio.run(work(run, user, (0.0, 0.0), lambda: 1e12 if next(moments) else 0.0))
    return user


def test_the_own_fact_from_the_own_document_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    user = _answered(monkeypatch, _user(1).fact.sentence, "d1")
    assert [one.problem for one in user.attempts] == [""] * 3


@pytest.mark.parametrize(
    ("text", "source", "conversation"),
    [
        ("The documents do not say.", "d1", "c1"),
        (_user(2).fact.sentence, "d1", "c1"),
        (_user(1).fact.sentence, "d2", "c1"),
        (_user(1).fact.sentence, "d9", "c1"),
        (_user(1).fact.sentence, "d1", "c2"),
    ],
)
def test_whatever_is_not_the_users_own_is_an_error(
    monkeypatch: pytest.MonkeyPatch, text: str, source: str, conversation: str
) -> None:
    user = _answered(monkeypatch, text, source, conversation=conversation)
    assert [bool(one.problem) for one in user.attempts][:1] == [True]


def test_an_answer_of_another_shape_is_an_error_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    user = _user(0)
    moments = iter([True, False, False])

    async def broken(run: Run, user: ClosedLoopUser, flow: Flow) -> None:
        async def unreadable() -> None:
            raise ValueError("could not convert string to float: 'soon'")

        await flow.step("user", unreadable())

    monkeypatch.setitem(closed_loop._STEPS, "authentication", broken)
    run = cast(Run, SimpleNamespace(identifier="run"))
    asyncio.run(work(run, user, (0.0, 0.0), lambda: 1e12 if next(moments) else 0.0))
    assert user.attempts[0].problem == "ValueError: could not convert string to float: 'soon'"
    assert user.under_way[1] >= user.under_way[0] > 0


def test_documents_of_another_are_an_error() -> None:
    user = _user(1)
    user.owners["d2"] = 2
    closed_loop._check_listed(user, "documents", ["d1", "d7"], ["d1"])
    for listed in (["d1", "d2"], []):
        with pytest.raises(AssertionError, match=r"all of user-1@example\.com"):
            closed_loop._check_listed(user, "documents", listed, ["d1"])


def test_nothing_is_uploaded_when_as_many_as_allowed_are_on_their_way() -> None:
    payload = Payload("note.pdf", b"")
    user = _user(1)
    user.documents.append(payload)
    user.uploads = [cast(Any, SimpleNamespace(document_id="d1", job=None))]
    names: list[str] = []

    class Named(Flow):
        async def step(self, name: str, step: Any) -> Any:
            names.append(name)
            step.close()

    final = SimpleNamespace(jobs=SimpleNamespace(final_states=["done"]))
    asyncio.run(closed_loop._upload(cast(Run, SimpleNamespace(contract=final)), user, Named(lambda _: None)))
    assert names == ["job", "documents"]
    assert list(user.documents) == [payload]
