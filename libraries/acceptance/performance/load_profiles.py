"""The scales that the files of loads, users and steps have: `full` as the criteria ask, `detection` a short one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import Field

from acceptance.errors import EnvironmentUnavailable
from acceptance.performance.generator_health import Bounds
from acceptance.yaml_models import PROJECT, Data, read_model

Chosen = TypeVar("Chosen")
SOURCE = PROJECT / "variables" / "users.yaml"


def scale_of(scales: Mapping[str, Chosen], name: str, source: Path) -> Chosen:
    """The scale of this name; raises EnvironmentUnavailable with the ones that its file has."""
    if name not in scales:
        raise EnvironmentUnavailable(f"SCALE {name}: unknown; {source.name} has {', '.join(scales)}")
    return scales[name]


class Stage(Data):
    """So many users at work for so many seconds."""

    users: int = Field(gt=0)
    seconds: float = Field(gt=0)


class Scale(Data):
    """First the fewer, then all of them; and apart from them so many subscribers, over so many jobs."""

    fewer: Stage
    all: Stage
    subscribers: int = Field(gt=0)
    jobs: int = Field(gt=0)


class Profile(Data):
    """What is in `users.yaml`, where each of these is told."""

    pause: tuple[float, float]
    joins_per_second: float = Field(gt=0)
    generator: Bounds
    scales: dict[str, Scale]

    def of(self, scale: str) -> Scale:
        """The scale of this name; raises EnvironmentUnavailable with the ones that there are."""
        return scale_of(self.scales, scale, SOURCE)


def profile() -> Profile:
    """The profile in use; raises ConfigurationError with every mistake in the file."""
    return read_model(SOURCE, Profile)
