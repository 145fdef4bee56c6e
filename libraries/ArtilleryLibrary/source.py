"""A load script as its file holds it: content, and the line of each part for messages."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from ArtilleryLibrary.errors import ConfigurationError
from ArtilleryLibrary.yaml_document import line_of, read_document

Location = tuple[str | int, ...]


class ScriptSource:
    """A script's content, and the problems and corrections found in it.

    Raises:
        ConfigurationError: the file is missing, not YAML, not a mapping, or has a duplicate key.
    """

    def __init__(self, path: Path) -> None:
        content, self._root = read_document(path, _Loader)
        self.path = path.resolve()
        self.folder = self.path.parent
        try:  # through JSON, as the working copy is written; aliases become copies
            self.content: dict[str, Any] = json.loads(json.dumps(content))
        except (TypeError, ValueError) as error:
            raise ConfigurationError([f"{path}: is not a script: {error}"]) from None
        self.problems: list[str] = []
        self._places: set[Location] = set()
        self.corrections: list[str] = []

    def problem(self, where: Location, reason: str) -> None:
        """Add a reason why the load cannot start."""
        self._places.add(where)
        self.problems.append(self._message(where, reason))

    def refused(self, where: Location) -> None:
        """Note that a place has a reason already, added for another one with the same mistake."""
        self._places.add(where)

    def has_problem(self, where: Location) -> bool:
        """Whether a reason was added for this place."""
        return where in self._places

    def place(self, where: Location) -> str:
        """File and line of a part, for messages."""
        return f"{self.path.name}:{line_of(self._root, where)}"

    def correction(self, where: Location, reason: str) -> None:
        """Add a part of the script that runs otherwise than written."""
        self.corrections.append(self._message(where, reason).removeprefix(f"{self.folder}/"))

    def unknown(self, where: Location, part: Mapping[str, Any], known: Collection[str], *, strict: bool = True) -> None:
        """Report names that Artillery does not know; where it allows others (not strict), likely misspellings only."""
        for name in part:
            close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6 if strict else 0.8)
            if name not in known and (strict or close):
                self.problem((*where, name), "unknown" + (f" (did you mean '{close[0]}'?)" if close else ""))

    def _message(self, where: Location, reason: str) -> str:
        return f"{self.path}:{line_of(self._root, where)}: {'.'.join(map(str, where)) or '(file)'}: {reason}"


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


class _Loader(yaml.SafeLoader):
    """YAML as Artillery reads it: `yes` and `2026-01-01` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.split(":")[-1] not in ("bool", "timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
