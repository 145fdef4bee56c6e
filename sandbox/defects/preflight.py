"""Defects of the environment: wrong services and missing configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from sandbox import descriptor, frontend
from sandbox.app import health
from sandbox.app.access import Services
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.settings import Settings
from sandbox.worker import main as worker


@defect("worker-of-another-build", "PRE", must=["PRE-01"])
def worker_of_another_build() -> None:
    """The worker was not deployed with the rest: it still runs the previous build."""
    patch_query(worker, "BEAT", "%(build)s", "'before-' || %(build)s")


@defect("front-end-without-its-build", "PRE", must=["PRE-01"])
def front_end_without_its_build() -> None:
    """The front end was built without its version, so the live one is unknown."""
    serve = frontend.Edge.__call__

    async def nameless(self: frontend.Edge, scope: Scope, receive: Receive, send: Send) -> None:
        async def strip(message: Message) -> None:
            if message["type"] == "http.response.start" and "x-build" in (headers := MutableHeaders(scope=message)):
                mark_active()
                del headers["x-build"]
            await send(message)

        await serve(self, scope, receive, strip)

    patch(frontend.Edge, "__call__", nameless)


@defect("heartbeat-in-milliseconds", "PRE", must=["PRE-01"])
def heartbeat_in_milliseconds() -> None:
    """The age of the workers' heartbeat is reported in milliseconds instead of seconds."""
    healthy = health.WorkerHealth

    def in_milliseconds(**fields: Any) -> health.WorkerHealth:
        mark_active()
        return healthy(**{**fields, "heartbeat_age_seconds": 1000 * fields["heartbeat_age_seconds"] + 20_000})

    patch(health, "WorkerHealth", in_milliseconds)


@defect("webhook-secret-not-set", "PRE", must=["PRE-02"])
def webhook_secret_not_set() -> None:
    """One of the secrets is missing in the environment."""
    write = descriptor.write

    def forget(settings: Settings, path: Path) -> None:
        mark_active()
        write(dataclasses.replace(settings, webhook_secret=""), path)

    patch(descriptor, "write", forget)


@defect("plan-too-small", "PRE", must=["PRE-02"])
def plan_too_small() -> None:
    """The project is on a plan that allows ten realtime connections."""
    describe = descriptor.describe

    def on_a_small_plan(settings: Settings) -> dict[str, Any]:
        mark_active()
        described = describe(settings)
        return described | {"plan": described["plan"] | {"realtime_connections": 10}}

    patch(descriptor, "describe", on_a_small_plan)


@defect("parser-key-expires", "PRE", must=["PRE-03"])
def parser_key_expires() -> None:
    """The key of the parser expires soon after the deployment."""
    ask = health._ask
    asked: list[str] = []

    async def expiring(services: Services, url: str, key: str) -> bool:
        if key != services.settings.llamaparse_key:
            return await ask(services, url, key)
        if not asked:
            asked.append(url)
            return await ask(services, url, key)
        mark_active()
        return await ask(services, url, "expired")

    patch(health, "_ask", expiring)


@defect("environment-of-another", "PRE", must=["PRE-03"])
def environment_of_another() -> None:
    """The deployment was configured from a copy and identifies itself as production."""
    healthy = health.Health

    def copied(**fields: Any) -> health.Health:
        mark_active()
        return healthy(**{**fields, "environment": "production"})

    patch(health, "Health", copied)


@defect("health-publishes-a-secret", "PRE", must=["PRE-03"])
def health_publishes_a_secret() -> None:
    """The configuration was added to the health document, with the key that signs the tokens."""
    healthy = health.Health

    def with_configuration(**fields: Any) -> JSONResponse:
        mark_active()
        document = healthy(**fields).model_dump(mode="json")
        return JSONResponse({**document, "config": {"supabase_jwt_secret": "published-by-mistake"}})

    patch(health, "Health", with_configuration)
