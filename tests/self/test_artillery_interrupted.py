"""Loads that do not come to their end leave what was measured, marked as a part, and no process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.errors import EnvironmentUnavailable
from acceptance.yaml_models import PROJECT
from ArtilleryLibrary.figures import LOG, Ending, read_result
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.progress import EarlyStop
from ArtilleryLibrary.script import LoadScript

from tests.detection import load_mutants
from tests.loadable import ENVIRONMENT, PATIENCE, LoadServer, load_server, reading, script
from tests.self.processes import everything_below

ROBOT = """\
*** Settings ***
Library    ArtilleryLibrary

*** Test Cases ***
Whole
    Run Load    {script}    target={url}
    ${{p95}} =    Get Load Figure    first byte    statistic=p95    endpoint=quick
    Should Be True    ${{p95}} > 45
    ${{users}} =    Get Load Figure    users
    Should Be Equal As Integers    ${{users}}    40

Interrupted
    [Timeout]    15 s
    Run Load    {long}    target={url}

What Was Measured Of It
    ${{requests}} =    Get Load Figure    requests
    Should Be True    ${{requests}} > 0
    Run Keyword And Expect Error    EnvironmentUnavailable: the load is incomplete*    Load Should Have Been Applied
"""


SIGNALLED = """\
*** Settings ***
Library    ArtilleryLibrary

*** Test Cases ***
Signalled
    Run Load    {script}    target={url}
    [Teardown]    Has Partial Result

*** Keywords ***
Has Partial Result
    ${{requests}} =    Get Load Figure    requests
    Should Be True    ${{requests}} > 0
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LoadServer]:
    with load_server() as one:
        yield one


def test_a_target_that_hangs_is_given_up(server: LoadServer, tmp_path: Path) -> None:
    hanging = "- name: a\n  flow:\n    - get: {name: hang, url: /hang, expect: [{statusCode: 200}]}\n"
    stop = EarlyStop(error_rate=0.5, after_requests=5)
    checked = script(tmp_path, server.url, hanging, seconds=20, rate=5)
    result = asyncio.run(run_load(checked, tmp_path / "left", early_stop=stop))
    assert (result.ending, result.complete) == (Ending.STOPPED_EARLY, False)
    assert result.reason.startswith("100% of ")
    assert set(result.figures().errors) <= {"ETIMEDOUT", "unfinished when the load ended"}


def test_whoever_reads_along_may_end_it(server: LoadServer, tmp_path: Path) -> None:
    checked = script(tmp_path, server.url, reading(), seconds=20, rate=5)
    result = asyncio.run(
        run_load(checked, tmp_path / "left", stop=lambda log: "seen enough" if len(log.users) > 5 else None)
    )
    assert (result.ending, result.reason) == (Ending.STOPPED_EARLY, "seen enough")
    assert len(result.log.users) < checked.arrivals
    assert result.log.lags


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_in_the_middle_it_leaves_a_part_and_no_process(
    server: LoadServer, tmp_path: Path, number: signal.Signals
) -> None:
    script(tmp_path, server.url, reading(), seconds=60)
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from ArtilleryLibrary.script import checked_script; from ArtilleryLibrary.process import run_load\n"
        f"script = checked_script(Path(sys.argv[1]), target={server.url!r}, environment={ENVIRONMENT})\n"
        "asyncio.run(run_load(script, Path(sys.argv[1]).with_name('left')))\n"
    )
    log = tmp_path / "left" / LOG
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path / "load.yml"], cwd=PROJECT)
    try:
        wait_for(lambda: log.exists() and log.read_text().count('"request"') > 10, "ten requests")
        started = everything_below(parent.pid)
        assert started
        parent.send_signal(number)
        parent.wait(PATIENCE)
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "the end of every process")
    finally:
        parent.kill()
        parent.wait()
    result = read_result(tmp_path / "left")
    assert (result.complete, result.ending) == (False, Ending.INTERRUPTED)
    assert result.figures().attempted > 10


def test_a_generator_that_is_starved_is_told(server: LoadServer, tmp_path: Path) -> None:
    checked = script(tmp_path, server.url, reading(), seconds=6)

    async def starved() -> str:
        meddling = asyncio.ensure_future(load_mutants.starve(tmp_path))
        await run_load(checked, tmp_path / "load-short")
        return await meddling

    assert asyncio.run(starved()).startswith("stopped ")
    result = read_result(tmp_path / "load-short")
    assert result.generator.saturated
    assert result.generator.lag_p99 > 200


def test_cancelled_it_leaves_a_part_and_no_process(server: LoadServer, tmp_path: Path) -> None:
    checked = script(tmp_path, server.url, reading(), seconds=60)

    async def cancelled() -> None:
        under_way = asyncio.Event()
        load = run_load(checked, tmp_path / "left", progress=lambda now: under_way.set() if now.requests else None)
        task = asyncio.ensure_future(load)
        await under_way.wait()
        task.cancel()
        await task

    children = everything_below(os.getpid())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert everything_below(os.getpid()) <= children
    result = read_result(tmp_path / "left")
    assert (result.complete, result.reason) == (False, "the load was interrupted")
    assert 0 < result.arrivals.actual < result.arrivals.scheduled


def test_a_log_that_cannot_be_written_ends_the_load(server: LoadServer, tmp_path: Path) -> None:
    checked = script(tmp_path, server.url, reading(), seconds=30)
    limited = _with_little_room(checked, tmp_path)
    assert limited.returncode == 0, limited.stderr
    told = json.loads(limited.stdout.splitlines()[-1])
    assert told["ending"] == "failed"
    assert "the request log cannot be written" in told["reason"]


def test_a_load_that_cannot_be_recorded_does_not_begin(server: LoadServer, tmp_path: Path) -> None:
    checked, before = script(tmp_path, server.url, reading(), seconds=4), len(server.seen)
    (tmp_path / "file").write_text("where the folder should be")
    with pytest.raises(EnvironmentUnavailable, match=r"the load cannot be recorded: Not a directory: .*/file/left"):
        asyncio.run(run_load(checked, tmp_path / "file" / "left"))
    assert len(server.seen) == before


def _with_little_room(checked: LoadScript, folder: Path) -> subprocess.CompletedProcess[str]:
    """The load by a process that may write files of 8 KB at most, as on a disk that is full."""
    code = (
        "import asyncio, json, resource, signal, sys; from pathlib import Path\n"
        "from ArtilleryLibrary.script import checked_script; from ArtilleryLibrary.process import run_load\n"
        f"script = checked_script(Path(sys.argv[1]), target={checked.target!r}, environment={ENVIRONMENT})\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))\n"
        "result = asyncio.run(run_load(script, Path(sys.argv[1]).with_name('left')))\n"
        "print(json.dumps({'ending': result.ending, 'reason': result.reason}))\n"
    )
    command = [sys.executable, "-c", code, str(checked.path)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_the_keywords_run_a_load_and_keep_what_was_measured_of_one_that_is_interrupted(
    server: LoadServer, tmp_path: Path
) -> None:
    script(tmp_path, server.url, reading(), seconds=4)
    suite = tmp_path / "load.robot"
    suite.write_text(ROBOT.format(script=tmp_path / "load.yml", long=tmp_path / "long" / "load.yml", url=server.url))
    (tmp_path / "long").mkdir()
    script(tmp_path / "long", server.url, reading(), seconds=60)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "robot",
        "--outputdir",
        tmp_path / "out",
        "--log",
        "none",
        "--report",
        "none",
        suite,
    ]
    environment = {**os.environ, **ENVIRONMENT}
    robot = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
    assert "3 tests, 2 passed, 1 failed" in robot.stdout, robot.stdout
    assert "Test timeout 15 seconds exceeded." in robot.stdout
    assert "load: 0 of 40 users" in robot.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_robot_ends_the_load_and_keeps_the_partial_result(
    server: LoadServer, tmp_path: Path, number: signal.Signals
) -> None:
    script(tmp_path, server.url, reading(), seconds=60)
    suite = tmp_path / "load.robot"
    suite.write_text(SIGNALLED.format(script=tmp_path / "load.yml", url=server.url))
    command = [
        sys.executable,
        "-m",
        "robot",
        "--outputdir",
        str(tmp_path),
        "--log",
        "none",
        "--report",
        "none",
        str(suite),
    ]
    robot = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, text=True)
    log = tmp_path / "load" / LOG
    try:
        wait_for(lambda: log.exists() and log.read_text().count('"request"') > 10, "ten requests")
        started = everything_below(robot.pid)
        assert started
        robot.send_signal(number)
        output = robot.communicate(timeout=PATIENCE)[0]
    finally:
        robot.kill()
        robot.wait()
    assert not [pid for pid in started if Path(f"/proc/{pid}").exists()]
    assert "Execution terminated by signal" in output
    assert "teardown failed" not in output
    assert "the load was interrupted" in read_result(tmp_path / "load").reason


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:g} s"
        time.sleep(0.05)
