"""What a person sees while something goes on: at least one sign of life every two seconds."""

from __future__ import annotations

import shutil
import threading
import time
from typing import Self, TextIO

EVERY_SECONDS = 2.0
_REDRAW_SECONDS = 0.2  # of the one line on a terminal


class Progress:
    """Says lines, and between them what is being done: one line redrawn on a terminal, else plain lines."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._redraws = stream is not None and stream.isatty()
        self._changed = threading.Condition()
        self._doing = ""
        self._since = self._last = self._began = time.monotonic()
        self._closed = False
        self._thread = threading.Thread(target=self._live, name="progress", daemon=True)
        self._thread.start()

    def doing(self, what: str) -> None:
        """From now on this is being done."""
        with self._changed:
            self._doing, self._since = what, time.monotonic()
            self._draw()

    def say(self, line: str) -> None:
        """A line that stays."""
        with self._changed:
            self._write(f"{line}\n")
            self._draw()

    def close(self) -> None:
        """Nothing is being done any more."""
        with self._changed:
            self._doing, self._closed = "", True
            self._write("")
            self._changed.notify()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _live(self) -> None:
        pause = _REDRAW_SECONDS if self._redraws else EVERY_SECONDS / 4
        with self._changed:
            while not self._closed:
                self._changed.wait(pause)
                if self._redraws:
                    self._draw()
                elif self._doing and time.monotonic() - self._last > EVERY_SECONDS - pause:
                    self._write(f"  ... {self._now()}\n")

    def _now(self) -> str:
        now = time.monotonic()
        return f"{self._doing}: {now - self._since:.0f} s ({now - self._began:.0f} s in all)"

    def _draw(self) -> None:
        if self._redraws and self._doing:
            self._write(self._now()[: shutil.get_terminal_size().columns - 1])

    def _write(self, text: str) -> None:
        self._last = time.monotonic()
        if self._stream is None:
            return
        try:
            self._stream.write(("\r\033[K" if self._redraws else "") + text)
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more; the run goes on
            self._stream = None
