"""Runs against a deployment that answers in one hostile way: each must end, in bounds, with a reason and no traceback.

Every mode of `python -m sandbox up --hostile` has to be refused by a run of the integration suites.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from acceptance.errors import ConfigurationError
from acceptance.runner import runner
from acceptance.runner.progress import Progress
from acceptance.yaml_models import PROJECT

from sandbox.hostile import BEHIND, NAMES

MOST_SECONDS = 180.0
MOST_MEGABYTES = 600
SAMPLE = ("endless", f"nan{BEHIND}", f"unauthorized{BEHIND}")
TRACEBACK = "Traceback (most recent call last)"
# What a reason has to name, by mode.
REASONS = {
    "drip": "no whole answer after|no answer within",
    "endless": "more than [0-9,]+ bytes",
    "bomb": "more than [0-9,]+ bytes after decompression",
    "redirect": "307, Location",
    "html": "doctype html",
    "drop": "without sending complete message body|closed connection",
    "of-1970": "1970-01-01",
    "long-token": "longer than 8192|more than 1,048,576 bytes",
    "bad-encoding": "not UTF-8",
    "nesting": "nested more than",
    "nan": "NaN is no JSON",
    "infinite": "Infinity is no JSON",
    "null": "null is not",
    "negative": "-1000000000",
    "unauthorized": "observed 401",
    "unknown": "observed 404",
    "fault": "observed 500",
    "empty": "expected a field '|does not say its",
    "close": "Server disconnected|closed connection|cannot be reached",
    "silence": "no answer|no whole answer|ReadTimeout",
}


@dataclass(frozen=True)
class Ended:
    """How the run against a mode ended; memory is the most of any of its processes, in megabytes."""

    mode: str
    seconds: float
    megabytes: float
    status: int
    verdict: str
    reason: str
    problems: tuple[str, ...]

    def __str__(self) -> str:
        figures = f"{self.seconds:.0f} s, {self.megabytes:.0f} MB, status {self.status}, {self.verdict}"
        why = "; ".join(self.problems) if self.problems else self.reason[:160]
        return f"{'FAILED ' if self.problems else ''}{self.mode}: {figures}: {why}"


def bear(modes: Sequence[str], folder: Path) -> int:
    """Run against each mode; returns 0 where each was borne, else 1.

    Raises:
        ConfigurationError: there is no such mode.
    """
    unknown = [mode for mode in modes if mode not in NAMES]
    if unknown:
        raise ConfigurationError([f"HOSTILE {mode}: unknown; there are all, {', '.join(NAMES)}" for mode in unknown])
    runner.make_folder(folder)
    ended = []
    with Progress(sys.stdout) as progress:
        for number, mode in enumerate(modes, start=1):
            progress.doing(f"[{number}/{len(modes)}] {mode}")
            ended.append(_run(mode, folder / mode))
            progress.say(f"[{number}/{len(modes)}] {ended[-1]}")
    borne = sum(not one.problems for one in ended)
    print(f"{borne} of {len(modes)} hostile deployments borne\n{folder}", flush=True)
    return 0 if borne == len(modes) else 1


def _run(mode: str, folder: Path) -> Ended:
    folder.mkdir()
    begin = time.monotonic()
    descriptor = str(_provisioned(mode, folder))
    with (folder / "console.txt").open("wb") as console:
        command = [sys.executable, "-m", "acceptance", "run", "integration", "--deployment", descriptor]
        process = subprocess.Popen(
            [*command, "--results", str(folder)], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=console, stderr=console
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds, megabytes = time.monotonic() - begin, used.ru_maxrss / 1024
    said = (folder / "console.txt").read_text(errors="replace")
    gates = list(folder.glob("2*/gate.json"))
    gate = json.loads(gates[0].read_text()) if gates else {}
    reasons = [row["reason"] for row in gate.get("criteria", ()) if row["status"] == "violated"]
    verdict = str(gate.get("verdict", "no gate"))
    problems = tuple(_problems(mode, seconds, megabytes, process.returncode, verdict, reasons, said, folder))
    return Ended(mode, seconds, megabytes, process.returncode, verdict, "; ".join(reasons[:1]), problems)


def _problems(
    mode: str, seconds: float, megabytes: float, status: int, verdict: str, reasons: Sequence[str], said: str,
    folder: Path,
) -> Iterator[str]:  # fmt: skip
    if seconds > MOST_SECONDS:
        yield f"took {seconds:.0f} s, at most {MOST_SECONDS:g} allowed"
    if megabytes > MOST_MEGABYTES:
        yield f"used {megabytes:.0f} MB, at most {MOST_MEGABYTES} allowed"
    if status not in (1, 2, 3) or (status == 1) != (verdict == "NO-GO" and status != 3):
        yield f"status {status} does not fit the verdict {verdict}"
    if verdict not in ("NO-GO", "INCONCLUSIVE"):
        yield f"the verdict is {verdict}"
    wanted = REASONS[mode.removesuffix(BEHIND)]
    if not any(re.search(wanted, reason) for reason in reasons):
        yield f"no violation names {wanted}"
    for text in (said, *(path.read_text(errors="replace") for path in folder.glob("2*/output.xml"))):
        if TRACEBACK in text:
            yield f"a traceback: {text[text.index(TRACEBACK) :][:300]}"


def _provisioned(mode: str, folder: Path) -> Path:
    """A descriptor that has the run bring the hostile deployment up, and end it."""
    command = ["python", "-m", "sandbox", "up", "--hostile", mode, "--descriptor", "{writes}"]
    descriptor = folder / "hostile.yaml"
    stub = {"name": "hostile", "provision": {"command": command, "writes": "deployment.yaml"}}
    descriptor.write_text(yaml.safe_dump(stub), encoding="utf-8")
    return descriptor
