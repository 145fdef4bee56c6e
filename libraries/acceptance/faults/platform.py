"""Faults by the platform that hosts the services: Render's API, or its like (https://api-docs.render.com)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import httpx
from pydantic import TypeAdapter

from acceptance.deployment.descriptor import Descriptor, Platform
from acceptance.deployment.interfaces import Answer
from acceptance.errors import EnvironmentUnavailable, SuiteError
from acceptance.faults.model import Fault, Proof
from acceptance.providers.api import ProviderApi
from acceptance.yaml_models import Data

MOST_INSTANCES = 100
RESTARTED = ("server_restarted", "server_failed")
CLOCKS_DIFFER_SECONDS = 2.0


class _Instance(Data, extra="ignore"):
    id: str


class _Service(Data, extra="ignore"):
    suspended: str  # `suspended` or `not_suspended`


class _Event(Data, extra="ignore"):
    type: str
    timestamp: datetime


class _Listed(Data, extra="ignore"):
    event: _Event


_INSTANCES, _SERVICE, _EVENTS = TypeAdapter(list[_Instance]), TypeAdapter(_Service), TypeAdapter(list[_Listed])


class HostingPlatform:
    """Restarts, suspends and scales the services that `faults.platform` of the descriptor names.

    A restart heals by itself; a suspended or scaled service stays so until it is undone.

    Args:
        pause: waits so many seconds between two attempts.
    """

    name = "platform"

    def __init__(
        self, descriptor: Descriptor, access: Platform, transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self._access = access
        self._targets = descriptor.faults.platform
        self._api = ProviderApi(
            "the platform", access.url, descriptor.secret("platform_key"), secret="platform_key", transport=transport,
            pause=pause,
        )  # fmt: skip

    async def kinds(self) -> Mapping[str, Sequence[str]]:
        return dict.fromkeys(self._targets, ("restart", "suspend", "scale"))

    def heals(self, kind: str, target: str) -> bool:
        return kind == "restart"

    def by_hand(self, fault: Fault) -> str:
        service = f"{self._access.url}/services/{self._access.services[fault.target]}"
        if fault.kind == "suspend":
            return f"POST {service}/resume, or 'Resume' in the platform's dashboard"
        if fault.kind == "scale":
            return f'POST {service}/scale {{"numInstances": {fault.state.get("instances", "as before")}}}'
        return "nothing to do: a restart ends by itself"

    async def prepare(self, fault: Fault) -> Fault:
        given, wanted = set(fault.parameters), {"instances"} if fault.kind == "scale" else set()
        if given != wanted:
            raise SuiteError(f"{fault}: its parameters are {', '.join(wanted) or 'none'}")
        count = fault.parameters.get("instances", 1)
        if type(count) is not int or not 1 <= count <= MOST_INSTANCES:
            raise SuiteError(f"{fault}: instances: expected a whole number from 1 to {MOST_INSTANCES}")
        if fault.kind == "suspend" and await self._is_suspended(fault):
            raise EnvironmentUnavailable(f"{fault}: it is suspended already, and not by this run")
        instances = await self._instances(fault)
        if fault.kind == "scale" and len(instances) == count:
            raise EnvironmentUnavailable(f"{fault}: it has {count} instances already")
        state = {"instances": len(instances), "ids": instances, "at": time.time()}
        return replace(fault, state=state)

    async def inject(self, fault: Fault) -> None:
        if fault.kind == "scale":
            await self._call("POST", fault, "/scale", body={"numInstances": fault.parameters["instances"]})
        else:
            await self._call("POST", fault, f"/{fault.kind}")

    async def renew(self, fault: Fault) -> None:
        """Nothing to renew: the platform has no leases."""

    async def prove(self, fault: Fault) -> Proof:
        if fault.kind == "suspend":
            suspended = await self._is_suspended(fault)
            return Proof(suspended, f"the platform reports it {'suspended' if suspended else 'not suspended'}")
        instances = await self._instances(fault)
        if fault.kind == "scale":
            wanted = fault.parameters["instances"]
            return Proof(len(instances) == wanted, f"{len(instances)} instances run, {wanted} are wanted")
        new = [one for one in instances if one not in fault.state["ids"]]
        since = fault.state["at"] - CLOCKS_DIFFER_SECONDS
        events = self._read(_EVENTS, await self._call("GET", fault, "/events"))
        seen = [
            one.event.type
            for one in events
            if one.event.type in RESTARTED and one.event.timestamp.timestamp() >= since
        ]  # fmt: skip
        evidence = f"events since: {', '.join(seen) or 'none'}; {len(new)} of {len(instances)} instances are new"
        return Proof(bool(seen or new), evidence, len(new))

    async def roll_back(self, fault: Fault) -> None:
        if fault.kind == "suspend" and await self._is_suspended(fault):
            await self._call("POST", fault, "/resume")
        if fault.kind == "scale" and len(await self._instances(fault)) != fault.state["instances"]:
            await self._call("POST", fault, "/scale", body={"numInstances": fault.state["instances"]})

    async def prove_gone(self, fault: Fault) -> Proof:
        if fault.kind == "suspend":
            return await self.prove(fault)
        instances, before = await self._instances(fault), fault.state["instances"]
        left = not instances if fault.kind == "restart" else len(instances) != before
        return Proof(left, f"{len(instances)} instances run, {before} did before")

    async def close(self) -> None:
        await self._api.close()

    async def _instances(self, fault: Fault) -> list[str]:
        return [one.id for one in self._read(_INSTANCES, await self._call("GET", fault, "/instances"))]

    async def _is_suspended(self, fault: Fault) -> bool:
        found = self._read(_SERVICE, await self._call("GET", fault, ""))
        return found.suspended == "suspended"

    async def _call(self, method: str, fault: Fault, path: str, *, body: Any = None) -> httpx.Response:
        return await self._api.call(method, f"/services/{self._access.services[fault.target]}{path}", body=body)

    def _read(self, model: TypeAdapter[Answer], response: httpx.Response) -> Answer:
        return self._api.parsed(model, response)
