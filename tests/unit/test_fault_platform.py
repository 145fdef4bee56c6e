"""Services are restarted, suspended and scaled by Render's API, as its documentation says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import Descriptor
from acceptance.errors import EnvironmentUnavailable, SuiteError
from acceptance.faults.model import Fault
from acceptance.faults.platform import HostingPlatform
from acceptance.providers.api import MOST_ATTEMPTS

from tests.unit.conftest import descriptor_at

KEY = "rnd_1234567890"


class Render:
    """Render's API for one service, by its documentation: two instances that can be restarted, suspended, scaled."""

    def __init__(self) -> None:
        self.instances = ["api-a1", "api-a2"]
        self.suspended = "not_suspended"
        self.events: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.first: list[httpx.Response | Exception] = []  # what comes before its own answers

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        path = request.url.path.removeprefix("/v1/services/srv-1")
        body = json.loads(request.content or b"null")
        self.asked.append(f"{request.method} {path}" + (f" {body['numInstances']}" if body else ""))
        if self.first:
            answer = self.first.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        match request.method, path:
            case "GET", "":
                return httpx.Response(200, json={"id": "srv-1", "suspended": self.suspended, "type": "web_service"})
            case "GET", "/instances":
                return httpx.Response(200, json=[{"id": one, "createdAt": stamp()} for one in self.instances])
            case "GET", "/events":
                return httpx.Response(200, json=[{"event": one, "cursor": "c"} for one in self.events])
            case "POST", "/restart":
                self.events.insert(0, {"id": "evt-1", "type": "server_restarted", "timestamp": stamp(), "details": {}})
                return httpx.Response(200)
            case "POST", "/suspend":
                self.suspended = "suspended"
            case "POST", "/resume":
                self.suspended = "not_suspended"
            case "POST", "/scale":
                self.instances = [f"api-a{number + 1}" for number in range(body["numInstances"])]
            case _:
                return httpx.Response(404, json={"id": "1", "message": "not found"})
        return httpx.Response(202)


def stamp() -> str:
    return datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture
def render() -> Render:
    return Render()


@pytest.fixture
def waited() -> list[float]:
    return []


@pytest.fixture
def driver(render: Render, waited: list[float], monkeypatch: pytest.MonkeyPatch) -> HostingPlatform:
    monkeypatch.setenv("RENDER_KEY", KEY)
    whole = descriptor_at("https://api.example.org").model_dump(mode="json", exclude_defaults=True)
    descriptor = Descriptor.model_validate(
        whole
        | {
            "platform": {"url": "https://api.render.com/v1", "services": {"api": "srv-1"}},
            "faults": {"platform": ["api"], "lasting": True},
            "secrets": {"platform_key": "RENDER_KEY"},
            "capabilities": ["faults"],
        }
    )

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    assert descriptor.platform is not None
    return HostingPlatform(descriptor, descriptor.platform, httpx.MockTransport(render), pause)


def fault(kind: str, **parameters: Any) -> Fault:
    return Fault("f1", kind, "api", parameters, "platform", 60, kind == "restart")


async def test_a_restart_is_seen_in_the_events_and_heals(driver: HostingPlatform, render: Render) -> None:
    render.events = [{"id": "evt-0", "type": "server_restarted", "timestamp": "2020-01-01T00:00:00Z"}]
    one = await driver.prepare(fault("restart"))
    assert not (await driver.prove(one)).in_effect
    await driver.inject(one)
    proof = await driver.prove(one)
    assert proof.in_effect
    assert proof.evidence == "events since: server_restarted; 0 of 2 instances are new"
    await driver.roll_back(one)
    assert not (await driver.prove_gone(one)).in_effect
    assert driver.heals("restart", "api")


async def test_a_restart_is_seen_in_new_instances(driver: HostingPlatform, render: Render) -> None:
    one = await driver.prepare(fault("restart"))
    render.instances = ["api-b1", "api-b2"]
    proof = await driver.prove(one)
    assert (proof.in_effect, proof.affected) == (True, 2)


async def test_a_restarted_service_without_instances_is_not_back(driver: HostingPlatform, render: Render) -> None:
    one = await driver.prepare(fault("restart"))
    render.instances = []
    assert (await driver.prove_gone(one)).in_effect


async def test_suspended_and_resumed(driver: HostingPlatform, render: Render) -> None:
    one = await driver.prepare(fault("suspend"))
    await driver.inject(one)
    assert (await driver.prove(one)).in_effect
    assert (await driver.prove_gone(one)).in_effect
    await driver.roll_back(one)
    await driver.roll_back(one)
    assert not (await driver.prove_gone(one)).in_effect
    assert [call for call in render.asked if call.startswith("POST")] == ["POST /suspend", "POST /resume"]
    assert not driver.heals("suspend", "api")


async def test_scaled_and_back_to_as_many_as_before(driver: HostingPlatform, render: Render) -> None:
    one = await driver.prepare(fault("scale", instances=1))
    await driver.inject(one)
    assert (await driver.prove(one)).in_effect
    assert driver.by_hand(one).endswith('/services/srv-1/scale {"numInstances": 2}')
    await driver.roll_back(one)
    await driver.roll_back(one)
    assert (await driver.prove_gone(one)).evidence == "2 instances run, 2 did before"
    assert [call for call in render.asked if call.startswith("POST")] == ["POST /scale 1", "POST /scale 2"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda render: setattr(render, "suspended", "suspended"), "suspended already, and not by this run"),
        (lambda render: setattr(render, "instances", ["a"]), "it has 1 instances already"),
    ],
)
async def test_what_is_so_already_is_no_fault_of_ours(
    broken: Callable[[Render], None], reason: str, driver: HostingPlatform, render: Render
) -> None:
    broken(render)
    one = fault("suspend") if "suspended" in reason else fault("scale", instances=1)
    with pytest.raises(EnvironmentUnavailable, match=reason):
        await driver.prepare(one)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (fault("scale"), "its parameters are instances"),
        (fault("scale", instances=0), "expected a whole number from 1 to 100"),
        (fault("scale", instances="two"), "expected a whole number from 1 to 100"),
        (fault("suspend", seconds=2), "its parameters are none"),
    ],
)
async def test_a_wrong_parameter_is_a_mistake_in_the_suite(one: Fault, reason: str, driver: HostingPlatform) -> None:
    with pytest.raises(SuiteError, match=reason):
        await driver.prepare(one)


def answer(status: int, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.Response(status, json={"id": "1", "message": "slow\ndown"}, headers=headers)


async def test_a_busy_platform_is_asked_again_with_growing_pauses(
    driver: HostingPlatform, render: Render, waited: list[float]
) -> None:
    render.first = [answer(429, {"retry-after": "7"}), answer(503), httpx.ConnectError(""), answer(500)]
    await driver.inject(fault("suspend"))
    assert waited == [7, 2, 4, 8]
    assert render.suspended == "suspended"


async def test_a_platform_that_stays_busy_is_given_up(
    driver: HostingPlatform, render: Render, waited: list[float]
) -> None:
    render.first = [answer(429, {"retry-after": "3600"}) for _ in range(MOST_ATTEMPTS)]
    with pytest.raises(EnvironmentUnavailable, match=r"POST /v1/services/srv-1/suspend: status 429 slow down, 5 times"):
        await driver.inject(fault("suspend"))
    assert waited == [20] * (MOST_ATTEMPTS - 1)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (answer(401), "status 401 slow down; is the secret platform_key right?"),
        (answer(404), "status 404 slow"),
        (httpx.Response(200, json={"not": "a list"}), "not the form that it has"),
        (httpx.Response(200, text="<html>"), "not the form that it has"),
    ],
)
async def test_another_answer_is_named(
    first: httpx.Response, reason: str, driver: HostingPlatform, render: Render, waited: list[float]
) -> None:
    render.first = [first]
    with pytest.raises(EnvironmentUnavailable, match=reason) as error:
        await driver.prepare(fault("restart"))
    assert waited == []
    assert KEY not in str(error.value)
