"""A load by this project's library, in a process whose whole cost can be told: `python -m tests.bench.own_load …`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.script import checked_script


def main(script: str, folder: str) -> None:
    """Apply the script, and print what the library says of it as JSON."""
    result = asyncio.run(run_load(checked_script(Path(script), expectations=True), Path(folder), progress=print))
    figures = result.figures()
    if not result.complete or figures.first_byte is None or figures.failed:
        raise SystemExit(f"{result.ending}: {result.reason}; {figures.errors}")
    told = {
        "requests": figures.attempted,
        "mean": figures.first_byte.mean,
        "p99": figures.first_byte.percentile(99),
        "scheduled": result.arrivals.scheduled,
        "lag_p99": result.generator.lag_p99,
        "node_cpu": (result.log.health[-1][1] - result.log.health[0][1]) / 1000,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
