"""Vercel: what its response headers say of cache and region, and its interface of deployments.

https://vercel.com/docs/headers/response-headers, https://vercel.com/docs/rest-api/deployments
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import httpx
from pydantic import TypeAdapter

from acceptance.deployment.descriptor import Deployments, Descriptor
from acceptance.errors import EnvironmentUnavailable, shown
from acceptance.polling import wait_until
from acceptance.providers.api import ProviderApi
from acceptance.yaml_models import Data

READY, FAILED = "READY", ("ERROR", "CANCELED", "DELETED")
TARGET = "production"
LOOK_EVERY = 1.0  # seconds


class CacheStatus(StrEnum):
    """What the cache did with a request."""

    HIT = "HIT"
    STALE = "STALE"  # from the cache, and renewed behind the response
    PRERENDER = "PRERENDER"  # from static storage
    REVALIDATED = "REVALIDATED"  # from the origin, which replaces what was kept
    MISS = "MISS"
    BYPASS = "BYPASS"

    @property
    def from_cache(self) -> bool:
        """Whether the response came from the cache or static storage."""
        return self in (CacheStatus.HIT, CacheStatus.STALE, CacheStatus.PRERENDER)

    @classmethod
    def read(cls, value: str) -> Self:
        """The status that a header states; raises EnvironmentUnavailable for a word that Vercel does not use."""
        try:
            return cls(value.strip().upper())
        except ValueError:
            known = ", ".join(cls)
            raise EnvironmentUnavailable(f"the cache says {shown(value)}, which is none of {known}") from None


@dataclass(frozen=True)
class EdgeId:
    """`x-vercel-id`: `<edge>::<region of the function>::<identifier>`; without a function its region is empty."""

    edge: str
    function: str
    identifier: str

    @classmethod
    def read(cls, value: str) -> Self | None:
        """The parts of the header; None where it has another form. Of several edges the first took the request."""
        match = re.fullmatch(r"([a-z]+\d*)(?::[a-z]+\d*)*::(?:(?:([a-z]+\d*)::)?)(\S+)", value.strip())
        return cls(match[1], match[2] or "", match[3]) if match else None


class _Listed(Data, extra="ignore"):
    uid: str


class _List(Data, extra="ignore"):
    deployments: tuple[_Listed, ...]


class _Deployment(Data, extra="ignore"):
    id: str
    readyState: str  # noqa: N815 as Vercel names it
    aliasAssigned: bool | float | None = None  # noqa: N815


_LIST, _DEPLOYMENT = TypeAdapter(_List), TypeAdapter(_Deployment)


class VercelDeployments:
    """Makes a deployment of a project again, as it is.

    Args:
        pause: waits so many seconds between two attempts of a call.
    """

    def __init__(
        self, descriptor: Descriptor, access: Deployments, transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._access = access
        self._query = {"teamId": access.team} if access.team else {}
        token = descriptor.secret(access.token)
        self._api = ProviderApi(
            "the provider", access.url, token, secret=access.token, transport=transport, pause=pause
        )

    async def redeploy(self) -> str:
        """Make the newest deployment again, and wait until it is ready and has the project's address.

        Returns:
            Its identifier.

        Raises:
            EnvironmentUnavailable: the provider refuses, answers something else, or the deployment does not get ready.
        """
        wanted = {"projectId": self._access.project, "target": TARGET, "state": READY, "limit": 1}
        found = await self._api.read(_LIST, "/v6/deployments", query=self._query | wanted)
        if not found.deployments:
            raise EnvironmentUnavailable(f"the provider: the project '{self._access.project}' has no deployment")
        body = {"name": self._access.project, "deploymentId": found.deployments[0].uid, "target": TARGET}
        made = self._api.parsed(
            _DEPLOYMENT, await self._api.call("POST", "/v13/deployments", query=self._query, body=body)
        )
        try:
            ended = await wait_until(
                lambda: self._api.read(_DEPLOYMENT, f"/v13/deployments/{made.id}", query=self._query),
                lambda one: one.readyState in FAILED or (one.readyState == READY and bool(one.aliasAssigned)),
                what="deployment", within=self._access.within_seconds, every=LOOK_EVERY,
                describe=lambda one: one.readyState,
            )  # fmt: skip
        except AssertionError as error:
            raise EnvironmentUnavailable(f"the provider: {made.id}: {error}") from None
        if ended.readyState in FAILED:
            raise EnvironmentUnavailable(f"the provider: the deployment {made.id} ended as {ended.readyState}")
        return made.id

    async def close(self) -> None:
        await self._api.close()
