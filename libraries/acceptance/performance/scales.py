"""The scales that the files of loads, users and steps have: `full` as the criteria ask, `detection` a short one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from acceptance.errors import EnvironmentUnavailable

Chosen = TypeVar("Chosen")


def scale_of(scales: Mapping[str, Chosen], name: str, source: Path) -> Chosen:
    """The scale of this name; raises EnvironmentUnavailable with the ones that its file has."""
    if name not in scales:
        raise EnvironmentUnavailable(f"SCALE {name}: unknown; {source.name} has {', '.join(scales)}")
    return scales[name]
