"""Starts the services, reports when they are ready, restarts them when they die, and ends them."""

from __future__ import annotations

import gc
import http.client
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sandbox import descriptor, dialects, pooler, postgres, processes, services, tls
from sandbox.children import Children
from sandbox.console import say
from sandbox.errors import StartError
from sandbox.instances import Instances
from sandbox.services import Service
from sandbox.settings import DATABASE, HOST, INSPECTOR_ROLE, LISTENERS, Settings, reserve, source_build
from sandbox.state import Sandbox

START_SECONDS: Final = 30
HELD_SECONDS: Final = 0.1  # between two looks whether a service is still held down


class Supervisor:
    """One sandbox. `begun` is the monotonic time of the request; `on_ready` is called once all services respond."""

    def __init__(self, sandbox: Sandbox, reaper: int, begun: float, on_ready: Callable[[], None]) -> None:
        self._begun = begun
        self._sandbox = sandbox
        self._reaper = reaper
        self._on_ready = on_ready
        self._reserved: dict[str, socket.socket] = {name: reserve() for name in LISTENERS}
        ports = {name: bound.getsockname()[1] for name, bound in self._reserved.items()}
        build = "hostile" if sandbox.hostile else source_build()
        hostile, dialect = sandbox.hostile or "", sandbox.dialect or ""
        self._settings = Settings(
            Path(sandbox.directory),
            ports,
            build=build,
            hostile=hostile,
            dialect=dialect,
            pgbouncer=str(pooler.find() or ""),
            caddy=tls.find() if sandbox.tls else "",
        )
        self._children = Children(self._settings)
        self._instances = Instances(self._settings.directory)

    def run(self) -> None:
        """Start, watch, end. Raises StartError after ending what was started."""
        self._wake = processes.hear_signals()
        processes.adopt_orphans()
        processes.die_with(self._reaper, signal.SIGTERM)
        try:
            self._start()
            self._watch()
        except KeyboardInterrupt:
            pass
        finally:
            self._children.end()
            self._sandbox.remove()

    def _start(self) -> None:
        settings = self._settings
        say(f"sandbox {settings.version}, build {settings.build}, starts in {settings.directory}")
        _prepare_process()
        settings.logs.mkdir(mode=0o700)
        if settings.hostile:
            self._start_hostile()
            return
        cluster = postgres.Cluster(settings)
        cluster.initialise()
        loaded = services.load(settings)
        if settings.dialect:
            loaded = dialects.find(settings.dialect).services(loaded)
        if self._sandbox.defect:
            # Imported late: it imports the application, and initdb starts before that.
            from sandbox import defects

            defects.activate(self._sandbox.defect, settings.directory, settings.dialect)
        cluster.initialised()
        gc.freeze()
        self._children.start(Service("database", cluster.run, ends_on=signal.SIGQUIT))
        self._children.start(loaded[0])  # the links, through which all others connect
        self._await("database", f"{HOST}:{settings.ports['database']}", cluster.answers)
        cluster.prepare()
        self._progress("database")
        running = [service for service in loaded[1:] if self._instances.are_to_run(service.name)]
        for service in loaded[1:]:
            (self._children.start if service in running else self._children.know)(service)
        for service in (loaded[0], *running):
            for listener, path in service.answers:
                address = settings.url(listener) + (path or "")
                ready = partial(_answers, address) if path is not None else partial(_listens, settings.ports[listener])
                self._await(service.name, address, ready)
            self._progress(service.name)
        descriptor.write(settings, Path(self._sandbox.descriptor))
        self._print_addresses()
        self._on_ready()

    def _start_hostile(self) -> None:
        """One server in place of every service."""
        from sandbox import hostile

        settings = self._settings
        self._children.start(Service("hostile", hostile.run))
        self._await("hostile", settings.api_url, lambda: _listens(settings.ports["api"]))
        descriptor.write(settings, Path(self._sandbox.descriptor))
        say(f"a server that answers in one way, {settings.hostile}, is ready; descriptor {self._sandbox.descriptor}")
        self._on_ready()

    def _await(self, name: str, where: str, answers: Callable[[], bool]) -> None:
        """Wait until a service responds; no other may end meanwhile."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            for child, how in self._children.ended():
                other = child.service.name
                raise StartError(f"{other} {how} while it started; {self._last_line(other)}")
            if answers():
                return
            if time.monotonic() > deadline:
                raise StartError(f"{name} does not answer at {where} after {START_SECONDS} s; {self._last_line(name)}")
            self._pause(0.02)

    def _last_line(self, name: str) -> str:
        return f"the end of its log: {self._children.last_line(name)}"

    def _watch(self) -> None:
        while True:
            for child, how in self._children.ended():
                delay = child.put_off()
                again = f"started again {f'in {delay:.2g} s' if delay else 'at once'}"
                runs = self._instances.are_to_run(child.service.name)
                say(f"sandbox: {child.service.name} {how}; {again if runs else 'out of service'}")
            waiting = [one for one in self._children.waiting() if self._instances.are_to_run(one.service.name)]
            for child in waiting:
                if self._children.is_held(child):
                    child.due = time.monotonic() + HELD_SECONDS
                elif child.due <= time.monotonic():
                    self._children.start(child.service)
            self._sandbox.write_services(self._children.table())
            due = min((child.due for child in waiting if not child.pid), default=None)
            self._pause(None if due is None else max(0.0, due - time.monotonic()))

    def _pause(self, seconds: float | None) -> None:
        """Sleep until a signal arrives or the time is over. Raises KeyboardInterrupt when the sandbox is to end."""
        heard, _, _ = select.select([self._wake], [], [], seconds)
        if heard and processes.wants_end(os.read(self._wake, 100)):
            raise KeyboardInterrupt

    def _progress(self, name: str) -> None:
        say(f"  {name:<10} ready after {time.monotonic() - self._begun:.1f} s")

    def _print_addresses(self) -> None:
        settings = self._settings
        addresses = {
            "front end": settings.frontend_url,
            "api": settings.api_url,
            "realtime": settings.realtime_url,
            "authentication": settings.auth_url,
            "storage": settings.storage_url,
            "llamaparse": settings.url("llamaparse"),
            "openai": settings.url("openai"),
            "faults": f"{settings.url('faults')}/v1",
            "database": f"postgresql://{INSPECTOR_ROLE}@{HOST}:{settings.ports['database']}/{DATABASE}",
            "logs": settings.logs,
            "descriptor": self._sandbox.descriptor,
        }
        say(f"sandbox is ready after {time.monotonic() - self._begun:.1f} s")
        for name, address in addresses.items():
            say(f"  {name:<15} {address}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=5).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    """Whether the address responds: with 200 if it has a path, as healthy if that is the health document."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=5)
    try:
        connection.request("GET", address.path or "/")
        answer = connection.getresponse()
        body = answer.read()
        if address.path == "/health":
            return answer.status == 200 and json.loads(body).get("status") != "degraded"
        return answer.status == 200 or not address.path
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _prepare_process() -> None:
    """Set what all services inherit: a high limit of open files, and no PostgreSQL settings of the user."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]
