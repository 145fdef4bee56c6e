"""The runner owns its run: it survives the death of robot, ends when told to, and leaves a gate and nothing else."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.yaml_models import PROJECT

from tests.self.processes import robots_of

PATIENCE_SECONDS = 60.0


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of the integration, in a session of its own, that has come to its fifth test."""
    command = [sys.executable, "-m", "acceptance", "run", "integration", "--results", str(tmp_path)]
    with (tmp_path / "shown").open("w") as shown:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=shown, stderr=shown, start_new_session=True, text=True)
    try:
        wait_for(lambda: re.search(r"\[ *4/", (tmp_path / "shown").read_text()), "the fourth test")
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE_SECONDS:g} s"
        time.sleep(0.05)


def robot_of(runner: subprocess.Popen[str]) -> int:
    """The process of robot, which is a child of the runner."""
    robots = robots_of(runner.pid)
    assert robots, "the runner has no child that is robot"
    return robots[0]


def gate(tmp_path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((tmp_path / "latest" / "gate.json").read_text())
    return content


def statuses(tmp_path: Path) -> dict[str, str]:
    return {row["id"]: row["status"] for row in gate(tmp_path)["criteria"]}


def nothing_is_left(tmp_path: Path) -> bool:
    """Neither the deployment's descriptor nor its folder are there any more."""
    shown = (tmp_path / "shown").read_text()
    paths = re.findall(r"^  (?:descriptor|logs) +(\S+)$", shown, re.MULTILINE)
    assert len(paths) == 2, shown
    return not any(Path(path).exists() for path in paths)


def test_the_death_of_robot_is_survived(runner: subprocess.Popen[str], tmp_path: Path) -> None:
    os.kill(robot_of(runner), signal.SIGKILL)
    assert runner.wait(PATIENCE_SECONDS) == 2, gate(tmp_path)["line"]
    assert "robot died of SIGKILL" in (tmp_path / "shown").read_text()
    judged = statuses(tmp_path)
    assert (judged["PRE-01"], judged["INT-04"]) == ("met", "not_verified")
    assert nothing_is_left(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_was_seen_is_judged(
    number: signal.Signals, runner: subprocess.Popen[str], tmp_path: Path
) -> None:
    runner.send_signal(number)
    assert runner.wait(PATIENCE_SECONDS) == 2, gate(tmp_path)["line"]
    assert "interrupted" in (tmp_path / "shown").read_text()
    judged = statuses(tmp_path)
    assert (judged["PRE-01"], judged["INT-04"]) == ("met", "not_verified")
    assert gate(tmp_path)["verdict"] == "INCONCLUSIVE"
    assert (tmp_path / "latest" / "log.html").exists()
    assert nothing_is_left(tmp_path)


def test_nothing_outlives_it(runner: subprocess.Popen[str], tmp_path: Path) -> None:
    robot = robot_of(runner)
    runner.kill()
    wait_for(lambda: not Path(f"/proc/{robot}").exists(), "the end of robot")
    wait_for(lambda: nothing_is_left(tmp_path), "the end of the deployment")
