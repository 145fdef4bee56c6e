"""The admin API of authentication (capability `admin-api`): it makes and removes users."""

from __future__ import annotations

from typing import Any

import httpx

from acceptance.deployment.descriptor import Descriptor
from acceptance.deployment.trust import http_client
from acceptance.errors import EnvironmentUnavailable

GONE = (200, 204, 404)


class AdminApi:
    """Raises CapabilityMissing where the descriptor does not list it, EnvironmentUnavailable where it fails us."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._http = http_client(descriptor.services.api.url, timeout=10)

    async def make(self, email: str, password: str, app_metadata: dict[str, Any]) -> str:
        """The identifier of a new user, whose address counts as confirmed."""
        body = {"email": email, "password": password, "email_confirm": True, "app_metadata": app_metadata}
        response = await self._call("POST", "", body)
        try:
            return str(response.json()["id"])
        except (ValueError, KeyError, TypeError):
            raise EnvironmentUnavailable(f"admin API made no user: {_seen(response)}") from None

    async def confirm(self, user_id: str) -> None:
        """Have the address of a user who signed up count as confirmed."""
        response = await self._call("PUT", f"/{user_id}", {"email_confirm": True})
        if response.status_code != 200:
            raise EnvironmentUnavailable(f"admin API did not confirm user {user_id}: {_seen(response)}")

    async def remove(self, user_id: str) -> None:
        """Remove a user; one who is gone already is no mistake."""
        response = await self._call("DELETE", f"/{user_id}")
        if response.status_code not in GONE:
            raise EnvironmentUnavailable(f"admin API did not remove user {user_id}: {_seen(response)}")

    async def refusal(self) -> str:
        """How the service role's key is refused; empty where it is not. Changes nothing."""
        response = await self._call("GET", "?per_page=1")
        return f"observed {_seen(response)}" if response.status_code in (401, 403) else ""

    async def close(self) -> None:
        await self._http.aclose()

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        self._descriptor.need("admin-api")
        key = self._descriptor.secret("service_role_key").get_secret_value()
        admin = self._descriptor.admin
        url = f"{self._descriptor.service(admin.at).url}{admin.path}{path}"
        headers = self._descriptor.headers_of(url) | {"apikey": key, "authorization": f"Bearer {key}"}
        try:
            return await self._http.request(method, url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise EnvironmentUnavailable(f"admin API: {method} {url}: {type(error).__name__} {error}") from None


def _seen(response: httpx.Response) -> str:
    return f"status {response.status_code}, {response.text[:200]!r}"
