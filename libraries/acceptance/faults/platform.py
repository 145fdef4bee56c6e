"""Faults by the platform that hosts the services: Render's API, or its like (https://api-docs.render.com)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import httpx

from acceptance.deployment.descriptor import Descriptor, Platform
from acceptance.errors import EnvironmentUnavailable, SuiteError
from acceptance.faults.model import Fault, Proof
from acceptance.providers.render import Render

MOST_INSTANCES = 100
RESTARTED = ("server_restarted", "server_failed")
CLOCKS_DIFFER_SECONDS = 2.0


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
        self._api = Render(descriptor, access, transport, pause)

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
        if fault.kind == "suspend" and (await self._api.service(fault.target)).is_suspended:
            raise EnvironmentUnavailable(f"{fault}: it is suspended already, and not by this run")
        instances = await self._api.instances(fault.target)
        if fault.kind == "scale" and len(instances) == count:
            raise EnvironmentUnavailable(f"{fault}: it has {count} instances already")
        state = {"instances": len(instances), "ids": instances, "at": time.time()}
        return replace(fault, state=state)

    async def inject(self, fault: Fault) -> None:
        if fault.kind == "scale":
            await self._api.scale(fault.target, fault.parameters["instances"])
        else:
            await self._api.act(fault.target, "suspend" if fault.kind == "suspend" else "restart")

    async def renew(self, fault: Fault) -> None:
        """Nothing to renew: the platform has no leases."""

    async def prove(self, fault: Fault) -> Proof:
        if fault.kind == "suspend":
            suspended = (await self._api.service(fault.target)).is_suspended
            return Proof(suspended, f"the platform reports it {'suspended' if suspended else 'not suspended'}")
        instances = await self._api.instances(fault.target)
        if fault.kind == "scale":
            wanted = fault.parameters["instances"]
            return Proof(len(instances) == wanted, f"{len(instances)} instances run, {wanted} are wanted")
        new = [one for one in instances if one not in fault.state["ids"]]
        since = fault.state["at"] - CLOCKS_DIFFER_SECONDS
        events = await self._api.events(fault.target, since)
        seen = [one.type for one in reversed(events) if one.type in RESTARTED]
        evidence = f"events since: {', '.join(seen) or 'none'}; {len(new)} of {len(instances)} instances are new"
        return Proof(bool(seen or new), evidence, len(new))

    async def roll_back(self, fault: Fault) -> None:
        if fault.kind == "suspend" and (await self._api.service(fault.target)).is_suspended:
            await self._api.act(fault.target, "resume")
        if fault.kind == "scale" and len(await self._api.instances(fault.target)) != fault.state["instances"]:
            await self._api.scale(fault.target, fault.state["instances"])

    async def prove_gone(self, fault: Fault) -> Proof:
        if fault.kind == "suspend":
            return await self.prove(fault)
        instances, before = await self._api.instances(fault.target), fault.state["instances"]
        left = not instances if fault.kind == "restart" else len(instances) != before
        return Proof(left, f"{len(instances)} instances run, {before} did before")

    async def close(self) -> None:
        await self._api.close()
