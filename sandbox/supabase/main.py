"""The service `supabase`: authentication, storage and metrics in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from sandbox import serving
from sandbox.app.database import Database
from sandbox.app.edge import Edge
from sandbox.settings import METRICS_PATH, Settings
from sandbox.supabase import auth, metrics, storage


def run(settings: Settings) -> None:
    """Serve until SIGTERM."""
    serving.serve(create_app(settings), settings.listen())


def create_app(settings: Settings) -> ASGIApp:
    """All on one pool. Uploads read their bodies themselves; every other body is small."""
    database = Database(settings.service_dsn, settings.service)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await database.open()
        yield
        await database.close()

    routes = [
        Route(METRICS_PATH, metrics.Metrics(settings, database).scrape),
        Mount("/auth/v1", auth.application(settings, database)),
        Mount("/storage/v1", storage.application(settings, database)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    edge = Edge(app, settings.json_body_bytes, lambda path: path.startswith(f"/storage/v1{storage.SIGNED_UPLOAD}"))
    # As Supabase: its addresses are called by pages of other origins, and what they need is in the address or a token.
    return CORSMiddleware(edge, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"], max_age=3600)
