"""Nonsense for every parameter of every route, made from the contract and `variables/nonsense.yaml`."""

from __future__ import annotations

import difflib
import json
import string
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from acceptance.contract import Contract, Route, place
from acceptance.data import Data, read_model
from acceptance.errors import ConfigurationError

OPTIONAL = "optional "
SIGNED_ADDRESS = "signed_url"  # the only word in a path whose value is a whole address
_OF_TYPE: dict[str, type | tuple[type, ...]] = {"text": str, "integer": int, "boolean": bool}


class Kind(Data):
    """What a parameter holds: its type in JSON, and values of that type that are not of the kind."""

    type: Literal["text", "integer", "boolean"]
    nonsense: dict[str, Any]
    refused_with: str = "invalid_parameter"
    unknown_with: str | None = None

    def has_type_of(self, value: object) -> bool:
        """Whether the value has the kind's JSON type; a truth value is no number."""
        return isinstance(value, _OF_TYPE[self.type]) and (self.type == "boolean" or not isinstance(value, bool))


class Parameters(Data):
    """The parameters of a route: our word -> name of its kind, after `optional` where it may be left out."""

    path: dict[str, str] = {}
    query: dict[str, str] = {}
    body: dict[str, str] = {}


class Ignored(Data):
    query: dict[str, Any]
    headers: dict[str, str]


class Nonsense(Data):
    """Everything in `variables/nonsense.yaml`; its comments say what each part means."""

    types: dict[str, Any]
    kinds: dict[str, Kind]
    bodies: dict[str, Any]
    content_types: list[str]
    ignored: Ignored
    parameters: dict[str, Parameters]
    sound: dict[str, dict[str, Any]]
    kept_filenames: dict[str, Any]

    def gaps(self, contract: Contract) -> list[str]:
        """One line for each route or parameter of the contract without nonsense, and for each name that nothing has."""
        lines = _differences("parameters", set(contract.routes), set(self.parameters))
        for name in contract.routes.keys() & self.parameters.keys():
            for where, words in words_of(contract.route(name)).items():
                lines += _differences(f"parameters.{name}.{where}", words, set(getattr(self.parameters[name], where)))
            for kind in {kind.removeprefix(OPTIONAL) for _, _, kind in self._words(name)} - self.kinds.keys():
                lines.append(f"parameters.{name}: no kind '{kind}'")
            lines += [f"sound.{name}: missing" for _ in [name] if contract.route(name).body and name not in self.sound]
        known = set(type(contract.errors).model_fields) | {word for route in contract.routes.values() for word in route.refuses}
        for name, kind in self.kinds.items():
            used = {kind.refused_with, *filter(None, [kind.unknown_with]), *(_split(kind, value)[1] for value in kind.nonsense.values())}
            lines += [f"kinds.{name}: the contract has no refusal '{word}'" for word in sorted(used - known)]
        return lines

    def _words(self, route: str) -> Iterator[tuple[Literal["path", "query", "body"], str, str]]:
        parameters = self.parameters[route]
        for word, kind in parameters.path.items():
            yield "path", word, kind
        for word, kind in parameters.query.items():
            yield "query", word, kind
        for word, kind in parameters.body.items():
            yield "body", word, kind

    def cases(self, contract: Contract, route: str, sound_path: Mapping[str, str]) -> list[Case]:
        """Every call with one thing wrong that this route must refuse, or ignore if it has no parameters.

        Args:
            sound_path: a true value for each word in a path: what the rest of the path holds.

        Raises:
            ConfigurationError: anything of the contract is without nonsense.
        """
        if gaps := self.gaps(contract):
            raise ConfigurationError([f"variables/nonsense.yaml: {gap}" for gap in gaps])
        entry = contract.route(route)
        own = {word: sound_path[word] for word in self.parameters[route].path}
        sound = self.sound.get(route, {})
        made = [
            case
            for where, word, kind in self._words(route)
            for case in self._cases_of(contract, route, where, word, kind, own, sound)
        ]
        if entry.body:
            made += self._cases_of_bodies(contract, route, entry)
        if not made:
            query = {name: expanded(value) for name, value in self.ignored.query.items()}
            made = [Case(route, "what no parameter takes", entry.success, query=query, headers=self.ignored.headers)]
        return made

    def _cases_of(
        self, contract: Contract, route: str, where: Literal["path", "query", "body"], word: str, kind: str,
        own: Mapping[str, str], sound: Mapping[str, Any],
    ) -> Iterator[Case]:  # fmt: skip
        rule = self.kinds[kind.removeprefix(OPTIONAL)]
        optional = kind.startswith(OPTIONAL)

        def case(what: str, value: object, refused_with: str) -> Case:
            path = dict(own) | ({word: _address(own[word], value) if word == SIGNED_ADDRESS else value} if where == "path" else {})
            return Case(
                route, f"{word} is {what}", _status(contract, route, refused_with), path=path,
                query={word: value} if where == "query" else {}, body={**sound, word: value} if where == "body" else None,
            )  # fmt: skip

        for what, entry in rule.nonsense.items():
            value, refused_with = _split(rule, entry)
            yield case(what, expanded(value), refused_with)
        if rule.unknown_with:
            yield case("unknown", str(uuid.uuid4()), rule.unknown_with)
        if where == "body":
            for what, value in self.types.items():
                if not rule.has_type_of(value) and not (optional and value is None):
                    yield case(what, value, "invalid_parameter")
            if not optional:
                rest = {name: value for name, value in sound.items() if name != word}
                yield Case(route, f"{word} is missing", contract.errors.invalid_parameter, body=rest)

    def _cases_of_bodies(self, contract: Contract, route: str, entry: Route) -> Iterator[Case]:
        sound = json.dumps(place(self.sound[route], entry.body)).encode()
        json_type = {"content-type": "application/json"}
        for what, text in self.bodies.items():
            value = expanded(text)
            content = value if isinstance(value, bytes) else value.encode()
            yield Case(route, f"the body is {what}", contract.errors.malformed_json, content=content, headers=json_type)
        for content_type in self.content_types:
            headers = {"content-type": content_type}
            yield Case(route, f"the body is said to be {content_type}", contract.errors.wrong_content_type, content=sound, headers=headers)
        # Spaces at its end leave it the same JSON: only its size is wrong.
        oversized = sound.ljust(contract.limits.json_body_bytes + 1)
        for what, chunked in ("one byte over the limit", False), ("one byte over the limit, of unannounced length", True):
            yield Case(route, f"the body is {what}", contract.errors.oversized_json, content=oversized, headers=json_type, chunked=chunked)


@dataclass(frozen=True)
class Case:
    """One call with one thing wrong, and the exact status that answers it."""

    route: str
    what: str
    status: int
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False


def read_nonsense(path: Path) -> Nonsense:
    """The nonsense in a file; raises ConfigurationError with every mistake at once."""
    return read_model(path, Nonsense)


def words_of(route: Route) -> dict[str, set[str]]:
    """Our words for every parameter of a route, by where they stand."""
    braces = {name for _, name, _, _ in string.Formatter().parse(route.path) if name}
    return {"path": braces, "query": set(route.query), "body": set(route.body)}


def expanded(value: Any) -> Any:
    """The value, with a repetition written out."""
    if isinstance(value, dict) and value.keys() == {"repeat", "times"}:
        return value["repeat"] * value["times"]
    return value


def _split(kind: Kind, entry: Any) -> tuple[Any, str]:
    """A value and the name of the status that refuses it."""
    if isinstance(entry, dict) and entry.keys() == {"value", "refused_with"}:
        return entry["value"], entry["refused_with"]
    return entry, kind.refused_with


def _status(contract: Contract, route: str, refusal: str) -> int:
    return getattr(contract.errors, refusal, None) or contract.refused(route, refusal)


def _address(address: str, value: Any) -> str:
    parts = urlsplit(address)
    query = urlencode([(name, value) for name, _ in parse_qsl(parts.query, keep_blank_values=True)])
    return parts._replace(query=query).geturl()


def _differences(where: str, wanted: set[str], found: set[str]) -> list[str]:
    lines = [f"{where}.{name}: missing" for name in sorted(wanted - found)]
    for name in sorted(found - wanted):
        close = difflib.get_close_matches(name, wanted, n=1)
        lines.append(f"{where}.{name}: not in the contract" + (f" (did you mean '{close[0]}'?)" if close else ""))
    return lines
