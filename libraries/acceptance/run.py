"""The run: one deployment opened once per process, with everything that observes it."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from acceptance.client import ContractClient
from acceptance.contract import Contract, read_contract
from acceptance.deployment import PROJECT, OpenDeployment, open_deployment
from acceptance.descriptor import Descriptor
from acceptance.evidence import Artifact, Recorder
from acceptance.inspection import Inspection
from acceptance.journal import Journal
from acceptance.loop import LoopThread
from acceptance.people import People, Person
from acceptance.realtime import RealtimeClient
from acceptance.redaction import Redactor

Result = TypeVar("Result")

CONTRACT = PROJECT / "variables" / "contract.yaml"


@dataclass
class Scene:
    """Who and what the steps of one test speak of; a new one for each test."""

    people: dict[str, Person] = field(default_factory=dict)
    things: dict[str, Any] = field(default_factory=dict)
    channels: AsyncExitStack = field(default_factory=AsyncExitStack)


@dataclass(frozen=True)
class Needs:
    """What a run asks of the deployment's plan and limits."""

    realtime_connections: int = 60
    concurrent_jobs_per_user: int = 3
    uploads_per_user: int = 40


class Run:
    """One opened deployment and the parts that observe it.

    Args:
        deployment: the opened deployment.
        folder: where evidence is written.
        identifier: name of the run; carried by everything that it creates.
    """

    def __init__(
        self, deployment: OpenDeployment, folder: Path, identifier: str, redactor: Redactor | None = None
    ) -> None:
        self.deployment = deployment
        self.descriptor: Descriptor = deployment.descriptor
        self.folder = folder
        self.identifier = identifier
        self.contract: Contract = read_contract(CONTRACT)
        self.redactor = redactor or Redactor()
        for name in self.descriptor.secrets:
            if os.environ.get(self.descriptor.secrets[name]):
                self.redactor.register(self.descriptor.secret(name).get_secret_value())
        self.journal = Journal(self.redactor)
        self._notes = folder / "journal"
        self._notes.mkdir(parents=True, exist_ok=True)
        self.journal.write_to(self._notes / f"errors-{os.getpid()}.jsonl")
        self.evidence = Recorder(
            folder / "evidence", self.redactor, deployment=self.descriptor.name, build=self.descriptor.build
        )
        self.client = ContractClient(self.descriptor, self.contract, self.journal, self.redactor)
        self.realtime = RealtimeClient(self.client, self.descriptor.services.realtime.url)
        self.inspection = Inspection(self.descriptor, self.contract)
        self.people = People(self)
        self.needs = Needs()
        self.scene = Scene()
        self.kept: dict[str, Any] = {}  # what several tests look at, made once
        self.loop = LoopThread()

    def wait(self, coroutine: Coroutine[Any, Any, Result], *, within: float = 60.0) -> Result:
        """The result of a coroutine of the core, for callers that are not asynchronous."""
        return self.loop.wait(coroutine, within=within)

    def enter(self, channel: AbstractAsyncContextManager[Result]) -> Result:
        """Open a channel that stays open until the end of the test."""
        return self.wait(self.scene.channels.enter_async_context(channel))

    def end_scene(self) -> None:
        """Close what the test opened; the next test starts with an empty scene."""
        scene, self.scene = self.scene, Scene()
        self.wait(scene.channels.aclose(), within=10)

    def observe(
        self,
        criterion: str,
        name: str,
        value: float | bool | str,
        unit: str = "",
        *,
        samples: int = 1,
        artifact: Artifact | None = None,
    ) -> None:
        """Record something measured for a criterion, from so many samples."""
        self.evidence.observe(criterion, name, value, unit=unit, samples=samples, artifact=artifact)

    def created(self, kind: str, identifier: str) -> None:
        """Note on disk what the run made, so that it can be removed even when the run was killed."""
        line = json.dumps({"kind": kind, "id": identifier, "deployment": self.descriptor.name, "at": time.time()})
        with (self._notes / "created.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def close(self) -> list[str]:
        """Remove what the run made and close everything; returns one line for each thing that stays."""
        left = []
        try:
            self.end_scene()
            left = self.wait(self.people.remove_all(), within=60)
            self.wait(self.client.close(), within=10)
        finally:
            self.loop.close()
            self.evidence.close()
        return left


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
        _current = Run(opened, folder, identifier, redactor)
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
