"""Nonsense for every parameter of every route, made from the contract and `variables/nonsense.yaml`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from acceptance.deployment.contract import Absent, Contract, Errors, compiled, standard_words
from acceptance.errors import ConfigurationError, NotOffered
from acceptance.yaml_models import Data, read_model

JSON = "application/json"
Place = Literal["path", "query", "body"]
PLACES: tuple[Place, ...] = ("path", "query", "body")
OPTIONAL = "optional "
SIGNED_ADDRESS = "signed_url"  # the only word in a path whose value is a whole address
NO_STATUS = ("shape", "request_id_header", "codes")  # of the contract's errors
LONGEST_TEXT = 5000  # characters of the text that is too long for a parameter
UNKNOWN_NUMBER = "999999999"
_CASE = "{case}"
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
        named = {self.refused_with, *(_split(entry, self.refused_with)[1] for entry in self.nonsense.values())}
        return named | ({self.unknown_with} if self.unknown_with else set())

    def has_type_of(self, value: object) -> bool:
        """Whether the value has the kind's JSON type; a truth value is no number."""
        return isinstance(value, _OF_TYPE[self.type]) and (self.type == "boolean" or not isinstance(value, bool))


class Words(Data):
    """Our word, or `route.word` -> name of its kind, after `optional` where it may be left out."""

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
    words: Words
    sound: dict[str, Sound]
    kept_filenames: dict[str, Any]

    def gaps(self) -> list[str]:
        """One line for each name of a kind, or of a status, that there is not."""
        used = {kind.removeprefix(OPTIONAL) for _, words in self.words for kind in words.values()}
        lines = [f"words: there is no kind '{kind}'" for kind in sorted(used - self.kinds.keys())]
        known = {word for word in Errors.model_fields if word not in NO_STATUS}
        known |= {word for route in standard_words("routes") for word in standard_words(f"routes.{route}.refuses")}
        for name, rule in self.kinds.items():
            lines += [f"kinds.{name}: the contract has no refusal '{word}'" for word in sorted(rule.refusals - known)]
        for name, sound in self.sound.items():
            if sound.answer not in known | {"success"}:
                lines.append(f"sound.{name}: the contract has no status '{sound.answer}'")
        return lines

    def sound_case(self, contract: Contract, route: str, run: str, identifiers: Mapping[str, str]) -> Case | None:
        """The call in which nothing is wrong, so that whatever refuses the others refuses what is wrong with them.

        None where no such call is known.

        Args:
            identifiers: of what the user has, by the word for each.
        """
        words, known = offered_words(contract, route), self._sound(contract, route, run, identifiers)
        entry = contract.route(route)
        if entry.method == "DELETE" or not (entry.example or (route in self.sound and words["body"])):
            return None
        answer = self._answer(contract, route)
        path, query, body = ({word: known[word] for word in words[where] if word in known} for where in PLACES)
        if lacking := [word for word in words["path"] if word not in path]:
            return Case(route, "nothing is wrong", Absent(f"routes.{route}.example.{lacking[0]}"))
        return Case(route, "nothing is wrong", _status(contract, route, answer), path, query, body or None).numbered(
            "sound"
        )

    def _answer(self, contract: Contract, route: str) -> str:
        """The name of the status that answers a call in which nothing is wrong, or the status itself."""
        stated = contract.route(route).example_answer
        return str(stated) if stated else self.sound[route].answer if route in self.sound else "success"

    def _sound(self, contract: Contract, route: str, run: str, identifiers: Mapping[str, str]) -> dict[str, Any]:
        """What the words of a route hold where nothing is wrong.

        An identifier of what the user has stands in a path, and in a body where the standard contract has no such word.
        """
        entry, usual = contract.route(route), {*standard_words(f"routes.{route}.body")}
        needed = {*entry.words, *({*offered_words(contract, route)["body"]} - usual)}
        body = {word: value for word, value in identifiers.items() if word in needed}
        body |= (self.sound[route].body if route in self.sound else {}) | entry.example
        return {word: value.replace("{run}", run) if isinstance(value, str) else value for word, value in body.items()}

    def cases(self, contract: Contract, route: str, sound_path: Mapping[str, str], run: str) -> list[Case]:
        """Every call with one thing wrong that this route must refuse, or ignore if it has no parameters.

        Where the contract does not say how such a call is refused, or what would be right, the status is what it lacks.

        Args:
            sound_path: a true value for each word in a path: what the rest of the path holds.
            run: identifier of the run, for what is sound only once.

        Raises:
            ConfigurationError: a name in the nonsense means nothing.
        """
        if gaps := self.gaps():
            raise ConfigurationError([f"variables/nonsense.yaml: {gap}" for gap in gaps])
        entry, known = contract.route(route), self._sound(contract, route, run, sound_path)
        words, lacking = offered_words(contract, route), Absent(f"routes.{route}.example")
        own = {word: {**known, **sound_path}.get(word) for word in words["path"]}
        sound = {word: value for word, value in known.items() if word in words["body"]}
        made = [
            case
            for where in (PLACES if sound else PLACES[:2])
            for word in words[where]
            for case in self._cases_of(contract, route, where, word, own, sound)
        ]
        if words["body"] and not sound:
            made.append(Case(route, "a word of its body is wrong", lacking))
        if words["body"] and not (entry.form or entry.file):
            made += self._cases_of_bodies(contract, route, json.dumps(entry.fields(sound)).encode() if sound else b"")
        made = [replace(case, path={**own, **case.path}) for case in made]
        made = [replace(case, status=lacking) if None in case.path.values() else case for case in made]
        changes = entry.method != "GET" and route not in standard_words("routes")
        if not made and (changes or entry.file):
            made = [Case(route, "what no parameter takes", lacking)]
        if not made:
            query = {name: expanded(value) for name, value in self.ignored.query.items()}
            made = [Case(route, "what no parameter takes", entry.success, query=query, headers=self.ignored.headers)]
        return [case.numbered(number) for number, case in enumerate(made)]

    def _kind(self, contract: Contract, route: str, where: Place, word: str) -> str | None:
        """The kind of a word, by what the nonsense or the contract's `fields` says of it; None where neither does."""
        named: dict[str, str] = getattr(self.words, where)
        if kind := named.get(f"{route}.{word}", named.get(word)):
            return kind
        schema = contract.schema_of_word(word, route)
        if where == "path":
            return "identifier_in_path" if schema else None
        if schema.get("format") in ("uuid", "email"):
            return {"uuid": "optional identifier", "email": "optional email"}[schema["format"]]
        type_of = schema.get("type", "string" if "enum" in schema else None)
        if where == "query":
            if type_of == "integer":
                return "at_least_one" if schema.get("minimum", 0) >= 1 else "sequence"
            if "maxLength" in schema and schema["maxLength"] < LONGEST_TEXT:
                return "bounded_text"
            return "job_state" if "enum" in schema else None
        known = {"integer": "integer", "boolean": "boolean", "string": "text"}
        return f"{OPTIONAL}{known[type_of]}" if type_of in [*known] else None

    def _cases_of(
        self, contract: Contract, route: str, where: Place, word: str, own: Mapping[str, Any], sound: Mapping[str, Any]
    ) -> Iterator[Case]:
        kind = self._kind(contract, route, where, word)
        if kind is None:
            yield Case(route, f"{word} is wrong", Absent(f"fields.{word}"))
            return
        rule, optional = self.kinds[kind.removeprefix(OPTIONAL)], kind.startswith(OPTIONAL)
        fits, is_form = _fitting(contract, route, word, kind), contract.route(route).form or contract.route(route).file

        sound_status = _status(contract, route, self._answer(contract, route))

        def case(what: str, value: object, refused_with: str, *, or_taken: bool = False) -> Case:
            in_path = {word: _address(own[word], value) if word == SIGNED_ADDRESS else value}
            return Case(
                route, f"{word} is {what}", _status(contract, route, refused_with),
                path={**own, **in_path} if where == "path" else own,
                query={word: value} if where == "query" else {},
                body={**sound, word: value} if where == "body" else None,
                wrong=word, refused_with=refused_with, or_taken=sound_status if or_taken else None,
            )  # fmt: skip

        for what, entry in rule.nonsense.items():
            value, refused_with, or_taken = _split(entry, rule.refused_with)
            if not fits(expanded(value)) and not (is_form and where == "body" and not _is_text(expanded(value))):
                yield case(what, expanded(value), refused_with, or_taken=or_taken)
        unknown = next((value for value in (str(uuid.uuid4()), UNKNOWN_NUMBER) if fits(value)), str(uuid.uuid4()))
        if rule.unknown_with:
            yield case("unknown", unknown, rule.unknown_with)
        if where == "body" and not is_form:
            for what, value in self.types.items():
                if not rule.has_type_of(value) and not fits(value) and not (optional and value is None):
                    yield case(what, value, "invalid_parameter")
        if where == "body" and not optional:
            rest = {name: value for name, value in sound.items() if name != word}
            yield Case(route, f"{word} is missing", _status(contract, route, "invalid_parameter"), body=rest)

    def _cases_of_bodies(self, contract: Contract, route: str, sound: bytes) -> Iterator[Case]:
        def case(what: str, refused: str, content: bytes, content_type: str = JSON, *, chunked: bool = False) -> Case:
            headers, status = {"content-type": content_type}, _status(contract, route, refused)
            return Case(route, f"the body is {what}", status, content=content, headers=headers, chunked=chunked)

        for what, entry in self.bodies.items():
            text, refused_with, _ = _split(entry, "malformed_json")
            value = expanded(text)
            yield case(what, refused_with, value if isinstance(value, bytes) else value.encode())
        if not sound:
            return
        for content_type in self.content_types:
            yield case(f"said to be {content_type}", "wrong_content_type", sound, content_type)
        if not contract.offers("limits.json_body_bytes"):
            yield Case(route, "the body is over the limit", Absent("limits.json_body_bytes"))
            return
        # Spaces at its end leave it the same JSON: only its size is wrong.
        oversized = sound.ljust(contract.limits.json_body_bytes + 1)
        yield case("one byte over the limit", "oversized_json", oversized)
        yield case("one byte over the limit, unannounced", "oversized_json", oversized, chunked=True)


@dataclass(frozen=True)
class Case:
    """One call with one thing wrong, and the exact status that answers it, or what the contract lacks for it."""

    route: str
    what: str
    status: int | Absent
    path: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    chunked: bool = False
    wrong: str = ""  # the word that is
    refused_with: str = ""
    or_taken: int | Absent | None = None  # another status that is right

    def numbered(self, number: object) -> Case:
        """The call with what has to differ from call to call; a body of the same length, with spaces at its end."""
        body, content = self.body, self.content
        if body is not None:
            body = {word: _numbered(value, number) for word, value in body.items()}
        if content is not None:
            content = content.replace(_CASE.encode(), str(number).encode()).ljust(len(content))
        return replace(self, body=body, content=content)

    @property
    def wrong_mime(self) -> str:
        """The media type that is to be refused as such; empty where something else is wrong."""
        return str(self.body[self.wrong]) if self.body and self.refused_with == "unsupported_mime" else ""


def read_nonsense(path: Path) -> Nonsense:
    """The nonsense in a file; raises ConfigurationError with every mistake at once."""
    return read_model(path, Nonsense, finite=False)


def offered_words(contract: Contract, route: str) -> dict[Place, list[str]]:
    """Our words for every parameter of a route, by where they stand."""
    entry = contract.route(route)
    body = entry.body if contract.offers(f"routes.{route}.body") else {}
    query = entry.query if contract.offers(f"routes.{route}.query") else {}
    return {"path": entry.words, "query": [*query], "body": [*body]}


def _fitting(contract: Contract, route: str, word: str, kind: str) -> Callable[[Any], bool]:
    """Whether a value is none that is wrong: identifiers may be of another form than the standard ones."""
    schema = contract.schema_of_word(word, route)
    if "identifier" not in kind or not schema:
        return lambda value: False
    validator = compiled(schema)

    def fits(value: Any) -> bool:
        number = isinstance(value, str) and value.isdecimal() and value.isascii()
        return isinstance(value, str) and (validator.is_valid(value) or (number and validator.is_valid(int(value))))

    return fits


def _is_text(value: Any) -> bool:
    """Whether a field of a form can hold it."""
    try:
        return isinstance(value, str) and bool(value.encode() or True)
    except UnicodeEncodeError:
        return False


def expanded(value: Any) -> Any:
    """The value, with a repetition written out."""
    if isinstance(value, dict) and value.keys() == {"repeat", "times"}:
        return value["repeat"] * value["times"]
    return value


def _split(entry: Any, refused_with: str) -> tuple[Any, str, bool]:
    """A value, the name of the status that refuses it, and whether it may be taken as well."""
    if isinstance(entry, dict) and "value" in entry and entry.keys() <= {"value", "refused_with", "or_taken"}:
        return entry["value"], entry.get("refused_with", refused_with), entry.get("or_taken", False)
    return entry, refused_with, False


def _numbered(value: Any, number: object) -> Any:
    return value.replace(_CASE, str(number)) if isinstance(value, str) else value


def _status(contract: Contract, route: str, refusal: str) -> int | Absent:
    try:
        return contract.status_of(route, refusal)
    except NotOffered as error:
        return Absent(error.place)


def _address(address: str, value: Any) -> str:
    parts = urlsplit(address)
    query = urlencode([(name, value) for name, _ in parse_qsl(parts.query, keep_blank_values=True)])
    return parts._replace(query=query).geturl()
