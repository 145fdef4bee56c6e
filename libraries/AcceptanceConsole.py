"""Live console (`--console AcceptanceConsole`): the running test, its number, and each failure with its location."""

from __future__ import annotations

import sys
from typing import Any

from acceptance.runner.progress import Progress
from acceptance.verdict.failures import cause_of, other_failures
from robot.api.console import BaseConsole


class AcceptanceConsole(BaseConsole):
    """One line per finished test, and progress while a test runs (see `acceptance.runner.progress`)."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress(sys.__stdout__)
        self._total = 0
        self._started = 0
        self._causes: dict[str, str] = {}

    def start_suite(self, data: Any, result: Any) -> None:
        if data.parent is None:
            self._total = data.test_count
        self._progress.doing(f"{self._count} setting up {data.full_name}")

    def start_test(self, data: Any, result: Any) -> None:
        self._started += 1
        self._progress.doing(f"{self._count} {result.name}")

    def end_test(self, data: Any, result: Any) -> None:
        seconds = result.elapsed_time.total_seconds()
        self._progress.say(f"{self._count} {result.status} {result.parent.name}: {result.name} ({seconds:.1f} s)")
        if result.status != "PASS":
            self._explain(result)
        if result.status == "FAIL":
            self._progress.say(f"      look at {result.source}:{result.lineno}, and in log.html at {result.id}")

    def _explain(self, result: Any) -> None:
        """What failed, once: a later test that fails by the same cause names the first one."""
        cause, others = cause_of(result.message), other_failures(result.message)
        if cause.key in self._causes:
            self._progress.say(f"      by the same cause as: {self._causes[cause.key]}")
            return
        self._causes[cause.key] = f"{result.parent.name}: {result.name}"
        self._progress.say("\n".join(f"      {line}" for line in [*cause.lines, *([others] if others else [])]))

    def end_suite(self, data: Any, result: Any) -> None:
        if data.parent is None:
            self._progress.doing("removing test data and writing the log")

    def close(self) -> None:
        self._progress.close()

    def message(self, msg: Any) -> None:
        if msg.level in ("WARN", "ERROR"):
            self._progress.say(f"{msg.level} {msg.message}")

    def output_file(self, path: object) -> None:
        """Print nothing: the runner lists the files."""

    def result_file(self, kind: str, path: object) -> None:
        """Print nothing: the runner lists the files."""

    @property
    def _count(self) -> str:
        width = len(str(self._total))
        return f"[{self._started:{width}}/{self._total}]"
