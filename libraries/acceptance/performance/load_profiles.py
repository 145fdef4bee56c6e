"""Scales of all loads (`variables/load.yaml`): `full` as the criteria ask, `detection` a short one."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from acceptance.errors import EnvironmentUnavailable
from acceptance.performance.generator_health import Bounds
from acceptance.yaml_models import PROJECT, Data, read_model

SOURCE = PROJECT / "variables" / "load.yaml"
FULL = "full"


class Stop(Data):
    """The load ends early when more than this share (0 to 1) of its requests fails, after so many of them."""

    error_rate: float = Field(gt=0, le=1)
    after_requests: int = Field(gt=0)


class Saturated(Data):
    """From which mean over a step a resource counts as saturated."""

    share: float = Field(gt=0, le=100)
    waiting: float = Field(gt=0)
    queue_seconds: float = Field(gt=0)


class Stage(Data):
    """So many users at work for so many seconds."""

    users: int = Field(gt=0)
    seconds: float = Field(gt=0)


class Steps(Data):
    """A rising load: users a second and seconds of each step, how often it is repeated, how many repeats must agree."""

    rates: tuple[int, ...] = Field(min_length=2)
    seconds: int = Field(ge=2)
    repeats: int = Field(ge=1)
    held_in: int = Field(ge=1)
    ends_within: float = Field(gt=0)

    @model_validator(mode="after")
    def _can_be_judged(self) -> Self:
        if self.held_in > self.repeats:
            raise ValueError(f"held_in is {self.held_in}, with {self.repeats} repeats")
        if any(later <= earlier for earlier, later in pairwise(self.rates)):
            raise ValueError("rates must rise from step to step")
        return self


class Scale(Data):
    """The size of every load.

    Args:
        time: share of each phase's time that the load takes.
        lag_ms: greatest lag of its event loop with which a generator has kept up, instead of PERF-05's.
        fewer, all: the stages of closed-loop users.
        subscribers, jobs: so many subscribers of so many jobs.
    """

    time: float = Field(gt=0, le=1)
    lag_ms: float | None = None
    fewer: Stage
    all: Stage
    subscribers: int = Field(gt=0)
    jobs: int = Field(gt=0)
    steps: Steps

    @model_validator(mode="after")
    def _the_whole_is_strict(self) -> Self:
        if self.time == 1 and self.lag_ms is not None:
            raise ValueError("the lag that the whole load may have is the criterion's")
        return self


class Profile(Data):
    """The content of `load.yaml`, which explains each field."""

    users: int = Field(gt=0)
    most_users: int = Field(gt=0)
    stop: Stop
    pause: tuple[float, float]
    joins_per_second: float = Field(gt=0)
    generator: Bounds
    least_of_offered: float = Field(gt=0, le=1)
    saturated: Saturated
    scales: dict[str, Scale]

    def of(self, scale: str) -> Scale:
        """The scale of this name; raises EnvironmentUnavailable with the names that exist."""
        if scale not in self.scales:
            raise EnvironmentUnavailable(f"SCALE {scale}: unknown; {SOURCE.name} has {', '.join(self.scales)}")
        return self.scales[scale]


@lru_cache(maxsize=1)
def profile() -> Profile:
    """The profile in use; raises ConfigurationError with every mistake in the file."""
    return read_model(SOURCE, Profile)
