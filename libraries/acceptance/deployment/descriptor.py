"""The descriptor: what a deployment is, where it is reached, and what can be observed of it."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)  # fmt: skip

from acceptance.deployment.contract import ABSENT, CONTRACT, Absent, Contract, Offered, read_contract
from acceptance.errors import CapabilityMissing, ConfigurationError, NotOffered, SuiteError
from acceptance.yaml_models import Data, mistakes, read_model, read_text

CAPABILITIES = frozenset(
    {
        "sql",
        "platform-api",
        "faults",
        "scale",
        "metrics",
        "short-lived-tokens",
        "webhook-secret",
        "admin-api",
        "destructive",
    }
)
SECRETS_BYTES = 64_000
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _line(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("expected a line of text")
    return text


Line = Annotated[str, AfterValidator(_line)]  # what stands in reports cannot look like more than one
Name = Annotated[Line, StringConstraints(max_length=100)]


def _source(value: str) -> str:
    if not re.fullmatch(r"(header|json):\S+", value):
        raise ValueError("expected header:NAME or json:PATH")
    return value


Source = Annotated[str, AfterValidator(_source)]  # where a response names something


def _address(value: str) -> str:
    if not re.fullmatch(r"(https?|wss?)://[^\s/]+\S*", value) or not value.isprintable():
        raise ValueError("expected an address such as https://api.example.org")
    _ = urlsplit(value).port  # its ValueError says what is wrong
    return value.rstrip("/")


def _path(value: str) -> str:
    if not re.fullmatch(r"/[!-~]*", value):
        raise ValueError("expected a path that begins with /")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


Address = Annotated[str, AfterValidator(_address)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Port = Annotated[int, Field(ge=1, le=65535)]
PagePath = Annotated[str, AfterValidator(_path)]


def is_local(url: str) -> bool:
    """Whether an address is of this machine: no proxy stands before it."""
    return urlsplit(url).hostname in LOOPBACK


class Service(Data):
    """One service and its probe; `build`, `version` and `heartbeat_age` say where the answer names them.

    `headers` go with every call to it, such as those of a gateway: by the name of the secret that each holds.
    `probe: absent`, here None: nothing of it can be probed.
    """

    url: Address
    probe: str | None = "/"
    headers: dict[Annotated[str, StringConstraints(pattern=r"^[\w!#$%&'*+.^`|~-]+$")], str] = {}
    build: Source | None = None
    version: Source | None = None
    heartbeat_age: Source | None = None
    max_heartbeat_age_seconds: float = 10.0

    @field_validator("probe")
    @classmethod
    def _path(cls, value: str | None) -> str | None:
        if value in (None, ABSENT):
            return None
        if not value.startswith("/"):
            raise ValueError("expected a path that begins with /")
        return value


class DatabaseAccess(Data):
    """Where a role connects to the database."""

    host: str
    port: Port
    name: str
    user: str
    sslmode: str = "prefer"


class DatabaseMetrics(Data):
    """Where the provider publishes metrics of the database, in Prometheus' text format; `key` names the secret."""

    url: Address
    key: str


class Database(DatabaseAccess):
    """The read-only role of the named queries, whose password is the secret `database_password`, and the metrics."""

    metrics: DatabaseMetrics | None = None


class Pool(Data):
    """The application's own pools: how many connections they hold at most, all together.

    Attributes:
        role: of the connections.
        application: pattern of their application names; None: every connection of the role.
    """

    role: str
    size: int = Field(ge=1)
    application: Pattern | None = None


class Pooler(Data):
    """The pooler in front of the database, in transaction mode.

    Attributes:
        host: None: that of `services.database`.
        user: that clients connect as; `password` names the secret.
        role: of its connections to the database, where that is not the user.
        pool_size: how many of those it holds at most.
        max_clients: how many clients it takes; None: no limit is known.
    """

    host: str | None = None
    transaction_port: Port
    name: str
    user: str
    password: str
    role: str | None = None
    sslmode: str = "prefer"
    pool_size: int = Field(ge=1)
    max_clients: int | None = Field(default=None, ge=1)


def _left_out(place: str, **bounds: Any) -> Any:
    return Field(default=Absent(place), **bounds)


class Services(Offered):
    """The services of a deployment, each probed by PRE-01 where it can be; further ones may have any name.

    To read one that may be left out, and is, raises NotOffered; what the contract bases on it is not offered either.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Service] = Field(init=False)

    frontend: Service = _left_out("services.frontend")
    api: Service
    worker: Service = _left_out("services.worker")
    authentication: Service = _left_out("services.authentication")
    storage: Service = _left_out("services.storage")
    realtime: Service = _left_out("services.realtime")
    database: Database | None = None

    @property
    def left_out(self) -> set[str]:
        """The services that the deployment does not have."""
        return {name for name, value in self if isinstance(value, Absent)}

    @model_validator(mode="after")
    def _none_is_misspelt(self) -> Self:
        close = {name: difflib.get_close_matches(name, self.left_out, 1, 0.8) for name in self.__pydantic_extra__}
        if wrong := {(name,): f"unknown (did you mean '{known[0]}'?)" for name, known in close.items() if known}:
            raise mistakes(wrong)
        return self


class Platform(Data):
    """Where the provider tells of the services that it runs, with the secret `platform_key`: Render's API, or its like.

    `services` names them by the provider's identifiers; `resolution_seconds` is the finest that its metrics have;
    `host` is the one of them on which all the others run, where they share a machine.
    """

    url: Address
    services: dict[str, str] = Field(min_length=1)
    resolution_seconds: int = Field(default=30, ge=1)
    host: str | None = None

    @model_validator(mode="after")
    def _host_is_named(self) -> Self:
        if self.host is not None and self.host not in self.services:
            raise ValueError(f"the host '{self.host}' is none of the services: {', '.join(self.services)}")
        return self


class Scaling(Data):
    """How the provider scales a service with its load (capability `scale`).

    Attributes:
        service: one of `platform.services`, and of `services`, that is loaded.
        min, max: so many instances there are always.
        target: utilization of their CPU in percent that it keeps them at.
        up_within, down_within: seconds from a rise, or a fall, of the load until the number of instances changes.
        high, low: users a second under whom more than `min` instances are needed, and no more than that.
        configure: the run may set this at the provider, and sets it back at its end.
        instance_header: of responses, with the identifier of the instance that the provider reports.
    """

    service: str
    min: int = Field(ge=1)
    max: int = Field(ge=2)
    target: int = Field(ge=1, le=100)
    up_within: float = Field(gt=0)
    down_within: float = Field(gt=0)
    high: int = Field(default=20, ge=1)
    low: int = Field(default=1, ge=1)
    configure: bool = False
    instance_header: str | None = None

    @model_validator(mode="after")
    def _leaves_room(self) -> Self:
        if self.min >= self.max:
            raise ValueError(f"max ({self.max}) has to be more than min ({self.min})")
        if self.low >= self.high:
            raise ValueError(f"high ({self.high}) has to be more than low ({self.low})")
        return self


class Parser(Data):
    name: str
    job_id_pattern: Pattern


class Embedding(Data):
    name: str
    dimensions: int = Field(gt=0)


class Providers(Offered):
    """The services that the deployment is meant to use, as their answers name themselves.

    To read one that is left out raises NotOffered.
    """

    parser: Parser = _left_out("providers.parser")
    model: str = _left_out("providers.model")
    embedding: Embedding = _left_out("providers.embedding")


class Sessions(Offered):
    """What holds for sessions; to read what is left out raises NotOffered."""

    refresh_reuse_seconds: float = _left_out("sessions.refresh_reuse_seconds", ge=0)
    logout_revokes_access: bool = _left_out("sessions.logout_revokes_access")
    jwt_survives_auth_outage: bool = _left_out("sessions.jwt_survives_auth_outage")


class Plan(Data):
    """What the provider's plan allows; None: no limit is known."""

    realtime_connections: int | None = None
    realtime_joins_per_second: int | None = None
    requests_per_minute: int | None = None


class StatedLimits(Data):
    """What the application allows, where its `limits` route does not say it; None: not known, and taken as enough."""

    max_file_size_bytes: int | None = Field(default=None, ge=1)
    max_concurrent_jobs_per_user: int | None = Field(default=None, ge=1)
    max_uploads_per_day_per_user: int | None = Field(default=None, ge=1)
    signed_url_ttl_seconds: int | None = Field(default=None, ge=1)
    supported_mime_types: list[str] | None = Field(default=None, min_length=1)  # or endings: what a kind is known by


class Pace(Data):
    """How fast the run may call the deployment; polling counts."""

    requests_per_second: float | None = Field(default=None, gt=0)


class Budget(Data):
    """How much the run may spend; None: as much as it needs. What removes its own data again is not counted."""

    requests: int | None = Field(default=None, ge=1)
    documents: int | None = Field(default=None, ge=0)
    model_calls: int | None = Field(default=None, ge=0)


class ModelBound(Data):
    """Limits of the first byte of calls that wait for a model, in milliseconds."""

    p95: float = Field(gt=0)
    p99: float = Field(gt=0)


class Fargate(Data):
    """The load comes from so many tasks in a region of AWS, instead of from here."""

    workers: int = Field(ge=1)
    region: str


class StaleAfter(Data):
    """An address whose cached copy is stale after so many seconds, and renewed behind the next request."""

    path: PagePath
    seconds: float = Field(gt=0, le=60)


class Variants(Data):
    """An address that is answered differently for each of these values: of a request header, else of the query."""

    path: PagePath
    header: str | None = None
    values: list[str] = Field(min_length=2)


class OriginRequests(Data):
    """Where the origin behind the cache counts its requests: numbers by path, in JSON, at a dotted path."""

    url: Address
    at: str = ""
    token: str | None = None  # name of the secret that it takes as a bearer token


class Deployments(Data):
    """Vercel's interface, or its like, by which a deployment is made again, and where the front end names its own."""

    url: Address
    project: str
    team: str | None = None
    token: str  # name of the secret that it takes as a bearer token
    path: PagePath
    identity: Source
    within_seconds: float = Field(default=120, gt=0)


class EdgeNetwork(Offered):
    """The CDN and edge before the front end; to read what is left out raises NotOffered.

    Attributes:
        cache, id: where a response names the status of the cache, and edge and region.
        pages: their assets are requested.
        forwards: beginnings of the paths that the front end hands on to the API.
        personal: addresses whose every response belongs to the client that gets it.
        rewrites: address -> address whose page it shows, by middleware.
        middleware: the header by which middleware marks what it handled.
    """

    cache: Source = _left_out("edge.cache")
    id: Source = _left_out("edge.id")
    pages: list[PagePath] = Field(default=["/"], min_length=1)
    forwards: list[PagePath] = _left_out("edge.forwards")
    stale_after: StaleAfter = _left_out("edge.stale_after")
    variants: list[Variants] = _left_out("edge.variants")
    personal: list[PagePath] = _left_out("edge.personal")
    rewrites: dict[PagePath, PagePath] = _left_out("edge.rewrites")
    middleware: Source = _left_out("edge.middleware")
    origin_requests: OriginRequests = _left_out("edge.origin_requests")
    deployments: Deployments = _left_out("edge.deployments")

    @property
    def secrets(self) -> dict[tuple[str, str], str]:
        """The secrets that they need, by where each is named."""
        parts = {name: getattr(value, "token", None) for name, value in self if not isinstance(value, Absent)}
        return {(name, "token"): secret for name, secret in parts.items() if secret}


class FaultControl(Data):
    """A control interface that injects faults with leases, as docs/deployments.md describes it.

    `token` is the name of the secret that it takes as a bearer token.
    """

    url: Address
    token: str


class FaultDatabase(DatabaseAccess):
    """An operator's role, that may end the application's connections and lock its tables; `password` names a secret."""

    password: str


class FaultInterfaces(Data):
    """The interfaces by which faults are injected; what lies in the client's own path can always be disturbed.

    Attributes:
        platform: services, as in `platform.services`, that may be restarted, suspended and scaled.
        lasting: whether faults are allowed that do not heal by themselves, when the run that injected them dies.
    """

    control: FaultControl | None = None
    database: FaultDatabase | None = None
    platform: tuple[str, ...] = ()
    lasting: bool = False

    @property
    def any(self) -> bool:
        """Whether the deployment itself can be disturbed, and not only the client's path to it."""
        return bool(self.control or self.database or self.platform)

    @property
    def secrets(self) -> dict[tuple[str, str], str]:
        """The secrets that they need, by where each is named."""
        named = {
            ("control", "token"): self.control and self.control.token,
            ("database", "password"): self.database and self.database.password,
        }
        return {place: secret for place, secret in named.items() if secret}


PRODUCTION = "production"  # the environment where no fault may outlive the run


class UnderLoad(Data):
    """What holds for this deployment while the load is applied; without limits, calls of a model are not judged."""

    model_bound: ModelBound | None = None
    fargate: Fargate | None = None


class Admin(Data):
    """Where users are made and removed (capability `admin-api`), as GoTrue does it: a service and a path of it."""

    at: str = "authentication"
    path: str = "/admin/users"


class Threshold(Data):
    """A threshold of this deployment in place of the criterion's own; a looser one needs a reason."""

    value: float = Field(allow_inf_nan=False)
    reason: Line | None = None


class Descriptor(Data):
    """A deployment under test. Times are seconds, sizes are bytes."""

    name: Name
    environment: Name
    build: Name | None = None
    services: Services
    providers: Providers = Providers()
    platform: Platform | None = None
    pool: Pool | None = None
    pooler: Pooler | None = None
    scaling: Scaling | None = None
    users: Literal["signup", "admin-api"]
    admin: Admin = Admin()
    exclusive: bool = False  # only the run uses it: everything found in it counts
    contract: Path | None = None  # what differs from the standard contract; relative to this file
    page: Path | None = None  # where things are on its page, in place of variables/page.yaml; relative to this file
    baseline: Name | None = None  # the recording that its behaviour must equal; default: that of its own name
    sibling_of: Name | None = None  # of the same build, it shows what that deployment cannot be made to show
    sessions: Sessions = Sessions()
    plan: Plan = Plan()
    limits: StatedLimits = StatedLimits()
    pace: Pace = Pace()
    budget: Budget = Budget()
    load: UnderLoad = UnderLoad()
    edge: EdgeNetwork | None = None
    faults: FaultInterfaces = FaultInterfaces()
    capabilities: frozenset[str] = frozenset()
    secrets: dict[str, str] = {}
    secrets_file: Path | None = None
    ca_file: Path | None = None  # PEM: the authorities that the run trusts, in place of the public ones
    thresholds: dict[str, Threshold] = {}
    _from_file: dict[str, SecretStr] = PrivateAttr(default_factory=dict)

    @field_validator("capabilities")
    @classmethod
    def _known(cls, value: frozenset[str]) -> frozenset[str]:
        unknown = sorted(value - CAPABILITIES)
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known are {', '.join(sorted(CAPABILITIES))}")
        return value

    @model_validator(mode="after")
    def _capabilities_have_what_they_need(self) -> Self:
        if "sql" in self.capabilities and self.services.database is None:
            raise ValueError("the capability 'sql' needs services.database")
        if "metrics" in self.capabilities and self.platform is None:
            raise ValueError("the capability 'metrics' needs platform")
        if "platform-api" in self.capabilities and self.platform is None:
            raise ValueError("the capability 'platform-api' needs platform")
        if "scale" in self.capabilities and self.scaling is None:
            raise ValueError("the capability 'scale' needs scaling")
        if "faults" in self.capabilities and not self.faults.any:
            raise ValueError("the capability 'faults' needs faults.control, faults.database or faults.platform")
        return self

    @model_validator(mode="after")
    def _what_it_names_is_known(self) -> Self:
        wrong: dict[tuple[str, ...], str] = {
            ("services", name, "headers", header): f"secrets has no '{secret}'"
            for name, service in self._http()
            for header, secret in service.headers.items()
            if secret not in self.secrets
        }
        wrong |= {
            ("faults", *place): f"secrets has no '{secret}'"
            for place, secret in self.faults.secrets.items()
            if secret not in self.secrets
        }
        database = self.services.database
        if self.pooler is not None and self.pooler.password not in self.secrets:
            wrong["pooler", "password"] = f"secrets has no '{self.pooler.password}'"
        if database is not None and database.metrics is not None and database.metrics.key not in self.secrets:
            wrong["services", "database", "metrics", "key"] = f"secrets has no '{database.metrics.key}'"
        if self.pooler is not None and self.pooler.host is None and database is None:
            wrong["pooler", "host"] = "is needed where services.database is left out"
        wrong |= {
            ("edge", *place): f"secrets has no '{secret}'"
            for place, secret in (self.edge.secrets if self.edge is not None else {}).items()
            if secret not in self.secrets
        }
        hosted = self.platform.services if self.platform is not None else {}
        if unknown := [name for name in self.faults.platform if name not in hosted]:
            wrong["faults", "platform"] = f"platform.services has no {', '.join(map(repr, unknown))}"
        if "platform-api" in self.capabilities and "platform_key" not in self.secrets:
            wrong["platform",] = "secrets has no 'platform_key'"
        if self.scaling is not None and self.scaling.service not in hosted:
            wrong["scaling", "service"] = f"platform.services has no '{self.scaling.service}'"
        if self.faults.platform and "platform_key" not in self.secrets:
            wrong["faults", "platform"] = "secrets has no 'platform_key'"
        if self.faults.lasting and self.is_production:
            wrong["faults", "lasting"] = "on production every fault must heal by itself"
        if self.sibling_of == self.name:
            wrong["sibling_of",] = "names the deployment itself"
        if self.admin.at not in {*dict(self._http()), *self.services.left_out}:
            wrong["admin", "at"] = f"services has no '{self.admin.at}'"
        if wrong:
            raise mistakes(wrong)
        return self

    @property
    def is_production(self) -> bool:
        """Whether users depend on the deployment: what does not heal by itself is refused there."""
        return self.environment.strip().lower() in (PRODUCTION, "prod", "live")

    def _http(self) -> list[tuple[str, Service]]:
        return [(name, service) for name, service in self.services if isinstance(service, Service)]

    def service(self, name: str) -> Service:
        """The service of that name.

        Raises:
            NotOffered: it may be left out, and is.
            SuiteError: the descriptor has no such service.
        """
        if name in self.services.left_out:
            raise NotOffered(f"services.{name}")
        try:
            return dict(self._http())[name]
        except KeyError:
            raise SuiteError(f"service '{name}': the descriptor '{self.name}' has no such service with a url") from None

    def headers_of(self, url: str) -> dict[str, str]:
        """The headers that go with each call of an address: those of the service whose address is nearest to it.

        Raises:
            ConfigurationError: a secret in them is not set.
        """
        found: tuple[int, dict[str, str]] = (0, {})
        for _, service in self._http():
            base = re.sub("^ws", "http", service.url)
            if re.match(rf"{re.escape(base)}($|[/?#])", re.sub("^ws", "http", url)) and len(base) >= found[0]:
                same = found[1] if len(base) == found[0] else {}
                found = len(base), same | service.headers
        return {name.lower(): self.secret(secret).get_secret_value() for name, secret in found[1].items()}

    def need(self, capability: str) -> None:
        """Raises CapabilityMissing unless the descriptor lists the capability, SuiteError where there is none such."""
        if capability not in CAPABILITIES:
            raise SuiteError(f"no capability is called '{capability}'; there are {', '.join(sorted(CAPABILITIES))}")
        if capability not in self.capabilities:
            raise CapabilityMissing(capability)

    @property
    def edge_network(self) -> EdgeNetwork:
        """The section `edge`; raises CapabilityMissing where the descriptor has none."""
        if self.edge is None:
            raise CapabilityMissing("edge", "but the descriptor has no section 'edge'")
        return self.edge

    def need_load(self) -> None:
        """Raises CapabilityMissing where pace or budget bound the run: a load can stay within neither."""
        bounds = [name for name in ("pace", "budget") if getattr(self, name).model_dump(exclude_none=True)]
        if bounds:
            raise CapabilityMissing("load", f"but {' and '.join(bounds)} of the descriptor bound the run")

    def missing_secrets(self) -> list[str]:
        """One line per secret whose environment variable is unset or empty, with where to set it."""
        where = "in the environment" + (
            f", or in {self.secrets_file.name} beside the descriptor" if self.secrets_file else ""
        )
        return [
            f"secret '{name}' is not set: set {variable} {where}"
            for name, variable in self.secrets.items()
            if self._value(variable) is None
        ]

    def secret(self, name: str) -> SecretStr:
        """The secret's value, from the environment, else from the secrets file.

        Raises:
            ConfigurationError: the descriptor does not name it, or its variable is unset.
        """
        variable = self.secrets.get(name)
        if variable is None:
            raise ConfigurationError(
                [f"the descriptor '{self.name}' does not say which variable holds the secret '{name}'"]
            )
        value = self._value(variable)
        if value is None:
            raise ConfigurationError([f"secret '{name}' is not set: set {variable}"])
        return value

    def read_secrets(self, path: Path) -> None:
        """Know the secrets of a file of `NAME=value` lines; the environment goes before it."""
        try:
            lines = read_text(path, SECRETS_BYTES).splitlines()
        except ConfigurationError as error:
            raise ConfigurationError([f"secrets_file {error}"]) from None
        for name, separator, value in (line.partition("=") for line in lines if not line.startswith("#")):
            if separator and value.strip():
                self._from_file[name.strip()] = SecretStr(value.strip())

    def _value(self, variable: str) -> SecretStr | None:
        if value := os.environ.get(variable):
            return SecretStr(value)
        return self._from_file.get(variable)


def contract_of(descriptor: Descriptor) -> Contract:
    """The contract of a deployment; what depends on services that it leaves out is absent.

    Raises:
        ConfigurationError: with every mistake in its own contract at once.
    """
    services = descriptor.services
    return read_contract(descriptor.contract or CONTRACT, dict(services), services.left_out)


def read_descriptor(path: Path) -> Descriptor:
    """The descriptor in a file, with the secrets of its secrets file.

    Raises:
        ConfigurationError: with every mistake in the file at once, by field.
    """
    descriptor = read_model(path, Descriptor)
    for field in ("contract", "page", "ca_file"):
        if (given := getattr(descriptor, field)) is not None:
            descriptor = descriptor.model_copy(update={field: (path.parent / given).resolve()})
    if descriptor.secrets_file is not None:
        descriptor.read_secrets(path.parent / descriptor.secrets_file)
    return descriptor
