"""The service `api-N`: the application's HTTP and WebSocket interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from sandbox import serving
from sandbox.app import (
    auth,
    chat,
    conversations,
    documents,
    edge,
    errors,
    health,
    jobs,
    openapi,
    realtime,
    sockets,
    uploads,
    webhook,
)
from sandbox.app.access import Services
from sandbox.app.database import Database
from sandbox.app.hub import Hub
from sandbox.app.model import Model
from sandbox.app.objects import ObjectStorage
from sandbox.settings import INSTANCE_HEADER, Settings


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    serving.serve(create_app(settings), settings.listen())


def create_app(settings: Settings) -> ASGIApp:
    """The application behind its middleware. What needs an event loop is created in its lifespan, after the fork."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            database, model, objects, http = (
                Database(settings.application_dsn, settings.service),
                Model(settings),
                ObjectStorage(settings),
                edge.client(),
            )
            for close in (database.close, model.close, objects.close, http.aclose):
                stack.push_async_callback(close)
            await database.open()
            hub = Hub(settings.application_dsn, f"{settings.service} listener")
            listening = asyncio.create_task(hub.run())
            stack.callback(listening.cancel)
            app.state.services = Services(settings, database, model, hub, objects, http)
            yield

    app = FastAPI(
        title="Document application",
        version=settings.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    for module in (health, auth, uploads, jobs, realtime, documents, conversations, webhook, chat, sockets):
        app.include_router(module.router)
    errors.install(app)
    app.openapi = partial(openapi.describe, app.openapi)  # type: ignore[method-assign]
    return edge.Edge(app, settings.json_body_bytes, headers={**edge.HEADERS, INSTANCE_HEADER: settings.instance_id})
