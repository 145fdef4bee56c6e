"""The service `worker-N`: claims jobs, processes several at once, and writes a heartbeat."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from sandbox import logs
from sandbox.app import events
from sandbox.app.database import Database, Session, listen
from sandbox.app.errors import Unavailable
from sandbox.app.model import Model
from sandbox.app.objects import ObjectStorage
from sandbox.settings import Settings
from sandbox.worker import claims, stages
from sandbox.worker.claims import Claim, LeaseLost
from sandbox.worker.parser import Parser, Refused

AT_ONCE: Final = 8
IDLE_SECONDS: Final = 0.5
BEAT_SECONDS: Final = 1.0
SWEEP_BEATS: Final = 5
GRACE_SECONDS: Final = 3.0
ABANDONED_SECONDS: Final = 20.0  # a workflow without its end for longer than any request lasts
BEAT: Final = """
    insert into app.workers (id, build, at) values (%(id)s, %(build)s, clock_timestamp())
      on conflict (id) do update set build = excluded.build, at = excluded.at"""
LEAVE: Final = "delete from app.workers where id = %(id)s"
SWEEP: Final = "delete from app.documents where stored_at is null and upload_expires_at < now()"


def run(settings: Settings) -> None:
    """Work until SIGTERM."""
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    worker = Worker(settings)
    task = asyncio.create_task(worker.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await asyncio.gather(task, return_exceptions=True)


class Worker:
    """One worker process. Its state is in the database, so that another worker can take over."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        database = Database(settings.application_dsn, settings.service, size=6)
        self._tools = stages.Tools(settings, database, ObjectStorage(settings), Parser(settings), Model(settings))
        self._database = database
        self._jobs: dict[asyncio.Task[None], Claim] = {}
        self._wake = asyncio.Event()

    async def run(self) -> None:
        await self._database.open()
        try:
            async with asyncio.TaskGroup() as group:
                for duty in (self._work, self._beat, self._listen):
                    group.create_task(self._keep(duty))
        finally:
            if self._jobs:
                await asyncio.wait(self._jobs, timeout=GRACE_SECONDS)
            for task in self._jobs:
                task.cancel()
            with contextlib.suppress(Unavailable):
                await self._database.one(LEAVE, id=self._settings.service)
            for tool in (self._tools.parser, self._tools.model, self._tools.objects, self._database):
                await tool.close()

    async def _keep(self, duty: Any) -> None:
        """Repeat a duty, even after failures of the services it needs."""
        while True:
            try:
                await duty()
            except (Unavailable, psycopg.Error, TimeoutError) as error:
                logs.log("duty interrupted", duty=duty.__name__, cause=repr(error.__cause__ or error))
            await asyncio.sleep(IDLE_SECONDS)

    async def _work(self) -> None:
        while True:
            claim = await claims.claim(self._database) if len(self._jobs) < AT_ONCE else None
            if claim:
                task = asyncio.create_task(self._process(claim))
                self._jobs[task] = claim
                task.add_done_callback(self._finished)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
            self._wake.clear()

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._jobs[task]
        self._wake.set()

    async def _beat(self) -> None:
        beats = 0
        while True:
            await self._database.one(BEAT, id=self._settings.service, build=self._settings.build)
            await claims.extend(self._database, [claim.lease for claim in self._jobs.values()])
            if beats % SWEEP_BEATS == 0:
                await self._database.one(SWEEP)
                await self._database.one(events.END_ABANDONED, seconds=ABANDONED_SECONDS)
            beats += 1
            await asyncio.sleep(BEAT_SECONDS)

    async def _listen(self) -> None:
        """Start notified jobs at once; polling would find them a little later."""
        async for _ in listen(self._settings.application_dsn, f"{self._settings.service} listener", "jobs"):
            self._wake.set()

    async def _process(self, claim: Claim) -> None:
        """Process a job until it ends, waits, or fails."""
        logs.bind(job_id=str(claim.job_id))
        try:
            while claim.status in stages.STEPS:
                claim.status = await stages.STEPS[claim.status](claim, self._tools)
                claim.failures = 0
            logs.log("job done", status=claim.status)
        except stages.Waiting:
            if await claims.wait(self._database, claim, stages.POLL_SECONDS):
                self._wake.set()
        except LeaseLost:
            logs.log("job lost", status=claim.status)
        except Refused as refused:
            await self._fail(claim, refused.code, refused.message)
        except Unavailable as error:
            await self._put_off(claim, error)
        except Exception:
            logging.exception("job %s failed unexpectedly", claim.job_id)
            await self._put_off(claim, Unavailable("worker"))

    async def _put_off(self, claim: Claim, error: Unavailable) -> None:
        """Schedule another attempt, or fail when that is futile. Without a database the lease expires."""
        logs.log("job put off", service=error.service, failures=claim.failures, cause=repr(error.__cause__))
        code, message = f"{error.service}_unavailable", f"The {error.service} service is unavailable just now."
        if error.lasting or claim.failures >= claims.MOST_FAILURES:
            return await self._fail(claim, code, f"{message} Please try again later.")
        try:
            await claims.put_off(
                self._database, claim, describe(code, f"{message} It is tried again by itself."), error.retry_after
            )
        except Unavailable:
            logs.log("job left to its lease")

    async def _fail(self, claim: Claim, code: str, message: str) -> None:
        """Fail the job, with a reason for the user."""
        logs.log("job failed", code=code)

        async def fail(session: Session) -> None:
            await claims.hold(session, claim)
            status = stages.FAILED[claim.status]
            await events.publish(
                session, claim.job_id, status, "deadletter", lease=claim.lease, error=describe(code, message)
            )
            await claims.release(session, claim)

        try:
            await self._database.transaction(fail)
        except (Unavailable, LeaseLost):
            logs.log("job left to its lease")


def describe(code: str, message: str) -> dict[str, str]:
    return {"code": code, "message": message, "timestamp": datetime.now(UTC).isoformat()}
