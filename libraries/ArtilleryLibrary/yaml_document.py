"""YAML files: one mapping each, duplicate keys refused, every part with its line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from ArtilleryLibrary.errors import ConfigurationError


class Data(BaseModel):
    """Base of the models: frozen, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_document(path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> tuple[dict[str, Any], yaml.Node]:
    """The mapping in a YAML file, and its node tree, for `line_of`.

    Raises:
        ConfigurationError: the file is missing, unreadable, not YAML, not a mapping, or has a duplicate key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=loader)
        content = yaml.load(text, Loader=loader)
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot be read: {error}"]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError([f"{where}: is not YAML: {error.problem}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from None
    if root is None or not isinstance(content, dict):
        raise ConfigurationError([f"{path}: expected fields with values, found {type(content).__name__}"])
    if duplicates := [f"{path}:{line}: {name}: stands there twice" for name, line in _duplicates(root)]:
        raise ConfigurationError(duplicates)
    return content, root


def line_of(root: yaml.Node, location: Sequence[object]) -> int:
    """The line of the innermost part of a location that the document holds."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _duplicates(node: yaml.Node, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, int]]:
    """Duplicate keys of mappings, with their lines: YAML silently takes the last one."""
    if id(node) in seen:
        return
    seen |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    yield str(key.value), key.start_mark.line + 1
                names.add(key.value)
            yield from _duplicates(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _duplicates(value, seen)
