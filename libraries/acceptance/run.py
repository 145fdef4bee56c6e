"""The run: one deployment opened once per process, with everything that observes it."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from acceptance.client import ContractClient
from acceptance.contract import Contract, read_contract
from acceptance.data import PROJECT
from acceptance.deployment import OpenDeployment, open_deployment
from acceptance.descriptor import Descriptor
from acceptance.errors import ConfigurationError
from acceptance.evidence.distribution import Distribution
from acceptance.evidence.reading import EVIDENCE
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact, Observation
from acceptance.inspection import Inspection
from acceptance.journal import Journal
from acceptance.loop import LoopThread
from acceptance.made import Made
from acceptance.people import People, Person
from acceptance.realtime import JOINS_PER_SECOND, RealtimeClient
from acceptance.redaction import Redactor

Result = TypeVar("Result")

SHOWN_CALLS = 12  # of one step
CONTRACT = PROJECT / "variables" / "contract.yaml"


@dataclass
class Scene:
    """Who and what the steps of one test speak of; a new one for each test."""

    people: dict[str, Person] = field(default_factory=dict)
    things: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Needs:
    """What a run asks of the deployment's plan and limits."""

    realtime_connections: int = 60
    realtime_joins_per_second: int = JOINS_PER_SECOND
    requests_per_minute: int = 3000
    concurrent_jobs_per_user: int = 3
    uploads_per_user: int = 40


class Run:
    """One opened deployment and the parts that observe it.

    Args:
        deployment: the opened deployment.
        folder: where evidence is written.
        identifier: name of the run; carried by everything that it creates.
        role: what this process is to the run; its evidence is named after it.
    """

    def __init__(
        self,
        deployment: OpenDeployment,
        folder: Path,
        identifier: str,
        redactor: Redactor | None = None,
        role: str = "core",
    ) -> None:
        self.deployment = deployment
        self.descriptor: Descriptor = deployment.descriptor
        self.folder = folder
        self.identifier = identifier
        self.contract: Contract = read_contract(CONTRACT)
        self.redactor = redactor or Redactor()
        for name in self.descriptor.secrets:
            with suppress(ConfigurationError):  # an unset one is PRE-02's to name
                self.redactor.register(self.descriptor.secret(name).get_secret_value())
        self.journal = Journal(self.redactor)
        self.made = Made(folder, self.descriptor.name)
        self.journal.write_to(folder / "journal" / f"errors-{os.getpid()}.jsonl")
        self.evidence = Recorder(
            folder / EVIDENCE,
            identifier,
            self.redactor,
            role,
            deployment=self.descriptor.name,
            build=self.descriptor.build,
        )
        self.client = ContractClient(self.descriptor, self.contract, self.journal, self.redactor)
        self.realtime = RealtimeClient(self.client, self.descriptor.services.realtime.url)
        self.inspection = Inspection(self.descriptor, self.contract)
        self.people = People(self)
        self.needs = Needs()
        self.scene = Scene()
        self.kept: dict[str, Any] = {}  # what several tests look at, made once
        self.channels = AsyncExitStack()  # what stays open until the end of the run
        self.tell: Callable[[str], None] = lambda line: None  # for whoever wants to read along
        self._observed: list[str] = []
        self.loop = LoopThread()

    def wait(self, coroutine: Coroutine[Any, Any, Result], *, within: float = 60.0) -> Result:
        """The result of a coroutine of the core, for callers that are not asynchronous; tells what was seen."""
        try:
            return self.loop.wait(coroutine, within=within)
        finally:
            self._tell_what_was_seen()

    def _tell_what_was_seen(self) -> None:
        calls, observed = list(self.client.calls), self._observed
        self.client.calls.clear()
        self._observed = []
        more = [f"… and {len(calls) - SHOWN_CALLS} more calls"] if len(calls) > SHOWN_CALLS else []
        for line in (*calls[:SHOWN_CALLS], *more, *observed):
            self.tell(line)

    def observe(
        self,
        criterion: str,
        name: str,
        value: float | bool | str,
        unit: str,
        *,
        samples: int,
        artifact: Artifact | None = None,
    ) -> None:
        """Record something measured for a criterion, in its unit (`text` for a text), from so many samples.

        Raises:
            ValueError: there is no criterion, name, unit or sample.
        """
        self._tell_of(self.evidence.observe(criterion, name, value, unit, samples=samples, artifact=artifact))

    def observe_samples(
        self, criterion: str, name: str, samples: Sequence[float], unit: str, *, statistic: str
    ) -> None:
        """Record all samples of something measured, and the statistic (mean, median, max, p95, …) that is judged."""
        kept = Distribution.of(samples)
        value = kept.statistic(statistic)
        self._tell_of(
            self.evidence.observe(
                criterion, name, value, unit, samples=kept.count, statistic=statistic, distribution=kept
            )
        )

    def _tell_of(self, seen: Observation) -> None:
        counted = f" ({seen.samples} samples)" if seen.samples > 1 else ""
        self._observed.append(f"{seen.criterion}: {seen.name} {seen.value} {seen.unit}{counted}")

    def begin(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Task[Result]:
        """Begin what several tests look at, unless it has begun; to be called on the run's loop."""
        if name not in self.kept:
            self.kept[name] = asyncio.ensure_future(make())
            self.kept[name].add_done_callback(_not_unseen)
        return self.kept[name]  # type: ignore[no-any-return]

    async def once(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """What several tests look at: made by the first that asks, and its failure is the failure of each."""
        return await asyncio.shield(self.begin(name, make))

    def close(self) -> list[str]:
        """Remove what the run made and close everything; returns one line for each thing that stays."""
        try:
            return self.wait(self.end(), within=90)
        finally:
            self.release()

    def release(self) -> None:
        """Give back what the process holds: thread and files. For a caller with a loop of its own, after `end`."""
        self.loop.close()
        self.made.close()
        self.evidence.close()

    async def end(self) -> list[str]:
        """Close the channels, remove what the run made; returns one line for each thing that stays."""
        try:
            await self.channels.aclose()
            return await self.people.remove_all()
        finally:
            await self.people.close()
            await self.client.close()


def _not_unseen(task: asyncio.Task[Any]) -> None:
    """Where nobody asks for the result, asyncio complains about a failure that no test depends on."""
    if not task.cancelled():
        task.exception()


_current: Run | None = None
_stack = ExitStack()


def open_run(folder: Path, deployment: str | None = None, redactor: Redactor | None = None) -> Run:
    """The run of this process, opened at the first call.

    Args:
        folder: where its evidence goes.
        deployment: name or path; default is `ACCEPTANCE_DEPLOYMENT` of the environment, else the sandbox.
        redactor: the one that is already in use, if any.
    """
    global _current
    if _current is None:
        opened = _stack.enter_context(
            open_deployment(deployment or os.environ.get("ACCEPTANCE_DEPLOYMENT") or "sandbox")
        )
        identifier = os.environ.get("ACCEPTANCE_RUN") or f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        _current = Run(opened, folder, identifier, redactor, "robot")
    return _current


def opened_run() -> Run | None:
    """The run of this process, if one is open."""
    return _current


def close_run() -> list[str]:
    """Close the run of this process, if one is open, and end a deployment that was provisioned for it."""
    global _current
    run, _current = _current, None
    try:
        return run.close() if run is not None else []
    finally:
        _stack.close()
