"""Defects that appear only after some time under load."""

from __future__ import annotations

import os
import signal
import time
from itertools import count
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.app import errors
from sandbox.defects import defect, mark_active
from sandbox.defects.concurrency import USERS, ConcurrentUsers, around_requests

CHAT = "/api/chat"
READING = ("/auth/login", "/auth/refresh", "/auth/user", "/documents", "/conversations", CHAT)
BEGINS, ENDS = 18.0, 24.0  # seconds after the first question: the last phase of a short load
KEEPING = ("/auth/refresh", "/conversations", CHAT)
KEPT_BYTES, MOST_BYTES = 8 * 1024**2, 96 * 1024**2
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STARTED_AGAIN = "an instance that restarts does not respond"


@defect("errors-in-the-last-phase", "PERF", must=["PERF-03"], may=USERS)
def errors_in_the_last_phase() -> None:
    """From 18 s to 24 s after its first question an instance runs maintenance: every third call is 500."""
    calls = count(1)
    first: list[float] = []

    async def tidying(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        now = time.monotonic()
        if scope["path"] == CHAT and not first:
            first.append(now)
        if first and BEGINS < now - first[0] < ENDS and scope["path"] in READING and next(calls) % 3 == 0:
            mark_active()
            raise errors.internal()
        await app(scope, receive, send)

    around_requests(tidying)


@defect(
    "memory-grows-with-each-request",
    "PERF",
    must=["PERF-03"],
    may={**dict.fromkeys(("PERF-02", "PERF-04", "PERF-06"), STARTED_AGAIN), **USERS},
)
def memory_grows_with_each_request() -> None:
    """With several users, requests are kept for ever; an instance over the plan's memory is killed."""
    users = ConcurrentUsers()
    kept: list[bytes] = []
    at_first: list[int] = []

    async def keeping(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if users.several(scope) and scope["path"] in KEEPING:
            at_first[:] = at_first or [resident()]
            kept.append(b"x" * KEPT_BYTES)
            if resident() - at_first[0] > MOST_BYTES:
                mark_active()
                os.kill(os.getpid(), signal.SIGKILL)  # as the platform does it
        await app(scope, receive, send)

    around_requests(keeping)


def resident() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
