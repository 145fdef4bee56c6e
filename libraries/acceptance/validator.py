"""The interface that the mission fixed: results in three lines, without suites.

    with CloudIntegrationValidator("sandbox") as validator:
        result = asyncio.run(validator.test_document_upload_flow("document.pdf"))
        print(result.status, result.processing_time, result.errors)

A deployment that has to be provisioned is provisioned once for all that happens within `with`; without it, for each
call.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from acceptance.checks import auth
from acceptance.checks.forged_tokens import Genuine, claims_of, forgeries
from acceptance.checks.job_events import check_order, events_of, has_ended
from acceptance.checks.upload_integrity import whole
from acceptance.errors import ConfigurationError, EnvironmentUnavailable, violation
from acceptance.fixtures.users import User
from acceptance.flow import Flow, TakenStep
from acceptance.performance import concurrent_journey
from acceptance.polling import together
from acceptance.results import AuthResult, IntegrationResult, PerformanceResult, StepError
from acceptance.run import Run
from acceptance.session import DeploymentSession, failed_step
from acceptance.uploads import Payload, Upload, announce, complete, put_bytes

REALTIME_SECONDS = 5.0
MEGABYTE = 1_000_000
FORGED = ("none", "garbage", "wrong_signature", "alg_none")


class CloudIntegrationValidator(DeploymentSession):
    """Tries a deployment; results name each step that failed, what was expected and what was observed.

    Args:
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        folder: holds the resource ledger, for `make clean-up`; by default a new one in `results/`.
    """

    ROLE = "validator"

    async def test_document_upload_flow(self, document_path: str) -> IntegrationResult:
        """A new user uploads the document, and waits until it is complete."""
        result = IntegrationResult()
        flow = _flow(result.errors, result.performance_metrics)
        async with flow, self._run(flow, result.errors) as run:
            payload = await flow.step("document", asyncio.to_thread(Payload.read, Path(document_path)))
            user = await flow.step("sign in", run.users.signed_in())
            upload = await flow.step("announce", announce(run, user, payload))
            await flow.step("upload", put_bytes(run, upload))
            megabytes = len(payload.data) / MEGABYTE
            result.performance_metrics["upload_throughput"] = megabytes / result.performance_metrics["upload"]
            try:
                await flow.step("processing", complete(run, upload))
                result.processing_time = result.performance_metrics["processing"]
            finally:
                await flow.step("realtime", _realtime(run, upload, result.stages_completed))
            await flow.step("stored bytes", whole(run, upload))
        if not result.errors:
            result.status = "passed"
        if result.processing_time is None:
            result.not_measured["processing_time"] = _reason(result.errors)
        return result

    async def test_authentication_integration(self) -> AuthResult:
        """A new user signs in, refreshes, and signs out; wrong credentials are refused."""
        result = AuthResult()
        flow = _flow(result.errors, result.performance_metrics)
        async with flow, self._run(flow, result.errors) as run:
            user = await flow.step("sign in", run.users.signed_in())
            await flow.step("session", _session_is_of(run, user))
            result.login_success = True
            genuine = Genuine(user.access_token, user.refresh_token, "", "")
            outside = await flow.succeeds("wrong credentials", _nearly_right_passwords_are_refused(run))
            forged = await flow.succeeds("forged tokens", _forged_tokens_are_refused(run, genuine))
            result.security_validation = outside and forged
            result.session_management = await flow.succeeds("session management", _session(run, user))
        for name in ("session_management", "security_validation"):
            if getattr(result, name) is None:
                result.not_measured[name] = _reason(result.errors)
        return result

    async def test_performance_under_load(self, concurrent_users: int = 10) -> PerformanceResult:
        """So many users at once sign in, upload, wait, ask, and sign out; as many of the local baseline did the same.

        The recorded load of `baseline.yaml` is not compared: it is the first byte under another load. The sandbox,
        which is the local baseline, is compared with its own recording: whether this build or this machine is slower
        than the one before, which the gate's PERF-07 does not ask.
        """
        result = PerformanceResult()
        flow = _flow(result.errors, {})
        seen: concurrent_journey.Journey | None = None
        async with flow, self._run(flow, result.errors) as run:
            users = [
                await flow.step("user and document", concurrent_journey.prepared(run, n + 1))
                for n in range(concurrent_users)
            ]
            seen = await concurrent_journey.run_journey(run, users)
            _report(seen, result)
            _compare(run, seen, result)
        for name in ("throughput", "passes_baseline", "baseline_comparison"):
            if getattr(result, name) is None:
                result.not_measured.setdefault(name, _reason(result.errors))
        return result

    @asynccontextmanager
    async def _run(self, flow: Flow, errors: list[StepError]) -> AsyncIterator[Run]:
        with ExitStack() as stack:
            opened = self._opened
            if opened is None:
                opened = await flow.step("deployment", self._deployed(stack))
            async with self._run_in(opened, errors) as run:
                yield run


def _flow(errors: list[StepError], seconds: dict[str, float]) -> Flow:
    """A flow that keeps the seconds of each step and what failed."""

    def record(step: TakenStep) -> None:
        seconds[step.name] = step.seconds
        if step.error is not None:
            errors.append(failed_step(step.name, step.error))

    return Flow(record)


def _report(seen: concurrent_journey.Journey, result: PerformanceResult) -> None:
    result.errors += [failed_step(name, error) for name, error in seen.failed]
    result.response_times = {name: sum(times) / len(times) for name, times in seen.times.items()}
    result.error_rates = {name: 1 - len(seen.times.get(name, ())) / n for name, n in seen.attempts.items()}
    successful = sum(map(len, seen.times.values()))
    result.throughput = successful / seen.seconds if successful else None
    result.concurrent_users = seen.at_once


def _compare(run: Run, seen: concurrent_journey.Journey, result: PerformanceResult) -> None:
    """Compare a journey with the recorded one; what cannot be compared has its reason in `not_measured`."""
    try:
        found = concurrent_journey.compare_journeys(concurrent_journey.recorded_journey(run, seen.users), seen)
    except (EnvironmentUnavailable, ConfigurationError) as error:
        result.not_measured |= dict.fromkeys(("passes_baseline", "baseline_comparison"), str(error))
        return
    ours = [name for name, error in seen.failed if not isinstance(error, AssertionError)]
    if found.compared:
        result.baseline_comparison = {one.name: one.now - one.before for one in found.compared}
        result.baseline_uncertainty = {one.name: one.now - one.before - one.bound for one in found.compared}
    else:
        result.not_measured["baseline_comparison"] = "; ".join(found.missing)
    if any(one.worse for one in found.compared) or len(seen.failed) > len(ours):  # no call of the recorded one failed
        result.passes_baseline = False
    elif found.missing or ours:
        result.not_measured["passes_baseline"] = "; ".join(found.missing) or _reason(result.errors)
    else:
        result.passes_baseline = True


def _reason(errors: list[StepError]) -> str:
    return f"'{errors[0].step}' failed: {errors[0].observed}" if errors else "it was not tried"


async def _realtime(run: Run, upload: Upload, stages: list[str]) -> None:
    """Add the completed stages; raises AssertionError unless every status came once and in order."""
    async with run.websocket.job(upload.job_id, upload.owner.access_token, after=0) as socket:
        try:
            await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=REALTIME_SECONDS)
        finally:
            events = events_of(run, upload.job_id, socket.events)
            statuses = {event.status for event in events}
            stages += [stage for stage, status in run.contract.jobs.stages if status in statuses]
        check_order(events, run.contract.jobs.statuses, socket.what)


async def _session(run: Run, user: User) -> None:
    used = replace(user)
    await run.users.refresh(user)
    await _session_is_of(run, user)
    await auth.used_token_is_refused(run, used)
    await run.users.sign_in(user)
    await run.users.log_out(user)
    await auth.refresh_at_once(run, user, auth.READS, "refused_refresh")
    if not run.descriptor.sessions.logout_revokes_access:
        await _session_is_of(run, user)
        return
    await together(*(run.client.call("user", token=user.access_token, status="expired") for _ in range(auth.READS)))
    code = run.contract.realtime.close.bad_token
    async with run.websocket.job(str(uuid.uuid4()), user.access_token) as socket:
        if await socket.until_refused(within=10) != code:
            raise violation(socket.what, expected=f"to be closed with {code}", observed=socket.summary())


async def _session_is_of(run: Run, user: User) -> None:
    """The claims of the access token and every instance's response name this user."""
    if (subject := claims_of(user.access_token).get("sub")) != user.user_id:
        raise violation("access token", expected=f"the subject {user.user_id}", observed=subject)
    own = (user.user_id, user.email)
    for response in await together(*(run.client.call("user", token=user.access_token) for _ in range(auth.READS))):
        if (seen := (response["user_id"], response["email"])) != own:
            raise violation("user", expected=f"the user {own}", observed=seen, look=response.look)


async def _nearly_right_passwords_are_refused(run: Run) -> None:
    user = auth.altered(run, run.users.new_user(), characters=auth.LONG_PASSWORD)
    await run.users.register(user)
    for change in auth.NEARLY_RIGHT:
        wrong = auth.altered(run, user, change=change)
        await run.client.call(
            "login", body={"email": wrong.email, "password": wrong.password}, status="invalid_credentials"
        )
    await run.users.sign_in(user)


async def _forged_tokens_are_refused(run: Run, genuine: Genuine) -> None:
    for kind in FORGED:
        for forged in forgeries(kind, genuine):
            await run.client.call("user", token=forged.token, status=run.contract.refused("user", kind))
