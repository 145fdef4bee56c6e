"""Vercel's headers and its interface of deployments, by its documentation."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import Deployments
from acceptance.errors import EnvironmentUnavailable
from acceptance.providers import vercel
from acceptance.providers.vercel import CacheStatus, EdgeId, VercelDeployments
from pydantic import SecretStr

TOKEN = "vcp_1234567890"
OLD, NEW = "dpl_89qyp1cskzkLrVicDaZoDbjyHuDJ", "dpl_5WJWYSyB7BpgTj3EuwF37WMRBXBt"


class Vercel:
    """A project with one deployment that can be made again; `states` are those that the new one passes."""

    def __init__(self, *states: str, aliased: bool | int | None = 1_540_257_589_405) -> None:
        self.states = list(states)
        self.aliased = aliased
        self.first: dict[str, httpx.Response] = {}  # what comes in place of its own answers, by call
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.url.params["teamId"] == "team_1"
        call = f"{request.method} {request.url.path}"
        self.asked.append(call)
        if call in self.first:
            return self.first[call]
        match call:
            case "GET /v6/deployments":
                wanted = {"projectId": "app", "target": "production", "state": "READY", "limit": "1"}
                assert wanted.items() <= dict(request.url.params).items()
                found = {"uid": OLD, "name": "app", "url": "app-1.vercel.app", "created": 1, "state": "READY"}
                return httpx.Response(200, json={"deployments": [found], "pagination": {"count": 1, "next": None}})
            case "POST /v13/deployments":
                assert json.loads(request.content)["deploymentId"] == OLD
                return httpx.Response(200, json={"id": NEW, "readyState": "QUEUED", "aliasAssigned": None})
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        aliased = self.aliased if state == "READY" else None
        return httpx.Response(200, json={"id": NEW, "readyState": state, "aliasAssigned": aliased, "url": "app.app"})


async def redeployed(there: Vercel, monkeypatch: pytest.MonkeyPatch, within: float = 5.0) -> str:
    monkeypatch.setattr(vercel, "LOOK_EVERY", 0.001)
    access = Deployments(
        url="https://api.vercel.com", project="app", team="team_1", token="vercel_token", path="/", identity="json:id",
        within_seconds=within,
    )  # fmt: skip

    class Descriptor:
        def secret(self, name: str) -> SecretStr:
            assert name == "vercel_token"
            return SecretStr(TOKEN)

    async def pause(seconds: float) -> None:
        """No time passes."""

    known: Any = Descriptor()
    made = VercelDeployments(known, access, httpx.MockTransport(there), pause)
    try:
        return await made.redeploy()
    finally:
        await made.close()


async def test_the_newest_deployment_is_made_again_and_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Vercel("QUEUED", "BUILDING", "READY")
    assert await redeployed(there, monkeypatch) == NEW
    assert there.asked == ["GET /v6/deployments", "POST /v13/deployments", *[f"GET /v13/deployments/{NEW}"] * 3]


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        (Vercel("BUILDING", "ERROR"), f"the deployment {NEW} ended as ERROR"),
        (Vercel("BUILDING"), "deployment: expected within 0.2 s, observed BUILDING"),
        (Vercel("READY", aliased=False), "observed READY"),
    ],
)
async def test_one_that_does_not_get_ready_is_no_violation(
    there: Vercel, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EnvironmentUnavailable, match=reason):
        await redeployed(there, monkeypatch, 0.2)


@pytest.mark.parametrize("call", ["GET /v6/deployments", "POST /v13/deployments", f"GET /v13/deployments/{NEW}"])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(403, json={"error": {"code": "forbidden", "message": "Not authorized", "invalidToken": True}}),
         "status 403 Not authorized; is the secret vercel_token right"),
        (httpx.Response(429, json={"error": {"code": "rate_limited", "message": "Rate limited"}}),
         "status 429 Rate limited, 5 times"),
        (httpx.Response(500), "status 500, 5 times"),
        (httpx.Response(200, text="<!doctype html>"), "not the form that it has"),
        (httpx.Response(200, json={"deployment": None}), "not the form that it has"),
    ],
)  # fmt: skip
async def test_another_answer_is_no_violation(
    call: str, answer: httpx.Response, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Vercel("READY")
    there.first = {call: answer}
    with pytest.raises(EnvironmentUnavailable, match=reason) as error:
        await redeployed(there, monkeypatch)
    assert TOKEN not in str(error.value)


async def test_a_project_without_a_deployment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Vercel("READY")
    there.first["GET /v6/deployments"] = httpx.Response(200, json={"deployments": [], "pagination": {}})
    with pytest.raises(EnvironmentUnavailable, match="the project 'app' has no deployment"):
        await redeployed(there, monkeypatch)


def test_the_status_of_the_cache_is_one_of_those_that_there_are() -> None:
    assert {one for one in CacheStatus if one.from_cache} == {"HIT", "STALE", "PRERENDER"}
    assert CacheStatus.read(" hit") is CacheStatus.HIT
    with pytest.raises(EnvironmentUnavailable, match='the cache says "Hit from cloudfront", which is none of HIT'):
        CacheStatus.read("Hit from cloudfront")


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("fra1::iad1::x8zfq-1762784562110-8b3f4d5e6a7b", ("fra1", "iad1", "x8zfq-1762784562110-8b3f4d5e6a7b")),
        ("cdg1::x8zfq-1762784562110-8b3f", ("cdg1", "", "x8zfq-1762784562110-8b3f")),
        ("fra1:fra1::iad1::x8zfq-1-8b", ("fra1", "iad1", "x8zfq-1-8b")),
        ("local::local::a-1-b", ("local", "local", "a-1-b")),
        ("x8zfq-1762784562110-8b3f", None),
        ("", None),
    ],
)
def test_an_identifier_names_edge_and_region(value: str, parts: tuple[str, str, str] | None) -> None:
    assert EdgeId.read(value) == (None if parts is None else EdgeId(*parts))
