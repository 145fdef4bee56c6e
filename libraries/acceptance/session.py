"""Deployment session: opens a deployment, and a run in it, for the classes of the mission's interface."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import ClassVar, Self

from acceptance.deployment.provisioning import OpenDeployment, open_deployment
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, NotOffered, Violation
from acceptance.results import StepError
from acceptance.run import Run
from acceptance.yaml_models import PROJECT

FAILURES = (AssertionError, EnvironmentUnavailable, CapabilityMissing, NotOffered, ConfigurationError, OSError)


class DeploymentSession:
    """Opens a deployment once per `with` block, else for each call.

    Args:
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        folder: folder of the resource ledger, for `make clean-up`; default: a new one in `results/`.
    """

    ROLE: ClassVar[str]  # part of the run's name

    def __init__(self, deployment: str = "sandbox", *, folder: Path | None = None) -> None:
        self._deployment = deployment
        self._folder = folder
        self._stack = ExitStack()
        self._opened: OpenDeployment | None = None

    def __enter__(self) -> Self:
        """Raises ConfigurationError when the deployment cannot be opened."""
        self._opened = self._stack.enter_context(open_deployment(self._deployment))
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened = None
        self._stack.close()

    async def _deployed(self, stack: ExitStack) -> OpenDeployment:
        """The deployment; one opened for this call ends with `stack`."""
        if self._opened is not None:
            return self._opened
        return await asyncio.to_thread(stack.enter_context, open_deployment(self._deployment))

    @asynccontextmanager
    async def _run_in(self, opened: OpenDeployment, errors: list[StepError]) -> AsyncIterator[Run]:
        """A run of its own, which removes what it created; `errors` gets what remains."""
        identifier = f"{time.strftime('%Y%m%d-%H%M%S')}-{self.ROLE}-{uuid.uuid4().hex[:4]}"
        run = Run(opened, self._folder or PROJECT / "results" / identifier, identifier)
        try:
            yield run
        finally:
            left = await run.end()
            run.release()
            errors += [StepError("removal", "nothing of the run is left", line) for line in left]


def failed_step(step: str, error: BaseException, *, expected: str = "the step to succeed") -> StepError:
    """A failed step for the results; `expected` is used for errors without an expectation."""
    if isinstance(error, Violation):
        return StepError(step, f"{error.what}: {error.expected}", error.observed, error.request_id)
    return StepError(step, expected, f"{type(error).__name__}: {error}")
