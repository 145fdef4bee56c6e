"""Load scripts: plain Artillery in the file, checked before anything starts, and run from a copy that logs requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acceptance.errors import ConfigurationError

from ArtilleryLibrary.flows import Flows, Scenario, documents
from ArtilleryLibrary.phases import Phase, checked_phases
from ArtilleryLibrary.settings import Settings
from ArtilleryLibrary.source import ScriptSource

TOP = ("config", "scenarios", "before", "after")
HOOKS = Path(__file__).with_name("hooks.mjs")


@dataclass(frozen=True)
class LoadScript:
    """A script that may be run.

    Args:
        path: the original file.
        target: the address that is loaded.
        phases: as they are run.
        scenarios: with the requests that each makes at least.
        corrections: what is run otherwise than it stands in the file, with line and reason.
        content: the working copy; variables still stand in it by name, so it holds no secret.
        plain: the same without the request log: for where the log could not be fetched from.
        processor: the script's own JavaScript.
        functions: those of its functions that are called.
        environment: variables for `$env` and the processor, secrets among them.
    """

    path: Path
    target: str
    phases: tuple[Phase, ...]
    scenarios: tuple[Scenario, ...]
    corrections: tuple[str, ...]
    content: Mapping[str, Any] = field(repr=False)
    plain: Mapping[str, Any] = field(repr=False)
    processor: Path | None
    functions: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def arrivals(self) -> int:
        """Virtual users that arrive in all."""
        return sum(phase.arrivals for phase in self.phases)

    @property
    def duration(self) -> int:
        """Seconds of all phases."""
        return sum(phase.duration for phase in self.phases)

    def written(self, folder: Path) -> Path:
        """The working copy, as a file that Artillery takes."""
        path = folder / "script.json"
        path.write_text(json.dumps(self.content, indent=1), encoding="utf-8")
        return path


def checked_script(
    path: Path,
    *,
    target: str | None = None,
    environment: Mapping[str, str] | None = None,
    least_requests: int = 0,
    expectations: bool = False,
    duration_scale: float = 1.0,
    phases: Sequence[Phase] | None = None,
) -> LoadScript:
    """The script in a file of YAML or JSON, ready to run.

    Args:
        path: the script.
        target: replaces the address in `config.target`.
        environment: variables for `$env` and the processor; those of this process are looked up after them.
        least_requests: so many requests each scenario makes at least, whatever its conditions say.
        expectations: each request has to state its success by `expect` with a `statusCode`.
        duration_scale: multiplies the durations of the phases (rates stay), for a short trial.
        phases: take the place of the script's own, for the same flows under another load.

    Raises:
        ConfigurationError: every mistake at once, with its line and the reason.
    """
    source = ScriptSource(path)
    source.unknown((), source.content, TOP)
    settings = Settings(source, target=target, environment=environment or {})
    own = checked_phases(source, duration_scale)
    phases = own if phases is None else tuple(phases)
    flows = Flows(source, least_requests=least_requests, expectations=expectations)
    _check_functions(source, settings, flows)
    for where, part in documents(source.content.get("scenarios"), ("scenarios",)):
        name = settings.rendered(where, str(part["fromFile"]))
        if name is not None and not (source.folder / name).is_file():
            source.problem(where, f"no such file: {source.folder / name}")
    if source.problems:
        raise ConfigurationError(source.problems)
    config = {**settings.config, "phases": [phase.as_artillery() for phase in phases]}
    around = {name: source.content[name] for name in TOP[2:] if name in source.content}
    config, original = _located(config, source), {"processor": str(settings.processor)} if settings.processor else {}
    return LoadScript(
        path=source.path,
        target=settings.target,
        phases=phases,
        scenarios=flows.scenarios,
        corrections=tuple(source.corrections),
        content={"config": {**config, "processor": str(HOOKS)}, "scenarios": flows.copies, **around},
        plain={"config": {**config, **original}, "scenarios": source.content["scenarios"], **around},
        processor=settings.processor,
        functions=tuple(sorted(flows.functions)),
        environment={**(environment or {}), **settings.environment},
    )


def _check_functions(source: ScriptSource, settings: Settings, flows: Flows) -> None:
    """Artillery goes on without a function that it does not find; what is exported is seen when the load starts."""
    if flows.functions and settings.processor is None and "processor" not in settings.config:
        names = ", ".join(sorted(flows.functions))
        source.problem(("config", "processor"), f"missing: nothing defines {names}, and Artillery would go on without")


def _located(part: Any, source: ScriptSource) -> Any:
    """The original's place, for a config that names it: the copy lies elsewhere."""
    if isinstance(part, dict):
        return {name: _located(value, source) for name, value in part.items()}
    if isinstance(part, list):
        return [_located(value, source) for value in part]
    if isinstance(part, str):
        part = re.sub(r"\{\{\s*\$dirname\s*\}\}", lambda _: str(source.folder), part)
        return re.sub(r"\{\{\s*\$scenarioFile\s*\}\}", lambda _: str(source.path), part)
    return part
