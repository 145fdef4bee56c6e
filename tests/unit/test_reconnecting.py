"""A client that comes back has every event once, and gives up where coming back brings nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from acceptance.checks.websocket_connections import Backoff, ReconnectingClient
from acceptance.clients.websocket import Frame, RealtimeClient
from acceptance.deployment.contract import CONTRACT, read_contract
from websockets.asyncio.server import Server, ServerConnection, serve

LAST = 6
AT_ONCE = Backoff(first=0.0, longest=0.0, tries=3)
Tell = Callable[[ServerConnection, int], Awaitable[None]]


async def _whole(connection: ServerConnection, after: int) -> None:
    for sequence in range(after + 1, LAST + 1):
        await connection.send(json.dumps({"type": "any", "sequence": sequence}))
    async for _ in connection:
        await connection.send('{"type": "pong"}')


async def _from_the_beginning(connection: ServerConnection, after: int) -> None:
    await _whole(connection, 0)


async def _nothing(connection: ServerConnection, after: int) -> None:
    await connection.close(1011)


async def _refused(connection: ServerConnection, after: int) -> None:
    await connection.close(4401)


def _follow(tell: Tell, cut_after: tuple[int, ...] = ()) -> tuple[list[int | None], int]:
    async def follow() -> tuple[list[int | None], int]:
        async def response(connection: ServerConnection) -> None:
            assert connection.request is not None
            await tell(connection, int(parse_qs(urlsplit(connection.request.path).query)["after"][0]))

        server: Server
        async with serve(response, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            client = RealtimeClient(read_contract(CONTRACT), address)
            follower = ReconnectingClient(client, "job", "token", lambda frame: frame.sequence == LAST, AT_ONCE)
            events: list[Frame] = await follower.follow(within=30, cut_after=cut_after, refusals={4401})
            return [event.sequence for event in events], follower.connections

    return asyncio.run(follow())


@pytest.mark.parametrize("cut_after", [(), (1,), (1, 2, 3), (2, 5), (1, 2, 3, 4, 5)])
def test_however_often_the_line_is_cut(cut_after: tuple[int, ...]) -> None:
    assert _follow(_whole, cut_after) == (list(range(1, LAST + 1)), len(cut_after) + 1)


def test_doubles_are_kept_for_who_looks() -> None:
    sequences, _ = _follow(_from_the_beginning, (2,))
    assert sequences == [1, 2, 1, 2, 3, 4, 5, 6]


def test_connections_that_bring_nothing_are_given_up() -> None:
    with pytest.raises(AssertionError, match=r"something new after #0 in 3 more tries, observed 0 frames.*1011"):
        _follow(_nothing)


def test_a_refusal_ends_it_at_once() -> None:
    with pytest.raises(AssertionError, match=r"to be accepted again, observed 0 frames.*4401"):
        _follow(_refused)


def test_pauses_grow_to_a_bound() -> None:
    assert list(Backoff(first=0.5, longest=3.0, tries=5).pauses()) == [0.5, 1.0, 2.0, 3.0, 3.0]
