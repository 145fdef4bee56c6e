"""Data files: YAML read into pydantic models, with every mistake of a file reported at once, by line and field."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from acceptance.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)
PROJECT = Path(__file__).resolve().parents[2]


class Data(BaseModel):
    """A part of a data file: frozen, and a misspelt field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigurationError: the file is missing, unreadable, not YAML, not a mapping, or says something twice.
    """
    return _read(path)[0]


def read_model(path: Path, model: type[Model]) -> Model:
    """The file as `model`.

    Raises:
        ConfigurationError: one line per mistake: file and line, field, what is wrong, what a misspelt one may mean.
    """
    content, root = _read(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems = [f"{path}:{line_of(root, loc)}: {problem}" for loc, problem in _problems(error, model)]
        raise ConfigurationError(problems) from None


def _read(path: Path) -> tuple[dict[str, Any], yaml.Node | None]:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
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
    if not isinstance(content, dict):
        raise ConfigurationError([f"{path}: expected fields with values, found {type(content).__name__}"])
    twice = [f"{path}:{line}: {name}: stands there twice" for name, line in _twice(root)]
    if twice:
        raise ConfigurationError(twice)
    return content, root


def _twice(node: yaml.Node | None, seen: frozenset[int] = frozenset()) -> Iterator[tuple[str, int]]:
    """Keys that a mapping names more than once: YAML takes the last of them without a word."""
    if node is None or id(node) in seen:
        return
    seen |= {id(node)}
    if isinstance(node, yaml.MappingNode):
        names: set[str] = set()
        for key, value in node.value:
            if key.value in names and isinstance(key, yaml.ScalarNode):
                yield str(key.value), key.start_mark.line + 1
            if isinstance(key, yaml.ScalarNode):
                names.add(key.value)
            yield from _twice(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _twice(value, seen)


def line_of(root: yaml.Node | None, loc: Sequence[object]) -> int:
    """The line of the innermost part of a location that the file holds; `root` is what `yaml.compose` made of it."""
    node, line = root, 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Sequence[str | int], str]]:
    for mistake in error.errors():
        field = ".".join(str(part) for part in mistake["loc"]) or "(file)"
        if mistake["type"] == "extra_forbidden":
            known = difflib.get_close_matches(str(mistake["loc"][-1]), _field_names(model), n=1)
            yield mistake["loc"], f"{field}: unknown field" + (f" (did you mean '{known[0]}'?)" if known else "")
        elif mistake["type"] == "missing":
            yield mistake["loc"], f"{field}: missing"
        else:
            shown = f" (found {mistake['input']!r})" if isinstance(mistake["input"], str | int | float | bool) else ""
            yield mistake["loc"], f"{field}: {mistake['msg'].removeprefix('Value error, ')}{shown}"


def _field_names(model: type[BaseModel]) -> set[str]:
    """Names of the fields of a model and of the models within it."""
    names: set[str] = set()
    pending, known = [model], set()
    while pending:
        current = pending.pop()
        if current in known:
            continue
        known.add(current)
        for name, field in current.model_fields.items():
            names.add(name)
            pending.extend(_models_in(field.annotation))
    return names


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models_in(argument)
