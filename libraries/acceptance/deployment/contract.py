"""The contract of the deployment as data: routes, refusals, stages, realtime, queries (`variables/contract.yaml`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

import jsonschema_rs
from pydantic import Field, model_validator

from acceptance.errors import SuiteError
from acceptance.yaml_models import PROJECT, Data, read_model

CONTRACT = PROJECT / "variables" / "contract.yaml"
Kind = Literal["public", "user", "owner", "signature"]
FieldPaths = dict[str, str]  # our word -> dotted path in the JSON of the application


class Route(Data):
    """One call of the contract; every status is one number."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    kind: Kind
    success: int
    at: Literal["api", "frontend"] = "api"
    body: FieldPaths = {}
    query: FieldPaths = {}
    answer: FieldPaths = {}
    refuses: dict[str, int] = {}
    stream: bool = False
    binary: bool = False
    waits_for_a_model: bool = False


class Codes(Data):
    """The code of each refusal whose status alone does not tell it apart."""

    malformed_email: str
    weak_password: str
    invalid_credentials: str


class Errors(Data):
    """The shape of an error, and the status of each documented refusal."""

    shape: FieldPaths
    request_id_header: str
    unknown_identifier: int
    malformed_identifier: int
    malformed_json: int
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
    codes: Codes


class Complete(Data):
    status: str
    state: str
    total_pct: float


class Stages(Data):
    """The status that ends each of the four stages."""

    parse: str
    chunk: str
    embed: str
    finalize: str


class Jobs(Data):
    statuses: list[str]
    failures: list[str]
    states: list[str]
    final_states: list[str]
    complete: Complete
    stages: Stages


class Closing(Data):
    """Close codes of a WebSocket."""

    bad_token: int
    unknown: int
    too_large: int
    server_fault: int
    restarting: int


class Realtime(Data):
    job: str
    workflow: str
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


class ContractLimits(Data):
    filename_characters: int
    password_characters: int
    json_body_bytes: int
    response_bytes: int = Field(ge=1)
    chunk_gap_characters: int


class Storage(Data):
    """Addresses of a stored object at the storage service, and the status that closes them."""

    upload: str
    read: str
    closed: list[str]
    refused: int


class Webhook(Data):
    header: str
    scheme: str


class Contract(Data):
    """Everything that the suites expect of any deployment."""

    routes: dict[str, Route]
    refusals: dict[Literal["user", "owner"], dict[str, int]]
    errors: Errors
    duplicate: FieldPaths
    duplicate_type: str
    jobs: Jobs
    fields: dict[str, dict[str, Any]]
    sources: FieldPaths
    listed_document: FieldPaths
    listed_job: FieldPaths
    listed_conversation: FieldPaths
    realtime: Realtime
    limits: ContractLimits
    webhook: Webhook
    storage: Storage
    queries: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _fields_are_schemas_of_known_words(self) -> Self:
        known = {*self._words()}
        for name, schema in self.fields.items():
            route, _, word = name.rpartition(".")
            if word not in known or (route and word not in self.routes[route].answer):
                raise ValueError(f"fields.{name}: nothing that is received has a field of this name")
            try:
                compiled(flattened(schema))
            except jsonschema_rs.ValidationError as error:
                raise ValueError(f"fields.{name}: no JSON Schema: {error.message}") from None
        return self

    def _words(self) -> Iterator[str]:
        for route in self.routes.values():
            yield from route.answer
        yield from chain(self.realtime.job_event, self.realtime.step, self.realtime.answer)
        yield from chain(self.sources, self.listed_document, self.listed_job, self.listed_conversation)

    def schema_of(self, paths: Mapping[str, str], route: str = "") -> dict[str, Any]:
        """The JSON Schema of a document that has all of these fields: an object within another for each dot."""
        root: dict[str, Any] = {}
        entries = {"documents": self.listed_document, "jobs": self.listed_job, "sources": self.sources}
        entries["conversations"] = self.listed_conversation
        for word, path in paths.items():
            inner = root
            for part in path.split("."):
                if part == "*" or part.isdigit():  # of a list
                    inner["type"] = "array"
                    inner = inner.setdefault("items", {})
                    continue
                inner["type"] = "object"
                inner["required"] = sorted({*inner.get("required", ()), part})
                inner = inner.setdefault("properties", {}).setdefault(part, {})
            inner |= flattened(self.fields.get(f"{route}.{word}") or self.fields.get(word) or {})
            if word in entries and inner.get("type") == "array":
                inner["items"] = self.schema_of(entries[word])
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


def read_contract(path: Path) -> Contract:
    """The contract in a file; raises ConfigurationError with every mistake at once."""
    return read_model(path, Contract)


def flattened(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with the lists within its `enum` taken apart, so that a file can name a list that it has already."""
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
    """The value at a dotted path (`error.code`, `workers.0.build`; `*` gathers a list), or MISSING."""
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
    """The values of a document by our words; MISSING where it has none."""
    return {word: pick(document, path) for word, path in paths.items()}


def place(fields: dict[str, Any], paths: FieldPaths) -> dict[str, Any]:
    """A JSON body: each of our words put at its dotted path. Words that the route does not know raise KeyError."""
    body: dict[str, Any] = {}
    for word, value in fields.items():
        *parents, last = paths[word].split(".")
        inner = body
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return body
