"""The contract of a deployment as data: routes, refusals, stages, realtime, queries.

`variables/contract.yaml` is the standard one; a deployment's own file says what differs from it. What that marks
`absent` is not offered: whoever reads it gets `NotOffered`, before any request is made.
"""

from __future__ import annotations

import difflib
import string
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlencode

import jsonschema_rs
from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_serializer,
    model_validator,
)  # fmt: skip

from acceptance.errors import NotOffered, SuiteError, shown
from acceptance.yaml_models import PROJECT, Data, mistakes, read_model, read_yaml

ABSENT = "absent"
SHOWN_OF_A_VALUE = 120  # characters
Value = TypeVar("Value")
CONTRACT = PROJECT / "variables" / "contract.yaml"
Kind = Literal["public", "user", "owner", "signature"]


KEPT_FROM = {"public": 0, "signature": 1, "user": 1, "owner": 2}  # how many are kept from a route of that kind


class Absent(str):
    """In place of a value that is not offered: its dotted path in the contract."""

    __slots__ = ()


class Partial:
    """Has values that may be absent; to read one of these raises NotOffered."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if isinstance(value, Absent):
            raise NotOffered(value)
        return value

    @property
    def offered(self) -> dict[str, Any]:
        """The values that are not absent, by name."""
        return {name: value for name, value in vars(self).items() if not isinstance(value, Absent)}


class Offered(Partial, Data):
    """A part of the contract."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _absent(cls, value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError("expected a number")
        return value if isinstance(value, Absent) else validate(value)

    @model_serializer
    def _as_written(self) -> dict[str, Any]:
        """With the word `absent` for all that is."""
        written = {}
        for name, value in self:
            absent = dict.fromkeys(value.absent, ABSENT) if isinstance(value, Entries) else {}
            written[name] = {**value, **absent} if absent else ABSENT if isinstance(value, Absent) else value
        return written


class Entries(dict[str, Value]):
    """What the contract names one by one; `absent` has the others, and to read one of them raises NotOffered."""

    def __init__(self, offered: Mapping[str, Value], absent: Mapping[str, Absent]) -> None:
        super().__init__(offered)
        self.absent = absent

    def __missing__(self, name: str) -> Value:
        if name in self.absent:
            raise NotOffered(self.absent[name])
        raise KeyError(name)


def _entries(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    if not isinstance(value, dict):
        return validate(value)
    absent = {name: entry for name, entry in value.items() if isinstance(entry, Absent)}
    return Entries(validate({name: entry for name, entry in value.items() if name not in absent}), absent)


FieldPaths = Annotated[dict[str, str], WrapValidator(_entries)]  # our word -> dotted path in the application's JSON
Statuses = Annotated[dict[str, Annotated[int, Field(strict=True)]], WrapValidator(_entries)]


def _known_service(name: str, info: ValidationInfo) -> str:
    if info.context is not None and name not in info.context:
        raise ValueError(f"the descriptor has no such service; it has {', '.join(sorted(info.context))}")
    return name


Service = Annotated[str, AfterValidator(_known_service)]
WORDS = ("job_id", "document_id", "conversation_id", "workflow_id", "signed_url", "object")  # that we can fill in


def check_words(text: str, words: Sequence[str]) -> str:
    """The text; ValueError where anything but these words stands in its braces."""
    for _, name, form, conversion in string.Formatter().parse(text):
        if name is not None and (name not in words or form or conversion):
            raise ValueError(f"nothing fills in {{{name}}}; known are {', '.join(words) or 'none'}")
    return text


def holds(*words: str) -> AfterValidator:
    """A text in whose braces only these words stand."""
    return AfterValidator(lambda text: check_words(text, words))


class Token(Data):
    """Where the access token travels: in a header or cookie, or in the query, of this name."""

    model_config = ConfigDict(serialize_by_alias=True)

    place: Literal["header", "cookie", "query"] = Field(alias="in")
    name: str
    prefix: str | None = None

    def on(self, token: str, url: str, headers: dict[str, str]) -> str:
        """The address with the token, or the same one, where `headers` got it."""
        if self.place == "query":
            return with_query(url, {self.name: token})
        if self.place == "cookie":
            headers["cookie"] = "; ".join(filter(None, [headers.get("cookie"), f"{self.name}={token}"]))
            return url
        bearer = "Bearer " if self.name.lower() == "authorization" else ""
        headers[self.name.lower()] = f"{bearer if self.prefix is None else self.prefix}{token}"
        return url


def with_query(url: str, query: Mapping[str, Any]) -> str:
    """An address with these parameters beside those that it has."""
    return url + ("&" if "?" in url else "?") + urlencode(query) if query else url


# What a route is, not what it offers; and what to write in place of `absent`.
_ITS_OWN = "the route's own, or absent in place of the whole route"
INSTEAD_OF_ABSENT = dict.fromkeys(("stream", "binary", "form", "waits_for_a_model"), "false") | dict.fromkeys(
    ("method", "path", "kind", "success"), _ITS_OWN
)
# Without these there is no application to judge: upload a document, follow its processing to its end, ask about it.
CORE = (
    "routes.upload", "routes.job", "jobs.complete", "routes.chat", "routes.chat.body.message", "routes.chat.answer.text"
)  # fmt: skip
MAKERS = ("upload", "chat")  # routes whose answers may name what the paths of others hold
FILLED_TOO = {"chat": {"document_id"}}  # words of a body that the suites fill beside those of the standard contract


class Route(Offered):
    """One call of the contract; every status is one number."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    kind: Kind
    success: int
    at: Service = "api"
    token: Token | None = None
    body: FieldPaths = {}
    form: bool = False
    file: str | None = None
    constant: dict[str, Any] = {}
    query: FieldPaths = {}
    constant_query: dict[str, Any] = {}
    example: dict[str, Any] = {}
    example_answer: Annotated[int, Field(ge=200, lt=500)] | None = None
    answer: FieldPaths = {}
    refuses: Statuses = {}
    stream: bool = False
    binary: bool = False
    waits_for_a_model: bool = False

    @model_validator(mode="after")
    def _what_is_no_offer_is_not_absent(self) -> Self:
        wrong = {
            (name,): f"cannot be absent: write {instead}"
            for name, instead in INSTEAD_OF_ABSENT.items()
            if isinstance(vars(self)[name], Absent)
        }
        if wrong:
            raise mistakes(wrong)
        return self

    @property
    def words(self) -> list[str]:
        """Our words in the braces of the path."""
        return words_in(self.offered.get("path", ""))

    @model_validator(mode="after")
    def _example_is_of_its_words(self) -> Self:
        if self.offered.get("example_answer") and not self.offered.get("example"):
            raise mistakes({("example_answer",): "there is no example that it would answer"})
        known = {*self.words, *names(self.offered.get("query", {})), *names(self.offered.get("body", {}))}
        example = self.offered.get("example", {})
        strange = [word for word in example if word not in known]
        if strange:
            raise mistakes({("example", one): "no word of its path, query or body" for one in strange})
        return self

    def filled(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """These words of the body, and those that the contract's example has beside them."""
        body = self.offered.get("body", {})
        return {word: value for word, value in self.offered.get("example", {}).items() if word in body} | {**words}

    def parameters(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """The query for our words, and what always stands in it; a name that is none of our words stands as it is."""
        named = {self.query[word] if word in names(self.query) else word: value for word, value in words.items()}
        return self.constant_query | named

    def fields(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """What is sent for our words, and what is sent always: as a JSON body, or as the fields of a form.

        Raises:
            NotOffered: one of the words is absent.
        """
        if self.form or self.file:
            return {self.body[word]: value for word, value in words.items()} | self.constant
        return nested([*((self.body[word], value) for word, value in words.items()), *self.constant.items()])


class Codes(Offered):
    """The code of each refusal whose status alone does not tell it apart."""

    malformed_email: str
    weak_password: str
    invalid_credentials: str


class Errors(Offered):
    """The shape of an error, and the status of each documented refusal."""

    shape: FieldPaths
    request_id_header: str
    unknown_identifier: int
    malformed_identifier: int
    malformed_json: int
    unreadable_body: int | None = None
    wrong_content_type: int
    oversized_json: int
    invalid_parameter: int
    unsupported_mime: int
    too_large: int
    wrong_bytes: int
    duplicate_document: int
    invalid_credentials: int
    malformed_email: int
    weak_password: int
    refused_refresh: int
    retry_not_allowed: int
    known_address: int
    too_many: int
    unavailable: int
    codes: Codes


class Complete(Offered):
    status: str
    state: str
    total_pct: float


def _in_words(job: Mapping[str, Any]) -> str:
    named = [f"{word} '{job[word]}'" for word in ("status", "state") if word in job]
    share = job.get("total_pct", MISSING)
    at = "" if share is MISSING else f" at {share:g} %" if isinstance(share, int | float) else f" at {share} %"
    return f"{', '.join(named)}{at}"


class Stages(Offered):
    """The status that ends each of the four stages."""

    parse: str
    chunk: str
    embed: str
    finalize: str


class Jobs(Offered):
    statuses: list[str]
    failures: list[str]
    states: list[str]
    final_states: list[str]
    failed_in: FieldPaths = {}
    complete: Complete
    stages: Stages

    @model_validator(mode="after")
    def _complete_is_the_end(self) -> Self:
        statuses, final = self.offered.get("statuses", []), self.offered.get("final_states")
        done = self.offered["complete"].offered if "complete" in self.offered else {}
        wrong = {}
        if statuses and (len(statuses) < 2 or done.get("status", statuses[-1]) != statuses[-1]):
            wrong["status"] = f"the last of two or more statuses (found {', '.join(statuses)})"
        if final is not None and done.get("state", final[0] if final else None) not in final:
            wrong["state"] = f"one of the final states: {', '.join(final)}"
        if done.get("total_pct", 100) != 100:
            wrong["total_pct"] = "100"
        if wrong:
            raise mistakes({("complete", word): f"expected {what}" for word, what in wrong.items()})
        return self

    def failure(self, usual: str) -> str:
        """The application's name for a failure that the standard contract names so: that of the same stage."""
        stage = pick(standard(), f"jobs.failed_in.{usual}")
        own = [name for name in self.failures if name == usual or self.failed_in.get(name) == stage]
        own = own or (self.failures if len(self.failures) == 1 else [])
        if not own:
            raise NotOffered("jobs.failed_in")
        return own[0]

    def has_ended(self, job: Mapping[str, Any]) -> bool:
        """Whether a job with these fields is in a final state; where it has no state, by its status."""
        if "state" in job:
            return job["state"] in self.final_states
        return job.get("status") in (self.complete.status, *self.failures)

    def contradiction(self, job: Mapping[str, Any]) -> str:
        """What the status of a job that has ended should be, by its state; empty where they agree."""
        status, state = job.get("status"), job.get("state")
        done = self.complete.offered
        if None in (status, state) or not {"status", "state"} <= done.keys():
            return ""
        wanted = [done["status"]] if state == done["state"] else self.failures
        return "" if status in wanted else f"{' or '.join(wanted)} with the state '{state}'"

    def incomplete(self, job: Mapping[str, Any]) -> tuple[str, str] | None:
        """What a job with these fields should have to be complete, and what it has; None where it is."""
        wanted = {word: value for word, value in self.complete.offered.items() if word in job}
        if not wanted:
            raise NotOffered("jobs.complete")
        seen = {word: job[word] for word in wanted}
        return None if seen == wanted else (_in_words(wanted), _in_words(seen))


class Closing(Offered):
    """Close codes of a WebSocket."""

    bad_token: int
    unknown: int
    too_large: int
    server_fault: int
    restarting: int


class Realtime(Offered):
    """Frames without a `type` all are job events; without a `sequence`, they are numbered as they arrive."""

    type: str = "type"
    job: Annotated[str, holds("job_id")]
    workflow: Annotated[str, holds("workflow_id")]
    token_parameter: str
    token_message: str
    after_parameter: str
    heartbeat_seconds: float
    pong_within_seconds: float
    max_frame_bytes: int
    close: Closing
    malformed_answer: str
    job_event_type: str
    job_event: FieldPaths
    step_type: str
    step: FieldPaths
    answer_type: str
    answer: FieldPaths


class ContractLimits(Offered):
    filename_characters: int
    password_characters: int
    longest_password_characters: int
    json_body_bytes: int
    response_bytes: int = Field(ge=1)
    chunk_gap_characters: int


class Storage(Offered):
    """Addresses of a stored object at the storage service, and the status that closes them."""

    upload: Annotated[str, holds("object")]
    read: Annotated[str, holds("object")]
    closed: list[Annotated[str, holds("object")]]
    refused: int


class Health(Offered):
    """What the health document says of a service that is well, and of the whole; where it names each service.

    It comes within `within_seconds`, whatever is down.
    """

    healthy: Any
    service_healthy: Any
    within_seconds: float
    services: FieldPaths


class Webhook(Offered):
    """The parser's message: how it is signed, and its JSON with what is filled in, in braces."""

    header: str
    scheme: str
    body: dict[str, Any]
    events: dict[str, str] = {}

    @field_validator("scheme")
    @classmethod
    def _signed(cls, value: str) -> str:
        known = ("hmac_sha256_hex_of_body", "hmac_sha256_base64_of_body", "secret")
        found = {name for _, name, _, _ in string.Formatter().parse(value) if name is not None}
        if isinstance(value, Absent):
            return value
        if not found or found - {*known}:
            raise ValueError(f"expected one or more of {{{'}, {'.join(known)}}}")
        return value


# Where the contract names the fields of what is received, beside the routes' answers; and those of a list's entries.
ENTRIES = {
    "documents": "listed_document", "jobs": "listed_job", "sources": "sources", "conversations": "listed_conversation"
}  # fmt: skip
RECEIVED = ("realtime.job_event", "realtime.step", "realtime.answer", *ENTRIES.values())


class Contract(Offered):
    """Everything that the suites expect of any deployment."""

    _further: dict[str, list[str]] = PrivateAttr(default_factory=dict)  # words of paths by the route that makes them

    openapi: str
    routes: Annotated[dict[str, Route], WrapValidator(_entries)]
    refusals: Annotated[dict[Literal["user", "owner"], Statuses], WrapValidator(_entries)]
    errors: Errors
    service_errors: Annotated[dict[Service, FieldPaths], WrapValidator(_entries)] = {}
    token: Token = Token.model_validate({"in": "header", "name": "authorization"})
    duplicate: FieldPaths
    duplicate_type: str
    jobs: Jobs
    health: Health
    job_error: FieldPaths
    fields: dict[str, dict[str, Any]]
    sources: FieldPaths
    source_words: Literal["document_id", "title", "chunk"] | None = None
    listed_document: FieldPaths
    listed_job: FieldPaths
    listed_conversation: FieldPaths
    realtime: Realtime
    limits: ContractLimits
    webhook: Webhook
    storage: Storage
    queries: FieldPaths = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _absent_has_its_place(cls, content: Any) -> Any:
        return merged({}, content)

    @field_validator("fields", mode="before")
    @classmethod
    def _fields_that_hold_anything(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        return {name: one for name, one in fields.items() if not isinstance(one, Absent)}

    @model_validator(mode="after")
    def _fields_are_schemas_of_known_words(self) -> Self:
        needed = {"routes": "at least one is judged", "limits": "response_bytes bounds what is read"}
        if wrong := {(name,): f"cannot be absent: {why}" for name, why in needed.items() if name not in self.offered}:
            raise mistakes(wrong)
        usual = standard().get("routes", {})
        for name in getattr(self.routes, "absent", ()):
            if name not in usual:
                close = difflib.get_close_matches(name, usual, n=1)
                hint = f" (did you mean '{close[0]}'?)" if close else ""
                raise mistakes({("routes", name): f"absent, though the standard contract has no such route{hint}"})
        known = {*self._words()}
        for name, schema in self.offered.get("fields", {}).items():
            route, _, word = name.rpartition(".")
            if word not in known or (route and word not in self._words_of(route)):
                raise ValueError(f"fields.{name}: nothing that is sent or received has a field of this name")
            try:
                compiled(flattened(schema))
            except jsonschema_rs.ValidationError as error:
                raise ValueError(f"fields.{name}: no JSON Schema: {error.message}") from None
        return self

    @model_validator(mode="after")
    def _protects_no_less_than_the_standard(self) -> Self:
        usual = {name: route["kind"] for name, route in standard()["routes"].items()}
        kinds = {name: route.offered.get("kind", "public") for name, route in self.routes.items()}
        less = {
            ("routes", name, "kind"): f"{usual[name]} in the standard contract: no less may be asked for here"
            for name, kind in kinds.items()
            if KEPT_FROM[kind] < KEPT_FROM[usual.get(name, "public")]
        }
        if less:
            raise mistakes(less)
        return self

    @model_validator(mode="after")
    def _paths_are_filled(self) -> Self:
        made = [word for name in MAKERS if name in self.routes for word in self.routes[name].offered.get("answer", {})]
        wrong = {}
        for name, route in self.routes.items():
            try:
                check_words(route.offered.get("path", ""), (*WORDS, *made, *route.offered.get("example", {})))
            except ValueError as error:
                wrong["routes", name, "path"] = str(error)
        if wrong:
            raise mistakes(wrong)
        in_paths = {word for route in self.routes.values() for word in route.words} - {*WORDS}
        answers = {name: route.offered.get("answer", {}) for name, route in self.routes.items()}
        self._further = {name: sorted(in_paths & {*answer}) for name, answer in answers.items()}
        return self

    def further_words(self, made_by: str) -> list[str]:
        """Words of paths beside the usual ones that the answer of this route has: what it made."""
        return self._further.get(made_by, [])

    @model_validator(mode="after")
    def _what_is_sent_is_filled(self) -> Self:
        wrong, described = {}, self.offered.get("fields", {})
        for name, usual in standard()["routes"].items():
            route = self.routes[name].offered if name in self.routes else {}
            for part, constants in (("body", "constant"), ("query", "constant_query")):
                filled = {*usual.get(part, ()), *route.get("example", ())} | FILLED_TOO.get(name, set())
                filled |= {*described} if part == "query" else set()
                sent = route.get(part, {})
                for word in {*names(sent)} - filled:
                    if sent.get(word) not in route.get(constants, {}):
                        close = difflib.get_close_matches(word, filled, n=1)
                        hint = f" (did you mean '{close[0]}'?)" if close else ""
                        wrong["routes", name, part, word] = (
                            f"nothing fills this word in{hint}; what is always the same goes into `{constants}`"
                        )
        if wrong:
            raise mistakes(wrong)
        return self

    def _words(self) -> Iterator[str]:
        """Our words for what is sent and received, also those that are not offered."""
        for route in (*self.routes, *getattr(self.routes, "absent", ())):
            yield from self._words_of(route)
        for part in RECEIVED:
            yield from names(self.value(part)) if self.offers(part) else standard_words(part)

    def _words_of(self, route: str) -> Iterator[str]:
        for place in (f"routes.{route}.{part}" for part in ("answer", "query", "body")):
            yield from names(self.value(place)) if self.offers(place) else standard_words(place)
        yield from self.routes[route].words if route in self.routes else ()

    def value(self, place: str) -> Any:
        """What stands at a dotted path, such as `jobs.statuses.0`, or MISSING.

        Raises:
            NotOffered: it is marked `absent`, or what it is a part of.
        """
        value: Any = self
        for name in place.split("."):
            if isinstance(value, Mapping):
                value = value[name] if name in value or name in getattr(value, "absent", ()) else MISSING
            elif isinstance(value, list):
                value = value[int(name)] if name.isdigit() and int(name) < len(value) else MISSING
            else:
                value = getattr(value, name, MISSING)
        return value

    def offers(self, place: str) -> bool:
        """Whether anything stands at a dotted path, and is not marked `absent`."""
        try:
            return self.value(place) is not MISSING
        except NotOffered:
            return False

    @property
    def core_absent(self) -> tuple[str, ...]:
        """What the application consists of and this does not offer, by dotted paths."""
        return tuple(place for place in CORE if not self.offers(place))

    def schema_of_word(self, word: str, route: str) -> dict[str, Any]:
        """The JSON Schema of a field of a route by our word for it; empty where it may hold anything."""
        fields = self.offered.get("fields", {})
        return flattened(fields.get(f"{route}.{word}") or fields.get(word) or {})

    def search_words(self, route: str) -> list[str]:
        """The words of a route's query that hold any text, by what `fields` says of them."""
        query = self.routes[route].query if self.offers(f"routes.{route}.query") else {}
        schemas = {word: self.schema_of_word(word, route) for word in query}
        free = {"type", "minLength", "maxLength"}
        return [word for word, schema in schemas.items() if schema.get("type") == "string" and schema.keys() <= free]

    def schema_of(self, paths: Mapping[str, str], route: str = "") -> dict[str, Any]:
        """The JSON Schema of a document that has all of these fields: an object within another for each dot."""
        root: dict[str, Any] = {}
        for word, path in paths.items():
            inner = root
            for part in filter(None, path.split(".")):
                if part == "*" or part.isdigit():  # of a list
                    inner["type"] = "array"
                    inner = inner.setdefault("items", {})
                    continue
                inner["type"] = "object"
                inner["required"] = sorted({*inner.get("required", ()), part})
                inner = inner.setdefault("properties", {}).setdefault(part, {})
            inner |= self.schema_of_word(word, route)
            if word in ENTRIES and inner.get("type") == "array" and self.offers(ENTRIES[word]):
                inner["items"] = self.schema_of(self.value(ENTRIES[word]))
        return root

    def route(self, name: str) -> Route:
        """The route of that name; an unknown one is the caller's mistake: SuiteError with the known ones."""
        try:
            return self.routes[name]
        except KeyError:
            raise SuiteError(f"no route '{name}' in the contract; it has {', '.join(self.routes)}") from None

    @property
    def model_bound(self) -> tuple[str, ...]:
        """The routes whose answer waits for a model."""
        return tuple(name for name, route in self.routes.items() if route.waits_for_a_model)

    def error_shape(self, route: str) -> FieldPaths:
        """Our words for the fields of a route's errors; raises NotOffered where the contract does not describe them."""
        at = self.routes[route].at if route in self.routes else "api"
        return self.service_errors[at] if at in names(self.service_errors) else self.errors.shape

    def status_of(self, route: str, expected: int | str) -> int:
        """The exact status that a name stands for on a route.

        Args:
            expected: a status; `success`; a refusal of `errors`, such as `unknown_identifier`; or a kind of bad
                credential, such as `other_user`.

        Raises:
            ValueError: the contract knows no such name.
        """
        if expected == "success":
            return self.route(route).success
        if isinstance(expected, int) or expected.isdigit():
            return int(expected)
        if expected in names(own := self.route(route).refuses):
            return own[expected]
        if expected == "unreadable_body" and ("malformed_json" in names(own) or self.errors.unreadable_body is None):
            return self.status_of(route, "malformed_json")
        status = getattr(self.errors, expected, None)
        if isinstance(status, int):
            return status
        try:
            return self.refused(route, expected)
        except SuiteError:
            refusals = [name for name, value in self.errors if isinstance(value, int)]
            raise SuiteError(
                f"route '{route}': the contract knows no outcome '{expected}'; it knows a status, success,"
                f" {', '.join([*refusals, *self.refusals['owner']])}"
            ) from None

    def refused(self, route: str, credential: str) -> int:
        """The exact status with which a route refuses a kind of bad credential."""
        entry = self.route(route)
        if credential in entry.refuses:
            return entry.refuses[credential]
        if entry.kind in ("user", "owner"):
            return self.refusals[entry.kind][credential]
        raise SuiteError(f"the contract does not say how route '{route}' ({entry.kind}) refuses '{credential}'")


def read_contract(
    path: Path = CONTRACT, services: Collection[str] | None = None, left_out: Collection[str] = ()
) -> Contract:
    """The contract in a file, which says what differs from the standard one.

    Args:
        services: names of those that the deployment may have; None takes any.
        left_out: those of them that it has not: what depends on them is absent.

    Raises:
        ConfigurationError: with every mistake in the file at once.
    """

    def whole(own: dict[str, Any]) -> dict[str, Any]:
        return without(left_out, following(own, merged({} if path == CONTRACT else standard(), own)))

    return read_model(path, Contract, whole, services)


def differences(path: Path) -> tuple[str, ...]:
    """What a contract says otherwise than the standard one: a line for each value, by its dotted path."""
    return tuple(_different(read_yaml(path), standard(), ""))


def _different(own: Any, usual: Any, place: str) -> Iterator[str]:
    if isinstance(own, dict) and own and (isinstance(usual, dict) or usual is MISSING):
        for name, value in own.items():
            there = usual.get(name, MISSING) if isinstance(usual, dict) else MISSING
            yield from _different(value, there, f"{place}.{name}".lstrip("."))
    elif own != usual:
        instead = "" if usual is MISSING or own == ABSENT else f", not {shown(usual, SHOWN_OF_A_VALUE)}"
        yield f"{place}: {own if own == ABSENT else shown(own, SHOWN_OF_A_VALUE)}{instead}"


def following(own: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """The content of a contract with what follows from a team's own: statuses in `fields`, the shape of a source."""
    jobs, fields = whole.get("jobs"), own.get("fields") or {}
    if isinstance(own.get("jobs"), dict) and isinstance(jobs, dict) and isinstance(whole.get("fields"), dict):
        for word, lists in (("status", ("statuses", "failures")), ("state", ("states",))):
            if word not in fields:
                values = [jobs[name] for name in lists if isinstance(jobs.get(name), list)]
                whole["fields"] = whole["fields"] | {word: {"enum": values} if values else {}}
    return whole | ({"sources": Absent("sources")} if "source_words" in own else {})


def without(services: Collection[str], content: dict[str, Any]) -> dict[str, Any]:
    """The content of a contract in which what depends on these services is absent."""
    content = dict(content) | {part: Absent(f"services.{part}") for part in ("realtime", "storage") if part in services}
    if isinstance(routes := content.get("routes"), dict):
        if isinstance(upload := routes.get("upload"), dict) and upload.get("file"):
            routes = routes | {"upload_bytes": Absent("routes.upload_bytes")}
        at = {name: route.get("at", "api") for name, route in routes.items() if isinstance(route, dict)}
        content["routes"] = routes | {n: Absent(f"services.{one}") for n, one in at.items() if one in services}
    return content


standard = cache(lambda: read_yaml(CONTRACT))


def standard_words(place: str) -> tuple[str, ...]:
    """Our words at a dotted path of the standard contract."""
    found = pick(standard(), place)
    return tuple(found) if isinstance(found, dict) else ()


def names(entries: Mapping[str, Any]) -> tuple[str, ...]:
    """What is named one by one, also what is absent."""
    return (*entries, *getattr(entries, "absent", ()))


def merged(standard: Any, own: Any, place: str = "") -> Any:
    """A document with the values of another one: mappings are merged, anything else replaces what was there.

    The word `absent` becomes an `Absent` with its dotted path.
    """
    if own == ABSENT:
        return Absent(place)
    if not isinstance(own, dict):
        return own
    known = standard if isinstance(standard, dict) else {}
    changed = {name: merged(known.get(name), value, f"{place}.{name}".lstrip(".")) for name, value in own.items()}
    return {**known, **changed}


def flattened(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the lists within its `enum` taken apart, so that a file can name a list that it has already."""
    schema = {name: value for name, value in schema.items() if not isinstance(value, Absent)}
    values = schema.get("enum")
    if not isinstance(values, list):
        return dict(schema)
    return schema | {"enum": [one for value in values for one in (value if isinstance(value, list) else [value])]}


def compiled(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    """A schema that can be validated against; formats count.

    Raises:
        jsonschema_rs.ValidationError: it is no schema.
    """
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def mistake_in(document: Any, schema: Any) -> tuple[str, str, str] | None:
    """The first place where a document is not as its compiled schema says: where, what is expected, what is there."""
    wrong = next(schema.iter_errors(document), None)
    if wrong is None:
        return None
    where = ".".join(str(part) for part in wrong.instance_path)
    if type(wrong.kind).__name__.endswith("Required"):
        return where, f"a field '{wrong.kind.property}'", "none"
    return where, "a value as in the contract's fields", wrong.message


MISSING = object()


def pick(document: Any, path: str) -> Any:
    """The value at a dotted path (`error.code`, `workers.0.build`; `*` gathers a list; empty: all), or MISSING."""
    if not path:
        return document
    head, _, rest = path.partition(".")
    if head == "*":
        if not isinstance(document, list):
            return MISSING
        return [pick(item, rest) if rest else item for item in document]
    if isinstance(document, dict) and head in document:
        value = document[head]
    elif isinstance(document, list) and head.isdigit() and int(head) < len(document):
        value = document[int(head)]
    else:
        return MISSING
    return pick(value, rest) if rest else value


def by_words(document: Any, paths: Mapping[str, str]) -> dict[str, Any]:
    """The values of a document by our words, MISSING where it has none; reading an absent one raises NotOffered."""
    values = {word: pick(document, path) for word, path in paths.items()}
    return Entries(values, getattr(paths, "absent", {}))


def words_in(template: str) -> list[str]:
    """The words in the braces of a path, in their order."""
    return [word for _, word, _, _ in string.Formatter().parse(template) if word]


def place(fields: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """A JSON body: each of our words put at its dotted path. Words that the route does not know raise KeyError."""
    return nested((paths[word], value) for word, value in fields.items())


def nested(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A document that has each value at its dotted path."""
    document: dict[str, Any] = {}
    for path, value in values:
        *parents, last = path.split(".")
        inner = document
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return document
