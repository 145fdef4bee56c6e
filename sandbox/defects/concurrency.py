"""Helpers of defects under concurrency: whether several users are active, and a wrapper of each request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.app import main
from sandbox.defects import patch
from sandbox.settings import Settings

AT_ONCE = 2.0  # seconds within which users count as concurrent
USERS = {"PERF-12": "concurrent users meet it too"}
Handle = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]


class ConcurrentUsers:
    """Users of one instance within the last seconds, by their tokens."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def several(self, scope: Scope) -> bool:
        """Whether there is more than one, including the user of this request."""
        now = time.monotonic()
        if token := Headers(scope=scope).get("authorization"):
            self._last[token] = now
        self._last = {one: at for one, at in self._last.items() if now - at < AT_ONCE}
        return len(self._last) > 1


def around_requests(handle: Handle) -> None:
    """Wrap each request of the API with `handle`, inside its middleware: errors are answered as any other."""
    create = main.create_app

    def planted(settings: Settings) -> Any:
        served: Any = create(settings)
        app = served._app

        async def handled(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await handle(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        patch(served, "_app", handled)
        return served

    patch(main, "create_app", planted)
