"""Data files: YAML read into pydantic models, with every mistake of a file reported at once, by field."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
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
        ConfigurationError: the file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot be read: {error}"]) from None
    except yaml.YAMLError as error:
        raise ConfigurationError([f"{path}: is not YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(content, dict):
        raise ConfigurationError([f"{path}: expected fields with values, found {type(content).__name__}"])
    return content


def read_model(path: Path, model: type[Model]) -> Model:
    """The file as `model`.

    Raises:
        ConfigurationError: one line per mistake: file, field, what is wrong, and the likely name of a misspelt field.
    """
    content = read_yaml(path)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError([f"{path}: {problem}" for problem in _problems(error, model)]) from None


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for mistake in error.errors():
        field = ".".join(str(part) for part in mistake["loc"]) or "(file)"
        if mistake["type"] == "extra_forbidden":
            known = difflib.get_close_matches(str(mistake["loc"][-1]), _field_names(model), n=1)
            yield f"{field}: unknown field" + (f" (did you mean '{known[0]}'?)" if known else "")
        elif mistake["type"] == "missing":
            yield f"{field}: missing"
        else:
            shown = f" (found {mistake['input']!r})" if isinstance(mistake["input"], str | int | float | bool) else ""
            yield f"{field}: {mistake['msg'].removeprefix('Value error, ')}{shown}"


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
