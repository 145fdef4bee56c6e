"""Waiting for what a subscriber receives."""

from __future__ import annotations

import asyncio

import pytest
from acceptance.clients.websocket import Frame, Subscription


def frame(sequence: int) -> Frame:
    return Frame({"type": "job_status", "sequence": sequence}, at=0.0)


async def received(subscription: Subscription, *sequences: int) -> None:
    for sequence in sequences:
        subscription.add(frame(sequence))
        await asyncio.sleep(0)


async def test_what_is_there_is_not_waited_for() -> None:
    subscription = Subscription("channel")
    subscription.add(frame(1))
    await subscription.until(lambda seen: len(seen.events) == 1, what="one", within=0)


async def test_each_who_waits_is_woken_by_their_own_condition_even_if_it_passes_at_once() -> None:
    subscription = Subscription("channel")
    one = asyncio.ensure_future(subscription.until(lambda seen: len(seen.events) == 1, what="one", within=30))
    two = asyncio.ensure_future(subscription.until(lambda seen: len(seen.events) == 2, what="two", within=30))
    await asyncio.sleep(0)
    subscription.add(frame(1))
    subscription.add(frame(2))  # in the same turn of the loop
    await asyncio.gather(one, two)


async def test_an_end_wakes_who_waits_for_it() -> None:
    subscription = Subscription("channel")
    wait = asyncio.ensure_future(subscription.until_closed(within=30))
    await asyncio.sleep(0)
    subscription.end(1012, "restarting")
    assert await wait == 1012


async def test_a_channel_that_delivers_instead_of_refusing_fails_at_once() -> None:
    subscription = Subscription("channel")
    refused = asyncio.ensure_future(subscription.until_refused(within=300))
    await asyncio.sleep(0)
    subscription.add(frame(1))
    with pytest.raises(AssertionError, match="before any frame"):
        await refused
    subscription.end(4401, "refused, but late")
    with pytest.raises(AssertionError, match="before any frame"):
        await subscription.until_refused(within=300)


async def test_the_code_of_a_refusal_is_returned() -> None:
    subscription = Subscription("channel")
    refused = asyncio.ensure_future(subscription.until_refused(within=300))
    await asyncio.sleep(0)
    subscription.end(4401, "bad token")
    assert await refused == 4401


async def test_a_condition_that_raises_does_so_for_who_waits_and_not_for_who_reads() -> None:
    subscription = Subscription("channel")
    wait = asyncio.ensure_future(subscription.until(lambda seen: seen.events[0].data["no"], what="x", within=30))
    with pytest.raises(IndexError):  # nothing is there yet
        await wait
    wait = asyncio.ensure_future(
        subscription.until(lambda seen: bool(seen.events) and seen.events[0].data["no"], what="x", within=30)
    )
    await asyncio.sleep(0)
    await received(subscription, 1, 2)
    with pytest.raises(KeyError, match="no"):
        await wait
    assert len(subscription.events) == 2


async def test_what_does_not_come_is_told_with_what_came() -> None:
    subscription = Subscription("channel")
    await received(subscription, 1)
    with pytest.raises(AssertionError, match="channel: two: expected within 0 s, observed 1 frames, the last #1"):
        await subscription.until(lambda seen: len(seen.events) == 2, what="two", within=0)
    await received(subscription, 2)  # nobody waits any more
