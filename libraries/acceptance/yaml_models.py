"""YAML files read into pydantic models; every mistake is reported at once, by line and field."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ArtilleryLibrary.errors import ConfigurationError
from ArtilleryLibrary.yaml_document import Data as Data
from ArtilleryLibrary.yaml_document import line_of, read_document
from ArtilleryLibrary.yaml_document import read_text as read_text
from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)
PROJECT = Path(__file__).resolve().parents[2]


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        ConfigurationError: the file is missing, unreadable, not YAML, not a mapping, or has a duplicate key.
    """
    return read_document(path)[0]


def read_model(
    path: Path, model: type[Model], prepared: Callable[[dict[str, Any]], dict[str, Any]] = lambda content: content,
    context: Any = None, *, finite: bool = True,
) -> Model:  # fmt: skip
    """The file as `model`, after its content was `prepared`; its validators get the `context`. NaN and infinity are
    refused where `finite`.

    Raises:
        ConfigurationError: one line per mistake: file and line, field, reason, and the field that a misspelt one means.
    """
    content, root = read_document(path, finite=finite)
    try:
        return model.model_validate(prepared(content), context=context)
    except ValidationError as error:
        problems = [f"{path}:{line_of(root, where)}: {problem}" for where, problem in _problems(error, model)]
        raise ConfigurationError(problems) from None


def mistakes(problems: Mapping[Any, str]) -> ValidationError:
    """What a validator of a model raises for mistakes within it, by where each stands."""
    return ValidationError.from_exception_data(
        "mistakes",
        [
            {"type": "value_error", "loc": where, "input": None, "ctx": {"error": text}}
            for where, text in problems.items()
        ],
    )


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Sequence[str | int], str]]:
    for mistake in error.errors():
        field = ".".join(str(part) for part in mistake["loc"]) or "(file)"
        if mistake["type"] == "extra_forbidden":
            known = difflib.get_close_matches(str(mistake["loc"][-1]), _field_names(model), n=1)
            yield mistake["loc"], f"{field}: unknown field" + (f" (did you mean '{known[0]}'?)" if known else "")
        elif mistake["type"] == "missing":
            yield mistake["loc"], f"{field}: missing"
        else:
            found = f" (found {mistake['input']!r})" if isinstance(mistake["input"], str | int | float | bool) else ""
            yield mistake["loc"], f"{field}: {mistake['msg'].removeprefix('Value error, ')}{found}"


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
