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

from acceptance.deployment.descriptor import Descriptor, Platform, is_local
from acceptance.deployment.interfaces import Answer, read_answer
from acceptance.errors import EnvironmentUnavailable, SuiteError
from acceptance.faults.model import Fault, Proof, one_line
from acceptance.yaml_models import Data

TIMEOUT = 20.0
MOST_ATTEMPTS = 5
LONGEST_WAIT_SECONDS = 20.0  # between two attempts: the platform counts by the minute
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
        self._access, self._pause = access, pause
        self._targets = descriptor.faults.platform
        self._http = httpx.AsyncClient(
            headers={"authorization": f"Bearer {descriptor.secret('platform_key').get_secret_value()}"},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=transport is None and not is_local(access.url),
        )

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
        await self._http.aclose()

    async def _instances(self, fault: Fault) -> list[str]:
        return [one.id for one in self._read(_INSTANCES, await self._call("GET", fault, "/instances"))]

    async def _is_suspended(self, fault: Fault) -> bool:
        found = self._read(_SERVICE, await self._call("GET", fault, ""))
        return found.suspended == "suspended"

    async def _call(self, method: str, fault: Fault, path: str, *, body: Any = None) -> httpx.Response:
        """One call; where the platform is busy or limits the rate, again, with growing pauses, a few times."""
        url = f"{self._access.url}/services/{self._access.services[fault.target]}{path}"
        what, wait = f"the platform: {method} {httpx.URL(url).path}", 1.0
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                response = await self._http.request(method, url, json=body)
            except httpx.HTTPError as error:
                seen, asked = f"no answer ({type(error).__name__})", None
            else:
                if response.is_success:
                    return response
                seen, asked = f"status {response.status_code} {_message(response)}".rstrip(), _asked(response)
                if response.status_code != httpx.codes.TOO_MANY_REQUESTS and not response.is_server_error:
                    hint = "; is the secret platform_key right?" if response.status_code in (401, 403) else ""
                    raise EnvironmentUnavailable(f"{what}: {seen}{hint}")
            if attempt < MOST_ATTEMPTS:
                await self._pause(min(asked or wait, LONGEST_WAIT_SECONDS))
                wait *= 2
        raise EnvironmentUnavailable(f"{what}: {seen}, {MOST_ATTEMPTS} times")

    def _read(self, model: TypeAdapter[Answer], response: httpx.Response) -> Answer:
        return read_answer(model, response, f"the platform: {response.request.url.path}")


def _asked(response: httpx.Response) -> float | None:
    """How long the platform asks to wait."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def _message(response: httpx.Response) -> str:
    """What the platform says of a refusal, in one line."""
    try:
        document = response.json()
    except ValueError:
        return ""
    return one_line(document.get("message", "")) if isinstance(document, dict) else ""
