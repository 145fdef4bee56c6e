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

from acceptance.deployment.contract import Contract, Route, place
from acceptance.errors import ConfigurationError
from acceptance.yaml_models import Data, read_model

JSON = "application/json"
Place = Literal["path", "query", "body"]
OPTIONAL = "optional "
SIGNED_ADDRESS = "signed_url"  # the only word in a path whose value is a whole address
_OF_TYPE: dict[str, type | tuple[type, ...]] = {"text": str, "integer": int, "boolean": bool}


class Kind(Data):
    """What a parameter holds: its type in JSON, and values of that type that are not of the kind."""

    type: Literal["text", "integer", "boolean"]
    nonsense: dict[str, Any]
    refused_with: str = "invalid_parameter"
    unknown_with: str | None = None

    @property
    def refusals(self) -> set[str]:
        """The names of every status that it is refused with."""
        named = {self.refused_with, *(_split(self, entry)[1] for entry in self.nonsense.values())}
        return named | ({self.unknown_with} if self.unknown_with else set())

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


class Sound(Data):
    """A JSON body by our words in which nothing is wrong, and the name of the status that answers it."""

    answer: str
    body: dict[str, Any]


class Nonsense(Data):
    """Everything in `variables/nonsense.yaml`; its comments say what each part means."""

    types: dict[str, Any]
    kinds: dict[str, Kind]
    bodies: dict[str, Any]
    content_types: list[str]
    ignored: Ignored
    parameters: dict[str, Parameters]
    sound: dict[str, Sound]
    kept_filenames: dict[str, Any]

    def gaps(self, contract: Contract) -> list[str]:
        """One line for each route or parameter of the contract without nonsense, and for each name that nothing has."""
        lines = _differences("parameters", set(contract.routes), set(self.parameters))
        for name in contract.routes.keys() & self.parameters.keys():
            for where, words in words_of(contract.route(name)).items():
                lines += _differences(f"parameters.{name}.{where}", words, set(getattr(self.parameters[name], where)))
            used = {kind.removeprefix(OPTIONAL) for _, _, kind in self._words(name)}
            lines += [f"parameters.{name}: there is no kind '{kind}'" for kind in sorted(used - self.kinds.keys())]
        with_body = {name for name, route in contract.routes.items() if route.body}
        lines += _differences("sound", with_body, set(self.sound))
        known = {word for word, status in contract.errors if isinstance(status, int)}
        known |= {word for route in contract.routes.values() for word in route.refuses}
        for name, rule in self.kinds.items():
            lines += [f"kinds.{name}: the contract has no refusal '{word}'" for word in sorted(rule.refusals - known)]
        for name, sound in self.sound.items():
            if sound.answer not in known | {"success"}:
                lines.append(f"sound.{name}: the contract has no status '{sound.answer}'")
        return lines

    def sound_case(self, contract: Contract, route: str, run: str) -> Case:
        """The call in which nothing is wrong, so that whatever refuses the others refuses what is wrong with them."""
        status = _status(contract, route, self.sound[route].answer)
        return Case(route, "nothing is wrong", status, body=self._sound_body(route, run))

    def _sound_body(self, route: str, run: str) -> dict[str, Any]:
        body = self.sound[route].body if route in self.sound else {}
        return {word: value.replace("{run}", run) if isinstance(value, str) else value for word, value in body.items()}

    def cases(self, contract: Contract, route: str, sound_path: Mapping[str, str], run: str) -> list[Case]:
        """Every call with one thing wrong that this route must refuse, or ignore if it has no parameters.

        Args:
            sound_path: a true value for each word in a path: what the rest of the path holds.
            run: identifier of the run, for what is sound only once.

        Raises:
            ConfigurationError: anything of the contract is without nonsense.
        """
        if gaps := self.gaps(contract):
            raise ConfigurationError([f"variables/nonsense.yaml: {gap}" for gap in gaps])
        entry = contract.route(route)
        own = {word: sound_path[word] for word in self.parameters[route].path}
        sound = self._sound_body(route, run)
        made = [
            case
            for where, word, kind in self._words(route)
            for case in self._cases_of(contract, route, where, word, kind, own, sound)
        ]
        if entry.body:
            made += self._cases_of_bodies(contract, route, json.dumps(place(sound, entry.body)).encode())
        if not made:
            query = {name: expanded(value) for name, value in self.ignored.query.items()}
            made = [Case(route, "what no parameter takes", entry.success, query=query, headers=self.ignored.headers)]
        return made

    def _words(self, route: str) -> Iterator[tuple[Place, str, str]]:
        parameters = self.parameters[route]
        for word, kind in parameters.path.items():
            yield "path", word, kind
        for word, kind in parameters.query.items():
            yield "query", word, kind
        for word, kind in parameters.body.items():
            yield "body", word, kind

    def _cases_of(
        self, contract: Contract, route: str, where: Place, word: str, kind: str,
        own: Mapping[str, str], sound: Mapping[str, Any],
    ) -> Iterator[Case]:  # fmt: skip
        rule = self.kinds[kind.removeprefix(OPTIONAL)]
        optional = kind.startswith(OPTIONAL)

        def case(what: str, value: object, refused_with: str) -> Case:
            in_path = {word: _address(own[word], value) if word == SIGNED_ADDRESS else value}
            return Case(
                route, f"{word} is {what}", _status(contract, route, refused_with),
                path={**own, **in_path} if where == "path" else own,
                query={word: value} if where == "query" else {},
                body={**sound, word: value} if where == "body" else None,
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

    def _cases_of_bodies(self, contract: Contract, route: str, sound: bytes) -> Iterator[Case]:
        errors = contract.errors

        def case(what: str, status: int, content: bytes, content_type: str = JSON, *, chunked: bool = False) -> Case:
            headers = {"content-type": content_type}
            return Case(route, f"the body is {what}", status, content=content, headers=headers, chunked=chunked)

        for what, text in self.bodies.items():
            value = expanded(text)
            yield case(what, errors.malformed_json, value if isinstance(value, bytes) else value.encode())
        for content_type in self.content_types:
            yield case(f"said to be {content_type}", errors.wrong_content_type, sound, content_type)
        # Spaces at its end leave it the same JSON: only its size is wrong.
        oversized = sound.ljust(contract.limits.json_body_bytes + 1)
        yield case("one byte over the limit", errors.oversized_json, oversized)
        yield case("one byte over the limit, unannounced", errors.oversized_json, oversized, chunked=True)


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
    if refusal == "success":
        return contract.route(route).success
    status = getattr(contract.errors, refusal, None)
    return status if isinstance(status, int) else contract.refused(route, refusal)


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
