"""SIGKILL of robot, and of the whole run, at random moments: `python -m tests.self.killed [TIMES] [SEED]`.

Whatever had been recorded by then is still there, `report` judges it, and nothing else is left behind.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from acceptance.evidence.reader import EVIDENCE, read_run
from acceptance.yaml_models import PROJECT

from tests.self.processes import everything_below, robots_of

Victim = Literal["robot", "run"]
LONGEST_SECONDS = 62.0  # of a run of the integration, from its first record
PATIENCE_SECONDS = 90.0
DEFECT = "signup-reveals-users"


def main(times: int = 20, seed: int | None = None) -> int:
    """Kill as often; returns how many of the kills left something other than they should."""
    seed = seed if seed is not None else random.randrange(10_000)
    chance, wrong = random.Random(seed), 0
    print(f"seed {seed}", flush=True)
    for number in range(times):
        for victim in ("robot", "run"):
            planted = bool(number % 2)
            after = chance.uniform(0.0, LONGEST_SECONDS)
            problems = list(kill(victim, after, planted=planted))
            wrong += bool(problems)
            said = "; ".join(problems) or "as it should be"
            print(f"[{number + 1}/{times}] {victim} after {after:.1f} s, defect {planted}: {said}", flush=True)
    print(f"{wrong} of {2 * times} kills left what they should not")
    return wrong


def kill(victim: Victim, after: float, *, planted: bool = False, run: str = "integration") -> Iterator[str]:
    """Kill robot or the whole run so many seconds after its first record; yields what is not as it should be."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        shown = folder / "shown"
        temporary = folder / "temporary"
        temporary.mkdir(mode=0o755)
        folder.chmod(0o755)
        command = [sys.executable, "-m", "acceptance", "run", run, "--results", str(folder / "results")]
        with shown.open("w") as output:
            process = subprocess.Popen(
                [*command, "--deployment", _deployment(folder, planted)], cwd=PROJECT, stdout=output, stderr=output,
                start_new_session=True, env=os.environ | {"TMPDIR": str(temporary)},
            )  # fmt: skip
        try:
            wait_for(lambda: list(folder.glob(f"results/*/{EVIDENCE}/records-runner-*")), "the first record")
            yield from _killed(process, victim, after, folder)
        finally:
            process.kill()
            process.wait()


def _killed(process: subprocess.Popen[bytes], victim: Victim, after: float, folder: Path) -> Iterator[str]:
    [home] = [path for path in (folder / "results").iterdir() if path.name not in ("latest", "history")]
    begun = everything_below(process.pid)
    time.sleep(after)  # the moment is what is chosen here; nothing is waited for
    begun |= everything_below(process.pid)
    if victim == "run":
        process.kill()
    elif robots := robots_of(process.pid):
        os.kill(robots[0], signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    wait_for(lambda: not [pid for pid in begun if Path(f"/proc/{pid}").exists()], "the end of every process")
    wait_for(lambda: not list((folder / "temporary").rglob("*.yaml")), "the end of the deployment")
    lines = whole_lines(home / EVIDENCE)
    report = [sys.executable, "-m", "acceptance", "report", str(home)]
    judged = subprocess.run(report, cwd=PROJECT, capture_output=True, text=True, check=False)
    yield from _looked_at(home, lines, judged, ended=victim != "run")
    left = [path.name for path in (folder / "temporary").iterdir() if any(path.rglob("*")) or path.is_file()]
    left += [path.name for path in (folder / "temporary").iterdir() if path.name.startswith("acceptance-")]
    if left:
        yield f"left in the temporary folder: {', '.join(sorted(set(left)))}"


def _looked_at(
    home: Path, lines: Mapping[str, list[dict[str, Any]]], judged: subprocess.CompletedProcess[str], *, ended: bool
) -> Iterator[str]:
    records = [record for of_a_file in lines.values() for record in of_a_file]
    violated = any(
        record["kind"] == "test" and record["status"] == "FAIL" and record.get("cause", "product") == "product"
        for record in records
    )
    whole = any(path.name.startswith("seal-") for path in (home / EVIDENCE).iterdir())
    if judged.returncode not in (0, 1, 2) or "Traceback" in judged.stderr:
        yield f"report ended with {judged.returncode}: {judged.stderr.strip()[-300:]}"
        return
    gate = json.loads((home / "gate.json").read_text())
    allowed = {"NO-GO"} if violated else {"INCONCLUSIVE", "PASS"} if whole else {"INCONCLUSIVE"}
    if gate["verdict"] not in allowed:
        yield f"the verdict is {gate['verdict']}, expected {' or '.join(sorted(allowed))}"
    [bundle] = read_run(home)
    for kind, found in (("observation", bundle.observations), ("test", bundle.outcomes), ("note", bundle.notes)):
        expected = sum(record["kind"] == kind for record in records)
        if len(found) != expected:
            yield f"{expected} whole records of kind {kind}, {len(found)} were read"
    if ended and not whole:
        yield "the run survived robot and did not seal what was seen"


def whole_lines(evidence: Path) -> dict[str, list[dict[str, Any]]]:
    """What stands in the files, read without the core: every line that has its end."""
    return {
        path.name: [json.loads(line) for line in path.read_text(errors="replace").splitlines(True) if line[-1] == "\n"]
        for path in evidence.glob("records-*.jsonl")
    }


def wait_for(condition: Callable[[], object], what: str, within: float = PATIENCE_SECONDS) -> None:
    """Raises AssertionError when it does not come true in so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(0.05)


def _deployment(folder: Path, planted: bool) -> str:
    if not planted:
        return "sandbox"
    stub = yaml.safe_load((PROJECT / "variables" / "deployments" / "sandbox.yaml").read_text())
    stub["provision"]["command"] += ["--defect", DEFECT]
    path = folder / "stub.yaml"
    path.write_text(yaml.safe_dump(stub))
    return str(path)


if __name__ == "__main__":
    sys.exit(min(1, main(*(int(word) for word in sys.argv[1:]))))
