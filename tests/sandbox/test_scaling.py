"""Instances follow their load quickly up and slowly down, and go without anything failing because of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sandbox import scaling
from sandbox.instances import Instances, State
from sandbox.platform import WRITES_A_MINUTE, Platform
from sandbox.scaling import DOWN_SECONDS, Autoscaling, Criteria, Fleet, Share, bounded, wanted
from sandbox.settings import API_INSTANCES, INSTANCE_HEADER
from tests.sandbox.made import settings

LIMITS = {"enabled": True, "min": 2, "max": 3, "criteria": {name: {"enabled": name == "cpu", "percentage": 20}
          for name in ("cpu", "memory")}}  # fmt: skip


def limits(least: int = 2, most: int = 4, target: int = 50) -> Autoscaling:
    share = Share(enabled=True, percentage=target)
    return Autoscaling(enabled=True, min=least, max=most, criteria=Criteria(cpu=share, memory=share))


@pytest.mark.parametrize(
    ("instances", "utilization", "expected"), [(2, 0.5, 2), (2, 0.51, 3), (2, 1.0, 4), (3, 0.1, 1), (2, 0.0, 0)]
)
def test_as_many_instances_are_wanted_as_renders_formula_gives(
    instances: int, utilization: float, expected: int
) -> None:
    assert wanted(instances, utilization, 0.5) == expected


def test_the_bounds_hold() -> None:
    assert [bounded(count, limits()) for count in (0, 2, 3, 9)] == [2, 2, 3, 4]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([(2, 0.9)], 2),  # a second alone is no load
        ([(2, 0.1), (2, 0.9), (2, 0.9)], 4),
        ([(2, 0.9), (2, 0.1)], 2),
        ([(4, 0.1)] * (DOWN_SECONDS - 1), 4),
        ([(4, 0.1)] * DOWN_SECONDS, 2),
        ([(4, 0.5)] + [(4, 0.1)] * (DOWN_SECONDS - 1), 4),  # one second needed them all
        ([(3, 0.34)] * DOWN_SECONDS, 3),
    ],
)
def test_more_come_quickly_and_fewer_slowly(history: list[tuple[int, float]], expected: int, tmp_path: Path) -> None:
    fleet = Fleet(settings(tmp_path))
    assert fleet.decide(deque(history, maxlen=DOWN_SECONDS), limits()) == expected


def test_states_are_seen_by_other_processes_at_once(tmp_path: Path) -> None:
    writer, reader = Instances(tmp_path), Instances(tmp_path)
    assert reader.in_service() == ["api-1", "api-2"]
    writer.put("api-3", State.STARTING)
    assert (reader.are_to_run("api-3"), reader.in_service()) == (True, ["api-1", "api-2"])
    writer.put("api-3", None)
    assert reader.in_service() == ["api-1", "api-2", "api-3"]
    writer.put("api-1", State.LEAVING)
    assert (reader.are_to_run("api-1"), reader.in_service()) == (False, ["api-2", "api-3"])


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[..., httpx.Response]]:
    """Calls the platform of a sandbox without any process."""
    known = settings(tmp_path)
    app = Platform(known).application()

    def call(method: str, path: str, **request: Any) -> httpx.Response:
        async def calling() -> httpx.Response:
            headers = {"authorization": f"Bearer {known.platform_key}"} | request.pop("headers", {})
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://platform") as one:
                return await one.request(method, f"/v1{path}", headers=headers, **request)

        return asyncio.run(calling())

    yield call


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/services/srv-api/scale", {"numInstances": 0}, 400, "from 1 to 4"),
        ("POST", "/services/srv-api/scale", {"numInstances": "2"}, 400, "from 1 to 4"),
        ("POST", "/services/srv-api/scale", [], 400, "from 1 to 4"),
        ("PUT", "/services/srv-api/autoscaling", LIMITS | {"max": 9}, 400, "the plan allows 4"),
        ("PUT", "/services/srv-api/autoscaling", LIMITS | {"max": 1}, 400, "min is greater than max"),
        ("PUT", "/services/srv-api/autoscaling", LIMITS | {"mim": 1}, 400, "mim"),
        ("GET", "/services/srv-api/events?limit=many", None, 400, "invalid time or limit"),
        ("GET", "/services/srv-other/instances", None, 404, "not found"),
        ("POST", "/services/dpg-database/suspend", None, 404, "not found"),
    ],
)
def test_refusals_have_renders_form(
    client: Callable[..., httpx.Response], method: str, path: str, body: Any, status: int, message: str
) -> None:
    answer = client(method, path, json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"id", "message"})
    assert message in answer.json()["message"]


def test_limits_are_kept_and_removed(client: Callable[..., httpx.Response]) -> None:
    assert client("PUT", "/services/srv-api/autoscaling", json=LIMITS).json() == LIMITS
    assert client("GET", "/services/srv-api").json()["serviceDetails"] == {"numInstances": 2, "autoscaling": LIMITS}
    [event] = client("GET", "/services/srv-api/events").json()
    assert (event["event"]["type"], event["cursor"]) == ("autoscaling_config_changed", event["event"]["id"])
    assert client("DELETE", "/services/srv-api/autoscaling").status_code == 204
    assert "autoscaling" not in client("GET", "/services/srv-api").json()["serviceDetails"]


def test_reads_and_writes_have_limits_of_their_own(client: Callable[..., httpx.Response]) -> None:
    path = "/services/srv-api/autoscaling"
    answers = [client("DELETE", path) for _ in range(WRITES_A_MINUTE + 1)]
    assert [answer.status_code for answer in answers] == [204] * WRITES_A_MINUTE + [429]
    assert answers[0].headers["ratelimit-limit"] == str(WRITES_A_MINUTE)
    assert [answers[place].headers["ratelimit-remaining"] for place in (0, -2, -1)] == [
        str(WRITES_A_MINUTE - 1),
        "0",
        "0",
    ]
    assert 0 < int(answers[-1].headers["ratelimit-reset"]) <= 60
    assert client("GET", "/services/srv-api").status_code == 200


def test_a_running_sandbox_scales_with_drain(descriptor: Path) -> None:
    """Requests that take their time, kept connections and new ones all end well while instances come and go."""
    known = yaml.safe_load(descriptor.read_text())
    secrets = dict(line.split("=", 1) for line in descriptor.with_suffix(".env").read_text().splitlines())
    platform = httpx.Client(
        base_url=f"{known['platform']['url']}/services/srv-api", trust_env=False,
        headers={"authorization": f"Bearer {secrets['SANDBOX_PLATFORM_KEY']}"},
    )  # fmt: skip
    url = known["services"]["api"]["url"]
    asyncio.run(_scale_under_requests(platform, url))
    kinds = [one["event"]["type"] for one in platform.get("/events").json()]
    assert kinds.count("instance_count_changed") == 2


async def _scale_under_requests(platform: httpx.Client, url: str) -> None:
    seen: dict[str, list[int]] = {"slow": [], "kept": []}
    instances: set[str] = set()
    over = asyncio.Event()

    async def slowly() -> Any:
        yield b'{"message": '
        await asyncio.sleep(1.0)

    async def send(client: httpx.AsyncClient, kind: str) -> None:
        while not over.is_set():
            slow = {"content": slowly(), "headers": {"content-type": "application/json", "connection": "close"}}
            request = (
                {"method": "POST", "url": "/auth/login", **slow}
                if kind == "slow"
                else {"method": "GET", "url": "/ws/health"}
            )
            answer = await client.request(**request)
            instances.add(answer.headers[INSTANCE_HEADER])
            seen[kind].append(answer.status_code)
            await asyncio.sleep(0.01)

    async def until_there_are(count: int) -> None:
        assert (await asyncio.to_thread(platform.post, "/scale", json={"numInstances": count})).status_code == 202
        for _ in range(600):
            listed = await asyncio.to_thread(platform.get, "/instances")
            if len(listed.json()) == count:
                return
            await asyncio.sleep(0.25)
        pytest.fail(f"never {count} instances")

    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        tasks = [asyncio.create_task(send(client, kind)) for kind in ("slow", "kept") for _ in range(8)]
        await until_there_are(4)
        await asyncio.sleep(2.5)
        await until_there_are(2)
        await asyncio.sleep(2.5)
        over.set()
        await asyncio.gather(*tasks)
    assert set(seen["slow"]) == {422}
    assert set(seen["kept"]) == {200}
    assert instances == {f"srv-api-{name}" for name in API_INSTANCES}


def test_an_instance_that_never_answers_is_not_taken_into_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaling, "READY_SECONDS", 0.2)
    monkeypatch.setattr(scaling, "send", lambda *_: None)
    fleet = Fleet(settings(tmp_path))
    asyncio.run(fleet.scale("srv-api", 3))
    assert fleet.in_service("srv-api") == ["api-1", "api-2"]
    assert [one["type"] for one in fleet.events["srv-api"]] == ["server_failed"]
