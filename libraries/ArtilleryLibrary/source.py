"""A load script as it stands in its file: content, and the line of each part, for problems that name both."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml
from acceptance.errors import ConfigurationError
from acceptance.yaml_models import line_of, read_yaml

Location = tuple[str | int, ...]


class ScriptSource:
    """A script's content with every problem and every correction found in it.

    Raises:
        ConfigurationError: the file is missing, not YAML, not a mapping, or says something twice.
    """

    def __init__(self, path: Path) -> None:
        read_yaml(path)
        self.path = path.resolve()
        text = path.read_text(encoding="utf-8")
        self._root = yaml.compose(text, Loader=_Loader)
        try:  # through JSON, as the working copy is written; parts that the file repeats by reference become copies
            self.content: dict[str, Any] = json.loads(json.dumps(yaml.load(text, Loader=_Loader)))  # a SafeLoader
        except (TypeError, ValueError) as error:
            raise ConfigurationError([f"{path}: is no script: {error}"]) from None
        self.problems: list[str] = []
        self.corrections: list[str] = []

    @property
    def folder(self) -> Path:
        return self.path.parent

    def problem(self, where: Location, reason: str) -> None:
        """The load cannot start because of this part of the script."""
        self.problems.append(self._said(where, reason))

    def correction(self, where: Location, reason: str) -> None:
        """This part of the script is run otherwise than it stands there."""
        self.corrections.append(self._said(where, reason).removeprefix(f"{self.folder}/"))

    def unknown(self, where: Location, part: Mapping[str, Any], known: Collection[str], *, strict: bool = True) -> None:
        """Names that Artillery does not know; where it allows for others (not strict), those that seem misspelt."""
        for name in part:
            close = difflib.get_close_matches(str(name), known, n=1, cutoff=0.6 if strict else 0.8)
            if name not in known and (strict or close):
                self.problem((*where, name), "unknown" + (f" (did you mean '{close[0]}'?)" if close else ""))

    def line(self, where: Location) -> int:
        """The line of the innermost part of a location that the file holds."""
        return line_of(self._root, where)

    def _said(self, where: Location, reason: str) -> str:
        return f"{self.path}:{self.line(where)}: {'.'.join(map(str, where)) or '(file)'}: {reason}"


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
