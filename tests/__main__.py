"""`make test`: every check of the project, whatever failed before it, and a line for each at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PYTHON = (sys.executable, "-m")
NO_FILES = ("--output", "none", "--log", "none", "--report", "none")


def main() -> int:
    steps = {
        "lint": (*PYTHON, "ruff", "check"),
        "format": (*PYTHON, "ruff", "format", "--check"),
        "types": (*PYTHON, "mypy"),
        "lint of suites": (*PYTHON, "robocop", "check", "suites", "resources"),
        "format of suites": (*PYTHON, "robocop", "format", "--check", "--no-overwrite", "suites", "resources"),
        "unit tests": (*PYTHON, "pytest", "tests/unit", "tests/sandbox"),
        "self-tests": (*PYTHON, "pytest", "tests/self"),
        "dry run": (*PYTHON, "robot", "--dryrun", "--console", "dotted", *NO_FILES, "suites"),
        "integration run": (*PYTHON, "acceptance", "run", "integration"),
        "defects": (*PYTHON, "tests.detection", "--sample", _last_landed()),
    }
    lines, failed = [], 0
    for name, command in steps.items():
        print(f"\n=== {name}", flush=True)
        begin = time.monotonic()
        wrong = subprocess.run(command, cwd=PROJECT, check=False).returncode != 0
        failed += wrong
        lines.append(f"{'FAILED' if wrong else 'passed'}  {name:18} {time.monotonic() - begin:6.1f} s")
    print("", *lines, f"{len(lines) - failed} passed, {failed} failed", sep="\n")
    return 1 if failed else 0


def _last_landed() -> str:
    """The revision that this work began from; HEAD where no other is known, and in continuous integration."""
    if "CI" in os.environ:  # a clean checkout: nothing in it is in the making
        return "HEAD"
    answer = subprocess.run(
        ["git", "merge-base", "HEAD", "origin/main"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "HEAD"


if __name__ == "__main__":
    sys.exit(main())
