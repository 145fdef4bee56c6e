"""Defects of the edge before the front end: its middleware, its region, its speed."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox import frontend
from sandbox.defects import defect, mark_active, patch
from sandbox.frontend import Edge

SLOW_SECONDS = 0.25


@defect("edge-names-no-region", "CLOUD", must=["CLOUD-03"])
def edge_names_no_region() -> None:
    """The identifier of a request is an opaque one, without the edge that took it."""
    name = frontend.request_name

    def opaque() -> str:
        mark_active()
        return name().rpartition("::")[2]

    patch(frontend, "request_name", opaque)


@defect("middleware-leaves-no-mark", "CLOUD", must=["CLOUD-03"])
def middleware_leaves_no_mark() -> None:
    """Responses that middleware handled do not say so."""

    def unmarked() -> list[tuple[bytes, bytes]]:
        mark_active()
        return []

    patch(frontend, "marks", unmarked)


@defect("rewrite-is-gone", "CLOUD", must=["CLOUD-03"])
def rewrite_is_gone() -> None:
    """The middleware's rewrite was lost in a change of its matcher."""

    def as_it_is(path: str) -> str | None:
        if path in frontend.BY_MIDDLEWARE:
            mark_active()
        return None

    patch(frontend, "rewrite", as_it_is)


@defect("edge-is-slow", "CLOUD", must=["CLOUD-03"])
def edge_is_slow() -> None:
    """One call in ten of the edge waits for a cold start."""
    probe = Edge._probe
    calls = 0

    def cold(self: Edge, scope: Scope) -> ASGIApp:
        nonlocal calls
        calls += 1
        answer, slow = probe(self, scope), calls % 10 == 0

        async def waited(scope: Scope, receive: Receive, send: Send) -> None:
            if slow:
                mark_active()
                await asyncio.sleep(SLOW_SECONDS)
            await answer(scope, receive, send)

        return waited

    patch(Edge, "_probe", cold)
