"""Progress of a running load, and its abort thresholds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from ArtilleryLibrary.figures import Samples
from ArtilleryLibrary.requestlog import RequestLog
from ArtilleryLibrary.script import LoadScript

LINE_SECONDS = 15.0  # between two progress lines where no terminal is attached, as in a CI log
TERMINAL_SECONDS = 5.0


@dataclass(frozen=True)
class Progress:
    """The state of a running load.

    Args:
        elapsed: seconds since the first phase began; 0 before.
        remaining: seconds of phases left.
        arrivals: virtual users that arrived.
        scheduled: virtual users in total.
        requests: completed requests.
        errors: failed requests.
        first_byte_p95: of the responses, ms; none before the first.
    """

    elapsed: float
    remaining: float
    arrivals: int
    scheduled: int
    requests: int
    errors: int
    first_byte_p95: float | None

    def __str__(self) -> str:
        p95 = "no response yet" if self.first_byte_p95 is None else f"first byte p95 {self.first_byte_p95:.0f} ms"
        users = f"{self.arrivals} of {self.scheduled} users"
        return f"{users}, {self.requests} requests, {p95}, {self.errors} errors, {self.remaining:.0f} s left"


@dataclass(frozen=True)
class EarlyStop:
    """Abort thresholds of a load.

    Args:
        error_rate: highest share of failed requests, 0 to 1; none: no limit.
        first_byte_p95: milliseconds; none: no limit.
        after_requests: completed requests before the first judgement.
    """

    error_rate: float | None = 0.5
    first_byte_p95: float | None = None
    after_requests: int = 100

    def reason(self, progress: Progress) -> str | None:
        """The reason to stop now, or none."""
        if progress.requests < max(1, self.after_requests):
            return None
        rate = progress.errors / progress.requests
        if self.error_rate is not None and rate > self.error_rate:
            return f"{rate:.0%} of {progress.requests} requests failed, over {self.error_rate:.0%}"
        p95 = progress.first_byte_p95
        if self.first_byte_p95 is not None and p95 is not None and p95 > self.first_byte_p95:
            return f"first byte p95 of {progress.requests} requests is {p95:.0f} ms, over {self.first_byte_p95:.0f} ms"
        return None


@dataclass(frozen=True)
class Watcher:
    """Callbacks of a running load, which may end it."""

    progress: Callable[[Progress], None] | None
    early_stop: EarlyStop | None
    stop: Callable[[RequestLog], str | None] | None
    margin: float

    def reason(self, now: Progress, log: RequestLog) -> str | None:
        if self.progress is not None:
            self.progress(now)
        hopeless = self.early_stop.reason(now) if self.early_stop is not None else None
        return hopeless or (self.stop(log) if self.stop is not None else None)


def progress_of(script: LoadScript, log: RequestLog) -> Progress:
    """The progress by the request log so far."""
    begun = min([*log.phases.values(), *log.users.values()], default=None)
    elapsed = 0.0 if begun is None else max(0.0, time.time() - begun)
    first_byte = Samples.of(one.first_byte for one in log.requests)
    return Progress(
        elapsed=elapsed,
        remaining=max(0.0, script.duration - elapsed),
        arrivals=len(log.users),
        scheduled=script.arrivals,
        requests=len(log.requests),
        errors=sum(not one.ok for one in log.requests),
        first_byte_p95=first_byte.percentile(95) if first_byte else None,
    )


def progress_lines(
    write: Callable[[str], None], stream: TextIO | None, clock: Callable[[], float] = time.monotonic
) -> Callable[[Progress], None]:
    """A progress callback that writes a line every 5 seconds on a terminal, and every 15 elsewhere.

    Args:
        write: receives each line.
        stream: the stream that `write` ends in, to see whether it is a terminal.
        clock: seconds of a monotonic clock.
    """
    interval = TERMINAL_SECONDS if stream is not None and stream.isatty() else LINE_SECONDS
    last = -math.inf

    def report(progress: Progress) -> None:
        nonlocal last
        if (now := clock()) - last >= interval:
            last = now
            write(str(progress))

    return report
