"""Defects of a deployment that is compared with the local baseline: the sandbox, as if rebuilt elsewhere.

The sandbox is the baseline itself and is not compared with it. Under another name, and with its own recording as the
baseline, it is compared as a cloud deployment would be. All figures stay within the absolute limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import descriptor
from sandbox.app import auth, database
from sandbox.app.access import Services
from sandbox.defects import defect, mark_active, patch
from sandbox.defects.concurrency import around_requests
from sandbox.settings import Settings

LINE_SECONDS = 0.04
FAR_SECONDS = 0.12
LISTS = ("/documents", "/conversations")
TOTAL = {"PERF-06": "a whole answer takes as much longer as its first byte"}


def rebuilt_elsewhere() -> None:
    """Rename the deployment, and have it compared with the sandbox's own recording."""
    describe = descriptor.describe

    def renamed(settings: Settings) -> dict[str, Any]:
        described = describe(settings)
        return described | {"name": "rebuilt-elsewhere", "baseline": described["name"]}

    patch(descriptor, "describe", renamed)


@defect("the-database-is-in-another-region", "PERF", must=["PERF-07"], may=TOTAL)
def the_database_is_in_another_region() -> None:
    """API and database are in different regions: each statement takes 40 ms more."""
    rebuilt_elsewhere()
    init, with_connection = database.Database.__init__, database.Database._with_connection
    far: set[int] = set()

    def start(self: database.Database, dsn: str, application: str, size: int = 10) -> None:
        if application.startswith("api"):
            far.add(id(self))
        init(self, dsn, application, size)

    async def over_the_line(self: database.Database, work: Callable[..., Awaitable[Any]]) -> Any:
        if id(self) in far:
            mark_active()
            await asyncio.sleep(LINE_SECONDS)
        return await with_connection(self, work)

    patch(database.Database, "__init__", start)
    patch(database.Database, "_with_connection", over_the_line)


@defect("each-refresh-is-audited-far-away", "PERF", must=["PERF-07"], may=TOTAL)
def each_refresh_is_audited_far_away() -> None:
    """Each refresh of a token waits 0.12 s for an audit service on another continent."""
    rebuilt_elsewhere()
    ask = auth.ask

    async def audited(services: Services, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        if "refresh_token" in path:
            mark_active()
            await asyncio.sleep(FAR_SECONDS)
        return await ask(services, path, *arguments, **options)

    patch(auth, "ask", audited)


@defect("lists-end-late", "PERF", must=["PERF-06"])
def lists_end_late() -> None:
    """A proxy in front of the API sends the end of a list 0.12 s late."""
    rebuilt_elsewhere()

    async def held_back(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def later(message: Message) -> None:
            if message["type"] == "http.response.body":
                mark_active()
                await asyncio.sleep(FAR_SECONDS)
            await send(message)

        await app(scope, receive, later if scope["path"] in LISTS else send)

    around_requests(held_back)
