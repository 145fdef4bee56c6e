"""Whether our own process kept up with what it had to do: its event loop's lag and its share of a core."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from acceptance.errors import EnvironmentUnavailable
from acceptance.evidence.histogram import Distribution
from acceptance.performance.machine_load import MachineLoad, machine_watched
from acceptance.yaml_models import Data

SAMPLE_SECONDS = 0.01


class Bounds(Data):
    """Within these a generator has kept up: the p99 of its loop's lag in milliseconds, percent of one core."""

    lag_ms: float
    cpu: float


@dataclass
class Generator:
    """Samples of the own process: by how many seconds each came late; percent of one core that it used; the machine."""

    lags: list[float] = field(default_factory=list)
    cpu: float = 0.0
    machine: MachineLoad = field(default_factory=MachineLoad)

    @property
    def lag_p99_ms(self) -> float:
        """The p99 of the lag, in milliseconds."""
        return 1000 * Distribution.of(self.lags or [0.0]).percentile(99)

    def busy(self, bounds: Bounds) -> str:
        """Why the generator was too busy for its figures to be the deployment's; empty where it was not."""
        if self.machine.crowded:
            return f"{self.machine.crowded}: nothing is known about the deployment"
        if self.lag_p99_ms <= bounds.lag_ms and self.cpu <= bounds.cpu:
            return ""
        return (
            f"the generator did not keep up: 1 % of its loop's turns were {self.lag_p99_ms:.0f} ms late or more"
            f" (at most {bounds.lag_ms:g}), it used {self.cpu:.0f} % of a core (at most {bounds.cpu:g}):"
            " nothing is known about the deployment"
        )

    def check(self, bounds: Bounds) -> None:
        """Raises EnvironmentUnavailable where the generator was too busy."""
        if busy := self.busy(bounds):
            raise EnvironmentUnavailable(busy)


@contextmanager
def watched(*, with_deployment: bool = False) -> Iterator[Generator]:
    """The generator, watched on the running loop for as long as this is entered; see `machine_watched`."""
    generator = Generator()
    begin, used = time.monotonic(), time.process_time()
    task = asyncio.ensure_future(_sample(generator))
    try:
        with machine_watched(with_deployment=with_deployment) as generator.machine:
            yield generator
    finally:
        task.cancel()
        generator.cpu = 100 * (time.process_time() - used) / max(time.monotonic() - begin, SAMPLE_SECONDS)


async def _sample(generator: Generator) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            due = time.monotonic() + SAMPLE_SECONDS
            await asyncio.sleep(SAMPLE_SECONDS)
            generator.lags.append(max(0.0, time.monotonic() - due))
