"""Supabase: metrics of a project's database and its pooler, in Prometheus' text format.

Published: https://supabase.com/docs/guides/telemetry/metrics, the names in supabase/supabase-grafana, docs/metrics.md.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from acceptance.deployment.descriptor import Descriptor
from acceptance.deployment.trust import http_client
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, cut, visible

USER = "service_role"
TIMEOUT = 10.0
MOST_BYTES = 4_000_000
WHAT = "the provider's metrics of the database"
BACKENDS = "pg_stat_database_num_backends"
SERVERS = tuple(
    f"pgbouncer_pools_server_{state}_connections" for state in ("active", "idle", "used", "testing", "login")
)

# Prometheus' own parser refuses the text, since what is published has one label twice.
_SAMPLE = re.compile(r'([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})?\s+(\S+)(?:\s+-?\d+)?')
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_HINTS = {
    401: "is the secret right that services.database.metrics.key names?",
    403: "is the secret right that services.database.metrics.key names?",
    404: "is services.database.metrics.url right?",
    429: "it is read once a minute: run again in a minute, or keep other readers away",
}


@dataclass(frozen=True)
class Sample:
    """One value of a metric, with its labels."""

    metric: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Metrics:
    """What one reading had."""

    samples: tuple[Sample, ...]

    def total(self, metric: str, **labels: str) -> float:
        """The sum over the samples of a metric with these labels.

        Raises:
            EnvironmentUnavailable: there is none, or one is no number.
        """
        found = [
            one.value for one in self.samples if one.metric == metric and labels.items() <= dict(one.labels).items()
        ]
        where = "".join(f", {label} '{value}'" for label, value in labels.items())
        if not found:
            known = sorted({one.metric for one in self.samples if one.metric.split("_")[0] == metric.split("_")[0]})
            like = f"; of its kind there are {', '.join(known[:5])}" if known else ""
            raise EnvironmentUnavailable(f"{WHAT}: there is no {metric}{where}{like}")
        if not all(map(math.isfinite, found)):
            raise EnvironmentUnavailable(f"{WHAT}: {metric}{where} is not a number")
        return sum(found)


async def read_metrics(descriptor: Descriptor, transport: httpx.AsyncBaseTransport | None = None) -> Metrics:
    """Read the metrics once; the provider allows that once a minute, so nothing is tried again.

    Raises:
        CapabilityMissing: the descriptor names no such metrics.
        ConfigurationError: their secret is not set.
        EnvironmentUnavailable: they are not to be had: refused, no answer, or something else than metrics.
    """
    access = descriptor.services.database and descriptor.services.database.metrics
    if not access:
        raise CapabilityMissing("services.database.metrics")
    key = descriptor.secret(access.key).get_secret_value()
    body = bytearray()
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            http_client(access.url, transport=transport, auth=(USER, key), timeout=TIMEOUT) as client,
            client.stream("GET", access.url) as response,
        ):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise EnvironmentUnavailable(f"{WHAT}: more than {MOST_BYTES:,} bytes")
    except (httpx.HTTPError, TimeoutError) as error:
        raise EnvironmentUnavailable(f"{WHAT}: no answer ({type(error).__name__})") from None
    if response.status_code != httpx.codes.OK:
        hint = _HINTS.get(response.status_code, "")
        raise EnvironmentUnavailable(f"{WHAT}: status {response.status_code}" + (f"; {hint}" if hint else ""))
    return Metrics(tuple(samples_in(body.decode(errors="replace"))))


def samples_in(text: str) -> Iterator[Sample]:
    """The samples of a text in Prometheus' format; where a label stands twice, the last one holds.

    Raises:
        EnvironmentUnavailable: a line is no sample, or there is none at all.
    """
    found = False
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line.strip())
        try:
            if match is None:
                raise ValueError
            sample = Sample(match[1], dict(_LABEL.findall(match[2] or "")), float(match[3]))
        except ValueError:
            begin = visible(cut(line, 60))
            raise EnvironmentUnavailable(f"{WHAT}: line {number} is no metric: {begin}") from None
        found = True
        yield sample
    if not found:
        raise EnvironmentUnavailable(f"{WHAT}: they are empty")
