"""Calls are taken apart as they were, and percentiles claim no more than their samples show."""

from __future__ import annotations

import random
import socket
import ssl
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import httpx
import pytest
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient
from acceptance.deployment.contract import Contract
from acceptance.performance.endpoint_latency import percentile
from acceptance.performance.request_phases import Timing, TimingTransport
from acceptance.redaction.redactor import Redactor

from tests.unit.conftest import Serve, descriptor_at


async def timings_of(transport: TimingTransport, address: str, calls: int) -> list[Timing]:
    async with httpx.AsyncClient(transport=transport) as client:
        for _ in range(calls):
            assert (await client.get(address)).json() == {"is": "so"}
    return transport.timings


async def test_a_kept_connection_is_opened_once(serve_kept: str) -> None:
    first, *others = await timings_of(TimingTransport(), serve_kept, 4)
    assert first.fresh
    assert [one.fresh for one in others] == [False] * 3
    assert all((one.dns, one.connect, one.tls) == (None, None, None) for one in others)


async def test_a_fresh_connection_is_opened_for_each_call(serve_kept: str) -> None:
    timings = await timings_of(TimingTransport(keep_alive=False), serve_kept, 3)
    assert [one.fresh for one in timings] == [True] * 3


async def test_the_look_up_is_timed_apart_from_the_connect(serve: Serve) -> None:
    address = serve(200, {"is": "so"})
    [by_number] = await timings_of(TimingTransport(), address, 1)
    [by_name] = await timings_of(TimingTransport(), address.replace("127.0.0.1", "localhost"), 1)
    assert by_number.dns is None and by_number.tls is None
    assert by_name.dns is not None and by_name.connect is not None


async def test_the_parts_are_within_the_whole(serve: Serve) -> None:
    [one] = await timings_of(TimingTransport(), serve(200, {"is": "so"}), 1)
    assert one.connect is not None
    parts = (one.connect, one.server, one.body)
    assert all(part >= 0 for part in parts) and sum(parts) <= one.total


async def test_tls_is_timed_apart(secure: tuple[str, Path]) -> None:
    address, certificate = secure
    trust = ssl.create_default_context(cafile=str(certificate))
    [one] = await timings_of(TimingTransport(verify=trust), address, 1)
    assert one.tls is not None and one.tls > 0
    assert one.connect is not None and one.connect + one.tls < one.total


async def test_who_is_not_trusted_is_a_failure_of_httpx(secure: tuple[str, Path]) -> None:
    async with httpx.AsyncClient(transport=TimingTransport()) as client:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get(secure[0])


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "http://nowhere.invalid/"])
async def test_no_server_is_a_failure_of_httpx_and_no_timing(address: str) -> None:
    transport = TimingTransport()
    async with httpx.AsyncClient(transport=transport) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(address)
    assert transport.timings == []


async def test_an_answer_that_breaks_off_is_a_failure_of_httpx_and_no_timing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        Thread(target=_break_off, args=(server,), daemon=True).start()
        transport = TimingTransport()
        async with httpx.AsyncClient(transport=transport) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"http://127.0.0.1:{server.getsockname()[1]}/")
    assert transport.timings == []


def _break_off(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")


def test_few_samples_bound_no_high_percentile() -> None:
    hundred = [float(one) for one in range(1, 101)]
    assert (percentile(hundred, 50).low, percentile(hundred, 50).high) == (40, 61)
    assert (percentile(hundred, 95).low, percentile(hundred, 95).high) == (90, 100)
    assert percentile(hundred, 99).high is None
    assert (percentile([7.0], 50).low, percentile([7.0], 50).high) == (None, None)
    assert str(percentile(hundred, 99)) == "p99 99.0 (97.0 to not bounded)"


def test_the_value_is_the_nearest_rank() -> None:
    assert [percentile([4.0, 1.0, 3.0, 2.0], percent).value for percent in (1, 50, 75, 76)] == [1, 2, 3, 4]


def test_no_sample_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="needs samples"):
        percentile([], 50)


@pytest.mark.parametrize("percent", [50, 95])
def test_the_interval_holds_the_true_percentile_as_often_as_it_says(percent: float) -> None:
    """Of a uniform distribution from 0 to 100 every percentile is known."""
    drawn = random.Random(20)
    found = [percentile([drawn.uniform(0, 100) for _ in range(100)], percent) for _ in range(400)]
    held = sum(one.low is not None and one.high is not None and one.low <= percent <= one.high for one in found)
    assert held / len(found) >= 0.93


@pytest.fixture
def serve_kept(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server that keeps its connections open."""
    monkeypatch.setattr(BaseHTTPRequestHandler, "protocol_version", "HTTP/1.1")
    return serve(200, {"is": "so"})


async def test_the_client_of_the_contract_reads_through_it_and_is_bounded(contract: Contract, serve: Serve) -> None:
    transport, redactor = TimingTransport(), Redactor()
    address = serve(404, {"error": {"code": "c", "message": "m", "request_id": "r"}}, {"x-request-id": "r"})
    client = ContractClient(descriptor_at(address), contract, ErrorLog(redactor), redactor, transport=transport)
    response = await client.call("job", path={"job_id": "1"}, token="token", status="unknown_identifier")
    assert response.json()["error"]["code"] == "c"
    [timing] = transport.timings
    assert 0 < timing.server < timing.total
    await client.close()
