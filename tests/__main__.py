"""`make check` and `make test`: every step is run, whatever failed before it; a line for each stands at the end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PYTHON = (sys.executable, "-m")
NO_FILES = ("--output", "none", "--log", "none", "--report", "none")
SIDE_BY_SIDE = ("pytest", "-n", "2")  # no test asserts wall-clock time
BY_FILE = ("--dist", "loadfile")  # tests of one file share a load, a server or a sandbox
CHECK = {
    "lint": (*PYTHON, "ruff", "check"),
    "format": (*PYTHON, "ruff", "format", "--check"),
    "types": (*PYTHON, "mypy"),
    "lint of suites": (*PYTHON, "robocop", "check", "suites", "resources"),
    "format of suites": (*PYTHON, "robocop", "format", "--check", "--no-overwrite", "suites", "resources"),
    "unit tests": (*PYTHON, *SIDE_BY_SIDE, "tests/unit"),
}


def main(arguments: list[str]) -> int:
    """Run all steps, or those of `check`; the exit status is 1 when one failed."""
    lines, failed = [], 0
    for name, command in (CHECK if arguments == ["check"] else CHECK | _slow_steps()).items():
        print(f"\n=== {name}", flush=True)
        begin = time.monotonic()
        wrong = subprocess.run(command, cwd=PROJECT, check=False).returncode != 0
        failed += wrong
        lines.append(f"{'FAILED' if wrong else 'passed'}  {name:18} {time.monotonic() - begin:6.1f} s")
    print("", *lines, f"{len(lines) - failed} passed, {failed} failed", sep="\n")
    return 1 if failed else 0


def _slow_steps() -> dict[str, tuple[str, ...]]:
    return {
        "sandbox tests": (*PYTHON, *SIDE_BY_SIDE, "tests/sandbox"),
        "self-tests": (*PYTHON, *SIDE_BY_SIDE, *BY_FILE, "tests/self"),
        "dry run": (*PYTHON, "robot", "--dryrun", "--console", "dotted", *NO_FILES, "suites"),
        "suite metrics": (*PYTHON, "tests.suite_metrics"),
        "integration run": (*PYTHON, "tests.estimate", "integration"),
        "plain dialect": (*PYTHON, "acceptance", "run", "integration", "--deployment", "plain"),
        "over TLS": (*PYTHON, "acceptance", "run", "integration", "--deployment", "tls"),
        "hostile": (*PYTHON, "tests.detection", "--hostile", "sample"),
        "defects": (*PYTHON, "tests.detection", "--sample", _last_landed()),
    }


def _last_landed() -> str:
    """The commit of main that the work is based on; HEAD where none is known, and in continuous integration."""
    if "CI" in os.environ:  # a clean checkout has no changes of its own
        return "HEAD"
    answer = subprocess.run(
        ["git", "merge-base", "HEAD", "origin/main"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "HEAD"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
