"""The run: one deployment, opened once per process, with the clients that observe it."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

from acceptance.clients.database import DatabaseInspector
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient
from acceptance.clients.network_path import NetworkPath
from acceptance.clients.sse import EventStreams
from acceptance.clients.websocket import JOINS_PER_SECOND, RealtimeClient
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Descriptor, contract_of
from acceptance.deployment.provisioning import OpenDeployment, open_deployment
from acceptance.errors import Blocked, ConfigurationError, EnvironmentUnavailable, Unresponsive
from acceptance.event_loop import LoopThread
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.reader import EVIDENCE
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact, Observation, Panel, Point, Series
from acceptance.evidence.seal import digest_of
from acceptance.faults.drivers import drivers_of
from acceptance.faults.faults import Faults
from acceptance.faults.journal import Place
from acceptance.faults.rollback import Outcome, roll_back
from acceptance.fixtures.resource_ledger import ResourceLedger
from acceptance.fixtures.users import User, Users
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.scrub import SecretLeftError, scrub_file
from acceptance.verdict.criterion_results import FIXTURE
from acceptance.verdict.failures import Failure

Result = TypeVar("Result")

DEPLOYMENT = "ACCEPTANCE_DEPLOYMENT"  # environment variable: descriptor
PROVISIONED = "ACCEPTANCE_PROVISIONED"  # environment variable: 1 where the runner brought the deployment up
RUN = "ACCEPTANCE_RUN"  # environment variable: identifier of the run that this process is part of
ROLLBACK_SECONDS = 120.0
# What else an earlier run left in its folder, that a later one must not take for its own.
EARLIER = ("load-*", "scaling", "browser", "gate.*", "handoff.html", "summary.md", "xunit.xml", "TODO001_phase2_*")


class Channels:
    """Event channels that stay open until they are closed together, all at once."""

    def __init__(self) -> None:
        self._open: list[AsyncExitStack] = []

    async def enter_async_context(self, channel: AbstractAsyncContextManager[Result]) -> Result:
        """Open a channel."""
        stack = AsyncExitStack()
        opened = await stack.enter_async_context(channel)
        self._open.append(stack)
        return opened

    async def aclose(self) -> None:
        """Close them; one that the other side does not close delays no other."""
        closing, self._open = self._open, []
        await asyncio.gather(*(stack.aclose() for stack in closing), return_exceptions=True)


@dataclass
class TestContext:
    """What the steps of one test share; a new one for each test.

    Attributes:
        users: by the names that the test gives them.
        active: name of the user that steps without a user mean.
        channels: event channels that the test opened, closed at its end.
        things: what older steps share.
        figures: those that the test recorded, by name.
        looks: how many steps, answers, figures and comparisons the test has had so far.
        left_out: what the contract marks `absent` and the test left out, as dotted paths.
        excuse: which tool of ours failed in the middle of it; then its failure says nothing of the deployment.
    """

    __test__ = False

    users: dict[str, User] = field(default_factory=dict)
    active: str | None = None
    channels: Channels = field(default_factory=Channels)
    things: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    looks: int = 0
    left_out: set[str] = field(default_factory=set)
    excuse: str = ""


@dataclass(frozen=True)
class RequiredCapacity:
    """The capacity that a run requires of the deployment's plan."""

    realtime_connections: int = 60
    realtime_joins_per_second: int = JOINS_PER_SECOND
    requests_per_minute: int = 3000


class Run:
    """One opened deployment, the clients that observe it, and the evidence.

    Args:
        deployment: the opened deployment.
        folder: folder of the evidence.
        identifier: name of the run; part of every name that it creates.
        role: role of this process in the run; part of its evidence's file name.

    Attributes:
        log: receives a line for each call and observation, at the end of a step.
        live: receives progress lines of long steps, for the console.
        show: receives each recorded observation and series, at the end of a step.
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
        self.provisioned = deployment.provisioned or os.environ.get(PROVISIONED) == "1"
        self.descriptor: Descriptor = deployment.descriptor
        self.folder = folder
        self.identifier = identifier
        self.contract: Contract = contract_of(self.descriptor)
        self.redactor = redactor or Redactor()
        for name in self.descriptor.secrets:
            with suppress(ConfigurationError):  # PRE-02 reports an unset one
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
        self.path = NetworkPath()
        self.client = ContractClient(self.descriptor, self.contract, self.error_log, self.redactor, path=self.path)
        self.faults = Faults(
            self.descriptor, lambda: drivers_of(self.descriptor, self.path), place_of(deployment), identifier,
            self._environment, self.note,
        )  # fmt: skip
        self.client.in_fault_window = self.error_log.in_fault_window = lambda: self.faults.in_window
        self.sse = EventStreams(self.client)
        self.database = DatabaseInspector(self.descriptor, self.contract)
        self.users = Users(self)
        self.needs = RequiredCapacity()
        self.context = TestContext()
        self.shared: dict[str, Any] = {}  # results of shared steps
        self.uploaded: defaultdict[str, list[Any]] = defaultdict(list)  # by user, for questions that name a document
        self.asked_about: dict[str, str] = {}  # conversation -> document
        self.broken: dict[str, str] = {}  # what fixtures failed by -> the first of them
        self.channels = Channels()  # open until the end of the run
        self.log: Callable[[str], None] = lambda line: None
        self.live: Callable[[str], None] = lambda line: None
        self.show: Callable[[Observation | Series], None] = lambda record: None
        self._recorded: list[Observation | Series | str] = []  # logged by the caller: the loop has to measure
        self.loop = LoopThread()

    @cached_property
    def websocket(self) -> RealtimeClient:
        """Opens the contract's channels; raises NotOffered where the descriptor names no realtime service."""
        address = self.descriptor.services.realtime.url
        return RealtimeClient(
            self.contract, address, headers_of=self.descriptor.headers_of, journal=self.error_log, path=self.path
        )

    def wait(self, coroutine: Coroutine[Any, Any, Result], *, within: float = 60.0) -> Result:
        """The result of a coroutine, for synchronous callers; reports its calls and observations.

        Raises:
            AssertionError: it did not end within that many seconds, those not counted that calls waited for their turn.
        """
        try:
            self.context.looks += 1
            return self.loop.wait(coroutine, within=within, paused=lambda: self.client.throttle.paused)
        finally:
            self._report()

    def note(self, line: str) -> None:
        """Log a line with the step under way; for coroutines, which run in another thread than the step."""
        self._recorded.append(line)

    def _report(self) -> None:
        calls, recorded = self.client.take_log(), self._recorded
        self._recorded = []
        self.context.looks += len(calls)
        for line in calls:
            self.log(line)
        for record in recorded:
            if isinstance(record, str):
                self.log(record)
                continue
            if isinstance(record, Observation):
                counted = f" ({record.samples} samples)" if record.samples > 1 else ""
                self.log(f"{record.criterion}: {record.name} {record.value} {record.unit}{counted}")
            self.show(record)

    @overload
    def observe(
        self, criterion: str, name: str, value: float | bool | str, unit: str, *, samples: int,
        artifact: Artifact | None = None,
    ) -> None: ...  # fmt: skip

    @overload
    def observe(self, criterion: str, name: str, value: Sequence[float], unit: str, *, statistic: str) -> None: ...

    def observe(
        self,
        criterion: str,
        name: str,
        value: float | bool | str | Sequence[float],
        unit: str,
        *,
        samples: int = 0,
        artifact: Artifact | None = None,
        statistic: str | None = None,
    ) -> None:
        """Record a figure of a criterion.

        Args:
            criterion: such as `INT-13`.
            name: of the figure.
            value: the figure; with `statistic`, all its samples.
            unit: of the value; `text` for a text.
            samples: number of samples behind a single value.
            artifact: a file kept by `keep_artifact`.
            statistic: of the samples that is judged: mean, median, min, max, or a percentile such as `p95`.

        Raises:
            ValueError: criterion, name, unit or samples are missing.
        """
        kept = None
        if not isinstance(value, int | float | str):
            kept = Distribution.of(value)
            samples, value = kept.count, kept.statistic(statistic or "")
        observation = self.evidence.observe(
            criterion, name, value, unit, samples=samples, artifact=artifact, statistic=statistic, distribution=kept
        )
        self._recorded.append(observation)
        self.context.looks += 1

    def observe_series(
        self,
        criterion: str,
        name: str,
        lines: Mapping[str, Sequence[Point]],
        unit: str,
        *,
        x_unit: str = "s",
        marks: Mapping[str, float] | None = None,
        below: Panel | None = None,
    ) -> None:
        """Record values over time, or over another quantity.

        Args:
            lines: points (x, y) by the name of their line, x in `x_unit`, y in `unit`.
            marks: moments of x by name, such as the start of a fault.
            below: something else over the same x, drawn below.
        """
        self._recorded.append(
            self.evidence.series(criterion, name, unit, lines, x_unit=x_unit, marks=marks, below=below)
        )

    def keep_artifact(self, path: Path) -> Artifact:
        """Redact a file in the run's folder and keep it, for an observation; it must not change afterwards.

        The caller masks secrets of a page before taking its picture.

        Raises:
            EnvironmentUnavailable: the file holds a secret that cannot be redacted; it is removed.
            ValueError: not a file in the run's folder.
        """
        name = path.resolve().relative_to(self.folder.resolve()).as_posix()
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"{name}: only a file can be kept as an artifact")
        try:
            scrub_file(path, self.redactor)
        except SecretLeftError as error:
            raise EnvironmentUnavailable(f"an artifact cannot be kept: {error}") from None
        return Artifact(path=name, sha256=digest_of(path))

    def begin(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> asyncio.Task[Result]:
        """Begin a shared step unless it has begun; called on the run's loop."""
        if name not in self.shared:
            self.shared[name] = asyncio.ensure_future(make())
            self.shared[name].add_done_callback(_retrieve_exception)
        return self.shared[name]  # type: ignore[no-any-return]

    async def once(self, name: str, make: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """The result of a shared step: run for the first test that needs it; its failure is that of each of them."""
        known = name in self.shared
        try:
            return await asyncio.shield(self.begin(name, make))
        except Blocked as error:
            raise Blocked(error.fixture, error.reason, first=error.first and not known) from None

    @asynccontextmanager
    async def fixture(self, name: str, criterion: str) -> AsyncIterator[None]:
        """What is made here is a fixture: its failure violates its own criterion, once for each reason.

        Raises:
            Blocked: it failed, which says nothing of the criteria whose tests need it.
        """
        try:
            yield
        except Unresponsive:
            raise
        except AssertionError as error:
            reason, cause = str(error), Failure(text=str(error)).key
            first = cause not in self.broken
            if first:
                self.broken[cause] = name
                number = len(self.broken)
                outcome = f"{FIXTURE}{name}" + (f" ({number})" if number > 1 else "")
                self.evidence.test(name=outcome, criteria=[criterion], status="FAIL", cause="product", message=reason)
            raise Blocked(name, reason, first=first) from None

    def is_offered(self, place: str) -> bool:
        """Whether the contract offers what stands at a dotted path; if not, the test's criterion is met without it."""
        offered = self.contract.offers(place)
        if not offered:
            self.context.left_out.add(place)
        return offered

    def close(self) -> list[str]:
        """Remove what the run created and close everything; returns a line for each thing that remains."""
        try:
            return self.wait(self.end(), within=120)
        finally:
            self.release()

    def note_rate_limits(self) -> None:
        """Note the rate limits that the run hit, if any, as long as there is evidence to note them in."""
        if (limited := self.client.throttle.summary) and not self.evidence.closed:
            self.evidence.note(limited)

    async def roll_back(self) -> Outcome:
        """Undo the faults that runs without a living process left in this deployment."""
        return await roll_back(place_of(self.deployment).folder, self.descriptor)

    async def _environment(self) -> str | None:
        """The environment that the deployment's health document names; None where it names none."""
        if not self.contract.offers("routes.health.answer.environment"):
            return None
        return str((await self.client.call("health"))["environment"])

    def release(self) -> None:
        """Release thread and files; for a caller with its own event loop, after `end`."""
        self.loop.close()
        self.ledger.close()
        self.evidence.close()

    async def end(self) -> list[str]:
        """Undo the faults, close the channels, remove what the run created; returns a line for each that remains."""
        self.client.throttle.bounded = False
        self.note_rate_limits()
        try:
            broken = await self.faults.close()
            await self.channels.aclose()
            return broken + await self.users.remove_all()
        finally:
            await self.users.close()
            await self.client.close()


def place_of(deployment: OpenDeployment) -> Place:
    """The deployment as the journal of faults knows it."""
    descriptor, control = deployment.descriptor, deployment.descriptor.faults.control
    return Place(
        descriptor.name, descriptor.services.api.url, str(deployment.path), deployment.provisioned,
        control.url if control is not None else "",
    )  # fmt: skip


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from logging a failure that no test depends on."""
    if not task.cancelled():
        task.exception()


_current: Run | None = None
_stack = ExitStack()


def open_run(folder: Path, deployment: str | None = None, redactor: Redactor | None = None) -> Run:
    """The run of this process, opened at the first call.

    Args:
        folder: folder of its evidence.
        deployment: name or path; default: `ACCEPTANCE_DEPLOYMENT` of the environment, else the sandbox.
        redactor: the one in use, if any.
    """
    global _current
    if _current is None:
        opened = _stack.enter_context(open_deployment(deployment or os.environ.get(DEPLOYMENT) or "sandbox"))
        if RUN not in os.environ:
            set_aside(folder)
        identifier = os.environ.get(RUN) or f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:4]}"
        _current = Run(opened, folder, identifier, redactor, "robot")
        if RUN not in os.environ and (left := _current.wait(_current.roll_back(), within=ROLLBACK_SECONDS).left):
            raise ConfigurationError(left)
    return _current


def set_aside(folder: Path) -> None:
    """Move evidence, report and loads of an earlier run in the same folder aside."""
    earlier = folder / EVIDENCE
    if earlier.exists():
        number = next(n for n in itertools.count(1) if not (folder / f"{EVIDENCE}-{n}").exists())
        aside = earlier.rename(folder / f"{EVIDENCE}-{number}")
        for name in EARLIER:
            for path in folder.glob(name):
                path.rename(aside / path.name)


def opened_run() -> Run | None:
    """The open run of this process, or none."""
    return _current


def close_run() -> list[str]:
    """Close the run of this process, if open, and end its provisioned deployment."""
    global _current
    run, _current = _current, None
    try:
        return run.close() if run is not None else []
    finally:
        _stack.close()
