"""Template variables of a script: what sets them, and which are used though nothing has set them before."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ArtilleryLibrary.source import Location, ScriptSource, words

IN_CONFIG = words("$env $processEnvironment $testId $dirname $scenarioFile")
ALWAYS = (*IN_CONFIG, "$uuid", "target")
FUNCTIONS = words("$randomNumber $randomString $template")
# As Artillery finds them: `{{ a.b }}` and `{{ $f(1, 2) }}`; anything else in braces is sent as it stands.
_NAME = re.compile(r"\{\{\{?([\s$\w.[\]'\"-]+)\}\}\}?")
_CALL = re.compile(r"\{\{\s*(\$\w+)\s*\(([^{}]*)\)\s*\}\}")
_ARGUMENTS = re.compile(r"[A-Za-z0-9_,\s]*")


@dataclass
class Scope:
    """What is set at one point of a flow.

    Args:
        known: names or paths such as `user.id`.
        anything: a function of the script ran, which may have set any variable.
        later: names that a loop has set when it is repeated.
    """

    known: set[str]
    anything: bool = False
    later: set[str] = field(default_factory=set)

    def copy(self) -> Scope:
        """The same, to be changed on its own."""
        return Scope(set(self.known), self.anything)

    def has(self, name: str) -> bool:
        """Whether the variable, a part of it, or what it is a part of, may be set."""
        path = _path(name)
        return self.anything or any(path[: len(one)] == one[: len(path)] for one in map(_path, self.known))


def script_scope(config: Mapping[str, Any]) -> Scope:
    """What is set before the first step of a user: built-in variables, payload, variables."""
    stated = config.get("payload") or []
    payloads = [one for one in (stated if isinstance(stated, list) else [stated]) if isinstance(one, dict)]
    columns = [
        name for one in payloads for name in ([one.get("name")] if one.get("loadAll") else one.get("fields") or [])
    ]
    variables = config.get("variables")
    names = variables if isinstance(variables, dict) else {}
    return Scope({*ALWAYS, *map(str, columns), *names})


def check_variables(
    source: ScriptSource, scope: Scope, where: Location, part: Any, *, why: str = "before this"
) -> None:
    """Report each variable and function in a part's templates that nothing has set; once in a scope."""
    for place, text in texts(part, where):
        for name in _names(text):
            if not scope.has(name):
                close = difflib.get_close_matches(name, sorted(scope.known), n=1)
                hint = f" (did you mean '{close[0]}'?)" if close else ""
                reason = f"nothing sets {name} {why}{hint}: Artillery takes 'undefined' for it, and counts a success"
                source.problem(place, reason)
                scope.known.add(name)
        for found in _CALL.finditer(text):
            if found[1] not in FUNCTIONS:
                known = f"known: {', '.join(FUNCTIONS)}"
                source.problem(place, f"nothing defines {found[1]}(): Artillery would send nothing ({known})")
            elif not _ARGUMENTS.fullmatch(found[2]):
                reason = f"{found[0]} would be sent as it stands: arguments are whole numbers or words"
                source.problem(place, reason)


def captured(part: Any) -> Iterator[str]:
    """Names that the captures anywhere in a part set."""
    for one in part if isinstance(part, list) else part.values() if isinstance(part, dict) else ():
        yield from captured(one)
    if isinstance(part, dict):
        stated = part.get("capture")
        for one in stated if isinstance(stated, list) else [stated]:
            if isinstance(one, dict) and "as" in one:
                yield str(one["as"])


def texts(part: Any, where: Location) -> Iterator[tuple[Location, str]]:
    """All texts of a part, names of fields included, with their places."""
    if isinstance(part, str):
        yield where, part
    elif isinstance(part, dict):
        for name, value in part.items():
            yield (*where, name), str(name)
            yield from texts(value, (*where, name))
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from texts(value, (*where, index))


def _names(text: str) -> Iterable[str]:
    return dict.fromkeys(found[1].strip() for found in _NAME.finditer(text))


def _path(name: str) -> list[str]:
    return re.findall(r"[^.[\]'\"]+", name)
