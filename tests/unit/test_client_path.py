"""A fault of the client's own path is seen by every client of the run, proven by a look, and gone when it is undone."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import MOST_UNANSWERED, ContractClient
from acceptance.clients.network_path import NetworkPath, origin_of
from acceptance.clients.websocket import RealtimeClient
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Descriptor
from acceptance.errors import (
    EnvironmentUnavailable,
    SuiteError,
    UnansweredCall,
    UnansweredOnDisturbedPath,
    Unresponsive,
)
from acceptance.faults.client_path import ClientPath
from acceptance.faults.model import Fault, Proof
from acceptance.faults.proxy import KINDS
from acceptance.redaction.redactor import Redactor
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.server import ServerConnection

from tests.unit.conftest import descriptor_at

BODY = b"{" + b" " * 900 + b"}"


class Target(ThreadingHTTPServer):
    """Answers every GET with `BODY`, connections kept alive; knows the Host headers that it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.hosts: list[str] = []
        hosts = self.hosts

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hosts.append(self.headers["host"])
                self.send_response(200)
                self.send_header("content-length", str(len(BODY)))
                self.end_headers()
                self.wfile.write(BODY)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that are cut off are what is tested."""


@pytest.fixture
def target() -> Iterator[Target]:
    server = Target()
    yield server
    server.shutdown()
    server.server_close()


def fault(kind: str, target: str = "client:api", **parameters: Any) -> Fault:
    return Fault(f"f-{kind}", kind, target, parameters, ClientPath.name, 60, True)


class Paths:
    """A driver, and a contract client on the same path."""

    def __init__(self, descriptor: Descriptor, contract: Contract) -> None:
        self.path, redactor = NetworkPath(), Redactor()
        self.driver = ClientPath(descriptor, self.path)
        self.client = ContractClient(
            descriptor, contract, ErrorLog(redactor), redactor, timeout=0.3, path=self.path
        )  # fmt: skip


@pytest.fixture
async def paths(target: Target, contract: Contract) -> AsyncIterator[Paths]:
    made = Paths(descriptor_at(target.url), contract)
    yield made
    await made.driver.close()
    await made.client.close()


DISTURBED: dict[str, dict[str, Any]] = {
    "latency": {"milliseconds": 30, "jitter_milliseconds": 5},
    "bandwidth": {"bytes_per_second": 20_000},
    "slice": {"bytes": 200, "milliseconds": 5},
    "reset": {},
    "refuse": {},
    "blackhole": {},
    "cut": {"after_bytes": 100},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_kind_is_proven_and_undone(kind: str, paths: Paths, target: Target) -> None:
    one = fault(kind, **DISTURBED[kind])
    assert not (await paths.driver.prove(one)).in_effect
    await paths.driver.inject(await paths.driver.prepare(one))
    proof = await paths.driver.prove(one)
    assert proof.in_effect, proof
    assert proof.affected in (0, None)  # a look is none that it disturbs
    assert (await paths.driver.prove_gone(one)).in_effect
    await paths.driver.roll_back(one)
    await paths.driver.roll_back(one)
    assert not (await paths.driver.prove_gone(one)).in_effect
    assert not (await paths.driver.prove(one)).in_effect
    assert (await paths.client.fetch(f"{target.url}/x")).content == BODY


STRONG = DISTURBED | {
    "latency": {"milliseconds": 4000},
    "bandwidth": {"bytes_per_second": 300},
    "slice": {"bytes": 100, "milliseconds": 500},
}


@pytest.mark.parametrize("kind", KINDS)
async def test_what_does_not_show_is_not_in_effect(kind: str, paths: Paths, target: Target) -> None:
    await paths.driver.inject(fault(kind, **STRONG[kind]))
    proxy = paths.driver._proxies[origin_of(target.url)]
    proxy.disturbances.clear()
    await paths.path.redirect(origin_of(target.url), proxy.address)
    proof = await paths.driver.prove(fault(kind))
    assert not proof.in_effect
    assert "through the proxy answered: " in proof.evidence


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("reset", {"after_bytes": 2500}), ("cut", {"after_bytes": 2500}), ("bandwidth", {"bytes_per_second": 1_000_000})],
)
async def test_a_look_goes_as_far_as_the_fault_needs_to_show(
    kind: str, parameters: dict[str, Any], paths: Paths
) -> None:
    await paths.driver.inject(fault(kind, **parameters))
    assert (await paths.driver.prove(fault(kind))).in_effect


@pytest.mark.parametrize("kind", ["reset", "refuse", "blackhole", "cut"])
async def test_a_call_on_a_disturbed_path_is_no_violation(kind: str, paths: Paths, target: Target) -> None:
    assert (await paths.client.fetch(f"{target.url}/x")).status == 200  # leaves an idle connection
    await paths.driver.inject(fault(kind, **DISTURBED[kind]))
    for _ in range(MOST_UNANSWERED + 1):
        with pytest.raises(UnansweredOnDisturbedPath) as unanswered:
            await paths.client.fetch(f"{target.url}/x")
        assert unanswered.value.timed_out == (kind == "blackhole")
    await paths.driver.roll_back(fault(kind))
    assert (await paths.client.fetch(f"{target.url}/x")).status == 200


async def test_only_so_many_connections_are_ended(paths: Paths, target: Target) -> None:
    one = fault("reset", times=2)
    await paths.driver.inject(one)
    for _ in range(2):
        assert (await paths.driver.prove(one)).in_effect
        with pytest.raises(UnansweredOnDisturbedPath):
            await paths.client.fetch(f"{target.url}/x")
    assert (await paths.client.fetch(f"{target.url}/x")).status == 200
    proof = await paths.driver.prove(one)
    assert proof == Proof(True, "it has ended 2 connections, and ends no more", 2)


async def test_two_faults_of_one_target_disturb_together(paths: Paths) -> None:
    slow, cut = fault("latency", milliseconds=20), fault("cut", after_bytes=100)
    await paths.driver.inject(slow)
    await paths.driver.inject(cut)
    assert (await paths.driver.prove(slow)).in_effect
    assert (await paths.driver.prove(cut)).in_effect
    await paths.driver.roll_back(cut)
    assert (await paths.driver.prove(slow)).in_effect
    assert (await paths.driver.prove_gone(slow)).in_effect
    assert not (await paths.driver.prove_gone(cut)).in_effect


async def test_what_does_not_answer_without_the_fault_either_proves_nothing(contract: Contract) -> None:
    paths = Paths(descriptor_at("http://127.0.0.1:9"), contract)
    await paths.driver.inject(fault("refuse"))
    with pytest.raises(EnvironmentUnavailable, match="does not answer without it either: refused"):
        await paths.driver.prove(fault("refuse"))
    await paths.driver.close()


@pytest.mark.parametrize(
    ("kind", "parameters", "problem"),
    [
        ("latency", {}, "missing 1 required keyword-only argument: 'milliseconds'"),
        ("latency", {"milliseconds": "slow"}, "expected a number above 0, found 'slow'"),
        ("latency", {"milliseconds": -1}, "expected a number above 0, found -1"),
        ("bandwidth", {"bytes_per_second": 0}, "expected a number above 0, found 0"),
        ("refuse", {"times": 2}, "unexpected keyword argument 'times'"),
        ("cut", {"after": 2}, "unexpected keyword argument 'after'"),
    ],
)
async def test_a_wrong_parameter_is_a_mistake_in_the_suite(
    kind: str, parameters: dict[str, Any], problem: str, paths: Paths
) -> None:
    with pytest.raises(SuiteError, match=problem):
        await paths.driver.prepare(fault(kind, **parameters))


async def test_behind_a_proxy_of_the_environment_nothing_can_be_disturbed(
    contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    paths = Paths(descriptor_at("https://api.example.org"), contract)
    with pytest.raises(EnvironmentUnavailable, match="through an HTTP proxy"):
        await paths.driver.prepare(fault("refuse"))
    monkeypatch.setenv("no_proxy", "api.example.org")
    await paths.driver.prepare(fault("refuse"))


async def test_services_are_targets_as_far_as_there_are_any(paths: Paths) -> None:
    kinds = await paths.driver.kinds()
    assert set(kinds) == {f"client:{one}" for one in ("api", "storage", "authentication", "realtime", "frontend")}
    alone = Descriptor.model_validate(
        {"name": "t", "environment": "t", "users": "signup", "services": {"api": {"url": "http://127.0.0.1:9"}}}
    )
    assert set(await ClientPath(alone, NetworkPath()).kinds()) == {"client:api"}


class Silent(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)


async def test_in_a_fault_window_no_number_of_unanswered_calls_ends_the_run(contract: Contract) -> None:
    redactor = Redactor()
    client = ContractClient(
        descriptor_at("http://127.0.0.1:9"), contract, ErrorLog(redactor), redactor, transport=Silent()
    )
    client.in_fault_window = lambda: True
    for _ in range(MOST_UNANSWERED + 1):
        with pytest.raises(UnansweredCall) as unanswered:
            await client.send("health")
        assert unanswered.value.timed_out
    client.in_fault_window = lambda: False
    for _ in range(MOST_UNANSWERED - 1):
        with pytest.raises(UnansweredCall):
            await client.send("health")
    with pytest.raises(Unresponsive):
        await client.send("health")


def certificate(name: str, folder: Path) -> tuple[Path, Path]:
    """A certificate for a host's name that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
    )  # fmt: skip
    made = signed.sign(key, hashes.SHA256())
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    return paths


async def test_tls_server_name_and_host_stay_those_of_the_service(target: Target, tmp_path: Path) -> None:
    """The name cannot be resolved: only the address that is dialled leads to the server."""
    certificate_file, key_file = certificate("service.invalid", tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate_file, key_file)
    names: list[str | None] = []
    server_side.sni_callback = lambda _, name, __: names.append(name)
    target.socket = server_side.wrap_socket(target.socket, server_side=True)
    path = NetworkPath()
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(certificate_file))) as client:
        path.watch(client)
        await path.redirect(origin_of("https://service.invalid/x"), ("127.0.0.1", target.server_port))
        assert (await client.get("https://service.invalid/x")).content == BODY
        await path.restore(origin_of("https://service.invalid"))
        with pytest.raises(httpx.ConnectError):
            await client.get("https://service.invalid/x")
    assert names == ["service.invalid"]
    assert target.hosts == ["service.invalid"]


async def test_a_websocket_takes_the_detour_and_calls_of_the_same_address_do_not(contract: Contract) -> None:
    hosts: list[str | None] = []

    async def answer(connection: ServerConnection) -> None:
        assert connection.request is not None
        hosts.append(connection.request.headers["host"])
        await connection.send('{"type": "ping"}')
        await connection.wait_closed()

    async with websockets.serve(answer, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        path = NetworkPath()
        await path.redirect(origin_of("ws://service.invalid:81"), ("127.0.0.1", port))
        client = RealtimeClient(contract, "ws://service.invalid:81", path=path)
        async with client.socket("/ws/jobs/1", None) as socket:
            assert socket.closed is None
    assert hosts == ["service.invalid:81"]
    assert not path.is_disturbed("http://service.invalid:81/health")


async def test_a_refused_handshake_on_a_disturbed_path_is_no_violation(target: Target, contract: Contract) -> None:
    paths = Paths(descriptor_at(target.url), contract)
    await paths.driver.inject(fault("refuse", "client:realtime"))
    client = RealtimeClient(contract, target.url.replace("http", "ws"), path=paths.path)
    with pytest.raises(UnansweredOnDisturbedPath):
        async with client.socket("/ws/jobs/1", None):
            pass
    await paths.driver.close()


async def opened(paths: Paths, target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that has been answered once, through a proxy that lets it pass."""
    await paths.driver.inject(fault("latency", milliseconds=1))
    reader, writer = await asyncio.open_connection(*paths.path.address("http", "127.0.0.1", target.server_port))
    writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(BODY))
    return reader, writer


@pytest.mark.parametrize("kind", ["reset", "refuse"])
async def test_an_open_connection_is_reset(kind: str, paths: Paths, target: Target) -> None:
    reader, writer = await opened(paths, target)
    await paths.driver.inject(fault(kind))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_what_an_open_connection_sends_is_swallowed_and_it_is_reset_afterwards(
    paths: Paths, target: Target
) -> None:
    reader, writer = await opened(paths, target)
    await paths.driver.inject(fault("blackhole"))
    asked = len(target.hosts)
    writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await paths.driver.prove(fault("blackhole"))).in_effect
    await paths.driver.roll_back(fault("blackhole"))
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert len(target.hosts) == asked + 1  # the look that went straight
    writer.close()
