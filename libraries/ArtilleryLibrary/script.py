"""Load scripts: plain Artillery, checked before the start, run from a copy that logs every request."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ArtilleryLibrary.errors import ConfigurationError
from ArtilleryLibrary.flows import AROUND, METHODS, Flows, Scenario, documents
from ArtilleryLibrary.phases import Phase, checked_phases
from ArtilleryLibrary.settings import Settings
from ArtilleryLibrary.shapes import misshapen
from ArtilleryLibrary.source import ScriptSource

TOP = ("config", "scenarios", *AROUND)
HOOKS = Path(__file__).with_name("hooks.mjs")


@dataclass(frozen=True)
class LoadScript:
    """A checked script.

    Args:
        path: the original file.
        target: the address that is loaded.
        phases: as they are run.
        scenarios: with the least number of requests of each.
        corrections: parts that run otherwise than written, with line and reason.
        content: the working copy; it names variables and holds none of their values, except numbers of phases and such.
        plain: the same without the request log, for machines whose log cannot be fetched.
        processor: the script's own JavaScript.
        functions: names of its functions that the script calls, each with file and line of a call.
        environment: variables for `$env` and the processor, including secrets.
    """

    path: Path
    target: str
    phases: tuple[Phase, ...]
    scenarios: tuple[Scenario, ...]
    corrections: tuple[str, ...]
    content: Mapping[str, Any] = field(repr=False)
    plain: Mapping[str, Any] = field(repr=False)
    processor: Path | None
    functions: Mapping[str, str]
    environment: Mapping[str, str] = field(repr=False)

    @property
    def arrivals(self) -> int:
        """Total number of virtual users."""
        return sum(phase.arrivals for phase in self.phases)

    @property
    def duration(self) -> int:
        """Seconds of all phases."""
        return sum(phase.duration for phase in self.phases)

    def written(self, folder: Path) -> Path:
        """Write the working copy; returns its path."""
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
        least_requests: least number of unconditional requests of each scenario.
        expectations: require `expect` with a `statusCode` of each request.
        duration_scale: factor of the phases' durations (rates stay), for a short trial.
        phases: replace the script's own, for the same flows under another load.

    Raises:
        ConfigurationError: every mistake at once, with its line and the reason.
    """
    source = ScriptSource(path)
    for where, reason in misshapen(source.content, METHODS):
        source.problem(where, reason)
    if source.problems:  # what cannot be read cannot be checked either
        raise ConfigurationError(source.problems)
    source.unknown((), source.content, TOP)
    settings = Settings(source, target=target, environment=environment or {})
    own = checked_phases(source, settings.quantities, duration_scale)
    phases = own if phases is None else tuple(phases)
    flows = Flows(source, settings, least_requests=least_requests, expectations=expectations)
    if "processor" not in settings.config:
        for name, where in flows.functions.items():
            reason = f"nothing defines {name}: config.processor is missing, and Artillery would go on without"
            source.problem(where, reason)
    for part in ("scenarios", *AROUND):
        for where, form in documents(source.content.get(part), (part,)):
            file = settings.rendered(where, str(form["fromFile"]))
            if file is not None and not (source.folder / file).is_file():
                source.problem(where, f"no such file: {source.folder / file}")
    if source.problems:
        raise ConfigurationError(source.problems)
    config = {**settings.config, "phases": [phase.as_artillery() for phase in phases]}
    plain = {name: source.content[name] for name in AROUND if name in source.content}
    config, original = _located(config, source), {"processor": str(settings.processor)} if settings.processor else {}
    return LoadScript(
        path=source.path,
        target=settings.target,
        phases=phases,
        scenarios=flows.scenarios,
        corrections=tuple(source.corrections),
        content={"config": {**config, "processor": str(HOOKS)}, "scenarios": flows.copies, **flows.blocks},
        plain={"config": {**config, **original}, "scenarios": source.content["scenarios"], **plain},
        processor=settings.processor,
        functions={name: source.place(flows.functions[name]) for name in sorted(flows.functions)},
        environment={**(environment or {}), **settings.environment},
    )


def _located(part: Any, source: ScriptSource) -> Any:
    """Resolve `$dirname` and `$scenarioFile` to the original: the copy is elsewhere."""
    if isinstance(part, dict):
        return {name: _located(value, source) for name, value in part.items()}
    if isinstance(part, list):
        return [_located(value, source) for value in part]
    if isinstance(part, str):
        part = re.sub(r"\{\{\s*\$dirname\s*\}\}", lambda _: str(source.folder), part)
        return re.sub(r"\{\{\s*\$scenarioFile\s*\}\}", lambda _: str(source.path), part)
    return part
