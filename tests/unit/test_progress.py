"""Progress on a console: a line every 15 seconds without a terminal, a redrawn line on one."""

from __future__ import annotations

import io
from dataclasses import dataclass

import pytest
from acceptance.runner import progress
from acceptance.runner.progress import Progress
from ArtilleryLibrary.progress import LINE_SECONDS, TERMINAL_SECONDS, progress_lines
from ArtilleryLibrary.progress import Progress as LoadProgress

LOAD = LoadProgress(1.0, 2.0, 3, 4, 5, 6, None)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def after_each_second(stream: io.StringIO, seconds: int) -> str:
    clock = Clock()
    with Progress(stream, clock) as shown:
        shown.doing("loading")
        for _ in range(seconds):
            clock.now += 1
            shown.update()
        return stream.getvalue()


def test_without_a_terminal_a_line_is_printed_every_15_seconds() -> None:
    assert progress.LINE_SECONDS == LINE_SECONDS == 15
    assert after_each_second(io.StringIO(), 14) == ""
    assert after_each_second(io.StringIO(), 45).splitlines() == [
        f"  ... loading: {seconds} s ({seconds} s in all)" for seconds in (15, 30, 45)
    ]


def test_a_line_that_stays_postpones_the_next_progress_line() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as shown:
        shown.doing("loading")
        clock.now += 14
        shown.say("PASS")
        clock.now += 14
        shown.update()
    assert stream.getvalue() == "PASS\n"


def test_without_an_activity_nothing_is_printed() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock) as shown:
        clock.now += 60
        shown.update()
    assert stream.getvalue() == ""


def test_on_a_terminal_one_line_is_redrawn() -> None:
    drawn = after_each_second(Terminal(), 3)
    assert "\n" not in drawn
    assert drawn.endswith("\r\033[Kloading: 3 s (3 s in all)")


@pytest.mark.parametrize(("stream", "interval"), [(io.StringIO(), 15), (None, 15), (Terminal(), TERMINAL_SECONDS)])
def test_a_load_reports_at_the_interval_of_its_console(stream: io.StringIO | None, interval: float) -> None:
    lines: list[str] = []
    clock = Clock()
    report = progress_lines(lines.append, stream, clock)
    for _ in range(31):
        report(LOAD)
        clock.now += 1
    assert lines == [str(LOAD)] * len(range(0, 31, int(interval)))
