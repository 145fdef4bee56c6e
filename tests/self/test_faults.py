"""Faults by their keywords, with robot as a child process and the sandbox as the deployment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance.deployment.descriptor import Descriptor, read_descriptor
from acceptance.yaml_models import PROJECT
from robot.api import ExecutionResult

from tests.self.test_red_output import sandbox

HEAD = """
*** Settings ***
Resource    common.resource
Resource    routes.resource
Library     FaultLibrary

*** Test Cases ***
"""
KEYWORDS = """
*** Keywords ***
Broken, Proven, Undone
    [Arguments]    ${kind}    ${target}    &{parameters}
    ${fault} =    Break    ${kind}    ${target}    &{parameters}
    Fault Should Be In Effect    ${fault}
    Get Faults    ==    ${{[str($fault)]}}
    Undo Fault    ${fault}
    Get Faults    ==    ${{[]}}
    Call Route    health
"""


@pytest.fixture(scope="module")
def descriptor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with sandbox(tmp_path_factory.mktemp("sandbox") / "faults.yaml") as path:
        yield path


class Robot:
    """Runs the text of tests, with a user's state folder of its own."""

    def __init__(self, folder: Path, descriptor: Path) -> None:
        self.folder, self.descriptor = folder, descriptor
        own = {name: value for name, value in os.environ.items() if not name.startswith("ACCEPTANCE_")}
        self.environment = own | {"XDG_STATE_HOME": str(folder / "state")}

    def start(self, tests: str) -> subprocess.Popen[str]:
        suite = self.folder / "faults.robot"
        suite.write_text(HEAD + tests + KEYWORDS)
        command = [
            sys.executable, "-m", "robot", "--pythonpath", "resources", "--outputdir", str(self.folder / "out"),
            "--variable", f"DEPLOYMENT:{self.descriptor}", str(suite),
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=PROJECT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, tests: str) -> dict[str, Any]:
        """Status and message of each test, by name."""
        self.start(tests).communicate(timeout=180)
        result = ExecutionResult(self.folder / "out" / "output.xml")
        return {test.name: (test.status, test.message) for test in result.suite.all_tests}

    def broken(self) -> subprocess.Popen[str]:
        """A process that holds four faults, and waits."""
        process, deadline = self.start(KILLED), time.monotonic() + 120
        while len(self.journalled()) < 4:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        return process

    def with_another_token(self) -> Path:
        """The descriptor with a token that the control interface refuses."""
        path, text = self.descriptor.with_name("wrong.yaml"), self.descriptor.read_text()
        path.write_text(text.replace("fault_token: SANDBOX_FAULT_TOKEN", "fault_token: WRONG_TOKEN"))
        self.environment["WRONG_TOKEN"] = "no-such-token-12345"
        return path

    def rollback(self, *options: str) -> tuple[int, str]:
        return self.acceptance("rollback", *options)

    def acceptance(self, *words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "acceptance", *words]
        ended = subprocess.run(
            command, cwd=PROJECT, env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        return ended.returncode, ended.stdout + ended.stderr

    def journalled(self) -> list[Path]:
        return list((self.folder / "state").rglob("*.json"))


@pytest.fixture
def robot(tmp_path: Path, descriptor: Path) -> Robot:
    return Robot(tmp_path, descriptor)


def listed(descriptor: Path) -> list[str]:
    """The faults that the sandbox's control interface lists."""
    read: Descriptor = read_descriptor(descriptor)
    assert read.faults.control is not None
    headers = {"authorization": f"Bearer {read.secret(read.faults.control.token).get_secret_value()}"}
    found = httpx.get(f"{read.faults.control.url}/faults", headers=headers, timeout=30).json()["faults"]
    return [f"{one['kind']} of {one['target']}" for one in found]


EACH = """
Own Path
    [Template]    Broken, Proven, Undone
    latency    client:api    milliseconds=100
    refuse    client:storage
    blackhole    client:frontend
    reset    client:realtime
Control
    [Template]    Broken, Proven, Undone
    latency    database    milliseconds=100
    refuse    storage
    respond    model    status=429    headers=${{{'Retry-After': '2'}}}    body=7
    freeze    worker
Operator
    [Template]    Broken, Proven, Undone
    terminate_backends    database
    lock_table    database    table=app.jobs
    fill_pool    database    connections=${3}
"""


def test_a_fault_of_each_driver_is_broken_proven_and_undone(robot: Robot) -> None:
    ended = robot.run(EACH)
    assert ended == {"Own Path": ("PASS", ""), "Control": ("PASS", ""), "Operator": ("PASS", "")}
    assert (listed(robot.descriptor), robot.journalled()) == ([], [])


LEFT_BEHIND = """
Left By A Failure
    Break    refuse    storage
    Break    refuse    client:api
    Fail    in the middle
Left By A Timeout
    [Timeout]    3 s
    Break    latency    client:api    milliseconds=60000
    Call Route    health
What Comes Next
    Get Faults    ==    ${{[]}}
    Call Route    health
"""


def test_what_a_test_leaves_is_undone_at_its_end(robot: Robot) -> None:
    ended = robot.run(LEFT_BEHIND)
    assert ended["Left By A Failure"] == ("FAIL", "in the middle")
    assert ended["Left By A Timeout"] == ("FAIL", "Test timeout 3 seconds exceeded.")
    assert ended["What Comes Next"] == ("PASS", "")
    assert (listed(robot.descriptor), robot.journalled()) == ([], [])


NOT_VERIFIED = """
Not In Effect
    [Metadata]    Criterion    INT-08
    ${fault} =    Break    refuse    client:api
    Undo Fault    ${fault}
    Fault Should Be In Effect    ${fault}    timeout=0
Not Offered
    [Metadata]    Criterion    INT-09
    Break    suspend    worker
"""


def test_what_cannot_be_proven_is_not_verified_for_its_reason(robot: Robot) -> None:
    robot.run(NOT_VERIFIED)
    gate = json.loads((robot.folder / "out" / "gate.json").read_text())
    rows = {row["id"]: row for row in gate["criteria"]}
    assert (rows["INT-08"]["status"], rows["INT-09"]["status"]) == ("not_verified", "not_verified")
    assert "the fault is not in effect: refuse of client:api: not injected by this process" in rows["INT-08"]["reason"]
    assert "needs the capability 'faults', which offers no suspend of worker here" in rows["INT-09"]["reason"]


KILLED = """
Broken And Killed
    Break    refuse    storage    lease=10 min
    Break    stop    worker    lease=10 min
    Break    lock_table    database    table=app.jobs
    Break    latency    client:api    milliseconds=600000
    Call Route    health
"""


def test_what_a_killed_run_left_is_undone_by_a_rollback(robot: Robot) -> None:
    process = robot.broken()
    status, said = robot.rollback()
    assert (status, said.count("left to the run that is under way")) == (0, 4)
    assert listed(robot.descriptor) == ["refuse of storage", "stop of worker"]
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    status, said = robot.rollback("--deployment", str(robot.descriptor))
    assert (status, said.count("gone: ")) == (0, 4), said
    assert (listed(robot.descriptor), robot.journalled()) == ([], [])
    assert robot.rollback() == (0, "no fault is in effect that a run of this user has injected\n")


def test_what_a_killed_run_left_is_undone_by_the_next_one(robot: Robot) -> None:
    process = robot.broken()
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert robot.run("Next\n    Call Route    health\n") == {"Next": ("PASS", "")}
    assert (listed(robot.descriptor), robot.journalled()) == ([], [])


def test_a_run_begins_by_undoing_what_a_killed_one_left_or_not_at_all(robot: Robot) -> None:
    process = robot.broken()
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    wrong = robot.with_another_token()
    status, said = robot.acceptance("run", "quick", "--deployment", str(wrong), "--results", str(robot.folder))
    assert status == 3
    assert said.count("error: still broken: ") == 2
    good = str(robot.descriptor)
    status, said = robot.acceptance("run", "quick", "--deployment", good, "--results", str(robot.folder))
    assert status == 0, said
    assert said.count("a fault of a process that has ended: ") == 2
    assert (listed(robot.descriptor), robot.journalled()) == ([], [])


def test_a_fault_that_cannot_be_undone_is_the_last_that_is_read(robot: Robot) -> None:
    """By a descriptor with another token, the control interface refuses to undo."""
    process = robot.broken()
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    status, said = robot.rollback("--deployment", str(robot.with_another_token()))
    lines = said.splitlines()
    assert status == 3
    assert [line.startswith("still broken: ") for line in lines[-2:]] == [True, True]
    assert all("is the secret fault_token right?" in line for line in lines[-2:])
    by_hand = "to undo it by hand: it ends by itself 600 s after its last renewal; at once by DELETE http"
    assert all(by_hand in line for line in lines[-2:])
    assert robot.rollback()[0] == 0
    assert (listed(robot.descriptor), robot.journalled()) == ([], [])
