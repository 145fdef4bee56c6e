"""The service `faults`: the links before the dependencies, and an interface that breaks them and the services.

A fault lasts until it is deleted, until its lease runs out, or until this process ends: a new one begins by undoing
whatever an earlier one has left.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import logs, serving
from sandbox.faults import kinds, links, probes, victims
from sandbox.faults.kinds import OF_LINKS, OF_SERVICES, Parameters, Unknown
from sandbox.faults.links import Disturbance, Link
from sandbox.faults.victims import Victims
from sandbox.settings import LINKS, Settings, reserve

LONGEST_LEASE_SECONDS: Final = 3600
EFFECT_SECONDS: Final = 5.0
GONE_SECONDS: Final = 10.0
LINK_TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "database": ("database-api", "database-worker"),
    "model": ("model-api", "model-worker"),
    **{name: (name,) for name in LINKS},
}
SERVICE_TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "api": ("api-1", "api-2"),
    "worker": ("worker-1", "worker-2"),
    "database-server": ("database",),
    **{name: (name,) for name in ("api-1", "api-2", "worker-1", "worker-2", "supabase", "providers", "frontend")},
}


class Asked(BaseModel):
    """The body that asks for a fault."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    target: str
    parameters: dict[str, Any] = {}
    lease_seconds: Annotated[float, Field(gt=0, le=LONGEST_LEASE_SECONDS)]


@dataclass
class Fault:
    """A fault that is asked for. It hits links or services."""

    id: str
    kind: str
    target: str
    parameters: Parameters
    expires: float = 0.0
    disturbance: Disturbance | None = None
    links: list[Link] = field(default_factory=list)
    victims: Victims | None = None
    ending: asyncio.TimerHandle | None = None
    undone: bool = False

    @property
    def hits(self) -> set[tuple[str, ...]]:
        """What no other fault may hit meanwhile: of a link one kind of fault, of a service all."""
        return {("service", name) for name in (self.victims.names if self.victims else ())} | {
            (self.kind, link.name) for link in self.links
        }

    async def inject(self) -> None:
        """Put it into effect."""
        if self.victims:
            await self.victims.hit()
        for link in self.links:
            assert self.disturbance
            link.disturb(self.disturbance)

    async def undo(self) -> None:
        """Take it back; may be repeated."""
        self.undone = True
        if self.victims:
            self.victims.release()
        for link in self.links:
            await link.calm(self.kind)

    async def shows(self) -> tuple[bool, str]:
        """Whether it is in effect, by what is observed now."""
        if self.victims:
            return self.victims.shows()
        if self.disturbance and self.disturbance.spent:
            return True, f"it has happened {self.disturbance.affected} times, and happens no more"
        found = await asyncio.gather(*(probes.shows(link, self.kind, self.parameters) for link in self.links))
        return all(in_effect for in_effect, _ in found), "; ".join(evidence for _, evidence in found)

    async def is_gone(self) -> tuple[bool, str]:
        if self.victims:
            return self.victims.are_well()
        found = await asyncio.gather(*(self._is_gone(link) for link in self.links))
        return all(gone for gone, _ in found), "; ".join(evidence for _, evidence in found)

    async def _is_gone(self, link: Link) -> tuple[bool, str]:
        if not link.disturbances:
            return await probes.is_clear(link)
        in_effect, evidence = await probes.shows(link, self.kind, self.parameters)
        return not in_effect, evidence

    async def document(self, seen: tuple[bool, str] | None = None) -> dict[str, Any]:
        """The document of the fault; `seen` is what was observed just now."""
        in_effect, evidence = seen or await self.shows()
        affected = self.disturbance.affected if self.disturbance else len(self.victims.before) if self.victims else 0
        return {
            "id": self.id,
            "kind": self.kind,
            "target": self.target,
            "parameters": self.parameters.model_dump(exclude_none=True),
            "expires_at": datetime.fromtimestamp(self.expires, UTC).isoformat(),
            "in_effect": in_effect,
            "evidence": evidence,
            "affected": affected,
        }


class Control:
    """The faults and the links of one sandbox."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._faults: dict[str, Fault] = {}
        self._lock = asyncio.Lock()
        self._ending: set[asyncio.Task[None]] = set()
        ports = settings.ports
        self._links = {
            name: Link(name, ports[name], lambda name=name: settings.listen(name), ports[behind])  # type: ignore[misc]
            for name, behind in LINKS.items()
        }

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        victims.undo_all(self._settings.directory)
        echo = await asyncio.get_running_loop().create_server(links.Echo, sock=reserve())
        for link in self._links.values():
            link.echo_port = echo.sockets[0].getsockname()[1]
            await link.open()
        yield
        for fault in self._faults.values():
            if fault.victims:
                fault.victims.release()

    async def targets(self, _: Request) -> Response:
        targets = [{"name": name, "kinds": sorted(OF_LINKS)} for name in LINK_TARGETS]
        targets += [{"name": name, "kinds": sorted(OF_SERVICES)} for name in SERVICE_TARGETS]
        return JSONResponse({"targets": targets})

    async def list(self, _: Request) -> Response:
        documents = await asyncio.gather(*(fault.document() for fault in self._faults.values()))
        return JSONResponse({"faults": documents})

    async def get(self, request: Request) -> Response:
        fault = self._faults.get(request.path_params["id"])
        return JSONResponse(await fault.document()) if fault else refused(404, "there is no such fault")

    async def put(self, request: Request) -> Response:
        """Inject a fault, or renew its lease."""
        try:
            asked = Asked.model_validate_json(await request.body())
            wanted = self._read(request.path_params["id"], asked)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return refused(422, f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}")
        except Unknown as unknown:
            return refused(422, str(unknown))
        async with self._lock:
            fault = self._faults.get(wanted.id)
            if fault and fault.undone:
                return refused(409, f"{wanted.id} is being undone")
            if fault and (fault.kind, fault.target, fault.parameters) != (
                wanted.kind,
                wanted.target,
                wanted.parameters,
            ):
                return refused(409, f"{wanted.id} is another fault: {fault.kind} of {fault.target}")
            for other in self._faults.values():
                if other.id != wanted.id and other.hits & wanted.hits:
                    return refused(409, f"{other.id} hits that already: {other.kind} of {other.target}")
            new = fault is None
            fault = self._faults.setdefault(wanted.id, wanted)
            self._lease(fault, asked.lease_seconds)
            if new:
                logs.log("fault", id=fault.id, kind=fault.kind, target=fault.target)
                await fault.inject()
        return JSONResponse(await fault.document(await settle(fault.shows, EFFECT_SECONDS) if new else None))

    async def delete(self, request: Request) -> Response:
        """Undo a fault; 504 when it is not seen to be gone in time, which can be repeated."""
        gone, evidence = await self._end(request.path_params["id"])
        return Response(status_code=204) if gone else refused(504, f"not gone yet: {evidence}")

    def _read(self, identifier: str, asked: Asked) -> Fault:
        of_link = asked.target in LINK_TARGETS
        if not of_link and asked.target not in SERVICE_TARGETS:
            raise Unknown(f"unknown target {asked.target!r}; there are {', '.join((*LINK_TARGETS, *SERVICE_TARGETS))}")
        known = OF_LINKS if of_link else OF_SERVICES
        if asked.kind not in known:
            raise Unknown(f"unknown kind {asked.kind!r}; {asked.target} has {', '.join(known)}")
        fault = Fault(identifier, asked.kind, asked.target, kinds.read(asked.kind, known, asked.parameters))
        if of_link:
            fault.links = [self._links[name] for name in LINK_TARGETS[asked.target]]
            fault.disturbance = Disturbance(asked.kind, fault.parameters, getattr(fault.parameters, "times", None))
        else:
            fault.victims = Victims(self._settings.directory, asked.kind, SERVICE_TARGETS[asked.target])
        return fault

    def _lease(self, fault: Fault, seconds: float) -> None:
        if fault.ending:
            fault.ending.cancel()
        fault.expires = time.time() + seconds
        fault.ending = asyncio.get_running_loop().call_later(seconds, self._expire, fault)

    def _expire(self, fault: Fault) -> None:
        logs.log("lease has run out", id=fault.id)
        task = asyncio.create_task(self._end_expired(fault.id))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end_expired(self, identifier: str) -> None:
        fault = self._faults.get(identifier)
        if fault and fault.expires <= time.time():
            await self._end(identifier)
            self._faults.pop(identifier, None)

    async def _end(self, identifier: str) -> tuple[bool, str]:
        """Undo a fault, and wait until that can be seen: whether it was, and what was."""
        async with self._lock:
            fault = self._faults.get(identifier)
            if fault is None:
                return True, ""
            await fault.undo()
        gone, evidence = await settle(fault.is_gone, GONE_SECONDS)
        logs.log("fault undone", id=identifier, gone=gone, evidence=evidence)
        if gone:
            self._faults.pop(identifier, None)
            if fault.ending:
                fault.ending.cancel()
        return gone, evidence


class Authorised:
    """Middleware that refuses a request without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._expected = app, f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not hmac.compare_digest(given, self._expected):
            await refused(401, "the token is missing or wrong")(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    import uvloop

    serving.serve_all((application(settings), settings.listen()), loop_factory=uvloop.new_event_loop)


def application(settings: Settings) -> Starlette:
    """The control interface, whose lifespan opens the links."""
    control = Control(settings)
    routes = [
        Route("/v1/targets", control.targets),
        Route("/v1/faults", control.list),
        Route("/v1/faults/{id}", control.get, methods=["GET"]),
        Route("/v1/faults/{id}", control.put, methods=["PUT"]),
        Route("/v1/faults/{id}", control.delete, methods=["DELETE"]),
    ]
    return Starlette(
        routes=routes, middleware=[Middleware(Authorised, settings.fault_token)], lifespan=control.lifespan
    )


async def settle(look: Callable[[], Awaitable[tuple[bool, str]]], seconds: float) -> tuple[bool, str]:
    """Look until it holds, or until the time is over."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        holds, evidence = await look()
        if holds or asyncio.get_running_loop().time() > deadline:
            return holds, evidence
        await asyncio.sleep(victims.LOOK_SECONDS)


def refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"message": message}, status)
