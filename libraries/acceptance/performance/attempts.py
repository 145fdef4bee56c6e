"""Requests of users who work at the same time, and what they come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from acceptance.client import Exchange

Flow = Literal["authentication", "upload", "conversation"]
FLOWS: tuple[Flow, ...] = ("authentication", "upload", "conversation")
SHOWN = 5

Span = tuple[float, float]  # from and to, by the monotonic clock


@dataclass(frozen=True)
class Attempt:
    """One request of a user; `problem` is empty where it was answered as the contract says, with what is theirs."""

    user: int
    flow: Flow
    exchange: Exchange
    problem: str = ""


def at_once(spans: Sequence[Span], window: Span) -> tuple[int, int]:
    """The least and the most of these that were under way in one moment of a window; an open end is one at 0."""
    changes: list[tuple[float, int]] = []
    for begin, end in spans:
        begin, end = max(begin, window[0]), min(end or window[1], window[1])
        if begin < end:
            changes += [(begin, 1), (end, -1)]
    moments: dict[float, int] = defaultdict(int)
    for at, change in changes:
        moments[at] += change
    counts, count = [], 0
    for at in sorted({window[0], *moments}):
        count += moments.get(at, 0)
        if at < window[1]:
            counts.append(count)
    return min(counts), max(counts)


def within(attempts: Iterable[Attempt], window: Span) -> list[Attempt]:
    """Those that began in a window."""
    return [one for one in attempts if window[0] <= one.exchange.began < window[1]]


def rate(attempts: Iterable[Attempt], window: Span) -> float:
    """Requests a second that were attempted in a window."""
    return len(within(attempts, window)) / (window[1] - window[0])


def first_bytes(
    attempts: Iterable[Attempt], window: Span, *, without: Sequence[str] = (), only: Sequence[str] = ()
) -> list[float]:
    """Milliseconds to the first byte of each request that succeeded, of all routes, `without` some or `only` some."""
    chosen = (one for one in within(attempts, window) if not one.problem and one.exchange.route not in without)
    return [1000 * one.exchange.first_byte for one in chosen if not only or one.exchange.route in only]


def by_route(attempts: Iterable[Attempt], window: Span) -> dict[str, float]:
    """The mean milliseconds to the first byte of each route."""
    samples: dict[str, list[float]] = defaultdict(list)
    for one in within(attempts, window):
        samples[one.exchange.route].append(1000 * one.exchange.first_byte)
    return {route: sum(each) / len(each) for route, each in samples.items()}


def told(failed: Sequence[Attempt]) -> str:
    """Failed requests by route, and the first of them in their own words."""
    routes = Counter(one.exchange.route for one in failed)
    counts = ", ".join(f"{count} x {route}" for route, count in routes.most_common(SHOWN))
    return f"{counts}; the first: {failed[0].problem}"


def span(attempt: Attempt) -> Span:
    """From when to when a request was under way."""
    return (attempt.exchange.began, attempt.exchange.began + attempt.exchange.elapsed)
