"""Defects of how long answers take when many are there."""

from __future__ import annotations

import asyncio
import time
from itertools import count

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.defects import defect, mark_active
from sandbox.defects.crowds import USERS, People, around_requests

COLLECTED_SECONDS = 0.39
SECONDS_A_CALL = 0.003
LONGEST_SECONDS = 0.9
SLOW_SECONDS = 0.7
LISTS = ("/documents", "/conversations")


@defect("answers-are-collected", "PERF", must=["PERF-01"], may=USERS)
def answers_are_collected() -> None:
    """Where several people are there, answers are sent together: each waits until 0.39 s after its request."""
    people = People()

    async def collected(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.monotonic()
        crowded = people.several(scope)

        async def later(message: Message) -> None:
            if crowded and message["type"] == "http.response.start":
                mark_active()
                await asyncio.sleep(max(0.0, begin + COLLECTED_SECONDS - time.monotonic()))
            await send(message)

        await app(scope, receive, later)

    around_requests(collected)


@defect("slower-with-each-call", "PERF", must=["PERF-01", "PERF-06"], may=USERS)
def slower_with_each_call() -> None:
    """Each call is noted in a list, which is gone through from its beginning as soon as several people are there."""
    people = People()
    calls = count()

    async def growing(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        length = next(calls)
        if people.several(scope):
            mark_active()
            await asyncio.sleep(min(LONGEST_SECONDS, length * SECONDS_A_CALL))
        await app(scope, receive, send)

    around_requests(growing)


@defect("every-tenth-call-is-slow", "PERF", must=["PERF-06"])
def every_tenth_call_is_slow() -> None:
    """Where several people are there, every tenth call reads the configuration again, and waits for it."""
    people = People()
    calls = count(1)

    async def reading(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if people.several(scope) and next(calls) % 10 == 0:
            mark_active()
            await asyncio.sleep(SLOW_SECONDS)
        await app(scope, receive, send)

    around_requests(reading)


@defect("the-body-comes-late", "PERF", must=["PERF-06"])
def the_body_comes_late() -> None:
    """Where several people are there, a list begins at once, in time for the first byte; the rest comes 0.7 s later."""
    people = People()

    async def begun(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def later(message: Message) -> None:
            if message["type"] == "http.response.body":
                mark_active()
                await asyncio.sleep(SLOW_SECONDS)
            await send(message)

        crowded = people.several(scope) and scope["path"] in LISTS
        await app(scope, receive, later if crowded else send)

    around_requests(begun)
