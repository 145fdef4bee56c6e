"""The child of a run: told of our signals, and nothing of its group is left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance.runner.subprocesses import run_subprocess

POLITE = """
import pathlib, signal, sys, time
def end(number, frame):
    pathlib.Path("ended").touch()
    sys.exit(0)
signal.signal(signal.SIGINT, end)
pathlib.Path("ready").touch()
time.sleep(60)
"""
STUBBORN = """
import pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path("ready").touch()
time.sleep(60)
"""
PARENT = """
import pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
pathlib.Path("child").write_text(str(child.pid))
"""


def run(code: str, folder: Path) -> int:
    return run_subprocess([sys.executable, "-c", code], folder=str(folder), environment=os.environ)


def interrupt_when_ready(folder: Path, times: int, number: int = signal.SIGINT) -> None:
    def work() -> None:
        while not (folder / "ready").exists():
            time.sleep(0.01)
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.1)

    threading.Thread(target=work, daemon=True).start()


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGHUP as a terminal has it, also where these tests themselves run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def test_the_status_is_handed_back(tmp_path: Path) -> None:
    assert run("raise SystemExit(7)", tmp_path) == 7
    assert run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", tmp_path) == -signal.SIGKILL


def test_a_signal_lets_it_end_in_its_own_way(tmp_path: Path) -> None:
    interrupt_when_ready(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        run(POLITE, tmp_path)
    assert (tmp_path / "ended").exists()


def test_a_terminal_that_is_gone_ends_it_as_a_signal_does(tmp_path: Path, heard: None) -> None:
    interrupt_when_ready(tmp_path, 1, signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt):
        run(POLITE.replace("SIGINT", "SIGTERM"), tmp_path)
    assert (tmp_path / "ended").exists()


def test_one_that_does_not_listen_is_ended_by_force(tmp_path: Path) -> None:
    interrupt_when_ready(tmp_path, 3)
    with pytest.raises(KeyboardInterrupt):
        run(STUBBORN, tmp_path)


def test_what_it_leaves_in_its_group_is_killed(tmp_path: Path) -> None:
    run(PARENT, tmp_path)
    pid = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
