"""Each kind of fault is injected, seen in effect, undone by request and by its lease, and seen to be gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox import processes
from sandbox.children import HELD
from sandbox.faults import control
from sandbox.settings import HOST, LISTENERS, Settings, reserve
from sandbox.state import SERVICES_FILE

MODEL = "model-api"
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("latency", {"milliseconds": 100, "jitter_milliseconds": 20}),
    ("bandwidth", {"bytes_per_second": 1000}),
    ("slice", {"bytes": 10, "milliseconds": 20}),
    ("reset", {}),
    ("reset", {"after_bytes": 20}),
    ("refuse", {}),
    ("blackhole", {}),
    ("cut", {"after_bytes": 20}),
    ("respond", {"status": 429, "headers": {"Retry-After": "3"}}),
]
ENDED = (ConnectionError, asyncio.IncompleteReadError)


@dataclass
class Place:
    """A control interface, with a dependency behind its links that sends back what it receives."""

    settings: Settings
    client: httpx.AsyncClient

    async def put(self, kind: str, target: str = MODEL, name: str = "one", lease: float = 30, **more: Any) -> Any:
        body = {"kind": kind, "target": target, "parameters": more, "lease_seconds": lease}
        return (await self.client.put(f"/v1/faults/{name}", json=body)).json()

    async def undo(self, name: str = "one") -> None:
        assert (await self.client.delete(f"/v1/faults/{name}")).status_code == 204

    async def open(self, link: str = MODEL) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.settings.ports[link])

    async def exchange(self, data: bytes = b"x" * 64, link: str = MODEL) -> bytes:
        """What comes back through a new connection."""
        reader, writer = await self.open(link)
        try:
            return await sent_back(reader, writer, data)
        finally:
            writer.close()


async def sent_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    async def send() -> None:
        writer.write(data)
        await writer.drain()

    received, _ = await asyncio.gather(reader.readexactly(len(data)), send())
    return received


@asynccontextmanager
async def control_of(settings: Settings) -> AsyncIterator[Place]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    app = control.application(settings)
    server = await asyncio.start_server(echo, sock=settings.listen("openai"))
    async with server, app.router.lifespan_context(app):
        headers = {"authorization": f"Bearer {settings.fault_token}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://faults", headers=headers) as client:
            yield Place(settings, client)


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    reserved = {name: reserve() for name in LISTENERS}
    yield Settings(tmp_path, {name: one.getsockname()[1] for name, one in reserved.items()}, build="b")
    for one in reserved.values():
        one.close()


@pytest.mark.parametrize(("kind", "parameters"), KINDS)
async def test_a_fault_of_a_link_is_seen_and_undone(settings: Settings, kind: str, parameters: dict[str, Any]) -> None:
    async with control_of(settings) as place:
        before = await place.client.get("/v1/faults/one")
        fault = await place.put(kind, **parameters)
        assert fault["in_effect"], fault
        assert fault["evidence"].startswith(f"{MODEL}: ")
        assert fault == fault | {"id": "one", "kind": kind, "target": MODEL, "affected": 0}
        again = (await place.client.get("/v1/faults/one")).json()
        assert again["in_effect"]
        assert [one["id"] for one in (await place.client.get("/v1/faults")).json()["faults"]] == ["one"]
        await place.undo()
        assert await place.exchange() == b"x" * 64
        assert before.status_code == (await place.client.get("/v1/faults/one")).status_code == 404
        await place.undo()


@pytest.mark.parametrize("kind", ["refuse", "reset", "blackhole", "respond"])
async def test_a_connection_that_is_open_already_is_hit_too(settings: Settings, kind: str) -> None:
    async with control_of(settings) as place:
        reader, writer = await place.open()
        assert await sent_back(reader, writer, b"before") == b"before"
        more: dict[str, Any] = {"status": 500} if kind == "respond" else {}
        await place.put(kind, **more)
        if kind == "blackhole":
            writer.write(b"lost")
            await until(lambda: affected(place))
            await place.undo()
        with pytest.raises(ENDED):
            await sent_back(reader, writer, b"after")
        writer.close()


async def test_a_quiet_connection_survives_a_blackhole_and_slowness(settings: Settings) -> None:
    async with control_of(settings) as place:
        reader, writer = await place.open()
        assert await sent_back(reader, writer, b"before") == b"before"
        await place.put("blackhole")
        await place.undo()
        await place.put("latency", milliseconds=100)
        assert await sent_back(reader, writer, b"during") == b"during"
        assert (await place.client.get("/v1/faults/one")).json()["affected"] == 1
        await place.undo()
        assert await sent_back(reader, writer, b"after") == b"after"
        writer.close()


@pytest.mark.parametrize("kind", [None, "slice", "bandwidth", "latency"])
async def test_every_byte_passes_in_order(settings: Settings, kind: str | None) -> None:
    slow: dict[str, Any] = {"slice": {"bytes": 5000, "milliseconds": 0}, "bandwidth": {"bytes_per_second": 10_000_000}}
    data = bytes(range(256)) * 4000
    async with control_of(settings) as place:
        if kind:
            await place.put(kind, **slow.get(kind, {"milliseconds": 20, "jitter_milliseconds": 10}))
        assert await place.exchange(data) == data


async def test_an_undo_sends_at_once_what_waits(settings: Settings) -> None:
    async with control_of(settings) as place:
        await place.put("latency", milliseconds=600_000)
        exchange = asyncio.create_task(place.exchange(b"patience"))
        await until(lambda: affected(place))
        await place.undo()
        assert await exchange == b"patience"


async def test_a_fault_happens_as_often_as_asked(settings: Settings) -> None:
    async with control_of(settings) as place:
        await place.put("respond", status=503, headers={"Retry-After": "7"}, body="later", times=2)
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://{HOST}:{settings.ports[MODEL]}/"
            answers = [await client.get(url), await client.post(url, content=b"x" * 100_000)]
        assert [(one.status_code, one.headers["retry-after"], one.text) for one in answers] == [(503, "7", "later")] * 2
        assert await place.exchange() == b"x" * 64
        fault = (await place.client.get("/v1/faults/one")).json()
        assert (fault["affected"], fault["in_effect"]) == (2, True)
        assert fault["evidence"] == "it has happened 2 times, and happens no more"


async def test_a_head_request_and_a_broken_body_are_answered_too(settings: Settings) -> None:
    async with control_of(settings) as place, httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{HOST}:{settings.ports[MODEL]}/"
        await place.put("respond", status=200, body="<html>", content_type="text/html", headers={"content-length": "9"})
        assert (await client.head(url)).status_code == 200
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message"):
            await client.get(url)


async def test_a_cut_ends_an_answer_after_its_bytes(settings: Settings) -> None:
    async with control_of(settings) as place:
        await place.put("cut", after_bytes=10)
        reader, writer = await place.open()
        assert await sent_back(reader, writer, b"1234567890") == b"1234567890"
        writer.write(b"12345678901")
        assert await reader.read() == b"1234567890"
        writer.close()


async def test_a_lease_runs_out_unless_it_is_renewed(settings: Settings) -> None:
    async with control_of(settings) as place:
        first = await place.put("refuse", lease=0.05)
        await until(lambda: gone(place))
        assert await place.exchange() == b"x" * 64
        await place.put("refuse", lease=0.5)
        renewed = await place.put("refuse", lease=30)
        assert renewed["expires_at"] > first["expires_at"]
        await asyncio.sleep(0.6)  # the first lease is over by then
        assert (await place.client.get("/v1/faults/one")).json()["in_effect"]


async def test_both_links_of_a_target_are_hit_and_other_kinds_add_up(settings: Settings) -> None:
    async with control_of(settings) as place:
        assert (await place.put("latency", "model", milliseconds=50))["in_effect"]
        assert (await place.put("respond", MODEL, "two", status=500))["in_effect"]
        await place.undo("two")
        assert (await place.client.get("/v1/faults/one")).json()["evidence"].count(": 64 bytes after") == 2
        refused = await place.put("latency", "model-worker", "two", milliseconds=1)
        assert refused["message"] == "one hits that already: latency of model"
        assert (await place.put("latency", "model", milliseconds=51))["message"].startswith("one is another fault")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"kind": "rain", "target": "model"}, "unknown kind 'rain'; model has latency, bandwidth"),
        ({"kind": "kill", "target": "moon"}, "unknown target 'moon'; there are database, model"),
        ({"kind": "cut", "target": "model"}, "after_bytes: Field required; cut takes after_bytes, times"),
        ({"kind": "kill", "target": "api", "parameters": {"x": 1}}, "x: Extra inputs are not permitted; kill takes no"),
        (
            {"kind": "respond", "target": "model", "parameters": {"status": 200, "headers": {"a b": "c"}}},
            "respond: these",
        ),
        ({"kind": "refuse", "target": "model", "lease_seconds": -1}, "lease_seconds: Input should be greater than 0"),
    ],
)
async def test_a_request_that_makes_no_sense_is_refused(settings: Settings, body: Any, message: str) -> None:
    async with control_of(settings) as place:
        answer = await place.client.put("/v1/faults/one", json={"lease_seconds": 1} | body)
        assert answer.status_code == 422
        assert answer.json()["message"].startswith(message)
        assert (await place.client.get("/v1/faults")).json() == {"faults": []}


async def test_the_token_is_needed(settings: Settings) -> None:
    async with control_of(settings) as place:
        answer = await place.client.get("/v1/targets", headers={"authorization": "Bearer another"})
        targets = {one["name"]: one["kinds"] for one in (await place.client.get("/v1/targets")).json()["targets"]}
    assert answer.status_code == 401
    assert "latency" in targets["database"]
    assert targets["api-1"] == targets["database-server"] == ["freeze", "kill", "stop"]


# Services: processes that the test started, in place of the supervisor's.


@pytest.fixture
def service(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    with running(settings) as process:
        yield process


class running:  # noqa: N801
    """A process, registered as `api-1`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._process = subprocess.Popen(["sleep", "60"])
        table = {"api-1": {"pid": self._process.pid, "starts": 1}}
        (self._settings.directory / SERVICES_FILE).write_text(json.dumps(table))
        return self._process

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


async def test_a_killed_service_is_seen_by_its_new_process(
    settings: Settings, service: subprocess.Popen[bytes]
) -> None:
    async with control_of(settings) as place:
        putting = asyncio.create_task(place.put("kill", "api-1"))
        await asyncio.to_thread(service.wait)
        fault = await putting
        assert (fault["in_effect"], fault["affected"]) == (True, 1)
        undoing = asyncio.create_task(place.undo())
        with running(settings) as again:
            await undoing
        assert service.returncode == -signal.SIGKILL
        assert again.pid != service.pid


async def test_a_stopped_service_is_held_down(settings: Settings, service: subprocess.Popen[bytes]) -> None:
    async with control_of(settings) as place:
        putting = asyncio.create_task(place.put("stop", "api-1"))
        await asyncio.to_thread(service.wait)
        assert (await putting)["in_effect"]
        assert (settings.directory / HELD / "api-1").exists()
        undoing = asyncio.create_task(place.undo())
        await until(lambda: not_held(settings))
        with running(settings):
            await undoing
        assert service.returncode == -signal.SIGTERM


async def test_a_frozen_service_is_continued(settings: Settings, service: subprocess.Popen[bytes]) -> None:
    async with control_of(settings) as place:
        fault = await place.put("freeze", "api-1")
        assert fault["evidence"] == f"api-1: process {service.pid} is frozen"
        assert processes.state_of(service.pid) == "T"
        await place.undo()
        assert processes.state_of(service.pid) in ("R", "S", "D")  # it goes on, and waits for requests


async def test_a_fault_that_does_not_take_effect_is_not_said_to(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "EFFECT_SECONDS", 0.0)
    monkeypatch.setattr(control, "GONE_SECONDS", 0.0)
    async with control_of(settings) as place:  # no such process runs
        fault = await place.put("kill", "api-2")
        assert (fault["in_effect"], fault["affected"]) == (False, 0)
        answer = await place.client.delete("/v1/faults/one")
        assert (answer.status_code, answer.json()) == (504, {"message": "not gone yet: api-2: process none"})


async def test_a_new_control_begins_without_any_fault(settings: Settings, service: subprocess.Popen[bytes]) -> None:
    os.kill(service.pid, signal.SIGSTOP)
    (settings.directory / HELD).mkdir()
    (settings.directory / HELD / "worker-1").touch()
    async with control_of(settings):
        await until(lambda: is_in_state(service.pid, "S"))
        assert not list((settings.directory / HELD).iterdir())


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - it is in another process, or behind an interface
            await asyncio.sleep(0.01)


async def affected(place: Place) -> bool:
    return bool((await place.client.get("/v1/faults/one")).json()["affected"])


async def gone(place: Place) -> bool:
    return (await place.client.get("/v1/faults/one")).status_code == 404


async def not_held(settings: Settings) -> bool:
    return not (settings.directory / HELD / "api-1").exists()


async def is_in_state(pid: int, state: str) -> bool:
    return processes.state_of(pid) == state
