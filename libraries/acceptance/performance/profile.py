"""How many people there are at once, for how long, and what they do between two requests (`variables/users.yaml`)."""

from __future__ import annotations

from pydantic import Field

from acceptance.data import PROJECT, Data, read_model
from acceptance.performance.generator import Bounds
from acceptance.performance.scales import scale_of

SOURCE = PROJECT / "variables" / "users.yaml"


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
