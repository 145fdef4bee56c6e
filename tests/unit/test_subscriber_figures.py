"""Figures of many subscribers: how many there were and why no more, how late events came, and what was lost."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.checks.job_events import Event
from acceptance.performance import subscribers
from acceptance.performance.generator_health import Generator
from acceptance.performance.subscriber_process import Ready, Received
from acceptance.performance.subscribers import SubscriberRun

from tests.unit.promises import judge, of_run
from tests.unit.test_subscribers import ALL, JOBS, STATUSES

SUITE, EVERYTHING = "05__subscribers.robot", "Every Subscriber Receives Every Status Once And In Order"


@pytest.mark.parametrize(
    ("allowed", "opened", "reason"),
    [
        (1000, 1000, ""),
        (160, 160, "the plan's connections and joins a second, and the life of a signed address, allow 160 of 1000"),
        (1000, 400, "this machine's limit of open files allows 400 of 1000"),
        (800, 400, "allow 800 of 1000; this machine's limit of open files allows 400 of 800"),
    ],
)
def test_how_many_there_are_and_why_there_are_no_more(
    allowed: int, opened: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = _observed(monkeypatch, wanted=allowed, opened=opened)
    judge(SUITE, "Many Subscribers Listen At Once", seen)
    assert seen.figures["subscribers_at_once"] == opened
    assert str(seen.figures.get("fewer_subscribers_because", "")).endswith(reason)
    assert ("fewer_subscribers_because" in seen.figures) == bool(reason)


def test_how_late_events_came_is_kept_as_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _observed(monkeypatch)
    judge(SUITE, EVERYTHING, seen)
    assert seen.figures["events_lost"] == 0
    criterion, name, samples, statistic = seen.histogram
    assert (criterion, name, statistic) == ("PERF-12", "delivery_latency", "p99")
    assert [round(late) for late in samples] == [200] * 6


def test_one_lost_event_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _observed(monkeypatch, second=ALL[1:])
    with pytest.raises(AssertionError, match="1 lost"):
        judge(SUITE, EVERYTHING, seen)
    assert seen.figures["events_lost"] == 1


def _observed(
    monkeypatch: pytest.MonkeyPatch, *, wanted: int = 2, opened: int = 2, second: list[Event] | None = None
) -> Any:
    """A run in which two subscribers of one job received this; it keeps what is observed."""
    received = SubscriberRun(
        uploads=[cast(Any, SimpleNamespace(job_id=JOBS[0]))],
        wanted=wanted,
        ready=Ready(asked=opened, listening=opened, seconds=1.0),
        received=[Received(job=0), Received(job=0)],
        events=[ALL, ALL if second is None else second],
        clock=0.0,
        generator=Generator(),
    )

    async def listened(*_: object) -> SubscriberRun:
        return received

    monkeypatch.setattr(subscribers, "listened", listened)
    run = of_run(figures={}, contract=SimpleNamespace(jobs=SimpleNamespace(statuses=STATUSES)))

    def observe(
        criterion: str, name: str, value: object, unit: str, *, samples: int = 0, statistic: str | None = None
    ) -> None:
        if statistic:
            run.histogram = (criterion, name, value, statistic)
        else:
            run.figures[name] = value

    run.observe = observe
    return run
