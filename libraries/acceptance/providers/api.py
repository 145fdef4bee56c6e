"""HTTP interface of a provider: bearer token, pauses where it limits the rate or fails, errors that name the cause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from pydantic import SecretStr, TypeAdapter

from acceptance.deployment.interfaces import Answer, read_answer
from acceptance.deployment.trust import http_client
from acceptance.errors import EnvironmentUnavailable, one_line

TIMEOUT = 20.0
MOST_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 20.0  # between two attempts: providers count by the minute
_EPOCH = 1e9  # a greater Ratelimit-Reset is a moment, not a number of seconds


class ProviderApi:
    """Calls of one provider's interface.

    Args:
        name: the provider in messages, such as `the platform`.
        url: base address of all paths.
        token: sent as a bearer token, where there is one; `secret` is its name in the descriptor, for messages.
        pause: waits so many seconds between two attempts.
    """

    def __init__(
        self, name: str, url: str, token: SecretStr | None, *, secret: str,
        transport: httpx.AsyncBaseTransport | None = None, pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self.name, self.url, self._secret, self._pause = name, url, secret, pause
        headers = {"authorization": f"Bearer {token.get_secret_value()}"} if token is not None else {}
        self._http = http_client(url, transport=transport, headers=headers, timeout=TIMEOUT)

    async def call(self, method: str, path: str, *, query: Any = None, body: Any = None) -> httpx.Response:
        """A successful response; where the provider is busy or limits the rate, after growing pauses, a few times.

        Raises:
            EnvironmentUnavailable: no answer, or a status other than 2xx; names it with what the provider says.
        """
        what, wait = f"{self.name}: {method} {httpx.URL(self.url + path).path}", 1.0
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                response = await self._http.request(method, self.url + path, params=query, json=body)
            except httpx.HTTPError as error:
                seen, asked = f"no answer ({type(error).__name__})", None
            else:
                if response.is_success:
                    return response
                seen, asked = f"status {response.status_code} {_message(response)}".rstrip(), _asked(response)
                if response.status_code != httpx.codes.TOO_MANY_REQUESTS and not response.is_server_error:
                    hint = f"; is the secret {self._secret} right?" if response.status_code in (401, 403) else ""
                    raise EnvironmentUnavailable(f"{what}: {seen}{hint}")
            if attempt < MOST_ATTEMPTS:
                await self._pause(min(asked or wait, LONGEST_WAIT_SECONDS))
                wait *= 2
        raise EnvironmentUnavailable(f"{what}: {seen}, {MOST_ATTEMPTS} times")

    async def read(self, model: TypeAdapter[Answer], path: str, *, query: Any = None) -> Answer:
        """What `GET` of a path answers, by its model.

        Raises:
            EnvironmentUnavailable: see :meth:`call`; or the answer has another form.
        """
        return self.parsed(model, await self.call("GET", path, query=query))

    def parsed(self, model: TypeAdapter[Answer], response: httpx.Response) -> Answer:
        """A response by its model; raises EnvironmentUnavailable where it has another form."""
        return read_answer(model, response, f"{self.name}: {response.request.url.path}")

    async def close(self) -> None:
        await self._http.aclose()


def _asked(response: httpx.Response) -> float | None:
    """Seconds that the provider asks to wait: `Retry-After`, or `Ratelimit-Reset` where the limit is used up."""
    if (after := response.headers.get("retry-after", "")).isdigit():
        return float(after)
    reset = response.headers.get("ratelimit-reset") or response.headers.get("x-ratelimit-reset") or ""
    if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not reset.isdigit():
        return None
    return max(1.0, float(reset) - time.time()) if float(reset) > _EPOCH else float(reset)


def _message(response: httpx.Response) -> str:
    """What the provider says of a refusal, in one line: `message`, or that of `error`."""
    try:
        document = response.json()
    except ValueError:
        return ""
    inner = document.get("error", document) if isinstance(document, dict) else None
    message = inner.get("message", "") if isinstance(inner, dict) else ""
    return one_line(message)
