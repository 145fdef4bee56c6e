"""Defects of throughput under concurrency: failing requests, and documents that are not completed."""

from __future__ import annotations

import time
from collections import deque
from itertools import count
from typing import Any, LiteralString

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.app import auth, chat, conversations, database, documents, errors
from sandbox.app.access import Services
from sandbox.defects import defect, mark_active, patch
from sandbox.defects.concurrency import USERS, ConcurrentUsers, around_requests
from sandbox.worker import stages
from sandbox.worker.claims import Claim, LeaseLost
from sandbox.worker.parser import Refused
from sandbox.worker.stages import Tools

LISTS = (documents.OWN_DOCUMENTS, conversations.OWN_CONVERSATIONS)
READING = ("/auth/login", "/auth/refresh", "/auth/user", "/documents", "/conversations", "/api/chat")
SECOND = 1.0
READS_IN_A_SECOND = 5
FAILED = "what did not succeed has failed"
DOCUMENTS_OF_USERS = {"PERF-12": "the users' documents are followed as well"}
ROOM, BETWEEN_CLEANINGS = 42, 45
DOCUMENTS_ELSEWHERE = dict.fromkeys(("PERF-06", "PERF-11"), "documents to ask for may be among them")
MANY, JOBS = 42, "select count(*) as number from app.jobs"
TAKE_OUT: LiteralString = "update app.jobs set lease = null, lease_until = 'infinity' where id = %(job_id)s"
DELIVER_AGAIN: LiteralString = (
    "update app.jobs set status = 'embedding_queued', state = 'queued' where id = %(job_id)s and lease is null"
)


@defect(
    "throughput-is-capped",
    "PERF",
    must=["PERF-02"],
    may={"PERF-03": FAILED, "PERF-06": "its quick calls of one user follow those of others at once", **USERS},
)
def throughput_is_capped() -> None:
    """With several users, an instance answers five reads a second and refuses the others."""
    users = ConcurrentUsers()
    answered: deque[float] = deque()

    async def capped(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if users.several(scope) and scope["path"] in READING:
            now = time.monotonic()
            while answered and now - answered[0] > SECOND:
                answered.popleft()
            if len(answered) >= READS_IN_A_SECOND:
                mark_active()
                raise errors.unavailable(errors.Unavailable("application"))
            answered.append(now)
        await app(scope, receive, send)

    around_requests(capped)


@defect("lists-are-empty-in-a-rush", "PERF", must=["PERF-02", "PERF-03"], may=USERS)
def lists_are_empty_in_a_rush() -> None:
    """A list within a second of another user's is 200 and empty."""
    read = database.Database.all
    asked: dict[Any, float] = {}

    async def hasty(self: database.Database, query: LiteralString, **parameters: Any) -> list[database.Row]:
        if query not in LISTS:
            return await read(self, query, **parameters)
        now = time.monotonic()
        others = [at for user, at in asked.items() if user != parameters["user_id"]]
        asked[parameters["user_id"]] = now
        if any(now - at < SECOND for at in others):
            mark_active()
            return []
        return await read(self, query, **parameters)

    patch(database.Database, "all", hasty)


@defect("every-fourth-refresh-fails", "PERF", must=["PERF-03"], may=USERS)
def every_fourth_refresh_fails() -> None:
    """One in four refreshes raises an unexpected error."""
    ask = auth.ask
    numbers = count(1)

    async def fault(services: Services, path: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        if "refresh_token" in path and next(numbers) % 4 == 0:
            mark_active()
            raise errors.internal()
        return await ask(services, path, *arguments, **options)

    patch(auth, "ask", fault)


@defect("answers-without-a-text", "PERF", must=["PERF-03"], may=USERS)
def answers_without_a_text() -> None:
    """Every third answer to a question is 200, and its text is empty."""
    finish = chat.finish
    numbers = count(1)

    async def mute(work: chat.Work) -> chat.Answer:
        answer = await finish(work)
        if next(numbers) % 3 == 0:
            mark_active()
            return answer.model_copy(update={"text": ""})
        return answer

    patch(chat, "finish", mute)


@defect(
    "what-is-left-behind-fills-the-disk",
    "PERF",
    must=["PERF-04"],
    may={**DOCUMENTS_ELSEWHERE, **DOCUMENTS_OF_USERS},
)
def what_is_left_behind_fills_the_disk() -> None:
    """A worker keeps the file of each document until the disk is full; the last ones before its cleaning fail."""
    numbers = count()

    async def submit(claim: Claim, tools: Tools) -> str:
        if next(numbers) % BETWEEN_CLEANINGS >= ROOM:
            mark_active()
            raise Refused("no_room", "This document could not be processed.")
        return await stages.submit(claim, tools)

    stages.STEPS["uploaded"] = submit


@defect("every-fifth-job-is-delivered-again", "PERF", must=["PERF-04"], may=DOCUMENTS_OF_USERS)
def every_fifth_job_is_delivered_again() -> None:
    """The queue delivers at least once: every fifth job of a worker is processed twice."""
    numbers = count(1)

    async def finalize(claim: Claim, tools: Tools) -> str:
        status = await stages.finalize(claim, tools)
        if next(numbers) % 5 == 0:
            mark_active()
            await tools.database.one(DELIVER_AGAIN, job_id=claim.job_id)
        return status

    stages.STEPS["embeddings_stored"] = finalize


@defect("every-tenth-upload-is-lost", "PERF", must=["PERF-04"], may={**DOCUMENTS_ELSEWHERE, **DOCUMENTS_OF_USERS})
def every_tenth_upload_is_lost() -> None:
    """With many jobs, a worker acknowledges them before they are processed, and loses every tenth."""
    numbers = count(1)

    async def submit(claim: Claim, tools: Tools) -> str:
        row = await tools.database.one(JOBS)
        if row and row["number"] > MANY and next(numbers) % 10 == 0:
            mark_active()
            await tools.database.one(TAKE_OUT, job_id=claim.job_id)
            raise LeaseLost
        return await stages.submit(claim, tools)

    stages.STEPS["uploaded"] = submit
