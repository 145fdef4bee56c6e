"""Dialects: the application as other teams build it. Each module is a layer before the application's own routes."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

from sandbox.services import Service
from sandbox.settings import Settings

NAMES: Final = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


class Dialect(Protocol):
    """What a module of this package has."""

    def services(self, usual: Sequence[Service]) -> tuple[Service, ...]:
        """The services as this dialect serves and configures them."""

    def describe(self, settings: Settings, usual: dict[str, Any]) -> dict[str, Any]:
        """The descriptor of such a deployment."""


def find(name: str) -> Dialect:
    """The dialect of this name, which is one of NAMES; imports the application."""
    return cast(Dialect, importlib.import_module(f"{__name__}.{name}"))
