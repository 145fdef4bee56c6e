"""The instances of the services that the platform runs: restarted, suspended, scaled by hand and by their load."""

from __future__ import annotations

import asyncio
import math
import os
import secrets
import signal
import time
from collections import defaultdict, deque
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox import logs, processes
from sandbox.faults.victims import running, send, until
from sandbox.instances import Instances, State
from sandbox.serving import DRAIN_SECONDS
from sandbox.settings import API_ID, API_INSTANCES, NO_TLS, Settings

HOSTED: Final[Mapping[str, tuple[str, ...]]] = {API_ID: API_INSTANCES, "srv-worker": ("worker-1", "worker-2")}
"""The services with instances that can be changed."""
UP_SECONDS: Final = 2  # of load that a step up is based on
DOWN_SECONDS: Final = 8  # of load, all of which fewer instances would have borne, that a step down is based on
READY_SECONDS: Final = 20.0
BEFORE_DRAIN_SECONDS: Final = 0.5  # what was sent to an instance before has arrived
EVENTS: Final = 200


class Share(BaseModel):
    """A resource by which instances are scaled, and its target in percent."""

    enabled: bool
    percentage: Annotated[int, Field(ge=1, le=100)]


class Criteria(BaseModel):
    cpu: Share
    memory: Share


class Autoscaling(BaseModel):
    """Limits and targets of a service's scaling."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool
    min: Annotated[int, Field(ge=1)]
    max: Annotated[int, Field(ge=1)]
    criteria: Criteria

    @model_validator(mode="after")
    def _ordered(self) -> Autoscaling:
        if self.min > self.max:
            raise ValueError("min is greater than max")
        return self


def wanted(instances: int, utilization: float, target: float) -> int:
    """So many instances would be at the target; both as a share of one instance."""
    return math.ceil(instances * utilization / target)


def bounded(count: int, limits: Autoscaling) -> int:
    """The count within the limits."""
    return max(limits.min, min(limits.max, count))


class Fleet:
    """The instances of the hosted services; one change of a service at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._instances = Instances(settings.directory)
        self._changes: dict[str, asyncio.Task[None]] = {}
        self.events: dict[str, deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=EVENTS))
        self.autoscaling: dict[str, Autoscaling] = {}
        self.suspended: dict[str, int] = {}  # with the instances that there were before
        self._history: dict[str, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=DOWN_SECONDS))

    def in_service(self, service: str) -> list[str]:
        """Names of the instances that take work."""
        return self._instances.in_service(HOSTED[service])

    def is_in_service(self, name: str) -> bool:
        return name not in self._instances.states

    def report(self, service: str) -> list[dict[str, str]]:
        """What the platform reports of the instances in service that run."""
        pids, names = running(self._settings.directory), self.in_service(service)
        return [
            {"id": f"{service}-{name}", "createdAt": _text(processes.started_at(pids[name]))}
            for name in names
            if name in pids
        ]

    def is_busy(self, service: str) -> bool:
        """Whether a change of the service is under way."""
        return service in self._changes and not self._changes[service].done()

    def change(self, service: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin a change of a service after that under way."""
        before = self._changes.get(service)

        async def after() -> None:
            if before:
                await asyncio.gather(before, return_exceptions=True)
            await work

        self._changes[service] = asyncio.create_task(after())

    async def scale(self, service: str, count: int) -> None:
        """Have so many instances in service."""
        before = self.in_service(service)
        for name in [name for name in HOSTED[service] if name not in before][: max(0, count - len(before))]:
            await self._bring(service, name)
        for name in before[count:][::-1]:
            await self._take(name)
        now = len(self.in_service(service))
        if now != len(before):
            self.tell(service, "instance_count_changed", fromInstances=len(before), toInstances=now)

    async def restart(self, service: str) -> None:
        """Replace each instance, one after the other."""
        for name in self.in_service(service):
            await self._take(name)
            await self._bring(service, name)
        self.tell(service, "server_restarted", triggeredByUser=None)

    async def suspend(self, service: str) -> None:
        await self.scale(service, 0)
        self.tell(service, "service_suspended")

    async def resume(self, service: str, count: int) -> None:
        await self.scale(service, count)
        self.tell(service, "service_resumed")

    def consider(self, used: Mapping[str, float]) -> None:
        """Scale each service by what its instances used in the last second: shares of a core, by identifier."""
        for service, limits in self.autoscaling.items():
            names = self.in_service(service)
            if not limits.enabled or not limits.criteria.cpu.enabled or not names or service in self.suspended:
                continue
            history = self._history[service]
            history.append((len(names), sum(used.get(f"{service}-{name}", 0.0) for name in names) / len(names)))
            count = self.decide(history, limits)
            if count != len(names) and not self.is_busy(service):
                self.change(service, self._autoscale(service, count, history[-1][1], limits))

    def decide(self, history: deque[tuple[int, float]], limits: Autoscaling) -> int:
        """How many instances there are to be: quickly more, and slowly fewer.

        Args:
            history: instances and mean utilization of each, of the last seconds, the latest one last.
        """
        target, now = limits.criteria.cpu.percentage / 100, history[-1][0]
        needed = [wanted(count, utilization, target) for count, utilization in history]
        if len(needed) >= UP_SECONDS and (more := min(needed[-UP_SECONDS:])) > now:
            return bounded(more, limits)
        fewer = max(needed) if len(needed) == DOWN_SECONDS else now
        return bounded(min(now, fewer), limits)

    async def _autoscale(self, service: str, count: int, utilization: float, limits: Autoscaling) -> None:
        before = len(self.in_service(service))
        about = {"fromInstances": before, "toInstances": count}
        target = limits.criteria.cpu.percentage
        self.tell(service, "autoscaling_started", **about, currentCPU=round(100 * utilization), targetCPU=target)
        await self.scale(service, count)
        self._history[service].clear()
        self.tell(service, "autoscaling_ended", **about)

    async def _bring(self, service: str, name: str) -> None:
        """Start an instance, which takes requests when it is ready."""
        self._put(name, State.STARTING)
        if not await self._is_ready(name):
            self._put(name, State.OFF)
            self.tell(service, "server_failed")
            return
        self._put(name, None)

    async def _is_ready(self, name: str) -> bool:
        if name not in self._settings.ports:
            return await until(lambda: name in running(self._settings.directory), READY_SECONDS)
        deadline = time.monotonic() + READY_SECONDS
        async with httpx.AsyncClient(verify=NO_TLS, trust_env=False, timeout=READY_SECONDS) as client:
            while time.monotonic() < deadline:
                try:
                    return (await client.get(f"{self._settings.url(name)}/health")).is_success
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        return False

    async def _take(self, name: str) -> None:
        """End an instance: it gets no new requests, finishes those it has, and only then ends."""
        self._put(name, State.LEAVING)
        pid = running(self._settings.directory).get(name)
        if pid:
            await asyncio.sleep(BEFORE_DRAIN_SECONDS)
            await self.drain(pid)
        self._put(name, State.OFF)

    async def drain(self, pid: int) -> None:
        """Have a process end when its requests have; by force where that takes too long."""
        send(signal.SIGUSR1, [pid])
        if not await until(lambda: processes.start_time(pid) is None, DRAIN_SECONDS + READY_SECONDS):
            send(signal.SIGKILL, [pid])

    def _put(self, name: str, state: State | None) -> None:
        logs.log("instance", name=name, state=state or "in service")
        self._instances.put(name, state)
        send(signal.SIGUSR1, [os.getppid()])  # the supervisor starts it, or does not start it again

    def tell(self, service: str, kind: str, **details: Any) -> None:
        """Add an event."""
        entry = {"id": f"evt-{secrets.token_hex(8)}", "serviceId": service, "type": kind, "details": details}
        self.events[service].appendleft(entry | {"timestamp": _text(time.time())})


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
