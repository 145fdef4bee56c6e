"""Signals in the middle of the load of a whole run: what was measured is there and marked, and nothing else is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from acceptance.artillery.figures import LOG, Ending, read_result
from acceptance.data import PROJECT
from acceptance.evidence.reading import read_run
from acceptance.performance.unfinished import UNFINISHED

from tests.self.killed import wait_for
from tests.self.processes import everything_below, robots_of

PATIENCE = 180.0
ENOUGH = 60  # requests
OF_THE_LOAD = {f"PERF-{number:02}" for number in range(1, 7)}
Victim = Literal["robot", "run"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of the performance, in the middle of its load."""
    (tmp_path / "temporary").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    command = [sys.executable, "-m", "acceptance", "run", "performance", "--results", str(tmp_path / "results")]
    with (tmp_path / "shown").open("w") as shown:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=shown, stderr=shown, start_new_session=True,
            env=os.environ | {"TMPDIR": str(tmp_path / "temporary")},
        )  # fmt: skip
    try:
        wait_for(lambda: requests(tmp_path) >= ENOUGH or process.poll() is not None, "the middle of the load")
        assert process.poll() is None, (tmp_path / "shown").read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def requests(folder: Path) -> int:
    return sum(log.read_text().count('"kind":"request"') for log in folder.glob(f"results/*/load-full/{LOG}"))


def home(folder: Path) -> Path:
    [found] = [path for path in (folder / "results").iterdir() if path.name not in ("latest", "history")]
    return found


def gate(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((home(folder) / "gate.json").read_text())
    return content


@pytest.mark.parametrize(
    ("victim", "number"),
    [("robot", signal.SIGKILL), ("robot", signal.SIGTERM), ("run", signal.SIGINT), ("run", signal.SIGKILL)],
    ids=lambda each: each.name if isinstance(each, signal.Signals) else each,
)
def test_a_signal_leaves_a_part_that_is_marked_and_nothing_else(
    victim: Victim, number: signal.Signals, run: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    begun = everything_below(run.pid)
    os.kill(run.pid if victim == "run" else robots_of(run.pid)[0], number)
    run.wait(PATIENCE)
    wait_for(lambda: not [pid for pid in begun if Path(f"/proc/{pid}").exists()], "the end of every process")
    wait_for(lambda: not list((tmp_path / "temporary").rglob("*")), "an empty temporary folder")
    part_is_there_and_marked(home(tmp_path) / "load-full")
    if not (home(tmp_path) / "gate.json").exists():
        assert (victim, number) == ("run", signal.SIGKILL)
        report = [sys.executable, "-m", "acceptance", "report", str(home(tmp_path))]
        assert subprocess.run(report, cwd=PROJECT, capture_output=True, check=False).returncode == 2
    else:
        told_by_the_run_itself(tmp_path)
    rows = {row["id"]: row["status"] for row in gate(tmp_path)["criteria"]}
    assert gate(tmp_path)["verdict"] == "INCONCLUSIVE"
    assert {rows[name] for name in OF_THE_LOAD} == {"not_verified"}


def part_is_there_and_marked(load: Path) -> None:
    result = read_result(load)
    assert (result.ending, result.complete) == (Ending.INTERRUPTED, False)
    assert result.figures().attempted >= ENOUGH
    assert 0 < result.arrivals.actual < result.arrivals.scheduled


def told_by_the_run_itself(folder: Path) -> None:
    [bundle] = read_run(home(folder))
    assert bundle.damage == []
    partial = {one.name for one in bundle.observations if one.criterion in OF_THE_LOAD}
    assert {f"{name}{UNFINISHED}" for name in ("arrivals", "error_rate", "mean_first_byte")} <= partial
    assert [name for name in partial if not name.endswith(UNFINISHED)] == []
    told = [row["reason"] for row in gate(folder)["criteria"] if row["id"] in OF_THE_LOAD]
    assert all("the load was interrupted after " in reason for reason in told)
