"""The platform's metrics are read in the form that they have, and whatever else comes is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import Platform as Told
from acceptance.deployment.metrics_api import Line, Platform
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
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
        self.platform = Told(url="http://127.0.0.1:1/v1", services={"api": "srv-1", "worker": "srv-2"})

    def need(self, capability: str) -> None:
        if capability not in self.capabilities:
            raise CapabilityMissing(capability)

    def secret(self, name: str) -> SecretStr:
        assert name == "platform_key"
        return SecretStr("key")


def read(response: Callable[[httpx.Request], httpx.Response]) -> list[Line]:
    async def reading() -> list[Line]:
        descriptor: Any = Descriptor("metrics")
        async with Platform(descriptor, httpx.MockTransport(response)) as platform:
            return await platform.read("cpu", AT, AT + 60)

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
        (lambda _: httpx.Response(401, json={"message": "no"}), "status 401; is the secret platform_key right?"),
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
    with pytest.raises(EnvironmentUnavailable) as told:
        read(response)
    assert reason in str(told.value)


def test_without_the_capability_it_is_not_asked() -> None:
    descriptor: Any = Descriptor()
    with pytest.raises(CapabilityMissing, match="needs the capability 'metrics'"):
        Platform(descriptor)


def test_a_host_is_one_of_the_services() -> None:
    with pytest.raises(ValidationError, match="the host 'm' is none of the services: api"):
        Told(url="http://127.0.0.1:1/v1", services={"api": "srv-1"}, host="m")
