"""YAML files: one mapping each, every part with its line; what is too large, twice there or no number is refused."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from ArtilleryLibrary.errors import ConfigurationError

MOST_BYTES = 4_000_000
MOST_NODES = 100_000  # with each alias as often as it stands


class Data(BaseModel):
    """Base of the models: frozen, unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a regular file of at most so many bytes.

    Raises:
        ConfigurationError: it is missing, unreadable, something else, larger, or no UTF-8.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 a pipe would wait for a writer
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigurationError([f"{path}: is no regular file"])
            content = file.read(most + 1)
        if len(content) > most:
            raise ConfigurationError([f"{path}: is larger than {most:,} bytes"])
        return content.decode()
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: no such file"]) from None
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{path}: is no UTF-8 text: {error.reason} at byte {error.start}"]) from None


def read_document(
    path: Path, loader: type[yaml.SafeLoader] = yaml.SafeLoader, *, finite: bool = True
) -> tuple[dict[str, Any], yaml.Node]:
    """The mapping in a YAML file, and its node tree, for `line_of`; NaN and infinity are refused where `finite`.

    Raises:
        ConfigurationError: the file is missing, unreadable, not YAML, not a mapping, too large, or has a duplicate
            key or a number that is none.
    """
    text = read_text(path)
    try:
        root = yaml.compose(text, Loader=loader)
        if root is not None and _size(root, {}) > MOST_NODES:
            raise ConfigurationError([f"{path}: its aliases make more than {MOST_NODES:,} values of it"])
        content = yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ConfigurationError([f"{where}: is not YAML: {error.problem}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from None
    if root is None or not isinstance(content, dict):
        raise ConfigurationError([f"{path}: expected fields with values, found {type(content).__name__}"])
    wrong = [f"{path}:{line}: {name}: stands there twice" for name, line in _duplicates(root)]
    for place, number in _no_numbers(content, ()) if finite else ():
        field = ".".join(map(str, place))
        wrong.append(f"{path}:{line_of(root, place)}: {field}: expected a number, found {number!r}")
    if wrong:
        raise ConfigurationError(wrong)
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


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of values in a tree, each alias counted as often as it stands; what holds itself has no end."""
    if id(node) not in known:
        known[id(node)] = MOST_NODES + 1  # while it is counted
        inner = [one for pair in node.value for one in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_size(one, known) for one in inner if isinstance(one, yaml.Node))
    return known[id(node)]


def _duplicates(node: yaml.Node) -> Iterator[tuple[str, int]]:
    """Duplicate keys of mappings, with their lines: YAML silently takes the last one."""
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    yield str(key.value), key.start_mark.line + 1
                names.add(key.value)
            yield from _duplicates(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _duplicates(value)


def _no_numbers(part: Any, where: tuple[object, ...]) -> Iterator[tuple[tuple[object, ...], float]]:
    """NaN and infinity, which compare as no limit does, with their locations."""
    if isinstance(part, float) and not math.isfinite(part):
        yield where, part
    for name, value in part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ():
        yield from _no_numbers(value, (*where, name))
