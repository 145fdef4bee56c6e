"""Loads from AWS Fargate: composed, never started here.

Each of Artillery's Fargate workers runs the whole script, so that their number multiplies the load: the rates are
divided first. Artillery's own reports come back, which merge in counts and means only.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

from ArtilleryLibrary.errors import ConfigurationError
from ArtilleryLibrary.quantities import plain
from ArtilleryLibrary.script import LoadScript


@dataclass(frozen=True)
class DryRun:
    """The command to run, and the script that it takes, as JSON."""

    command: tuple[str, ...]
    script: str

    def __str__(self) -> str:
        return shlex.join(self.command)


def dry_run(script: LoadScript, *, workers: int, region: str, script_name: str = "script.json") -> DryRun:
    """Compose the command for Fargate workers, and a script whose rates are divided by their number.

    Variables appear by name only: Artillery reads `/artilleryio/<name>` from the region's parameter store.

    Args:
        script: the load.
        workers: number of tasks.
        region: of AWS, such as `eu-west-1`.
        script_name: the script's file, beside its data files.

    Raises:
        ConfigurationError: a rate cannot be divided into whole users per second.
    """
    if workers < 1:
        raise ConfigurationError([f"workers: expected at least 1, found {workers}"])
    problems, phases = [], []
    for phase in script.phases:
        counts = (phase.rate, phase.ramp_to) if phase.whole else (phase.arrivals,)
        if any(count % workers for count in counts):
            rates = f"{phase.rate:g}" + (f" to {phase.ramp_to:g}" if phase.ramp_to != phase.rate else "")
            problems.append(f"phase '{phase.name}': {rates} users per second cannot be divided by {workers} workers")
        divided = {"rate": plain(phase.rate / workers), "ramp_to": plain(phase.ramp_to / workers)}
        phases.append(phase.model_copy(update=divided).as_artillery())
    if problems:
        raise ConfigurationError(problems)
    config = {**script.plain["config"], "phases": phases}
    given = (word for name in sorted(script.environment) for word in ("--secret", name))
    command = ("artillery", "run-fargate", "--count", str(workers), "--region", region, *given, script_name)
    return DryRun(command=command, script=json.dumps({**script.plain, "config": config}, indent=1))
