"""The log that a run leaves."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from robot.api import ExecutionResult, ResultVisitor

from tests.bench.figures import Figure, told
from tests.bench.measured import BenchError, Tell, run_measured

RUN, SHORT_RUN = "integration", "quick"
WITHIN_SECONDS = 240.0


class _Steps(ResultVisitor):  # type: ignore[misc]
    count = 0

    def start_keyword(self, keyword: object) -> None:
        self.count += 1


def measure(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    """Size of log.html, whole and for each test and step."""
    name = RUN if scale == 1 else SHORT_RUN
    tell(f"make acceptance RUN={name}")
    folder.mkdir(parents=True)
    words: list[str | Path] = [sys.executable, "-m", "acceptance", "run", name, "--results", folder / "results"]
    done = run_measured(words, folder, within=WITHIN_SECONDS)
    logs = list(folder.glob("results/2*/log.html"))
    if len(logs) != 1:
        raise BenchError(f"the run left {len(logs)} files log.html")
    size, result, steps = logs[0].stat().st_size, ExecutionResult(logs[0].with_name("output.xml")), _Steps()
    result.visit(steps)
    tests = result.statistics.total.total
    yield told(f"RUN={name}: whole run", done.seconds, unit="s")
    yield told(f"RUN={name}: log.html, {tests} tests", size / 1e6, unit="MB")
    yield told(f"RUN={name}: log.html, for each test", size / 1e3 / tests, unit="kB")
    yield told(f"RUN={name}: log.html, for each of {steps.count} steps", size / 1e3 / steps.count, unit="kB")
