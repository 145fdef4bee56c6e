"""A provider's interface: pauses as it asks for them, and errors that never say anything of the deployment."""

from __future__ import annotations

from types import SimpleNamespace

import httpx
import pytest
from acceptance.errors import EnvironmentUnavailable
from acceptance.providers.api import ProviderApi
from pydantic import SecretStr, TypeAdapter

KEY = "prov_1234567890"
NUMBERS = TypeAdapter(list[int])


class Provider:
    """Gives these answers one after the other, and keeps the pauses between the calls."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.waited: list[float] = []
        self.api = ProviderApi(
            "the provider", "https://provider.example.org/v1", SecretStr(KEY), secret="provider_key",
            transport=httpx.MockTransport(self._answer), pause=self._pause,
        )  # fmt: skip

    def _answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _pause(self, seconds: float) -> None:
        self.waited.append(round(seconds))


def limited(**headers: str) -> httpx.Response:
    return httpx.Response(429, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"ratelimit_reset": "9"}, 9),
        ({"x_ratelimit_reset": "1800000012"}, 12),
        ({"retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 1),
        ({"retry_after": "3600"}, 20),
        ({}, 1),
    ],
)
async def test_a_limited_rate_is_waited_for(
    headers: dict[str, str], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acceptance.providers.api.time", SimpleNamespace(time=lambda: 1_800_000_000.0))
    provider = Provider(limited(**headers), httpx.Response(200, json=[1]))
    assert await provider.api.read(NUMBERS, "/numbers") == [1]
    assert provider.waited == [seconds]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (httpx.Response(403, json={"error": {"code": "forbidden", "message": "Not\nauthorized"}}),
         r"GET /v1/numbers: status 403 Not authorized; is the secret provider_key right\?"),
        (httpx.Response(404, json=["nothing"]), "status 404$"),
        (httpx.Response(200, text="<html>"), "/v1/numbers: not the form that it has"),
        (httpx.Response(200, json={"numbers": []}), "not the form that it has: the answer"),
        (httpx.Response(500, text="<html>"), "status 500, 5 times"),
        (httpx.Response(429), "status 429, 5 times"),
        (httpx.ConnectError("refused"), r"no answer \(ConnectError\), 5 times"),
    ],
)  # fmt: skip
async def test_another_answer_is_no_violation(answer: httpx.Response | Exception, reason: str) -> None:
    with pytest.raises(EnvironmentUnavailable, match=reason) as error:
        await Provider(answer).api.read(NUMBERS, "/numbers")
    assert KEY not in str(error.value)
