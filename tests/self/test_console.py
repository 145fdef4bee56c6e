"""What a child process of robot shows on the live console, and what it plans before it leaves tests out."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from acceptance.evidence.reader import read_evidence
from acceptance.yaml_models import PROJECT

SUITE = Path(__file__).parent / "console" / "promises.robot"


def command(folder: Path, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "robot", "--pythonpath", str(PROJECT / "libraries"), "--outputdir", str(folder)),
        *("--console", "AcceptanceConsole", "--prerunmodifier", f"AcceptancePlan:{folder / 'evidence'}"),
        *(*options, str(SUITE)),
    ]


def test_the_console_says_what_happens_and_how_far_it_is(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[1/4] PASS Promises: Kept Promise (")
    assert lines[1].startswith("[2/4] FAIL Promises: Broken Promise (")
    assert lines[2] == "      expected 1, observed 2; request 9ab"
    assert lines[3] == f"      look at {SUITE}:11, and in log.html at s1-t2"
    assert lines[4].startswith("[3/4] PASS Promises: Slow Promise (")
    assert lines[-1] == "      needs the capability 'sql'"
    assert "\r" not in done.stdout


def test_on_a_terminal_one_line_is_redrawn(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(tmp_path, "--include", "slow"), stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = b""
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert b"\r\x1b[K[1/1] Slow Promise: 1 s (" in shown
    assert b"  ... " not in shown
    assert b"PASS Promises: Slow Promise" in shown


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end is closed: there is no more
        return b""


@pytest.mark.parametrize("options", [(), ("--exclude", "slow"), ("--include", "criterion:INT-02")])
def test_the_plan_holds_what_is_declared_whatever_is_left_out(options: tuple[str, ...], tmp_path: Path) -> None:
    subprocess.run(command(tmp_path, "--dryrun", *options), capture_output=True, timeout=60, check=False)
    [evidence] = read_evidence(tmp_path / "evidence")
    [plan] = evidence.plans
    ours = {name: tuple(test for test in tests if "Promises" in test) for name, tests in plan.tests.items()}
    assert plan.tests["INT-16"]  # what suites/ declares is planned too
    assert {name: tests for name, tests in ours.items() if tests} == {
        "INT-01": ("Promises.Kept Promise", "Promises.Broken Promise"),
        "INT-02": ("Promises.Broken Promise",),
        "INT-03": ("Promises.Slow Promise",),
        "INT-04": ("Promises.Promise That Cannot Be Judged",),
    }


def test_criteria_select_tests(tmp_path: Path) -> None:
    options = (
        "--dryrun",
        "--include",
        "criterion:INT-02",
        "--exclude",
        "slow NOT criterion:INT-01 OR criterion:INT-03",
    )
    done = subprocess.run(command(tmp_path, *options), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines()[0].startswith("[1/1] PASS Promises: Broken Promise (")


def test_slow_tests_of_other_criteria_are_left_out(tmp_path: Path) -> None:
    options = ("--dryrun", "--exclude", "slow NOT criterion:INT-01 OR criterion:INT-02")
    done = subprocess.run(command(tmp_path, *options), capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.count("[3/3]") == 1
    assert "Slow Promise" not in done.stdout
