"""Past gates of a deployment: the trend of each figure, and whether it got worse."""

from __future__ import annotations

from pathlib import Path

from acceptance.evidence.records import Trend
from acceptance.verdict.gate import Gate


def trends(folder: Path, gate: Gate) -> tuple[list[Trend], list[str]]:
    """For each figure with a limit how it was in past runs of the deployment, and what of the history is unreadable."""
    return [], []


def remember(folder: Path, gate: Gate) -> None:
    """Add a gate to the history."""
