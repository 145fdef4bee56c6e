"""Errors of the load engine. None of them is a statement about the target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class EnvironmentUnavailable(Exception):
    """The test tooling, or a provider's interface, is missing or failed; nothing is known about the target."""


class NotWritten(EnvironmentUnavailable, OSError):
    """A record cannot be written, as on a full disk: `strerror` is the reason, `filename` the file."""


class ConfigurationError(Exception):
    """Invalid input: all mistakes at once, each with its place and what to change."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def need_working_folder() -> None:
    """Raises ConfigurationError where the folder in which the command was started is gone."""
    try:
        Path.cwd()
    except OSError:
        raise ConfigurationError(["the folder in which this was started is gone: change to another one"]) from None
