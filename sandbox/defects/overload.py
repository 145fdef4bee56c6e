"""Defects that the load meets: late, lost, wrong or empty answers when many ask."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from sandbox.app import access, edge, errors
from sandbox.app.access import Services
from sandbox.app.tokens import Identity
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.supabase import storage
from sandbox.worker import claims

BESIDE = {f"PERF-{n:02}": "other figures of the same load" for n in (1, 2, 3, 4, 6, 7, 12)} | {
    "PERF-05": "people and documents cannot be made for the load",
    "INT-14": "closing looks at what the load left",
}
USERS_PATHS = ("/auth/log", "/auth/user", "/auth/refresh", "/api/chat", "/api/upload", "/documents", "/conversations")
PREPARED = 50  # uploads and jobs, before the load begins


def beside(*must: str) -> dict[str, str]:
    """Whatever else the load may notice of a defect."""
    return {name: reason for name, reason in BESIDE.items() if name not in must}


def before_calls(wait: Any) -> None:
    """Have the calls of users wait for something before they are answered."""
    call = edge.Edge.__call__

    async def waiting(self: edge.Edge, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(USERS_PATHS) and "/webhook/" not in scope["path"]:
            await wait()
        await call(self, scope, receive, send)

    patch(edge.Edge, "__call__", waiting)


@defect("each-call-waits", "PERF", must=["PERF-01"], may=beside("PERF-01"))
def each_call_waits() -> None:
    """A proxy before the application gathers calls for four tenths of a second and hands them on together."""

    async def wait() -> None:
        mark_active()
        await asyncio.sleep(0.4)

    before_calls(wait)


@defect("latency-grows", "PERF", must=["PERF-01", "PERF-06"], may=beside("PERF-01", "PERF-06"))
def latency_grows() -> None:
    """Each call is written to a table that the next one reads from its beginning."""
    calls = itertools.count()

    async def wait() -> None:
        mark_active()
        await asyncio.sleep(min(0.8, 0.003 * next(calls)))

    before_calls(wait)


@defect("some-calls-take-five-seconds", "PERF", must=["PERF-06"], may=beside("PERF-06"))
def some_calls_take_five_seconds() -> None:
    """One call in forty meets a replica that has to be woken."""
    calls = itertools.count(1)

    async def wait() -> None:
        if next(calls) % 40 == 0:
            mark_active()
            await asyncio.sleep(5.0)

    before_calls(wait)


@defect("bodies-come-late", "PERF", must=["PERF-06"], may=beside("PERF-06"))
def bodies_come_late() -> None:
    """The head of an answer is sent at once; what it says waits for a buffer that one answer in eight does not fill."""
    call = edge.Edge.__call__
    answers = itertools.count(1)

    async def buffered(self: edge.Edge, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(USERS_PATHS) or next(answers) % 8:
            await call(self, scope, receive, send)
            return

        async def late(message: Message) -> None:
            if message["type"] == "http.response.body" and message.get("body"):
                await send({"type": "http.response.body", "body": message["body"][:1], "more_body": True})
                mark_active()
                await asyncio.sleep(1.5)
                message = {**message, "body": message["body"][1:]}
            await send(message)

        await call(self, scope, receive, late)

    patch(edge.Edge, "__call__", buffered)


@defect("every-tenth-upload-is-lost", "PERF", must=["PERF-04"], may=beside("PERF-04"))
def every_tenth_upload_is_lost() -> None:
    """Bytes are acknowledged before they are written, and a full queue drops every tenth."""
    store = storage.Service._store
    uploads = itertools.count(1)

    async def lossy(self: storage.Service, path: str, told: dict[str, Any], content: bytes) -> None:
        number = next(uploads)
        if number > PREPARED and number % 10 == 0:
            mark_active()
            return
        await store(self, path, told, content)

    patch(storage.Service, "_store", lossy)


@defect("jobs-nobody-takes", "PERF", must=["PERF-04"], may=beside("PERF-04"))
def jobs_nobody_takes() -> None:
    """Once there are many jobs they are spread over eight partitions, one of which no worker reads."""
    few = f"(j.id::text < 'e' or (select count(*) from app.jobs) < {PREPARED})"
    patch_query(claims, "CLAIM", "and j.run_after <= now()", f"and j.run_after <= now() and {few}")


@defect("every-twelfth-call-fails", "PERF", must=["PERF-03"], may=beside("PERF-03"))
def every_twelfth_call_fails() -> None:
    """One call in twelve gets a connection that the database has closed, and nobody tries again."""
    fail_every(12, after=PREPARED * 3)


@defect("later-calls-fail", "PERF", must=["PERF-03"], may=beside("PERF-03"))
def later_calls_fail() -> None:
    """Handles are never given back: after some hundreds of calls, every fourth finds none."""
    fail_every(4, after=PREPARED * 5)


def fail_every(number: int, *, after: int) -> None:
    """An unexpected error in one of so many calls of signed-in users, when so many have been answered."""
    identify = access.identify
    calls = itertools.count(1)

    async def failing(token: str, services: Services) -> Identity:
        count = next(calls)
        if count > after and count % number == 0:
            mark_active()
            raise OSError("too many open files")
        return await identify(token, services)

    patch(access, "identify", failing)


@defect("empty-lists-under-load", "PERF", must=["PERF-02"], may=beside("PERF-02"))
def empty_lists_under_load() -> None:
    """Where two lists are asked for within a second, the second comes from a cache that is still empty."""
    call = edge.Edge.__call__
    last = -1.0

    async def cached(self: edge.Edge, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal last
        if scope["type"] != "http" or scope["path"] != "/documents":
            await call(self, scope, receive, send)
            return
        before, last = last, time.monotonic()
        if last - before < 1.0:
            mark_active()
            await JSONResponse({"documents": []})(scope, receive, send)
        else:
            await call(self, scope, receive, send)

    patch(edge.Edge, "__call__", cached)


@defect("throughput-capped", "PERF", must=["PERF-02"], may=beside("PERF-02"))
def throughput_capped() -> None:
    """A limit that was meant for one user holds for all of them together: six calls a second for each instance."""
    identify = access.identify
    calls: deque[float] = deque(maxlen=6)

    async def limited(token: str, services: Services) -> Identity:
        now = time.monotonic()
        if len(calls) == calls.maxlen and now - calls[0] < 1.0:
            mark_active()
            raise errors.too_many("too_many_requests", "Too many requests. Please wait a moment.", 1)
        calls.append(now)
        return await identify(token, services)

    patch(access, "identify", limited)
