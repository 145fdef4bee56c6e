"""Signals in the middle of the load of a whole run: what was measured is there and marked, and nothing else is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from acceptance.evidence.reader import read_run
from acceptance.performance.partial_results import UNFINISHED
from acceptance.yaml_models import PROJECT
from ArtilleryLibrary.figures import LOG, Ending, read_result

from tests.self.killed import wait_for
from tests.self.processes import everything_below, robots_of

PATIENCE = 300.0  # seconds: others may be at work on this machine
ENOUGH = 60  # requests
OF_THE_LOAD = {f"PERF-{number:02}" for number in range(1, 7)}
Victim = Literal["robot", "run"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that the database may enter, which runs as nobody: pytest's own is closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        (folder / "temporary").mkdir(mode=0o755)
        yield folder


@pytest.fixture
def run(place: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run of the performance, in the middle of its load."""
    command = [sys.executable, "-m", "acceptance", "run", "performance", "--results", str(place / "results")]
    with (place / "shown").open("w") as shown:
        process = subprocess.Popen(
            command, cwd=PROJECT, stdout=shown, stderr=shown, start_new_session=True,
            env=os.environ | {"TMPDIR": str(place / "temporary")},
        )  # fmt: skip
    try:
        wait_for(lambda: requests(place) >= ENOUGH or process.poll() is not None, "the middle of the load", PATIENCE)
        assert process.poll() is None, (place / "shown").read_text()
        yield process
    finally:
        begun = everything_below(process.pid)
        process.kill()
        process.wait()
        all_have_ended(begun)


def all_have_ended(begun: set[int]) -> None:
    wait_for(lambda: not [pid for pid in begun if Path(f"/proc/{pid}").exists()], "the end of every process", PATIENCE)


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
    victim: Victim, number: signal.Signals, run: subprocess.Popen[bytes], place: Path
) -> None:
    begun = everything_below(run.pid)
    os.kill(run.pid if victim == "run" else robots_of(run.pid)[0], number)
    run.wait(PATIENCE)
    all_have_ended(begun)
    wait_for(lambda: not list((place / "temporary").rglob("*")), "an empty temporary folder")
    part_is_there_and_marked(home(place) / "load-full")
    if not (home(place) / "gate.json").exists():
        assert (victim, number) == ("run", signal.SIGKILL)
        report = [sys.executable, "-m", "acceptance", "report", str(home(place))]
        assert subprocess.run(report, cwd=PROJECT, capture_output=True, check=False).returncode == 2
    else:
        told_by_the_run_itself(place)
    rows = {row["id"]: row["status"] for row in gate(place)["criteria"]}
    violated = {row["id"]: row["reason"] for row in gate(place)["criteria"] if row["status"] == "violated"}
    assert (gate(place)["verdict"], violated) == ("INCONCLUSIVE", {})
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
