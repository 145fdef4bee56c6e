"""What a deployment's platform tells of its services: time series in Render's form (capability `metrics`)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import httpx
from pydantic import Field, TypeAdapter

from acceptance.deployment.descriptor import Descriptor, is_local
from acceptance.deployment.interfaces import read_answer
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable
from acceptance.polling import RateLimiter
from acceptance.yaml_models import Data

READS_A_SECOND = 5.0  # the platform takes 400 in a minute
TIMEOUT = 10.0


@dataclass(frozen=True)
class Line:
    """A time series of a service (our name) and an instance (or none): points (seconds since the epoch, value)."""

    service: str
    instance: str
    unit: str
    points: tuple[tuple[float, float], ...]


class _Label(Data, extra="ignore"):
    field: str
    value: str


class _Value(Data, extra="ignore"):
    timestamp: datetime
    value: Annotated[float, Field(allow_inf_nan=False)]


class _Series(Data, extra="ignore"):
    labels: tuple[_Label, ...]
    unit: str
    values: tuple[_Value, ...]


_ANSWER = TypeAdapter(list[_Series])


class Platform:
    """Reads metrics of all services of the descriptor at once, within what the platform allows.

    Raises:
        CapabilityMissing: the descriptor does not list `metrics`.
        ConfigurationError: the secret `platform_key` is not set.
    """

    def __init__(self, descriptor: Descriptor, transport: httpx.AsyncBaseTransport | None = None) -> None:
        descriptor.need("metrics")
        if descriptor.platform is None:
            raise CapabilityMissing("metrics")
        self._told = descriptor.platform
        self._names = {identifier: name for name, identifier in self._told.services.items()}
        self._pace = RateLimiter(READS_A_SECOND)
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Bearer {descriptor.secret('platform_key').get_secret_value()}"},
            timeout=TIMEOUT,
            transport=transport,
            trust_env=not is_local(self._told.url),
        )

    async def __aenter__(self) -> Platform:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def read(self, metric: str, begin: float, end: float) -> list[Line]:
        """The series of a metric (`cpu`, `memory-limit`, …) between two moments, seconds since the epoch.

        Raises:
            EnvironmentUnavailable: the platform does not answer, refuses, or answers something else.
        """
        await self._pace.turn()
        query: dict[str, str | int | list[str]] = {
            "resource": list(self._names),
            "startTime": datetime.fromtimestamp(begin, UTC).isoformat(),
            "endTime": datetime.fromtimestamp(end, UTC).isoformat(),
            "resolutionSeconds": self._told.resolution_seconds,
        }
        try:
            async with asyncio.timeout(TIMEOUT):
                response = await self._client.get(f"{self._told.url}/metrics/{metric}", params=query)
        except (httpx.HTTPError, TimeoutError) as error:
            raise EnvironmentUnavailable(f"the platform's {metric}: no answer ({type(error).__name__})") from None
        if response.status_code != httpx.codes.OK:
            hint = "; is the secret platform_key right?" if response.status_code in (401, 403) else ""
            raise EnvironmentUnavailable(f"the platform's {metric}: status {response.status_code}{hint}")
        series = read_answer(_ANSWER, response, f"the platform's {metric}")
        return [line for one in series if (line := self._line(one)) is not None]

    def _line(self, series: _Series) -> Line | None:
        labels = {label.field: label.value for label in series.labels}
        service = self._names.get(labels.get("resource", ""))
        if service is None:
            return None  # of a service that was not asked for
        points = tuple(sorted((one.timestamp.timestamp(), one.value) for one in series.values))
        return Line(service, labels.get("instance", ""), series.unit, points)
