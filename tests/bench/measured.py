"""Processes whose cost is told by the kernel when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from acceptance.yaml_models import PROJECT

Tell = Callable[[str], None]
LOOKED_AT = 0.1  # seconds
LAST_WORDS = 500  # characters


class BenchError(Exception):
    """A part of the benchmark could not be measured."""


@dataclass(frozen=True)
class Done:
    """A process that ended well: CPU (user and system) and wall clock in seconds, of it and all it waited for."""

    cpu: float
    seconds: float
    output: str


def run_measured(
    words: Sequence[str | Path],
    folder: Path,
    *,
    within: float,
    environment: Mapping[str, str] | None = None,
    statuses: Sequence[int] = (0,),
) -> Done:
    """Run a command of the project to its end; what it prints is kept in the folder's `output.log`.

    Args:
        within: seconds, after which it is killed with all that it started.

    Raises:
        BenchError: it took longer, or ended with another status than these.
    """
    log, begin = folder / "output.log", time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(word) for word in words], cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        while not (found := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.monotonic() - begin > within:
                raise BenchError(f"{_name(words)}: not ended after {within:g} s: {_last_words(log)}")
            time.sleep(LOOKED_AT)
        process.returncode = os.waitstatus_to_exitcode(found[1])
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode not in statuses:
        raise BenchError(f"{_name(words)}: ended with status {process.returncode}: {_last_words(log)}")
    used = found[2].ru_utime + found[2].ru_stime
    return Done(used, time.monotonic() - begin, log.read_text(encoding="utf-8", errors="replace"))


def _name(words: Sequence[str | Path]) -> str:
    return " ".join(Path(word).name for word in words[:4])


def _last_words(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace").strip()[-LAST_WORDS:] or "it said nothing"
