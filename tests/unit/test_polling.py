"""Waiting ends when the condition holds, and otherwise says what was last seen."""

import asyncio

import pytest
from acceptance.polling import wait_until


async def _returns(values: list[int]) -> int:
    return values.pop(0) if len(values) > 1 else values[0]


def test_returns_what_satisfied() -> None:
    values = [1, 2, 3]
    seen = asyncio.run(wait_until(lambda: _returns(values), lambda n: n == 3, what="three", within=30, every=0))
    assert seen == 3


def test_names_what_was_last_seen() -> None:
    with pytest.raises(AssertionError, match=r"nine: expected within 0\.05 s, observed number 1"):
        asyncio.run(
            wait_until(
                lambda: _returns([1]),
                lambda n: n == 9,
                what="nine",
                within=0.05,
                every=0.01,
                describe=lambda n: f"number {n}",
            )
        )


def test_a_look_that_hangs_is_cancelled() -> None:
    with pytest.raises(AssertionError, match="the first look did not return"):
        asyncio.run(wait_until(asyncio.Event().wait, bool, what="never", within=0.05))


def test_an_error_of_the_look_ends_the_waiting() -> None:
    async def breaks() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        asyncio.run(wait_until(breaks, bool, what="x", within=30))
