"""Many subscribers: what a server loses, doubles or swaps is noticed, and their process never stays behind."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import pytest
from acceptance.checks.job_events import Event, events_of
from acceptance.clients.websocket import Frame
from acceptance.deployment.contract import CONTRACT, Contract, read_contract
from acceptance.errors import EnvironmentUnavailable
from acceptance.performance.subscriber_process import Ended, Job, Ready, Received, SubscriberPlan, enough_files, listen
from acceptance.performance.subscribers import Delivery, child, clock_of, delivered, how_many
from acceptance.run import Run
from acceptance.yaml_models import Data
from websockets.asyncio.server import ServerConnection, serve

STATUSES = ["uploaded", "parsed", "complete"]
JOBS = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222")
Tell = Callable[[int], list[int]]  # by the number of the subscriber, the numbers of the events that it is sent


def _event(sequence: int, *, timestamp: float = 100.0, at: float = 100.2) -> Event:
    return Event(sequence, STATUSES[sequence - 1], "working", 0.0, 0.0, timestamp, at)


ALL = [_event(number) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("events", "wrong"),
    [
        (ALL, ""),
        (ALL[1:], "1 lost"),
        ([], "3 lost"),
        ([ALL[0], *ALL], "1 doubled"),
        ([*ALL, ALL[2]], "1 doubled"),
        ([ALL[1], ALL[0], ALL[2]], "1 out of order"),
        ([ALL[0], replace(ALL[1], status="complete"), ALL[2]], "1 lost, 1 doubled"),
        ([ALL[2], ALL[2], ALL[0]], "1 lost, 1 doubled, 1 out of order"),
    ],
)
def test_received_events_are_compared_with_the_statuses(events: list[Event], wrong: str) -> None:
    assert delivered(events, STATUSES, 0.0, 0.0).problem == wrong


def test_events_are_late_by_the_clock_of_the_deployment_and_only_those_that_came_live() -> None:
    replayed = _event(1, timestamp=49.0, at=60.0)
    seen = delivered([replayed, _event(2), _event(3, at=100.05)], STATUSES, 0.1, opened=50.0)
    assert [round(late) for late in seen.late] == [300, 150]
    assert delivered([_event(1, at=99.0)], STATUSES, 0.0, 0.0).late == (0.0,)


def test_nothing_arrives_before_it_happened() -> None:
    assert clock_of(-0.5, [_event(1, timestamp=100.0, at=99.7), _event(2)]) == pytest.approx(0.3)
    assert clock_of(0.4, [_event(2)]) == 0.4
    assert clock_of(0.4, []) == 0.4


@pytest.mark.parametrize(
    ("connections", "joins", "lifetime", "number"),
    [(1300, 100, 20, 1000), (500, 100, 20, 400), (None, 100, 20, 1000), (200, 50, 300, 160), (1300, 50, 20, 500)],
)
def test_as_many_as_the_plan_and_the_pace_allow(
    connections: int | None, joins: float, lifetime: float, number: int
) -> None:
    assert how_many(1000, connections, joins, lifetime) == number


def test_as_many_as_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, int]] = [(256, 600)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: limits.append(both))
    assert (enough_files(100), limits) == (100, [(256, 600)])
    assert (enough_files(1000), limits[-1]) == (500, (600, 600))


def _frame(job_id: str, number: int) -> str:
    state = "done" if number == len(STATUSES) else "working"
    progress = {"status_pct": 0, "total_pct": 0}
    body = {"job_id": job_id, "sequence": number, "status": STATUSES[number - 1], "state": state, "progress": progress}
    return json.dumps({"type": "job_status", **body, "timestamp": datetime.now(UTC).isoformat()})


async def _received(
    contract: Contract, tell: Tell, *, refuse: int = -1, late: Mapping[int, list[int]] = MappingProxyType({})
) -> tuple[Ready, list[Delivery]]:
    """Six subscribers of two jobs at a server that sends them this; some are refused, or sent more at the end."""
    subscribers = 6
    lines: list[Data] = []
    came: list[int] = []
    all_came = asyncio.Event()

    async def response(connection: ServerConnection) -> None:
        assert connection.request is not None
        number, job_id = len(came), connection.request.path.split("/")[-1].partition("?")[0]
        came.append(number)
        if number == refuse:
            await connection.close(4401)
            return
        await connection.send(_frame(job_id, 1))
        if len(came) == subscribers:
            all_came.set()
        await all_came.wait()
        for event in tell(number):
            await connection.send(_frame(job_id, event))
        async for _ in connection:
            for event in late.get(number, []):
                await connection.send(_frame(job_id, event))
            await connection.send('{"type": "pong"}')

    async with serve(response, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        jobs = tuple(Job(job_id=job_id, token="token") for job_id in JOBS)
        plan = SubscriberPlan(
            address=address,
            contract=contract,
            jobs=jobs,
            subscribers=subscribers,
            joins_per_second=1000,
            within_seconds=1.0,
        )
        await listen(plan, lines.append)
    (ready,) = (one for one in lines if isinstance(one, Ready))
    assert isinstance(lines[-1], Ended)
    received = [one for one in lines if isinstance(one, Received)]
    run = cast(Run, type("R", (), {"contract": contract}))
    events = [events_of(run, JOBS[one.job], [Frame(data, at) for at, data in one.frames]) for one in received]
    return ready, [delivered(each, STATUSES, 0.0, 0.0) for each in events]


async def test_a_server_that_sends_every_event_to_all(contract: Contract) -> None:
    ready, deliveries = await _received(contract, lambda number: [2, 3])
    assert (ready.asked, ready.listening, ready.problems) == (6, 6, ())
    assert [delivery.problem for delivery in deliveries] == [""] * 6


@pytest.mark.parametrize(
    ("events", "wrong"),
    [([3], "1 lost"), ([2, 2, 3], "1 doubled"), ([2, 3, 3], "1 doubled"), ([2, 1, 3], "1 doubled"), ([], "2 lost")],
)
async def test_one_subscriber_who_receives_something_else_is_noticed(
    contract: Contract, events: list[int], wrong: str
) -> None:
    _, deliveries = await _received(contract, lambda number: events if number == 4 else [2, 3])
    assert sorted(delivery.problem for delivery in deliveries) == [""] * 5 + [wrong]


async def test_frames_that_change_places_are_noticed(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.test_subscribers.STATUSES", ["uploaded", "parsed", "chunking", "complete"])
    _, deliveries = await _received(contract, lambda number: [3, 2, 4] if number == 4 else [2, 3, 4])
    assert sorted(delivery.problem for delivery in deliveries) == [""] * 5 + ["1 out of order"]


async def test_what_comes_after_the_final_event_is_noticed_too(contract: Contract) -> None:
    _, deliveries = await _received(contract, lambda number: [2, 3], late={4: [3]})
    assert sorted(delivery.problem for delivery in deliveries) == [""] * 5 + ["1 doubled"]


async def test_one_who_is_refused_is_named_and_the_others_go_on(contract: Contract) -> None:
    ready, deliveries = await _received(contract, lambda number: [2, 3], refuse=2)
    assert (ready.asked, ready.listening) == (6, 5)
    assert "closed with 4401" in ready.problems[0]
    assert sorted(delivery.problem for delivery in deliveries) == [""] * 5 + ["3 lost"]


def _plan(address: str) -> SubscriberPlan:
    job = Job(job_id=JOBS[0], token="a-token")
    return SubscriberPlan(
        address=address,
        contract=read_contract(CONTRACT),
        jobs=(job,),
        subscribers=2,
        joins_per_second=100,
        within_seconds=30.0,
    )


async def _while_listening(then: Callable[[Any], Awaitable[None]]) -> None:
    """Two subscribers in a process of their own, of a server that tells the first event and then nothing."""

    async def response(connection: ServerConnection) -> None:
        await connection.send(_frame(JOBS[0], 1))
        await connection.wait_closed()

    async with serve(response, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with child(_plan(address)) as process:
            assert (await process.read(Ready, within=30)).listening == 2
            await then(process)


def _arguments_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_the_process_holds_no_secret_in_its_arguments_and_is_gone_afterwards() -> None:
    left: list[asyncio.subprocess.Process] = []

    async def look(process: Any) -> None:
        left.append(process._process)
        assert b"a-token" not in _arguments_of(process._process.pid)

    await _while_listening(look)
    assert left[0].returncode == -signal.SIGKILL


async def test_the_process_is_gone_when_the_one_who_waits_is_cancelled() -> None:
    left: list[asyncio.subprocess.Process] = []
    waiting = asyncio.Event()

    async def stay(process: Any) -> None:
        left.append(process._process)
        waiting.set()
        await asyncio.sleep(60)

    task = asyncio.create_task(_while_listening(stay))
    await asyncio.wait_for(waiting.wait(), 60)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert left[0].returncode == -signal.SIGKILL


async def test_the_process_ends_by_itself_when_its_input_does() -> None:
    async def leave(process: Any) -> None:
        process._process.stdin.close()
        assert await asyncio.wait_for(process._process.wait(), 30) == 1

    await _while_listening(leave)


async def test_a_process_that_ends_says_nothing_about_the_deployment() -> None:
    async def kill(process: Any) -> None:
        process._process.kill()
        with pytest.raises(EnvironmentUnavailable, match="the subscriber process ended"):
            await process.read(Received, within=30)

    await _while_listening(kill)


async def test_a_process_that_writes_nothing_is_named_with_the_line_that_is_missing() -> None:
    async def wait(process: Any) -> None:
        with pytest.raises(EnvironmentUnavailable, match="did not report what the next subscriber received within"):
            await process.read(Received, within=0.1)

    await _while_listening(wait)
