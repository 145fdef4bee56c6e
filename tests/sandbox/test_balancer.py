"""The balancer distributes connections of any protocol over the running instances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import httpx
import pytest
import websockets

from sandbox import balancer
from sandbox.balancer import Balancer
from sandbox.settings import HOST, reserve


@asynccontextmanager
async def balanced(*ports: int) -> AsyncIterator[int]:
    """A balancer in front of the ports; yields its own port."""
    sock = reserve()
    task = asyncio.create_task(Balancer(lambda: ports).serve(sock))
    await asyncio.sleep(0)
    yield sock.getsockname()[1]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@asynccontextmanager
async def instance(name: bytes) -> AsyncIterator[int]:
    """Sends its name, then echoes until the client has finished."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(name)
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    sock = reserve()
    server = await asyncio.start_server(handle, sock=sock)
    async with server:
        yield sock.getsockname()[1]


async def exchange(port: int, data: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)

    async def send() -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()

    answer, _ = await asyncio.gather(reader.read(-1), send())
    writer.close()
    return answer


async def test_connections_go_to_the_instances_in_turn() -> None:
    async with instance(b"A") as one, instance(b"B") as two, balanced(one, two) as port:
        answers = [await exchange(port) for _ in range(6)]
    assert sorted(answers) == [b"A"] * 3 + [b"B"] * 3
    assert answers[0] != answers[1]


async def test_an_instance_that_refuses_is_passed_over() -> None:
    with reserve() as dead:
        async with instance(b"B") as two, balanced(dead.getsockname()[1], two) as port:
            assert [await exchange(port) for _ in range(4)] == [b"B"] * 4


async def test_without_any_instance_the_answer_is_a_readable_503() -> None:
    with reserve() as dead:
        async with balanced(dead.getsockname()[1]) as port, httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"http://{HOST}:{port}/health")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_every_byte_passes_both_ways_also_after_one_side_has_finished(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with instance(b"") as one, balanced(one) as port:
        assert await exchange(port, data) == data


async def test_websockets_pass() -> None:
    async def handle(connection: websockets.ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(websockets.serve(handle, HOST, 0))
        port = await stack.enter_async_context(balanced(server.sockets[0].getsockname()[1]))
        client = await stack.enter_async_context(websockets.connect(f"ws://{HOST}:{port}", proxy=None))
        await client.send("one")
        assert await client.recv() == "one"


@asynccontextmanager
async def http_instance(name: bytes) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """Answers each request with its name, until the event is set: then it ends its connections without an answer."""
    dies = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n") and not dies.is_set():
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + name)
        writer.close()

    sock = reserve()
    server = await asyncio.start_server(handle, sock=sock)
    async with server:
        yield sock.getsockname()[1], dies


async def test_a_request_that_only_reads_is_asked_again_of_another_instance() -> None:
    async with http_instance(b"A") as (one, dies), http_instance(b"B") as (two, _), balanced(one, two) as port:
        dies.set()
        unkept = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, limits=unkept) as client:
            answers = [(await client.get(f"http://{HOST}:{port}/x")).text for _ in range(4)]
            written = [await client.post(f"http://{HOST}:{port}/x", content=b"?") for _ in range(4)]
    assert answers == ["B"] * 4
    assert {answer.status_code for answer in written} <= {200, 503}
    assert 503 in {answer.status_code for answer in written}
    assert all(answer.headers["retry-after"] for answer in written if answer.status_code == 503)


@pytest.mark.parametrize(("hanging", "status"), [(1, 200), (2, 503)])
async def test_an_instance_that_hangs_is_replaced(hanging: int, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_SECONDS", "SLOW_SECONDS", "CHECK_SECONDS"):
        monkeypatch.setattr(balancer, name, 0.1)
    async with AsyncExitStack() as stack:
        silent = [stack.enter_context(reserve()) for _ in range(hanging)]
        for one in silent:
            one.listen()  # the kernel takes connections, and nobody reads them
        ports = [one.getsockname()[1] for one in silent]
        if hanging == 1:
            ports.append((await stack.enter_async_context(http_instance(b"B")))[0])
        port = await stack.enter_async_context(balanced(*ports))
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, timeout=20))
        answers = [await client.get(f"http://{HOST}:{port}/x") for _ in range(2)]
    assert {answer.status_code for answer in answers} == {status}


async def test_an_instance_out_of_service_gets_no_new_request_on_a_kept_connection() -> None:
    async with http_instance(b"A") as (one, dies), http_instance(b"B") as (two, _):
        ports = [one, two]
        sock = reserve()
        task = asyncio.create_task(Balancer(lambda: ports).serve(sock))
        await asyncio.sleep(0)  # it listens
        try:
            async with httpx.AsyncClient(trust_env=False, base_url=f"http://{HOST}:{sock.getsockname()[1]}") as client:
                first = [(await client.get("/x")).text for _ in range(3)]
                ports = [two if first[0] == "A" else one]
                if first[0] == "A":
                    dies.set()
                after = [(await client.post("/x", content=b"")).text for _ in range(3)]
        finally:
            task.cancel()
    assert first == [first[0]] * 3
    assert after == ["B" if first[0] == "A" else "A"] * 3


async def test_a_client_keeps_its_connection_when_an_idle_instance_ends() -> None:
    async with AsyncExitStack() as stack:
        one, _ = await stack.enter_async_context(http_instance(b"A"))
        ports, sock = [one], reserve()
        task = asyncio.create_task(Balancer(lambda: ports).serve(sock))
        stack.callback(task.cancel)
        await asyncio.sleep(0)  # it listens
        reader, writer = await asyncio.open_connection(HOST, sock.getsockname()[1])
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"A")).endswith(b"A")
        two, _ = await stack.enter_async_context(http_instance(b"B"))
        ports = [two]
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"B")).endswith(b"B")
        writer.close()


async def test_the_request_of_a_client_that_has_hung_up_is_asked_once() -> None:
    """An instance ends the connection with the client's, which must not look as if the instance were lost."""
    asked: list[bytes] = []
    begun, ended = asyncio.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        begun.set()
        await reader.read()
        writer.close()
        ended.set()

    socks = reserve(), reserve()
    servers = [await asyncio.start_server(handle, sock=sock) for sock in socks]
    async with servers[0], servers[1], balanced(*(sock.getsockname()[1] for sock in socks)) as port:
        _, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /documents HTTP/1.1\r\nhost: balancer\r\n\r\n")
        await writer.drain()
        await asyncio.wait_for(begun.wait(), 5)
        writer.close()
        await asyncio.wait_for(ended.wait(), 5)
        for _ in range(20):  # turns of the loop in which it would be asked again
            await asyncio.sleep(0.01)
    assert len(asked) == 1
