"""PERF-08 and PERF-09: a load that rises in steps until limits break, several times, with the resources watched."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any, Self

from ArtilleryLibrary.figures import Ending, LoadResult
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.requestlog import RequestLog
from ArtilleryLibrary.script import LoadScript
from pydantic import Field, model_validator

from acceptance.errors import EnvironmentUnavailable
from acceptance.fixtures.users import User
from acceptance.performance.bottleneck import Saturated
from acceptance.performance.capacity import Bounds, Capacity, Held, Step, capacity_of, phases_of, steps_of
from acceptance.performance.load import Prepared, flows, prepared, teller
from acceptance.performance.load_documents import AT_ONCE, ended, sent
from acceptance.performance.load_profiles import scale_of
from acceptance.performance.measured import measured_once
from acceptance.performance.resource_sampler import ResourceSamples, watched
from acceptance.polling import together
from acceptance.run import Run
from acceptance.verdict.criteria import limit_for
from acceptance.yaml_models import PROJECT, Data, read_model

SOURCE = PROJECT / "variables" / "scaling.yaml"
SEED = 30_000  # of the documents that are asked about; no other suite's
LAST_LOOK = 3.0  # seconds, at the documents of those whose turn comes when the time is over
SETTLES = 1.0  # seconds after a step until its last answers count as late


class Scale(Data):
    """The steps: users a second and seconds of each, how often all of it is repeated, and how many must agree."""

    rates: tuple[int, ...] = Field(min_length=2)
    seconds: int = Field(ge=2)
    repeats: int = Field(ge=1)
    held_in: int = Field(ge=1)
    ends_within: float = Field(gt=0)
    lag_ms: float | None = None

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.held_in > self.repeats:
            raise ValueError(f"held_in is {self.held_in}, with {self.repeats} repeats")
        if any(later <= earlier for earlier, later in pairwise(self.rates)):
            raise ValueError("rates must rise from step to step")
        return self


class Profile(Data):
    """What `scaling.yaml` holds."""

    least_of_offered: float = Field(gt=0, le=1)
    saturated: Saturated
    scales: dict[str, Scale]

    def of(self, scale: str) -> Scale:
        """The scale of this name; raises EnvironmentUnavailable with the ones that there are."""
        return scale_of(self.scales, scale, SOURCE)


@dataclass(frozen=True)
class Repeat:
    """One rise: its steps up to the end, what was watched meanwhile, and the documents that did not come to an end.

    `emptied` is how many seconds after the load the last document came to its end.
    """

    steps: tuple[Step, ...]
    watched: ResourceSamples
    uploads: int
    emptied: float
    left: int


@dataclass(frozen=True)
class Scaling:
    """All repeats."""

    scale: Scale
    full: bool
    repeats: tuple[Repeat, ...]
    capacity: Capacity

    def name(self, figure: str) -> str:
        """The name of a figure, or of a short load another one."""
        return figure if self.full else f"{figure}_of_a_short_load"


@lru_cache(maxsize=1)
def settings() -> Profile:
    """What `scaling.yaml` says."""
    return read_model(SOURCE, Profile)


async def scaled(run: Run, scale: str) -> Scaling:
    """The load in steps, applied once in a run.

    Raises:
        CapabilityMissing: plan or limits of the deployment do not allow for it.
        EnvironmentUnavailable: it was interrupted, or our own tool failed.
    """
    return await measured_once(run, f"load in steps, {scale}", partial(_scaled, run, scale))


def bounds_of(run: Run, scale: Scale) -> Bounds:
    """The limits of a step: those of PERF-03 and PERF-06, as strict as the deployment has them."""
    limit = partial(limit_for, run.descriptor.thresholds)
    lag = limit("PERF-05", "generator_lag_p99").threshold
    assert lag is not None
    return Bounds(
        error_rate=limit("PERF-03", "error_rate"),
        p95=limit("PERF-06", "first_byte_p95"),
        p99=limit("PERF-06", "first_byte_p99"),
        least_of_offered=settings().least_of_offered,
        lag_ms=scale.lag_ms or lag,
    )


async def _scaled(run: Run, scale: str) -> Scaling:
    chosen = settings().of(scale)
    phases = phases_of(chosen.rates, chosen.seconds)
    users = await prepared(run, flows(run, phases=phases), seed=SEED, repeats=chosen.repeats)
    script = flows(run, users, phases=phases)
    repeats = [await _repeat(run, script, users, chosen, number) for number in range(1, chosen.repeats + 1)]
    return Scaling(chosen, scale == "full", tuple(repeats), capacity_of([one.steps for one in repeats], chosen.held_in))


async def _repeat(run: Run, script: LoadScript, users: Sequence[Prepared], scale: Scale, number: int) -> Repeat:
    bounds, bound = bounds_of(run, scale), run.contract.model_bound
    judge = partial(_steps, phases=script.phases, each=requests_each(script), bounds=bounds, model_bound=bound)
    name = f"steps {number} of {scale.repeats}"

    def stop(log: RequestLog) -> str | None:
        over = judge(log, until=time.time() - SETTLES)
        return next((f"{one.rate} users/s: {one.told}" for one in over if one.held is not Held.HELD), None)

    async with watched(run, steps_of=scale.seconds) as seen:
        result = await run_load(
            script, run.folder / "scaling" / f"repeat-{number}", progress=teller(run, name), stop=stop
        )
        owners = {user.user_id: user for user, _ in users}
        run.live(f"{name}: {result.reason}; its documents come to their end")
        uploads, emptied, left = await _come_to_an_end(run, result, owners, scale.ends_within)
    if result.ending not in (Ending.COMPLETE, Ending.STOPPED_EARLY):
        raise EnvironmentUnavailable(f"{name}: the load did not go through: {result.reason}")
    if left:
        run.evidence.note(
            f"{name}: {left} of {uploads} documents were still on their way {emptied:.0f} s after the load"
        )
    steps = judge(result.log, until=max((at for at, *_ in result.log.health), default=0.0) + SETTLES / 2)
    if not steps:
        raise EnvironmentUnavailable(f"{name}: no step came to its end: {result.reason}")
    return Repeat(tuple(steps), seen, uploads, emptied, left)


def requests_each(script: LoadScript) -> float:
    """Requests that a user of these flows makes on average."""
    weights = sum(one.weight for one in script.scenarios)
    return sum(one.weight * one.requests for one in script.scenarios) / weights


def _steps(
    log: RequestLog, *, phases: Sequence[Phase], each: float, bounds: Bounds, model_bound: Sequence[str], until: float
) -> list[Step]:
    return steps_of(log, phases, each, bounds, model_bound, until)


async def _come_to_an_end(
    run: Run, result: LoadResult, owners: dict[str, User], within: float
) -> tuple[int, float, int]:
    """How many documents were uploaded, the seconds until the last had come to its end, and how many did not."""
    own: dict[str, set[str]] = defaultdict(set)
    for one in sent(result.requests):
        if one.stored:
            own[one.owner_id].add(one.document_id)
    begin = time.monotonic()

    async def follow(owner: str) -> list[dict[str, Any]]:
        left = begin + within - time.monotonic()
        return await ended(run, owners[owner], own[owner], within=max(LAST_LOOK, left))

    lists = await together(*map(follow, own), at_once=AT_ONCE)
    over = {job["document_id"] for jobs in lists for job in jobs if job["state"] in run.contract.jobs.final_states}
    left = sum(len(documents - over) for documents in own.values())
    return sum(map(len, own.values())), time.monotonic() - begin, left
