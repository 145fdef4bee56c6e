"""The output of a red run works in every tool that reads it, and a rerun that passes makes it flaky, not good."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

from acceptance.yaml_models import PROJECT
from robot.api import ExecutionResult

from tests.self.test_plain_robot import VERDICT

ACCOUNTS = PROJECT / "suites" / "integration" / "02__accounts.robot"
WEAK = "Weak Passwords Are Refused"


@contextmanager
def sandbox(descriptor: Path, *options: str) -> Iterator[Path]:
    command = [sys.executable, "-m", "sandbox", "up", "--descriptor", str(descriptor), *options]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not descriptor.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        yield descriptor
    finally:
        process.terminate()
        process.wait(30)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=180, check=False)


def test_a_response_that_begins_with_a_token_damages_no_output_and_a_rerun_stays_no_go(tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    with sandbox(tmp_path / "weak.yaml", "--defect", "any-password-is-strong") as descriptor:
        run("robot", "--outputdir", first, "--variable", f"DEPLOYMENT:{descriptor}", "--test", WEAK, ACCOUNTS)
    output = first / "output.xml"
    failed = [element.text or "" for element in ElementTree.parse(output).iter("msg") if element.get("level") == "FAIL"]
    refused = [text for text in failed if text.startswith("signup: expected status 422")]
    assert refused and all("<redacted>" in text and "; POST /auth/signup, request " in text for text in refused)
    identifier = refused[0].rsplit(" ", 1)[1]
    kept = [json.loads(line) for path in first.glob("journal/errors-*") for line in path.read_text().splitlines()]
    assert [one["status"] for one in kept if one["request_id"] == identifier] == [201]

    with sandbox(tmp_path / "good.yaml") as descriptor:
        good = f"DEPLOYMENT:{descriptor}"
        rerun = run("robot", "--rerunfailed", output, "--outputdir", again, "--variable", good, ACCOUNTS)
    assert WEAK in rerun.stdout
    both = (output, again / "output.xml")
    merged = run("robot.rebot", "--merge", "--output", "merged.xml", "--outputdir", tmp_path, *both)
    tests = {test.name: test.status for test in ExecutionResult(tmp_path / "merged.xml").suite.all_tests}
    assert merged.returncode == 1 and tests == {WEAK: "PASS", VERDICT: "FAIL"}

    report = run("acceptance", "report", first, again, "--into", tmp_path / "both")
    assert report.returncode == 1
    assert "flaky: passed on try 2, after: signup" in report.stdout
