"""What defects of many people at once share: how many there are, and a place around each request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.app import main
from sandbox.defects import patch
from sandbox.settings import Settings

AT_ONCE = 2.0  # whoever calls within so many seconds is there at once
USERS = {"PERF-12": "people who work at once meet it too"}
Handle = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]


class People:
    """Who called within the last seconds, as one instance sees them by their tokens."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def several(self, scope: Scope) -> bool:
        """Whether there is more than one, with whoever makes this request."""
        now = time.monotonic()
        if token := Headers(scope=scope).get("authorization"):
            self._last[token] = now
        self._last = {one: at for one, at in self._last.items() if now - at < AT_ONCE}
        return len(self._last) > 1


def around_requests(handle: Handle) -> None:
    """Let `handle` have each request of the API, inside its edge: an error that it raises is answered as any other."""
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
