"""A run stays within what the deployment and its descriptor allow, and says where that leaves too little."""

import asyncio
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from acceptance.checks import concurrency
from acceptance.clients.http import ContractClient
from acceptance.clients.throttle import Throttle, retry_after
from acceptance.deployment.descriptor import Budget, Descriptor, Pace, StatedLimits
from acceptance.errors import CapabilityMissing, NotOffered
from acceptance.event_loop import LoopThread
from acceptance.evidence.records import WHY_FEW
from acceptance.fixtures.users import User
from acceptance.limits import JOBS, UPLOADS, DeploymentLimits, limits_of, need_upload, owners
from acceptance.polling import RateLimiter
from acceptance.run import Run

from tests.unit.conftest import descriptor_at
from tests.unit.gates import evidence, judge, row, speed

STATED = StatedLimits(max_uploads_per_day_per_user=3)


class Accounts:
    """Signs new users in."""

    def __init__(self) -> None:
        self.made = 0

    async def signed_in(self) -> User:
        self.made += 1
        return User(f"{self.made}@example.com", "")


def run_with(limits: StatedLimits) -> Run:
    """A run whose contract has no `limits` route."""

    async def once(name: str, make: Callable[[], object]) -> object:
        return await make()  # type: ignore[misc]

    described = descriptor_at("http://127.0.0.1:9").model_copy(update={"limits": limits})
    contract = SimpleNamespace(offers=lambda place: False)
    client = SimpleNamespace(throttle=Throttle(Pace(), Budget()))
    return cast(
        Run, SimpleNamespace(once=once, descriptor=described, contract=contract, users=Accounts(), client=client)
    )


async def test_what_neither_route_nor_descriptor_says_is_enough() -> None:
    limits = await limits_of(run_with(StatedLimits()))
    assert limits.at_most(JOBS, 3) == 3
    assert limits.get(UPLOADS) is None
    with pytest.raises(NotOffered, match=r"routes\.limits\.answer\.signed_url_ttl_seconds"):
        limits["signed_url_ttl_seconds"]
    assert DeploymentLimits({JOBS: 2}).at_most(JOBS, 3) == 2


async def test_new_users_upload_what_the_limit_does_not_leave_to_one() -> None:
    run, alice = run_with(STATED), User("alice@example.com", "", uploads=1)
    found = await owners(run, alice, 7)
    assert [each.email[0] for each in found] == ["a", "a", "1", "1", "1", "2", "2"]
    assert await owners(run_with(StatedLimits()), alice, 100) == [alice] * 100


async def test_an_upload_too_many_is_not_verified_and_says_the_limit() -> None:
    run = run_with(STATED)
    await need_upload(run, User("a@example.com", "", uploads=2))
    with pytest.raises(CapabilityMissing, match=r"max_uploads_per_day_per_user allows 3: a@example\.com has had them"):
        await need_upload(run, User("a@example.com", "", uploads=3))


async def test_a_budget_that_is_used_up_ends_the_spending_and_not_the_clean_up() -> None:
    throttle = Throttle(Pace(), Budget(documents=1, requests=3))
    await throttle.turn("documents")
    assert (throttle.left("documents"), throttle.left("model_calls"), throttle.left("requests")) == (0, None, 2)
    with pytest.raises(CapabilityMissing, match="the descriptor's 1 documents are used up"):
        await throttle.turn("documents")
    await throttle.turn()
    await throttle.turn()
    with pytest.raises(CapabilityMissing, match="3 requests are used up"):
        await throttle.turn()
    throttle.bounded = False
    await throttle.turn("documents")


async def test_each_call_waits_its_turn_and_that_is_no_part_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0

    async def turn(self: RateLimiter) -> None:
        nonlocal turns
        turns += 1

    monkeypatch.setattr(RateLimiter, "turn", turn)
    throttle = Throttle(Pace(requests_per_second=2), Budget())
    await throttle.turn()
    await throttle.turn()
    assert turns == 2


def test_what_a_step_waits_for_its_turn_does_not_count_as_its_time() -> None:
    loop, begin = LoopThread(), time.monotonic()
    try:
        paused = loop.wait(asyncio.sleep(0.3, "done"), within=0.01, paused=lambda: time.monotonic() - begin)
        assert paused == "done"
        with pytest.raises(AssertionError, match="not finished"):
            loop.wait(asyncio.sleep(5), within=0.01)
    finally:
        loop.close()


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, "5", 5.0), (429, None, None), (429, "soon", None), (503, "5", None), (429, "-1", None)],
)
def test_only_a_rate_limit_that_says_when_is_waited_for(status: int, header: str | None, seconds: float | None) -> None:
    assert retry_after(status, header) == seconds


async def test_a_rate_limit_is_waited_for_within_bounds_counted_and_named() -> None:
    throttle, answers = Throttle(Pace(), Budget()), iter([0.0, 0.0, None])

    async def call() -> float | None:
        return next(answers)

    assert throttle.summary == ""
    assert await throttle.patiently("upload", call, lambda answer: answer) is None
    assert throttle.summary == "rate limits were hit (429 with Retry-After): upload 2; waited 0 s in all"
    answers = iter([3600.0])
    assert await throttle.patiently("chat", call, lambda answer: answer) == 3600.0
    assert "chat 1, upload 2" in throttle.summary
    answers = iter([0.0] * 4)
    assert await throttle.patiently("upload", call, lambda answer: answer) == 0.0


async def test_a_call_that_expects_the_refusal_does_not_wait(
    serve: Callable[..., str], client_at: Callable[[str], ContractClient]
) -> None:
    client = client_at(serve(429, {}, {"retry-after": "0"}))
    response = await client.send("health")
    assert (response.status, client.throttle.limited["health"]) == (429, 4)
    assert [line.partition(":")[0] for line in client.take_log()][:4] == ["rate limit"] * 4
    await client.call("health", status="too_many")
    assert client.throttle.limited["health"] == 4


def test_a_load_stays_within_no_pace_and_no_budget() -> None:
    described: Descriptor = descriptor_at("http://127.0.0.1:9")
    described.need_load()
    with pytest.raises(CapabilityMissing, match="pace and budget of the descriptor bound the run"):
        described.model_copy(update={"pace": Pace(requests_per_second=1), "budget": Budget(documents=1)}).need_load()


def test_too_few_samples_are_not_verified_and_the_limit_that_left_no_more_is_named() -> None:
    few = speed(1.0, samples=1)
    why = few.model_copy(update={"name": WHY_FEW, "value": "the budget of the descriptor allows 1", "unit": "text"})
    reason = row(judge(evidence(observations=[few, why])), "AA-02").reason
    assert "1 samples, at least 5 needed: the budget of the descriptor allows 1" in reason


async def test_fewer_users_work_at_once_where_the_budget_leaves_no_more() -> None:
    recorded: list[object] = []

    def run(**budget: int) -> Run:
        client = SimpleNamespace(throttle=Throttle(Pace(), Budget.model_validate(budget)))
        return cast(Run, SimpleNamespace(client=client, observe=lambda *given, **named: recorded.append(given[2])))

    assert await concurrency._within_budget(run(), 10) == 10
    assert not recorded
    assert await concurrency._within_budget(run(documents=6), 10) == 6
    assert await concurrency._within_budget(run(model_calls=8), 10) == 4
    assert recorded == [f"the budget of the descriptor allows {number}" for number in (6, 4)]
    with pytest.raises(CapabilityMissing, match="leaves enough for 1 of 10 users"):
        await concurrency._within_budget(run(documents=1), 10)


async def test_the_kinds_of_files_are_those_that_the_descriptor_states_where_no_route_does() -> None:
    kinds = (await limits_of(run_with(StatedLimits(supported_mime_types=[".pdf", ".txt"])))).kinds
    assert kinds is not None and kinds.accept("text/plain") and not kinds.accept("image/png")
    limits = await limits_of(run_with(STATED))
    assert (limits.kinds, limits.values) == (None, {UPLOADS: 3})
