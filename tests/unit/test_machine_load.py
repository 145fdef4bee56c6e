"""What others use of this machine is told from what the run uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from acceptance.performance.generator_health import Bounds, Generator
from acceptance.performance.machine_load import MachineLoad, machine_watched, used_below

BURN = "import time\nwhile time.process_time() < 0.5: pass"


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (MachineLoad(), ""),
        (MachineLoad(others=0.2, stolen=0.01), ""),
        (MachineLoad(others=1.5), "other processes used 1.50 processors (at most 0.25)"),
        (MachineLoad(others=None, stolen=0.2), "the hypervisor took 20 % of the time (at most 5)"),
    ],
)
def test_what_is_not_left_to_the_run_is_told(load: MachineLoad, reason: str) -> None:
    assert load.crowded.endswith(reason) and bool(load.crowded) == bool(reason)


def test_a_crowded_machine_says_nothing_of_the_deployment() -> None:
    bounds = Bounds(lag_ms=50, cpu=80)
    assert Generator([0.0], 1.0).busy(bounds) == ""
    assert "nothing is known about the deployment" in Generator([0.0], 1.0, MachineLoad(others=2.0)).busy(bounds)


def test_what_a_process_and_its_children_used_is_counted_once_they_ended_too() -> None:
    before = used_below(os.getpid())
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert used_below(os.getpid()) - before >= 0.4 * os.sysconf("SC_CLK_TCK")


def test_another_process_is_not_the_runs() -> None:
    before = used_below(os.getpid())
    other = subprocess.Popen(["setsid", "--fork", sys.executable, "-c", BURN])
    assert other.wait() == 0
    assert used_below(os.getpid()) - before < 0.4 * os.sysconf("SC_CLK_TCK")


def test_without_the_deployment_others_cannot_be_told() -> None:
    with machine_watched(with_deployment=False) as seen:
        time.sleep(0.05)
    assert seen.others is None
