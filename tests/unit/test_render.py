"""Render's interface: responses in the form of its published types are read, and anything else is reported."""

from __future__ import annotations

import asyncio
import email.utils
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import Platform as PlatformAccess
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.providers.render import Autoscaling, Line, Render
from pydantic import SecretStr, ValidationError

SERIES = {
    "labels": [{"field": "resource", "value": "srv-1"}, {"field": "instance", "value": "srv-1-a"}],
    "unit": "cpu",
    "values": [
        {"timestamp": "2026-01-01T00:00:01Z", "value": 0.5},
        {"timestamp": "2026-01-01T00:00:00+00:00", "value": 1},
    ],
}
AT = 1_767_225_600.0


class Descriptor:
    """What stands in for a descriptor."""

    def __init__(self, *capabilities: str) -> None:
        self.capabilities = capabilities
        self.platform = PlatformAccess(url="http://127.0.0.1:1/v1", services={"api": "srv-1", "worker": "srv-2"})

    def need(self, capability: str) -> None:
        if capability not in self.capabilities:
            raise CapabilityMissing(capability)

    def secret(self, name: str) -> SecretStr:
        assert name == "platform_key"
        return SecretStr("key")


async def no_pause(_: float) -> None:
    """Do not wait between two attempts."""


def read(response: Callable[[httpx.Request], httpx.Response]) -> list[Line]:
    async def reading() -> list[Line]:
        descriptor: Any = Descriptor("metrics")
        async with Render.of(descriptor, "metrics", httpx.MockTransport(response), no_pause) as platform:
            return await platform.metric("cpu", AT, AT + 60)

    return asyncio.run(reading())


def test_series_are_read_by_service_and_instance() -> None:
    asked: list[httpx.Request] = []

    def response(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=[SERIES])

    assert read(response) == [Line("api", "srv-1-a", "cpu", ((AT, 1.0), (AT + 1, 0.5)))]
    query = asked[0].url.params
    assert asked[0].url.path == "/v1/metrics/cpu"
    assert query.get_list("resource") == ["srv-1", "srv-2"]
    assert (query["startTime"], query["resolutionSeconds"]) == ("2026-01-01T00:00:00+00:00", "30")
    assert asked[0].headers["authorization"] == "Bearer key"


def test_nothing_told_is_nothing_read() -> None:
    assert read(lambda _: httpx.Response(200, json=[])) == []


def test_what_nobody_asked_for_is_left_out() -> None:
    other = SERIES | {"labels": [{"field": "resource", "value": "srv-9"}]}
    assert read(lambda _: httpx.Response(200, json=[other])) == []


def refused(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (lambda _: httpx.Response(401, json={"message": "no"}), "status 401 no; is the secret platform_key right?"),
        (lambda _: httpx.Response(429), "status 429"),
        (lambda _: httpx.Response(500), "status 500"),
        (lambda _: httpx.Response(200, text="<html>"), "not the form that it has"),
        (lambda _: httpx.Response(200, json={"timeSeries": []}), "not the form that it has"),
        (lambda _: httpx.Response(200, json=[{**SERIES, "unit": None}]), "0.unit"),
        (lambda _: httpx.Response(200, json=[{**SERIES, "values": [{"timestamp": "x", "value": 1}]}]), "timestamp"),
        (
            lambda _: httpx.Response(200, json=[{**SERIES, "values": [{"timestamp": AT, "value": "NaN"}]}]),
            "not the form that it has",
        ),
        (refused, "no answer (ConnectError)"),
    ],
)
def test_anything_else_is_told(response: Callable[[httpx.Request], httpx.Response], reason: str) -> None:
    with pytest.raises(EnvironmentUnavailable) as raised:
        read(response)
    assert reason in str(raised.value)


def test_without_the_capability_it_is_not_asked() -> None:
    descriptor: Any = Descriptor()
    with pytest.raises(CapabilityMissing, match="needs the capability 'metrics'"):
        Render.of(descriptor, "metrics")


def test_a_host_is_one_of_the_services() -> None:
    with pytest.raises(ValidationError, match="the host 'm' is none of the services: api"):
        PlatformAccess(url="http://127.0.0.1:1/v1", services={"api": "srv-1"}, host="m")


EVENTS = [
    {
        "event": {
            "id": "evt-cph1rs3idesc73a2b2m0",
            "timestamp": "2026-01-01T00:00:40.5Z",
            "serviceId": "srv-1",
            "type": "autoscaling_ended",
            "details": {"fromInstances": 2, "toInstances": 3},
        },
        "cursor": "c2",
    },
    {
        "event": {
            "id": "evt-cph1rs3idesc73a2b2mg",
            "timestamp": "2026-01-01T01:00:20.5+01:00",
            "serviceId": "srv-1",
            "type": "autoscaling_started",
            "details": {"fromInstances": 2, "toInstances": 3, "currentCPU": 83, "targetCPU": 60},
        },
        "cursor": "c1",
    },
    {
        "event": {"id": "evt-0", "timestamp": "2025-12-31T23:00:00Z", "serviceId": "srv-1", "type": "deploy_ended",
                  "details": {}},
        "cursor": "c0",
    },
]  # fmt: skip
SERVICE = {
    "id": "srv-1",
    "autoDeploy": "yes",
    "name": "api",
    "suspended": "not_suspended",
    "suspenders": [],
    "type": "web_service",
    "serviceDetails": {
        "numInstances": 2,
        "plan": "standard",
        "region": "frankfurt",
        "autoscaling": {
            "enabled": True,
            "min": 1,
            "max": 4,
            "criteria": {"cpu": {"enabled": True, "percentage": 60}, "memory": {"enabled": False, "percentage": 70}},
        },
    },
}
INSTANCES = [
    {"id": "srv-1-5d8f7b9c4-x2x7p", "createdAt": "2026-01-01T00:00:00Z"},
    {"id": "srv-1-5d8f7b9c4-q9k4m", "createdAt": "2026-01-01T00:00:30Z"},
]


class Provider:
    """Answers each path of one service, and keeps what it was asked."""

    def __init__(self, ahead: float | None = None) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.ahead = ahead
        self.answers: dict[str, Any] = {"": SERVICE, "/instances": INSTANCES, "/events": EVENTS}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/services/srv-1")
        self.asked.append((request.method, path, json.loads(request.content) if request.content else None))
        answer = self.answers.get(path, {}) if request.method == "GET" else {}
        date = "" if self.ahead is None else email.utils.formatdate(time.time() + self.ahead, usegmt=True)
        return httpx.Response(200, json=answer, headers={"date": date} if date else {})


def use(provider: Provider, work: Callable[[Render], Awaitable[Any]]) -> Any:
    async def using() -> Any:
        descriptor: Any = Descriptor("platform-api")
        async with Render.of(descriptor, "platform-api", httpx.MockTransport(provider), no_pause) as render:
            return await work(render)

    return asyncio.run(using())


def test_instances_are_named_by_their_identifiers() -> None:
    assert use(Provider(), lambda render: render.instances("api")) == [one["id"] for one in INSTANCES]


def test_events_are_read_in_order_and_in_utc() -> None:
    events = use(Provider(), lambda render: render.events("api", AT))
    assert [(one.type, one.at) for one in events] == [
        ("autoscaling_started", AT + 20.5),
        ("autoscaling_ended", AT + 40.5),
    ]
    assert events[0].details["targetCPU"] == 60


def test_what_is_configured_is_set_and_set_back() -> None:
    async def work(render: Render) -> None:
        before = (await render.service("api")).details.autoscaling
        await render.autoscale("api", Autoscaling.by_cpu(2, 3, 20))
        await render.autoscale("api", before)
        await render.autoscale("api", None)
        await render.scale("api", 2)
        await render.act("api", "restart")

    provider = Provider()
    use(provider, work)
    criteria = {"cpu": {"enabled": True, "percentage": 20}, "memory": {"enabled": False, "percentage": 20}}
    assert provider.asked[1:] == [
        ("PUT", "/autoscaling", {"enabled": True, "min": 2, "max": 3, "criteria": criteria}),
        ("PUT", "/autoscaling", SERVICE["serviceDetails"]["autoscaling"]),  # type: ignore[index]
        ("DELETE", "/autoscaling", None),
        ("POST", "/scale", {"numInstances": 2}),
        ("POST", "/restart", None),
    ]


@pytest.mark.parametrize(("seconds", "most"), [(0, 0), (-1, 0), (600, 2), (-600, 2)])
def test_a_clock_that_differs_is_measured_and_corrected(seconds: int, most: float) -> None:
    provider = Provider(seconds)

    async def work(render: Render) -> tuple[float, float]:
        await render.instances("api")
        [event, *_] = await render.events("api", AT - 3600 - 2 * abs(seconds))
        return render.clock.ahead, event.at

    ahead, at = use(provider, work)
    assert ahead == pytest.approx(seconds if most else 0, abs=most)
    assert at == pytest.approx(AT - 3600 - ahead, abs=0.01)


@pytest.mark.parametrize(
    ("path", "answer", "where"),
    [
        ("/events", [{"event": {"type": "x", "timestamp": "2026-01-01T00:00:00"}}], "0.event.timestamp"),
        ("/events", {"events": EVENTS}, "the answer"),
        ("/instances", [{"instance": "a"}], "0.id"),
        ("", {"id": "srv-1"}, "suspended"),
    ],
)
def test_another_form_is_named(path: str, answer: Any, where: str) -> None:
    provider = Provider()
    provider.answers[path] = answer

    async def work(render: Render) -> None:
        if path == "/events":
            await render.events("api", AT)
        elif path == "/instances":
            await render.instances("api")
        else:
            await render.service("api")

    with pytest.raises(EnvironmentUnavailable, match=rf"not the form that it has: {where}"):
        use(provider, work)


def test_a_label_may_have_the_name_of_the_published_example() -> None:
    series = SERIES | {"labels": [{"field": "service", "value": "srv-1"}]}
    [line] = read(lambda _: httpx.Response(200, json=[series]))
    assert (line.service, line.instance) == ("api", "")
