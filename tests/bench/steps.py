"""Keyword steps as QA write them against the same in pytest and httpx, on one and the same deployment.

A test signs up, signs in again, looks at what the token says of its end, and logs out. Times are Robot Framework's and
pytest's own, of all tests but the first; CPU is the slope between a short and a long run, so without start-up.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from acceptance.deployment.provisioning import OpenDeployment, open_deployment
from acceptance.yaml_models import PROJECT
from robot.api import ExecutionResult

from tests.bench.figures import Figure, ratio, told
from tests.bench.measured import BenchError, Tell, run_measured

FEW, MANY = 5, 50  # tests
WAYS = ("robot", "httpx")
STEPS = ("Sign Up    Alice", "Sign In    Alice", "Get Session Field    token_lifetime    >    0    user=Alice",
         "Sign Out    Alice")  # fmt: skip
SLOWEST = 1.5
WITHIN_SECONDS = 120.0
IN_HTTPX = Path(__file__).with_name("http_steps.py")


def measure(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    """Wall clock and CPU of a step."""
    many = max(2 * FEW, round(MANY * scale))
    with open_deployment("sandbox") as deployment:
        cpu, seconds = {}, {}
        tell("a test of each, so that what is compiled once is compiled")
        _in_httpx(folder / "httpx-first", deployment, 1)
        _in_robot(folder / "robot-first", deployment, 1)
        for tests in (FEW, many):
            tell(f"{tests} tests of {len(STEPS)} steps in pytest and httpx, then as keywords")
            cpu["httpx", tests], seconds["httpx"] = _in_httpx(folder / f"httpx-{tests}", deployment, tests)
            cpu["robot", tests], seconds["robot"] = _in_robot(folder / f"robot-{tests}", deployment, tests)
    each = {way: 1000 * sum(times[1:]) / (len(times) - 1) / len(STEPS) for way, times in seconds.items()}
    yield ratio("time of a step", each["robot"], each["httpx"], "ms", at_most=SLOWEST)
    slopes = [1000 * (cpu[way, many] - cpu[way, FEW]) / ((many - FEW) * len(STEPS)) for way in WAYS]
    yield told("CPU of a step, recording and removing what was made included", *slopes, unit="ms")
    beside = [cpu[way, FEW] - FEW * len(STEPS) * slope / 1000 for way, slope in zip(WAYS, slopes, strict=True)]
    yield told("start and end beside the steps", *beside, unit="s of CPU")


def suite(tests: int) -> str:
    """A suite of so many tests."""
    resource = PROJECT / "resources" / "users.resource"
    common = PROJECT / "resources" / "common.resource"
    body = "\n".join(f"    {step}" for step in STEPS)
    cases = "\n\n".join(f"Session {number} From Its Beginning To Its End\n{body}" for number in range(tests))
    return f"*** Settings ***\nResource    {common}\nResource    {resource}\n\n*** Test Cases ***\n{cases}\n"


def _in_robot(folder: Path, deployment: OpenDeployment, tests: int) -> tuple[float, list[float]]:
    """Seconds of CPU, and of each test."""
    folder.mkdir()
    (folder / "steps.robot").write_text(suite(tests), encoding="utf-8")
    words: list[str | Path] = [sys.executable, "-m", "robot", "--outputdir", folder / "out", "--console", "none"]
    words += ["--variable", f"DEPLOYMENT:{deployment.path}", folder / "steps.robot"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACCEPTANCE_")}
    # 1: the verdict's own test fails, since no criterion is claimed
    done = run_measured(words, folder, within=WITHIN_SECONDS, environment=environment, statuses=(0, 1))
    found = [one for one in ExecutionResult(folder / "out" / "output.xml").suite.all_tests if "Session" in one.name]
    passed = [one.elapsed_time.total_seconds() for one in found if one.passed]
    if len(passed) != tests:
        raise BenchError(
            f"{len(passed)} of {tests} tests passed: {[one.message for one in found if not one.passed][:1]}"
        )
    return done.cpu, passed


def _in_httpx(folder: Path, deployment: OpenDeployment, tests: int) -> tuple[float, list[float]]:
    """Seconds of CPU, and of each test."""
    folder.mkdir(parents=True)
    report = folder / "report.xml"
    words: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"--junitxml={report}",
        IN_HTTPX,
    ]
    given = {"BENCH_API": deployment.descriptor.services.api.url, "BENCH_TESTS": str(tests)}
    done = run_measured(words, folder, within=WITHIN_SECONDS, environment=os.environ | given)
    times = [float(case.attrib["time"]) for case in ElementTree.parse(report).iter("testcase")]
    if len(times) != tests:
        raise BenchError(f"{len(times)} of {tests} tests ran")
    return done.cpu, times
