"""The service `platform`: Render's interface to the application's services, with their metrics, read from /proc.

Each instance is one Python process, which can use one core at most. The resource `machine` stands for the whole
machine, with all other load on it.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
import os
import time
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import processes, serving
from sandbox.scaling import HOSTED, Autoscaling, Fleet
from sandbox.settings import API_ID, API_INSTANCES, Settings
from sandbox.state import SERVICES_FILE
from sandbox.vercel import Vercel

MACHINE: Final = "machine"
SERVICES: Final = {
    "srv-frontend": ("frontend",),
    API_ID: API_INSTANCES,
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
WRITES_A_MINUTE: Final = 30
MOST_EVENTS: Final = 100  # of one response
KEPT: Final = 900  # samples, one a second
CORES: Final = float(len(os.sched_getaffinity(0)))
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_ESTABLISHED: Final = "01"
Key = tuple[str, str, str]  # metric, resource, instance (or none)
Handler = Callable[["Platform", Request], Awaitable[Response]]


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    platform = Platform(settings)
    serving.serve_all((platform.application(Vercel(settings).routes), settings.listen()), beside=platform.watch())


def limited(handler: Handler) -> Handler:
    """A route that needs the API key, within the limits of reads and writes; each response says what is left of them.

    A service that it names has to be one whose instances can be changed.
    """

    @functools.wraps(handler)
    async def guarded(self: Platform, request: Request) -> Response:
        if not serving.has_bearer(request, self._settings.platform_key):
            return _error(401, "unauthorized")
        now, calls = time.time(), self._reads if request.method in ("GET", "HEAD") else self._writes
        most = calls.maxlen or 0
        refused = len(calls) == most and now - calls[0] < 60
        if refused:
            response: Response = _error(429, "rate limit exceeded")
        else:
            calls.append(now)
            known = request.path_params.get("service", API_ID) in HOSTED
            response = await handler(self, request) if known else _error(404, "not found")
        recent = [at for at in calls if now - at < 60]
        reset = math.ceil(60 - (now - recent[0])) if recent else 0
        figures = {"limit": most, "remaining": most - len(recent), "reset": reset}
        response.headers.update({f"ratelimit-{name}": str(value) for name, value in figures.items()})
        return response

    return guarded


class Platform:
    """Render's interface, and samples of the last 15 minutes, behind an API key."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fleet = Fleet(settings)
        self._writes: deque[float] = deque(maxlen=WRITES_A_MINUTE)
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
            self._fleet.consider({instance: share for (_, _, instance), share in cpu.items()})
            before, at = used, now

    def application(self, further: Sequence[Route] = ()) -> Starlette:
        """The routes of the interface, and those of another provider's beside them."""
        acts = ("restart", "suspend", "resume", "scale")
        routes = [
            *further,
            Route("/v1/metrics/{metric}", self.metrics),
            Route("/v1/services/{service}", self.service),
            Route("/v1/services/{service}/instances", self.instances),
            Route("/v1/services/{service}/events", self.events),
            Route("/v1/services/{service}/autoscaling", self.autoscale, methods=["PUT", "DELETE"]),
            *(Route(f"/v1/services/{{service}}/{act}", getattr(self, act), methods=["POST"]) for act in acts),
        ]
        return Starlette(routes=routes)

    @limited
    async def service(self, request: Request) -> Response:
        """What is configured of a service."""
        name = request.path_params["service"]
        limits = self._fleet.autoscaling.get(name)
        details: dict[str, Any] = {"numInstances": len(self._fleet.in_service(name))}
        details |= {"autoscaling": limits.model_dump()} if limits else {}
        suspended = "suspended" if name in self._fleet.suspended else "not_suspended"
        return JSONResponse({"id": name, "name": name, "suspended": suspended, "serviceDetails": details})

    @limited
    async def instances(self, request: Request) -> Response:
        return JSONResponse(self._fleet.report(request.path_params["service"]))

    @limited
    async def events(self, request: Request) -> Response:
        """The latest events first."""
        query = request.query_params
        try:
            begin, end = _moment(query.get("startTime"), 0.0), _moment(query.get("endTime"), math.inf)
            most = min(int(query.get("limit", "20")), MOST_EVENTS)
        except ValueError:
            return _error(400, "invalid time or limit")
        known = self._fleet.events[request.path_params["service"]]
        chosen = [one for one in known if begin <= _moment(one["timestamp"], 0.0) <= end][:most]
        return JSONResponse([{"event": one, "cursor": one["id"]} for one in chosen])

    @limited
    async def autoscale(self, request: Request) -> Response:
        """Set limits and targets, or remove them."""
        name = request.path_params["service"]
        if request.method == "DELETE":
            self._fleet.autoscaling.pop(name, None)
            return Response(status_code=204)
        try:
            limits = Autoscaling.model_validate_json(await request.body())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return _error(400, f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}")
        if limits.max > len(HOSTED[name]):
            return _error(400, f"max: the plan allows {len(HOSTED[name])} instances")
        self._fleet.autoscaling[name] = limits
        self._fleet.tell(name, "autoscaling_config_changed", toConfig=limits.model_dump())
        return JSONResponse(limits.model_dump())

    @limited
    async def scale(self, request: Request) -> Response:
        """Have so many instances; 202: it takes its time."""
        name = request.path_params["service"]
        try:
            count = (await request.json())["numInstances"]
        except (ValueError, TypeError, KeyError):
            count = None
        if type(count) is not int or not 1 <= count <= len(HOSTED[name]):
            return _error(400, f"numInstances: expected a whole number from 1 to {len(HOSTED[name])}")
        self._fleet.change(name, self._fleet.scale(name, count))
        return Response(status_code=202)

    @limited
    async def restart(self, request: Request) -> Response:
        name = request.path_params["service"]
        self._fleet.change(name, self._fleet.restart(name))
        return Response(status_code=200)

    @limited
    async def suspend(self, request: Request) -> Response:
        """End all instances of a service, until it is resumed."""
        name = request.path_params["service"]
        if name not in self._fleet.suspended:
            self._fleet.suspended[name] = len(self._fleet.in_service(name))
            self._fleet.change(name, self._fleet.suspend(name))
        return Response(status_code=202)

    @limited
    async def resume(self, request: Request) -> Response:
        name = request.path_params["service"]
        if name in self._fleet.suspended:
            self._fleet.change(name, self._fleet.resume(name, self._fleet.suspended.pop(name)))
        return Response(status_code=202)

    @limited
    async def metrics(self, request: Request) -> JSONResponse:
        """Time series of one metric of the named resources, from `startTime` to `endTime`."""
        now, metric, query = time.time(), request.path_params["metric"], request.query_params
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
            if self._fleet.is_in_service(service):
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
