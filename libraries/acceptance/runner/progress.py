"""Progress on the console: one line redrawn on a terminal, a line every 15 seconds elsewhere."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from typing import Self, TextIO

LINE_SECONDS = 15.0  # between two progress lines where no terminal is attached, as in a CI log
_REDRAW_SECONDS = 0.2  # of the one line on a terminal


class Progress:
    """Prints lines that stay, and between them the current activity with its duration.

    Args:
        stream: where to print; nothing is printed without one.
        clock: seconds of a monotonic clock.
    """

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._redraws = stream is not None and stream.isatty()
        self._changed = threading.Condition()
        self._doing = ""
        self._since = self._last = self._began = clock()
        self._closed = False
        self._thread = threading.Thread(target=self._live, name="progress", daemon=True)
        self._thread.start()

    def doing(self, what: str) -> None:
        """Set the current activity; empty for none."""
        with self._changed:
            self._doing, self._since = what, self._clock()
            self._draw()

    def say(self, line: str) -> None:
        """Print a line that stays."""
        with self._changed:
            self._write(f"{line}\n")
            self._draw()

    def close(self) -> None:
        """End the current activity and the printing."""
        with self._changed:
            self._doing, self._closed = "", True
            self._write("")
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self) -> None:
        """Redraw the line on a terminal; elsewhere print one when the last is old enough."""
        with self._changed:
            if self._redraws:
                self._draw()
            elif self._doing and self._clock() - self._last >= LINE_SECONDS:
                self._write(f"  ... {self._now()}\n")

    def _live(self) -> None:
        pause = _REDRAW_SECONDS if self._redraws else LINE_SECONDS / 30
        with self._changed:
            while not self._closed:
                self._changed.wait(pause)
                self.update()

    def _now(self) -> str:
        now = self._clock()
        return f"{self._doing}: {now - self._since:.0f} s ({now - self._began:.0f} s in all)"

    def _draw(self) -> None:
        if self._redraws and self._doing:
            self._write(self._now()[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        self._last = self._clock()
        if self._stream is None:
            return
        try:
            self._stream.write(("\r\033[K" if self._redraws else "") + text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone; the run goes on
            self._stream = None
