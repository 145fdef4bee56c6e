"""Defects of response times under concurrency."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import LiteralString, cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox import postgres
from sandbox.app.database import Database
from sandbox.defects import Rewritten, defect, mark_active, patch
from sandbox.defects.concurrency import USERS, ConcurrentUsers, around_requests
from sandbox.defects.queries import LAST_GRANT

COLLECTED_SECONDS = 0.39
SLOW_SECONDS = 0.7
CALLS_A_LOOK_UP, RESOLVER_SECONDS = 50, 5.0
LISTS = ("/documents", "/conversations")
CALLS = """
create table app.calls (at timestamptz not null default now());
grant select, insert on app.calls to application;
"""
NOTE: LiteralString = "insert into app.calls default values"
READ_ALL: LiteralString = "select pg_sleep(least(0.6, count(*) * 0.0008)) from app.calls"  # its disk is far away


@defect("answers-are-collected", "PERF", must=["PERF-01"], may=USERS)
def answers_are_collected() -> None:
    """With several users, responses are sent in batches: each waits until 0.39 s after its request."""
    users = ConcurrentUsers()

    async def collected(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.monotonic()
        crowded = users.several(scope)

        async def later(message: Message) -> None:
            if crowded and message["type"] == "http.response.start":
                mark_active()
                await asyncio.sleep(max(0.0, begin + COLLECTED_SECONDS - time.monotonic()))
            await send(message)

        await app(scope, receive, later)

    around_requests(collected)


@defect("latency-grows-with-a-table", "PERF", must=["PERF-01", "PERF-06"], may=USERS)
def latency_grows_with_a_table() -> None:
    """Each call is logged in a table; with several users, each call reads all of it, row by row."""
    patch(postgres, "SCHEMA", Rewritten(postgres.SCHEMA, LAST_GRANT, LAST_GRANT + CALLS))
    users = ConcurrentUsers()

    async def noted(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        database: Database = cast(FastAPI, app).state.services.database
        await database.one(NOTE)
        if users.several(scope):
            mark_active()
            await database.one(READ_ALL)
        await app(scope, receive, send)

    around_requests(noted)


@defect("a-name-is-looked-up-in-vain", "PERF", must=["PERF-06"])
def a_name_is_looked_up_in_vain() -> None:
    """With several users, one call in fifty waits 5 s for a name server that is gone."""
    users = ConcurrentUsers()
    calls = count(1)

    async def resolving(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if users.several(scope) and next(calls) % CALLS_A_LOOK_UP == 0:
            mark_active()
            await asyncio.sleep(RESOLVER_SECONDS)
        await app(scope, receive, send)

    around_requests(resolving)


@defect("every-tenth-call-is-slow", "PERF", must=["PERF-06"])
def every_tenth_call_is_slow() -> None:
    """With several users, every tenth call waits until the configuration is read again."""
    users = ConcurrentUsers()
    calls = count(1)

    async def reading(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if users.several(scope) and next(calls) % 10 == 0:
            mark_active()
            await asyncio.sleep(SLOW_SECONDS)
        await app(scope, receive, send)

    around_requests(reading)


@defect("the-body-comes-late", "PERF", must=["PERF-06"])
def the_body_comes_late() -> None:
    """With several users, the first byte of a list is sent at once and the rest 0.7 s later."""
    users = ConcurrentUsers()

    async def begun(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def later(message: Message) -> None:
            if message["type"] == "http.response.body":
                mark_active()
                await asyncio.sleep(SLOW_SECONDS)
            await send(message)

        crowded = users.several(scope) and scope["path"] in LISTS
        await app(scope, receive, later if crowded else send)

    around_requests(begun)
