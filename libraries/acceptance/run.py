"""The run: one deployment opened once per process, with everything that observes it."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from acceptance.clients.database import DatabaseInspector
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient
from acceptance.clients.sse import EventStreams
from acceptance.clients.websocket import JOINS_PER_SECOND, RealtimeClient
from acceptance.deployment.contract import CONTRACT, Contract, read_contract
from acceptance.deployment.descriptor import Descriptor
from acceptance.deployment.provisioning import OpenDeployment, open_deployment
from acceptance.errors import ConfigurationError, EnvironmentUnavailable
from acceptance.event_loop import LoopThread
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.reader import EVIDENCE
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact, Observation, Point
from acceptance.evidence.seal import digest_of
from acceptance.fixtures.resource_ledger import ResourceLedger
from acceptance.fixtures.users import User, Users
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.scrub import SecretLeftError, scrub_file
from acceptance.report import charts
from acceptance.report.svg import LOG

Result = TypeVar("Result")

CHART_SAMPLES = 20  # with fewer, a chart tells no more than the figure
DEPLOYMENT = "ACCEPTANCE_DEPLOYMENT"  # of the environment: its descriptor
RUN = "ACCEPTANCE_RUN"  # of the environment: the identifier of the run that this process is a part of


@dataclass
class TestContext:
    """What the steps of one test share; a new one for each test.

    Attributes:
        users: by the names that the test gives them.
        active: name of the user that steps without a user mean.
        channels: event channels that the test opened, closed at its end.
        things: what older steps share.
    """

    __test__ = False

    users: dict[str, User] = field(default_factory=dict)
    active: str | None = None
    channels: AsyncExitStack = field(default_factory=AsyncExitStack)
    things: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RequiredCapacity:
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
        self.error_log = ErrorLog(self.redactor)
        self.ledger = ResourceLedger(folder, self.descriptor.name)
        self.error_log.write_to(folder / "journal" / f"errors-{os.getpid()}.jsonl")
        self.evidence = Recorder(
            folder / EVIDENCE,
            identifier,
            self.redactor,
            role,
            deployment=self.descriptor.name,
            build=self.descriptor.build,
        )
        self.client = ContractClient(self.descriptor, self.contract, self.error_log, self.redactor)
        self.websocket = RealtimeClient(self.contract, self.descriptor.services.realtime.url)
        self.sse = EventStreams(self.client)
        self.database = DatabaseInspector(self.descriptor, self.contract)
        self.users = Users(self)
        self.needs = RequiredCapacity()
        self.context = TestContext()
        self.shared: dict[str, Any] = {}  # what several tests look at, made once
        self.channels = AsyncExitStack()  # what stays open until the end of the run
        self.tell: Callable[[str], None] = lambda line: None  # for whoever wants to read along
        self.live: Callable[[str], None] = lambda line: None  # for the console, while a long step goes on
        self.show: Callable[[str], None] = lambda html: None  # charts, for the same
        self._observed: list[str] = []
        self._charts: list[Callable[[], charts.Chart]] = []  # drawn by the caller: the loop has measuring to do
        self.loop = LoopThread()

    def wait(self, coroutine: Coroutine[Any, Any, Result], *, within: float = 60.0) -> Result:
        """The result of a coroutine of the core, for callers that are not asynchronous; tells what was seen."""
        try:
            return self.loop.wait(coroutine, within=within)
        finally:
            self._tell_what_was_seen()

    def _tell_what_was_seen(self) -> None:
        calls, observed, drawn = self.client.take_log(), self._observed, self._charts
        self._observed, self._charts = [], []
        for line in (*calls, *observed):
            self.tell(line)
        for chart in drawn:
            self.show(charts.for_log(chart()))

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
        if kept.count >= CHART_SAMPLES:
            title = f"{criterion}: {name.replace('_', ' ')}"
            self._charts.append(partial(charts.histogram, title, kept, unit, paint=LOG))

    def observe_series(
        self,
        criterion: str,
        name: str,
        lines: Mapping[str, Sequence[Point]],
        unit: str,
        *,
        x_unit: str = "s",
        marks: Mapping[str, float] | None = None,
    ) -> None:
        """Record how something went over time, or against something else.

        Args:
            lines: points (x, y) by the name of their line, x in `x_unit`, y in `unit`.
            marks: moments of x by name, such as when a fault began.
        """
        series = self.evidence.series(criterion, name, unit, lines, x_unit=x_unit, marks=marks)
        self._charts.append(partial(charts.lines, series, paint=LOG))

    def keep_artifact(self, path: Path) -> Artifact:
        """A file in the run's folder, to be recorded with an observation: cleaned now, and not to change any more.

        Who hands over a picture vouches for it: secrets of the page were masked before it was taken.

        Raises:
            EnvironmentUnavailable: it holds a secret and cannot be cleaned; it is removed.
            ValueError: it is no file in the run's folder.
        """
        name = path.resolve().relative_to(self.folder.resolve()).as_posix()
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{name}: only a file can be kept as an artifact")
        try:
            scrub_file(path, self.redactor)
        except SecretLeftError as error:
            raise EnvironmentUnavailable(f"an artifact cannot be kept: {error}") from None
        return Artifact(path=name, sha256=digest_of(path))

    def _tell_of(self, seen: Observation) -> None:
        counted = f" ({seen.samples} samples)" if seen.samples > 1 else ""
        self._observed.append(f"{seen.criterion}: {seen.name} {seen.value} {seen.unit}{counted}")

    def begin(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Task[Result]:
        """Begin what several tests look at, unless it has begun; to be called on the run's loop."""
        if name not in self.shared:
            self.shared[name] = asyncio.ensure_future(make())
            self.shared[name].add_done_callback(_not_unseen)
        return self.shared[name]  # type: ignore[no-any-return]

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
        self.ledger.close()
        self.evidence.close()

    async def end(self) -> list[str]:
        """Close the channels, remove what the run made; returns one line for each thing that stays."""
        try:
            await self.channels.aclose()
            return await self.users.remove_all()
        finally:
            await self.users.close()
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
        opened = _stack.enter_context(open_deployment(deployment or os.environ.get(DEPLOYMENT) or "sandbox"))
        if RUN not in os.environ:
            set_aside(folder)
        identifier = os.environ.get(RUN) or f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        _current = Run(opened, folder, identifier, redactor, "robot")
    return _current


def set_aside(folder: Path) -> None:
    """Evidence of an earlier run in the same folder, and its loads, are kept beside: they are not of this run."""
    earlier = folder / EVIDENCE
    if earlier.exists():
        number = next(n for n in itertools.count(1) if not (folder / f"{EVIDENCE}-{n}").exists())
        aside = earlier.rename(folder / f"{EVIDENCE}-{number}")
        for load in [*folder.glob("load-*"), *folder.glob("scaling")]:
            load.rename(aside / load.name)


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
