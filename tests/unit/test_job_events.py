"""What realtime told is held against the contract, against REST and against the clock."""

from __future__ import annotations

import pytest
from acceptance.checks.job_events import Event, RestSnapshot, ages, check_order, lags, moment

STATUSES = ["uploaded", "parsed", "complete"]


def _told(*told: tuple[int, str], at: float = 10.0) -> list[Event]:
    return [Event(sequence, status, "working", 0, 0, at, at + sequence) for sequence, status in told]


def _view(status: str, asked: float, answered: float) -> RestSnapshot:
    return RestSnapshot(status, "working", 0, 0, asked, answered)


def test_every_status_once_and_in_order_is_right() -> None:
    check_order(_told((1, "uploaded"), (2, "parsed"), (3, "complete")), STATUSES, "job")


@pytest.mark.parametrize(
    "told",
    [
        [],
        [(1, "uploaded"), (2, "parsed")],
        [(1, "uploaded"), (2, "complete")],
        [(1, "uploaded"), (3, "parsed"), (4, "complete")],
        [(1, "uploaded"), (2, "parsed"), (2, "parsed"), (3, "complete")],
        [(1, "uploaded"), (2, "parsed"), (3, "parsed"), (4, "complete")],
        [(2, "parsed"), (1, "uploaded"), (3, "complete")],
        [(0, "uploaded"), (1, "parsed"), (2, "complete")],
        [(1, "uploaded"), (2, "parsed"), (3, "complete"), (4, "complete")],
    ],
)
def test_anything_else_is_not(told: list[tuple[int, str]]) -> None:
    with pytest.raises(AssertionError, match="job: expected #1 uploaded, #2 parsed, #3 complete, observed"):
        check_order(_told(*told), STATUSES, "job")


def test_realtime_lags_behind_rest() -> None:
    events = _told((1, "uploaded"), (2, "parsed"), (3, "complete"))  # received at 11, 12, 13
    views = [_view("uploaded", 10.0, 10.5), _view("complete", 11.0, 11.5)]
    assert lags(events, views) == [0.5, 0.5, 1.5]


def test_rest_lags_behind_realtime() -> None:
    events = _told((1, "uploaded"), (2, "parsed"), (3, "complete"))
    views = [_view("uploaded", 10.9, 11.2), _view("uploaded", 13.5, 13.6), _view("complete", 14.0, 14.1)]
    assert lags(events, views) == [0.0, 1.5, 0.5]


def test_a_slow_answer_of_rest_is_no_lag() -> None:
    events = _told((1, "uploaded"), (2, "parsed"))
    assert lags(events, [_view("uploaded", 11.9, 15.0), _view("parsed", 15.0, 15.1)]) == [0.0, 0.0]


def test_age_counts_from_when_the_channel_was_open_and_by_one_clock() -> None:
    events = _told((1, "uploaded"), (3, "complete"), at=10.0)  # received at 11 and 13
    assert ages(events, clock=0.0, opened=0.0) == [1.0, 3.0]
    assert ages(events, clock=0.0, opened=10.5) == [0.5, 2.5]
    assert ages(events, clock=-2.0, opened=0.0) == [-1.0, 1.0]


def test_a_time_needs_its_zone() -> None:
    assert moment("1970-01-01T00:00:10Z", "event") == 10.0
    assert moment("1970-01-01T01:00:10+01:00", "event") == 10.0
    for wrong in ("1970-01-01T00:00:10", "soon", None, 10):
        with pytest.raises(AssertionError, match="a time with its zone"):
            moment(wrong, "event")
