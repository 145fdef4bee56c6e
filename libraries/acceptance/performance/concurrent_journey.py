"""Concurrent users who go through every flow once, each call timed; compared with a recorded journey."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from acceptance.chat import ask
from acceptance.errors import EnvironmentUnavailable, expect_none
from acceptance.fixtures.documents import TestDocument
from acceptance.fixtures.users import User
from acceptance.flow import Flow, TakenStep
from acceptance.performance.recording import environment
from acceptance.performance.regression import Comparison, compare, not_compared
from acceptance.polling import together
from acceptance.recordings import BASELINE, Baseline, Endpoint, RecordedJourney, reference
from acceptance.run import Run
from acceptance.uploads import Payload, announce, complete, document, listed_documents, put_bytes
from acceptance.yaml_models import read_model

USERS = 10


@dataclass
class Journey:
    """Times of all calls (ms, by endpoint), how many were attempted, and which failed."""

    users: int
    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    attempts: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    failed: list[tuple[str, BaseException]] = field(default_factory=list)
    at_once: int = 0
    seconds: float = 0.0

    def record(self, step: TakenStep) -> None:
        """Add a call of a user."""
        self.attempts[step.name] += 1
        if step.error is None:
            self.times[step.name].append(1000 * step.seconds)
        else:
            self.failed.append((step.name, step.error))

    @property
    def endpoints(self) -> dict[str, Endpoint]:
        """Each endpoint; the spans of a load are here the calls, one of each user."""
        return {
            name: Endpoint(spans=tuple(round(one, 3) for one in times), requests=len(times))
            for name, times in self.times.items()
        }


@dataclass(frozen=True)
class JourneyComparison:
    """A journey compared with the recorded one: what was compared, and what could not be, with the reason."""

    compared: list[Comparison]
    missing: list[str]


async def prepared(run: Run, seed: int) -> tuple[User, TestDocument]:
    """A user and a document for them."""
    return await run.users.signed_in(), await document(run, "note", seed)


async def run_journey(run: Run, users: list[tuple[User, TestDocument]]) -> Journey:
    """All of them at once; the first call of a user that fails ends their journey."""
    seen = Journey(len(users))
    begin, present = time.monotonic(), 0

    async def one(user: User, note: TestDocument) -> None:
        nonlocal present
        present += 1
        seen.at_once = max(seen.at_once, present)
        try:
            async with Flow(seen.record) as flow:
                await flow.step("login", run.users.sign_in(user))
                await flow.step("user", run.client.call("user", token=user.access_token))
                upload = await flow.step("upload", announce(run, user, Payload.of(note)))
                await flow.step("upload_bytes", put_bytes(run, upload))
                await flow.step("processing", complete(run, upload))
                assert note.handbook is not None
                await flow.step("chat", ask(run, user, note.handbook.facts[0].question))
                await flow.step("documents", listed_documents(run, user))
                await flow.step("logout", run.users.log_out(user))
        finally:
            present -= 1

    await together(*(one(user, note) for user, note in users))
    seen.seconds = time.monotonic() - begin
    return seen


async def record_journey(run: Run) -> RecordedJourney:
    """A journey of ten users, for the baseline file; raises AssertionError where a call failed."""
    seen = await run_journey(run, [await prepared(run, number + 1) for number in range(USERS)])
    expect_none((f"{name}: {error}" for name, error in seen.failed), "calls of a journey", expected="to succeed")
    return RecordedJourney(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        build=run.descriptor.build,
        environment=environment(),
        users=USERS,
        endpoints=seen.endpoints,
    )


def recorded_journey(run: Run, users: int) -> RecordedJourney:
    """The journey of so many users that this deployment is compared with; of the local baseline itself an earlier one.

    Raises:
        EnvironmentUnavailable: none is recorded, or one of another number of users, or of a deployment that is not
            local.
    """
    name, recording = reference(run.descriptor, read_model(BASELINE, Baseline))
    if recording is None or recording.visit is None:
        raise EnvironmentUnavailable(f"no visit of '{name}' is recorded in {BASELINE.name}: make baseline records it")
    if recording.visit.users != users:
        had = f"{recording.visit.users} users at once, not {users}"
        raise EnvironmentUnavailable(f"the visit of '{name}' in {BASELINE.name} was one of {had}")
    return recording.visit


def compare_journeys(recorded: RecordedJourney, seen: Journey) -> JourneyComparison:
    """Endpoint by endpoint, by the rule of PERF-07."""
    before, now = recorded.endpoints, seen.endpoints
    return JourneyComparison(compare(before, now, "time"), not_compared(before, now, "calls"))
