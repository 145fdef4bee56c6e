"""Artillery loads as Robot Framework keywords; the load engine in here needs no Robot Framework."""

from __future__ import annotations

from typing import Any

__all__ = ["ArtilleryLibrary"]


def __getattr__(name: str) -> Any:
    """The keyword class, imported on demand: the engine alone does not load Robot Framework."""
    if name == "ArtilleryLibrary":
        from ArtilleryLibrary.keywords import ArtilleryLibrary

        return ArtilleryLibrary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
