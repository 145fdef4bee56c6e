"""Where a benchmark was measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from acceptance.errors import EnvironmentUnavailable
from ArtilleryLibrary.node import installation


def surroundings() -> Mapping[str, str]:
    """Machine and versions; `load before` is the machine's load (1, 5, 15 minutes), which ought to be near 0."""
    before = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    try:
        installed = installation()
        node, artillery = installed.node_version, installed.artillery_version
    except EnvironmentUnavailable as error:  # the parts that need it say so too
        node = artillery = f"not available ({error})"
    packages = {name: version(name) for name in ("robotframework", "websockets", "httpx", "pytest")}
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": processor(Path("/proc/cpuinfo")),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Node": node,
        "Artillery": artillery,
        **packages,
        "load before": before,
    }


def processor(source: Path) -> str:
    """Its name, where the system tells it."""
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
