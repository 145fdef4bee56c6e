"""Small servers of the tests' own: a deployment that answers everything in one wrong way."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hypothesis
import pytest
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient
from acceptance.deployment.contract import CONTRACT, Contract, read_contract
from acceptance.deployment.descriptor import Descriptor
from acceptance.redaction.redactor import Redactor

hypothesis.settings.register_profile("shared machine", deadline=None)  # what an example takes says nothing here
hypothesis.settings.load_profile("shared machine")

Serve = Callable[..., str]


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their argument: archives hold the time, so that processes of one run would collect other names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the journal of faults of the user who runs it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def secure(tmp_path: Path) -> tuple[str, Path]:
    """The address of a server with TLS, and the certificate made for it."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "1"),
        *("-keyout", str(key), "-out", str(certificate)),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("openssl is not there to make a certificate with")
    offered = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    offered.load_cert_chain(certificate, key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b'{"is": "so"}'
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = offered.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return f"https://localhost:{server.server_port}/", certificate


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server on loopback that answers every request with one status, body and headers; gives its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(status: int, body: object = None, headers: dict[str, str] | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                content = body if isinstance(body, bytes) else json.dumps(body if body is not None else {}).encode()
                self.send_response(status)
                for name, value in {
                    "content-type": "application/json",
                    "content-length": str(len(content)),
                    **(headers or {}),
                }.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def descriptor_at(address: str) -> Descriptor:
    """A descriptor whose every service is at one address."""
    service = {"url": address, "build": "json:build"}
    return Descriptor.model_validate(
        {
            "name": "test", "environment": "test", "users": "signup",
            "services": {
                "frontend": service, "api": service, "worker": service, "authentication": service, "storage": service,
                "realtime": {"url": address.replace("http", "ws", 1)},
            },
            "providers": {
                "parser": {"name": "p", "job_id_pattern": "^p"}, "model": "m",
                "embedding": {"name": "e", "dimensions": 8},
            },
            "sessions": {"refresh_reuse_seconds": 0, "logout_revokes_access": True, "jwt_survives_auth_outage": True},
        }
    )  # fmt: skip


@pytest.fixture
def contract() -> Contract:
    """The contract that the suites use."""
    return read_contract(CONTRACT)


@pytest.fixture
def client_at(contract: Contract) -> Callable[[str], ContractClient]:
    """A contract client of the deployment at an address."""

    def make(address: str) -> ContractClient:
        redactor = Redactor()
        return ContractClient(descriptor_at(address), contract, ErrorLog(redactor), redactor, timeout=5)

    return make
