"""Render's interface, or its like: services with their instances, events and metrics (https://api-docs.render.com).

Services go by our names, those of `platform.services` in the descriptor. Times are seconds since the epoch by the clock
here: how far the provider's clock is from it is measured by the `Date` of its responses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, Literal

import httpx
from pydantic import AwareDatetime, Field, TypeAdapter

from acceptance.deployment.descriptor import Descriptor, Platform
from acceptance.errors import CapabilityMissing
from acceptance.polling import RateLimiter
from acceptance.providers.api import ProviderApi
from acceptance.yaml_models import Data

NAME = "the platform"
KEY = "platform_key"
READS_A_SECOND = 5.0  # the platform takes 400 in a minute
EVENTS = 100  # of one response, at most
DATE_SECONDS = 2.0  # a Date is cut to the second, and servers render it once a second
OF = ("resource", "service")  # the label with the identifier of a service
Act = Literal["restart", "suspend", "resume"]


@dataclass(frozen=True)
class Line:
    """A time series of a service (our name) and an instance (or none): points (seconds since the epoch, value)."""

    service: str
    instance: str
    unit: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Event:
    """What happened to a service, such as `instance_count_changed`."""

    type: str
    at: float
    details: dict[str, Any] = field(default_factory=dict)


class Percentage(Data, extra="ignore"):
    """A resource by which a service is scaled, and its target in percent."""

    enabled: bool
    percentage: int


class Criteria(Data, extra="ignore"):
    cpu: Percentage
    memory: Percentage


class Autoscaling(Data, extra="ignore"):
    """How a service is scaled by its load."""

    enabled: bool
    min: int
    max: int
    criteria: Criteria

    @classmethod
    def by_cpu(cls, least: int, most: int, target: int) -> Autoscaling:
        """Between so many instances, by their CPU alone."""
        cpu, memory = Percentage(enabled=True, percentage=target), Percentage(enabled=False, percentage=target)
        return cls(enabled=True, min=least, max=most, criteria=Criteria(cpu=cpu, memory=memory))


class _Details(Data, extra="ignore"):
    instances: Annotated[int | None, Field(alias="numInstances")] = None
    autoscaling: Autoscaling | None = None


class HostedService(Data, extra="ignore"):
    """What is configured of a service."""

    suspended: str  # `suspended` or `not_suspended`
    details: Annotated[_Details, Field(alias="serviceDetails")] = _Details()

    @property
    def is_suspended(self) -> bool:
        return self.suspended == "suspended"


class _Instance(Data, extra="ignore"):
    id: str


class _Event(Data, extra="ignore"):
    type: str
    timestamp: AwareDatetime
    details: dict[str, Any] | None = None


class _Listed(Data, extra="ignore"):
    event: _Event


class _Label(Data, extra="ignore"):
    field: str
    value: str


class _Value(Data, extra="ignore"):
    timestamp: AwareDatetime
    value: Annotated[float, Field(allow_inf_nan=False)]


class _Series(Data, extra="ignore"):
    labels: tuple[_Label, ...]
    unit: str
    values: tuple[_Value, ...]


_INSTANCES, _SERVICE = TypeAdapter(list[_Instance]), TypeAdapter(HostedService)
_EVENTS, _SERIES = TypeAdapter(list[_Listed]), TypeAdapter(list[_Series])


class Clock:
    """How far a provider's clock may be ahead of the one here, by each response that came with a date."""

    def __init__(self) -> None:
        self._least, self._most = float("-inf"), float("inf")

    def read(self, response: httpx.Response, asked: float, received: float) -> None:
        """Take in a response, with the times here; one without a date says nothing."""
        try:
            date = parsedate_to_datetime(response.headers.get("date", "")).timestamp()
        except (TypeError, ValueError):
            return
        least, most = date - received, date + DATE_SECONDS - asked
        if least > self._most or most < self._least:  # one of the clocks was set
            self._least, self._most = least, most
        self._least, self._most = max(self._least, least), min(self._most, most)

    @property
    def ahead(self) -> float:
        """Seconds that the provider's clock is ahead; 0 where its dates leave that possible."""
        return min(max(0.0, self._least), self._most)


class Render:
    """Calls of the interface, within its limits.

    Args:
        access: `platform` of the descriptor.
        pause: waits so many seconds between two attempts.

    Raises:
        ConfigurationError: the secret `platform_key` is not set.
    """

    def __init__(
        self, descriptor: Descriptor, access: Platform, transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:  # fmt: skip
        self.access, self.clock = access, Clock()
        self._names = {identifier: name for name, identifier in access.services.items()}
        self._pace = RateLimiter(READS_A_SECOND)
        self._api = ProviderApi(NAME, access.url, descriptor.secret(KEY), secret=KEY, transport=transport, pause=pause)

    @classmethod
    def of(
        cls, descriptor: Descriptor, capability: str, transport: httpx.AsyncBaseTransport | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> Render:  # fmt: skip
        """The interface that a descriptor names, where it lists this capability, which needs it.

        Raises:
            CapabilityMissing: it does not.
        """
        descriptor.need(capability)
        if descriptor.platform is None:
            raise CapabilityMissing(capability)
        return cls(descriptor, descriptor.platform, transport, pause)

    async def __aenter__(self) -> Render:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._api.close()

    def path(self, service: str) -> str:
        """The path of a service (our name)."""
        return f"/services/{self.access.services[service]}"

    async def service(self, service: str) -> HostedService:
        """What is configured of a service; this and the others raise EnvironmentUnavailable as `ProviderApi` does."""
        return self._api.parsed(_SERVICE, await self._call("GET", self.path(service)))

    async def instances(self, service: str) -> list[str]:
        """Identifiers of the instances that run."""
        found = await self._call("GET", f"{self.path(service)}/instances")
        return [one.id for one in self._api.parsed(_INSTANCES, found)]

    async def events(self, service: str, since: float) -> list[Event]:
        """The events of a service from then on, the oldest first."""
        query = {"startTime": _text(since + self.clock.ahead), "limit": EVENTS}
        found = await self._call("GET", f"{self.path(service)}/events", query=query)
        listed = [one.event for one in self._api.parsed(_EVENTS, found)]
        events = [Event(one.type, self._here(one.timestamp), one.details or {}) for one in listed]
        return sorted((one for one in events if one.at >= since), key=lambda one: one.at)

    async def act(self, service: str, act: Act) -> None:
        """Restart, suspend or resume a service."""
        await self._call("POST", f"{self.path(service)}/{act}")

    async def scale(self, service: str, instances: int) -> None:
        """Have so many instances of a service, where its load does not scale it."""
        await self._call("POST", f"{self.path(service)}/scale", body={"numInstances": instances})

    async def autoscale(self, service: str, wanted: Autoscaling | None) -> None:
        """Have a service scaled by its load; None: not any more."""
        path = f"{self.path(service)}/autoscaling"
        await (self._call("PUT", path, body=wanted.model_dump()) if wanted else self._call("DELETE", path))

    async def metric(self, metric: str, begin: float, end: float, *services: str) -> list[Line]:
        """The series of a metric (`cpu`, `memory-limit`, …) between two moments, of these services or of all."""
        query: dict[str, str | int | list[str]] = {
            "resource": [self.access.services[name] for name in services or self.access.services],
            "startTime": _text(begin + self.clock.ahead),
            "endTime": _text(end + self.clock.ahead),
            "resolutionSeconds": self.access.resolution_seconds,
        }
        series = self._api.parsed(_SERIES, await self._call("GET", f"/metrics/{metric}", query=query))
        return [line for one in series if (line := self._line(one)) is not None]

    async def _call(self, method: str, path: str, *, query: Any = None, body: Any = None) -> httpx.Response:
        await self._pace.turn()
        asked = time.time()
        response = await self._api.call(method, path, query=query, body=body)
        self.clock.read(response, asked, time.time())
        return response

    def _line(self, series: _Series) -> Line | None:
        labels = {label.field: label.value for label in series.labels}
        service = next((self._names[labels[name]] for name in OF if labels.get(name) in self._names), None)
        if service is None:
            return None  # of a service that was not asked for
        points = tuple(sorted((self._here(one.timestamp), one.value) for one in series.values))
        return Line(service, labels.get("instance", ""), series.unit, points)

    def _here(self, moment: datetime) -> float:
        return moment.timestamp() - self.clock.ahead


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
