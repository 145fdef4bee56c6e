"""The service `platform`: metrics of the application's services in Render's format, read from /proc.

Each instance is one Python process, which can use one core at most. The resource `machine` stands for the whole
machine, with all other load on it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox import processes, serving
from sandbox.settings import Settings
from sandbox.state import SERVICES_FILE
from sandbox.vercel import Vercel

MACHINE: Final = "machine"
SERVICES: Final = {
    "srv-frontend": ("frontend",),
    "srv-api": ("api-1", "api-2"),
    "srv-worker": ("worker-1", "worker-2"),
    "srv-supabase": ("supabase",),
    "dpg-database": ("database",),
}
UNITS: Final = {
    "cpu": "cpu",
    "cpu-limit": "cpu",
    "memory": "bytes",
    "memory-limit": "bytes",
    "instance-count": "instances",
    "active-connections": "connections",
}
READS_A_MINUTE: Final = 400
KEPT: Final = 900  # samples, one a second
CORES: Final = float(len(os.sched_getaffinity(0)))
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ESTABLISHED: Final = "01"
Key = tuple[str, str, str]  # metric, resource, instance (or none)


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    platform = Platform(settings)
    routes = [Route("/v1/metrics/{metric}", platform.metrics), *Vercel(settings).routes]
    serving.serve_all((Starlette(routes=routes), settings.listen()), beside=platform.watch())


class Platform:
    """Samples of the last 15 minutes, behind an API key."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._samples: deque[tuple[float, dict[Key, float]]] = deque(maxlen=KEPT)
        self._reads: deque[float] = deque(maxlen=READS_A_MINUTE)

    async def watch(self) -> None:
        """Take a sample each second."""
        before, at = self._used(), time.monotonic()
        while True:
            await asyncio.sleep(1)
            used, now = self._used(), time.monotonic()
            # A restarted process counts from zero again.
            cpu = {key: max(0.0, used[key] - before.get(key, 0.0)) / (now - at) for key in used}
            self._samples.append((time.time(), cpu | self._state()))
            before, at = used, now

    async def metrics(self, request: Request) -> JSONResponse:
        """Time series of one metric of the named resources, from `startTime` to `endTime`."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), self._settings.platform_key.encode()):
            return _error(401, "unauthorized")
        now, metric, query = time.time(), request.path_params["metric"], request.query_params
        if len(self._reads) == READS_A_MINUTE and now - self._reads[0] < 60:
            return _error(429, "rate limit exceeded")
        self._reads.append(now)
        if metric not in UNITS:
            return _error(404, "not found")
        try:
            begin, end = _moment(query.get("startTime"), now - 3600), _moment(query.get("endTime"), now)
            resolution = int(query.get("resolutionSeconds", "60"))
        except ValueError:
            return _error(400, "invalid time or resolution")
        if resolution < 1:
            return _error(400, "invalid resolution")
        return JSONResponse(list(self._series(metric, query.getlist("resource"), begin, end, resolution)))

    def _series(
        self, metric: str, wanted: list[str], begin: float, end: float, resolution: int
    ) -> Iterator[dict[str, Any]]:
        binned: dict[Key, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
        for at, sample in list(self._samples):
            for key, value in sample.items():
                if key[0] == metric and key[1] in wanted and begin <= at <= end:
                    binned[key][int(at // resolution)].append(value)
        for (_, resource, instance), bins in binned.items():
            labels = [{"field": "resource", "value": resource}]
            labels += [{"field": "instance", "value": instance}] if instance else []
            values = [
                {
                    "timestamp": datetime.fromtimestamp(place * resolution, UTC).isoformat(),
                    "value": sum(several) / len(several),
                }
                for place, several in sorted(bins.items())
            ]
            yield {"labels": labels, "unit": UNITS[metric], "values": values}

    def _used(self) -> dict[Key, float]:
        """Seconds of CPU so far."""
        user, nice, system, _, _, interrupts, soft, *_ = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        machine = sum(map(int, (user, nice, system, interrupts, soft))) / _TICKS
        services = {("cpu", resource, f"{resource}-{service}"): pids for resource, service, pids in self._running()}
        return {key: sum(map(processes.cpu_seconds, pids)) for key, pids in services.items()} | {
            ("cpu", MACHINE, ""): machine
        }

    def _state(self) -> dict[Key, float]:
        found: dict[Key, float] = {("cpu-limit", MACHINE, ""): CORES, ("instance-count", MACHINE, ""): 1.0}
        for resource, service, pids in self._running():
            instance = f"{resource}-{service}"
            found["memory", resource, instance] = float(sum(map(processes.memory_bytes, pids)))
            found["cpu-limit", resource, instance] = CORES if service == "database" else 1.0
            found["instance-count", resource, ""] = found.get(("instance-count", resource, ""), 0.0) + 1
        rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
        memory = {row[0]: float(row[1]) * 1024 for row in rows}
        found["memory-limit", MACHINE, ""] = memory["MemTotal:"]
        found["memory", MACHINE, ""] = memory["MemTotal:"] - memory["MemAvailable:"]
        found["active-connections", "dpg-database", ""] = float(self._connections())
        return found

    def _running(self) -> Iterator[tuple[str, str, set[int]]]:
        """Resource, name and processes of each running service."""
        try:
            table: Mapping[str, Mapping[str, int]] = json.loads((self._settings.directory / SERVICES_FILE).read_text())
        except (OSError, ValueError):
            return  # not written yet
        families = processes.families()
        for resource, names in SERVICES.items():
            for name in names:
                if pid := table.get(name, {}).get("pid"):
                    yield resource, name, families(pid)

    def _connections(self) -> int:
        """Open connections to the database's port."""
        port = f":{self._settings.ports['database']:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(port) and row[3] == _ESTABLISHED for row in rows)


def _moment(text: str | None, default: float) -> float:
    """Seconds since the epoch, from such a number or from an ISO date and time."""
    if text is None:
        return default
    return float(text) if text.replace(".", "", 1).isdigit() else datetime.fromisoformat(text).timestamp()


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"id": os.urandom(8).hex(), "message": message}, status)
