"""The interface that the mission fixed, for whoever wants a result in three lines and no suites.

    with CloudIntegrationValidator("sandbox") as validator:
        result = asyncio.run(validator.test_document_upload_flow("document.pdf"))
        print(result.status, result.processing_time, result.errors)

A deployment that has to be brought up first is, once for all that happens within `with`; without it, for each call.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from acceptance.conversations import ask
from acceptance.documents.catalogue import TestDocument
from acceptance.integration import accounts, sessions
from acceptance.integration.arrival import whole
from acceptance.integration.following import check_order, events_of, has_ended
from acceptance.integration.forging import Genuine, forgeries
from acceptance.people import Person
from acceptance.results import AuthResult, IntegrationResult, PerformanceResult, StepError
from acceptance.run import Run
from acceptance.standalone import FAILURES, Standalone, failed_step
from acceptance.uploads import Payload, Upload, announce, complete, document, listed_documents, put_bytes

Result = TypeVar("Result")

REALTIME_SECONDS = 5.0
MEGABYTE = 1_000_000
NO_BASELINE = "no baseline has been recorded"
FORGED = ("none", "garbage", "wrong_signature", "alg_none")


class CloudIntegrationValidator(Standalone):
    """Tries a deployment, and says of each step that failed what was expected and what was seen.

    Args:
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        folder: where the journal of what was made goes, for `make clean-up`; by default a new one in `results/`.
    """

    ROLE = "validator"

    async def test_document_upload_flow(self, document_path: str) -> IntegrationResult:
        """A new user uploads the document, and follows it until it is complete."""
        result = IntegrationResult()
        steps = _Steps(result.errors, result.performance_metrics)
        async with steps.ending(), self._run(steps) as run:
            payload = await steps.take("document", asyncio.to_thread(Payload.read, Path(document_path)))
            person = await steps.take("sign in", run.people.signed_in())
            upload = await steps.take("announce", announce(run, person, payload))
            await steps.take("upload", put_bytes(run, upload))
            megabytes = len(payload.data) / MEGABYTE
            result.performance_metrics["upload_throughput"] = megabytes / result.performance_metrics["upload"]
            try:
                await steps.take("processing", complete(run, upload))
                result.processing_time = result.performance_metrics["processing"]
            finally:
                await steps.take("realtime", _realtime(run, upload, result.stages_completed))
            await steps.take("stored bytes", whole(run, upload))
        if not result.errors:
            result.status = "passed"
        if result.processing_time is None:
            result.not_measured["processing_time"] = _reason(result.errors)
        return result

    async def test_authentication_integration(self) -> AuthResult:
        """A new user signs in, refreshes, and signs out; whoever holds wrong credentials stays outside."""
        result = AuthResult()
        steps = _Steps(result.errors, result.performance_metrics)
        async with steps.ending(), self._run(steps) as run:
            person = await steps.take("sign in", run.people.signed_in())
            await steps.take("session", accounts.session_is_of(run, person))
            result.login_success = True
            genuine = Genuine(person.access_token, person.refresh_token, "", "")
            attempts = {
                "wrong credentials": accounts.nearly_right_password_is_refused(run),
                "forged tokens": _forged_tokens_are_refused(run, genuine),
            }
            result.security_validation = await steps.all_hold(attempts)
            result.session_management = await steps.all_hold({"session management": _session(run, person)})
        for name in ("session_management", "security_validation"):
            if getattr(result, name) is None:
                result.not_measured[name] = _reason(result.errors)
        return result

    async def test_performance_under_load(self, concurrent_users: int = 10) -> PerformanceResult:
        """So many users at once sign in, upload, wait, ask, and sign out."""
        result = PerformanceResult(
            not_measured={"passes_baseline": NO_BASELINE, "baseline_comparison": NO_BASELINE},
        )
        steps = _Steps(result.errors, {})
        async with steps.ending(), self._run(steps) as run:
            users = [await steps.take("user and document", _prepared(run, n + 1)) for n in range(concurrent_users)]
            load = _Load(run, result.errors)
            await asyncio.gather(*(load.visit(person, note) for person, note in users))
            load.report(result)
        if result.throughput is None:
            result.not_measured["throughput"] = _reason(result.errors)
        return result

    @asynccontextmanager
    async def _run(self, steps: _Steps) -> AsyncIterator[Run]:
        with ExitStack() as stack:
            opened = self._opened
            if opened is None:
                opened = await steps.take("deployment", self._deployed(stack))
            async with self._run_in(opened, steps.errors) as run:
                yield run


class _Ended(Exception):
    """A step failed, and what comes after it cannot be tried."""


class _Steps:
    """Takes steps one after the other, and keeps the time of each and what failed."""

    def __init__(self, errors: list[StepError], seconds: dict[str, float]) -> None:
        self.errors = errors
        self._seconds = seconds

    async def take(self, name: str, step: Awaitable[Result]) -> Result:
        """The result of a step; one that fails ends the flow."""
        begin = time.monotonic()
        try:
            return await step
        except FAILURES as error:
            self.errors.append(failed_step(name, error))
            raise _Ended from None
        finally:
            self._seconds[name] = time.monotonic() - begin

    async def all_hold(self, steps: dict[str, Coroutine[Any, Any, None]]) -> bool:
        """Whether no step of these failed; all are tried."""
        before = len(self.errors)
        for name, step in steps.items():
            async with self.ending():
                await self.take(name, step)
        return len(self.errors) == before

    @asynccontextmanager
    async def ending(self) -> AsyncIterator[None]:
        """Where a flow ends whose step failed."""
        try:
            yield
        except _Ended:
            return


class _Load:
    """Users at once, each call timed by its endpoint."""

    def __init__(self, run: Run, errors: list[StepError]) -> None:
        self._run = run
        self._errors = errors
        self._times: dict[str, list[float]] = defaultdict(list)
        self._attempts: dict[str, int] = defaultdict(int)
        self._present = self._most = 0
        self._begin = time.monotonic()

    async def visit(self, person: Person, note: TestDocument) -> None:
        """All that one user does; the first call that fails ends the visit."""
        run, steps = self._run, _Steps(self._errors, {})
        async with steps.ending():
            self._present += 1
            self._most = max(self._most, self._present)
            try:
                await self._timed(steps, "login", run.people.sign_in(person))
                await self._timed(steps, "user", run.client.call("user", token=person.access_token))
                upload = await self._timed(steps, "upload", announce(run, person, Payload.of(note)))
                await self._timed(steps, "upload_bytes", put_bytes(run, upload))
                await self._timed(steps, "processing", complete(run, upload))
                assert note.handbook is not None
                await self._timed(steps, "chat", ask(run, person, note.handbook.facts[0].question))
                await self._timed(steps, "documents", listed_documents(run, person))
                await self._timed(steps, "logout", run.people.log_out(person))
            finally:
                self._present -= 1

    def report(self, result: PerformanceResult) -> None:
        """What came of all visits."""
        seconds = time.monotonic() - self._begin
        result.response_times = {name: 1000 * sum(times) / len(times) for name, times in self._times.items()}
        result.error_rates = {name: 1 - len(self._times[name]) / number for name, number in self._attempts.items()}
        successful = sum(map(len, self._times.values()))
        result.throughput = successful / seconds if successful else None
        result.concurrent_users = self._most

    async def _timed(self, steps: _Steps, name: str, step: Awaitable[Result]) -> Result:
        self._attempts[name] += 1
        begin = time.monotonic()
        taken = await steps.take(name, step)
        self._times[name].append(time.monotonic() - begin)
        return taken


def _reason(errors: list[StepError]) -> str:
    return f"'{errors[0].step}' failed: {errors[0].seen}" if errors else "it was not tried"


async def _prepared(run: Run, seed: int) -> tuple[Person, TestDocument]:
    """A user and a document for them."""
    return await run.people.signed_in(), await document(run, "note", seed)


async def _realtime(run: Run, upload: Upload, stages: list[str]) -> None:
    """Note the stages whose end was told; raises AssertionError unless every status was, once and in order."""
    async with run.realtime.job(upload.job_id, upload.owner.access_token, after=0) as socket:
        try:
            await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=REALTIME_SECONDS)
        finally:
            events = events_of(run, upload.job_id, socket.events)
            told = {event.status for event in events}
            stages += [stage for stage, status in run.contract.jobs.stages if status in told]
        check_order(events, run.contract.jobs.statuses, socket.what)


async def _session(run: Run, person: Person) -> None:
    held = await sessions.refreshed(run, person, 1)
    await sessions.used_tokens_are_refused(run, held)
    await run.people.sign_in(person)
    await run.people.log_out(person)
    await sessions.session_is_over(run, [person])


async def _forged_tokens_are_refused(run: Run, genuine: Genuine) -> None:
    for kind in FORGED:
        for forged in forgeries(kind, genuine):
            await run.client.call("user", token=forged.token, status=run.contract.refused("user", kind))
