"""Settings of all services: created by the supervisor before it forks them."""

from __future__ import annotations

import hashlib
import secrets
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
LINKS: Final = {
    "database-api": "database",
    "database-worker": "database",
    "authentication": "supabase",
    "storage": "supabase",
    "parser": "llamaparse",
    "model-api": "openai",
    "model-worker": "openai",
    "webhook": "api",
}
"""The links through which the application and the parser call: name -> listener behind it. Clients call directly."""

SPARE_INSTANCES: Final = ("api-3", "api-4")
"""Instances of the API that run when the platform scales it up."""
API_ID: Final = "srv-api"  # of the API, in the platform's interface
INSTANCE_HEADER: Final = "x-instance-id"
API_INSTANCES: Final = ("api-1", "api-2", *SPARE_INSTANCES)
OVER_TLS: Final = {name: f"{name}-tls" for name in ("frontend", "api", "supabase", "platform")}
"""What clients call -> the listener before it that takes TLS, where the sandbox does."""
LISTENERS: Final = (
    *(
        "frontend",
        "origin",
        "api",
        *API_INSTANCES,
        "supabase",
        "llamaparse",
        "openai",
        "database",
        "pooler",
        "platform",
        "faults",
    ),
    *LINKS,
    *OVER_TLS.values(),
)
"""What has a port. `origin` is the front end's behind its cache; `api` is the balancer before the API's instances;
`llamaparse` and `openai` are one part."""

ADMIN_ROLE: Final = "postgres"
APPLICATION_ROLE: Final = "application"
SERVICE_ROLE: Final = "service"
INSPECTOR_ROLE: Final = "inspector"
OPERATOR_ROLE: Final = "operator"
POOLED_ROLE: Final = "pooled"
POOLER_STATS_USER: Final = "statistics"
DATABASE: Final = "postgres"
POOL_SIZE: Final = 10  # connections of a service
METRICS_PATH: Final = "/customer/v1/privileged/metrics"

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""TLS context of every HTTP client. Services call one another without TLS, and loading the system's certificates takes
80 ms."""


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Settings:
    """Addresses, secrets and limits. `service` is the name of the service that holds this copy.

    The roles `application` (API and worker), `service` (authentication and storage), `inspector` (read-only),
    `operator` (breaks things on purpose) and `pooled` (clients of the pooler) exist, with the passwords below, before
    schema.sql runs as superuser in the database, with the extension `vector`. `pgbouncer` is the pooler's binary, or
    empty; so is `caddy` that of the proxy that takes TLS.
    """

    directory: Path
    ports: Mapping[str, int]
    build: str
    service: str = "supervisor"
    version: str = "1.0.0"
    environment: str = "sandbox"
    hostile: str = ""
    dialect: str = ""
    pgbouncer: str = ""
    caddy: str = ""
    parser_webhook: str = "/api/upload-pipeline/webhook/llamaparse"

    admin_password: str = field(default_factory=_secret, repr=False)
    application_password: str = field(default_factory=_secret, repr=False)
    service_password: str = field(default_factory=_secret, repr=False)
    inspector_password: str = field(default_factory=_secret, repr=False)
    operator_password: str = field(default_factory=_secret, repr=False)
    pooled_password: str = field(default_factory=_secret, repr=False)
    pooler_stats_password: str = field(default_factory=_secret, repr=False)
    fault_token: str = field(default_factory=_secret, repr=False)
    jwt_secret: str = field(default_factory=_secret, repr=False)
    webhook_secret: str = field(default_factory=_secret, repr=False)
    service_role_key: str = field(default_factory=_secret, repr=False)
    anon_key: str = field(default_factory=_secret, repr=False)
    platform_key: str = field(default_factory=_secret, repr=False)
    gateway_key: str = field(default_factory=_secret, repr=False)
    llamaparse_key: str = field(default_factory=_secret, repr=False)
    openai_key: str = field(default_factory=_secret, repr=False)

    chat_model: str = "standin-chat-1"
    embedding_model: str = "standin-embedding-256"
    embedding_dimensions: int = 256

    max_file_size: int = 5_242_880
    json_body_bytes: int = 1_048_576
    max_concurrent_jobs_per_user: int = 100
    max_uploads_per_day_per_user: int = 1000
    signed_url_ttl_seconds: int = 20
    access_token_seconds: int = 3600
    refresh_reuse_seconds: int = 0

    def url(self, listener: str, scheme: str = "http") -> str:
        """The address of a listener for other services, without a slash at its end."""
        return f"{scheme}://{HOST}:{self.ports[listener]}"

    def public_url(self, listener: str, scheme: str = "http") -> str:
        """The address for clients of a listener that is also there over TLS."""
        return self.url(OVER_TLS[listener], f"{scheme}s") if self.caddy else self.url(listener, scheme)

    @property
    def frontend_url(self) -> str:
        return self.public_url("frontend")

    @property
    def api_url(self) -> str:
        """The load balancer of the API instances, which clients call."""
        return self.public_url("api")

    @property
    def realtime_url(self) -> str:
        return self.public_url("api", "ws")

    @property
    def instance_id(self) -> str:
        """How the platform names this instance of the API."""
        return f"{API_ID}-{self.service}"

    @property
    def auth_url(self) -> str:
        return f"{self.public_url('supabase')}/auth/v1"

    @property
    def storage_url(self) -> str:
        return f"{self.public_url('supabase')}/storage/v1"

    @property
    def auth_link(self) -> str:
        """What the application calls; `auth_url` is for clients. So with the other links."""
        return f"{self.url('authentication')}/auth/v1"

    @property
    def storage_link(self) -> str:
        return f"{self.url('storage')}/storage/v1"

    @property
    def parser_link(self) -> str:
        return self.url("parser")

    @property
    def model_link(self) -> str:
        """The `base_url` of the official client."""
        return f"{self.url(f'model-{self._side}')}/v1"

    @property
    def webhook_link(self) -> str:
        return self.url("webhook")

    @property
    def application_dsn(self) -> str:
        return self._dsn(APPLICATION_ROLE, self.application_password, f"database-{self._side}")

    @property
    def service_dsn(self) -> str:
        return self._dsn(SERVICE_ROLE, self.service_password)

    @property
    def inspector_dsn(self) -> str:
        return self._dsn(INSPECTOR_ROLE, self.inspector_password)

    @property
    def pooler_console_dsn(self) -> str:
        """Where the pooler reports its statistics."""
        return f"postgresql://{POOLER_STATS_USER}:{self.pooler_stats_password}@{HOST}:{self.ports['pooler']}/pgbouncer"

    @property
    def admin_dsn(self) -> str:
        return self._dsn(ADMIN_ROLE, self.admin_password)

    @property
    def _side(self) -> str:
        """Whose link this service uses: API instances and workers are apart."""
        return "worker" if self.service.startswith("worker") else "api"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    def listen(self, listener: str | None = None) -> socket.socket:
        """A listening socket on the port of this service, or of the named listener.

        The supervisor reserves each port with a bound socket that never listens: no other process gets the port, and
        a dead service refuses connections at once instead of leaving them in a queue.
        """
        bound = reserve(self.ports[listener or self.service])
        bound.listen(1024)
        return bound

    def _dsn(self, role: str, password: str, listener: str = "database") -> str:
        return f"postgresql://{role}:{password}@{HOST}:{self.ports[listener]}/{DATABASE}"


def reserve(port: int = 0) -> socket.socket:
    """A socket bound to a loopback port (0: any free one) that shares it only with sockets made in the same way."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


def source_build() -> str:
    """The build's name: a short hash over the sandbox's sources."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".sql", ".html", ".css", ".js", ".svg", ".webmanifest"}:
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
