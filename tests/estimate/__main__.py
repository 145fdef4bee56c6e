"""Run a file of `runs/` on the sandbox, and see whether `variables/estimate.yaml` still says what it takes.

python -m tests.estimate integration             # the exit status is 1 where the run or the estimate is wrong
python -m tests.estimate integration --write     # keep what was recorded instead
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from acceptance import cli
from acceptance.estimate import ESTIMATE, Amounts, read_estimate
from acceptance.runner import runner
from acceptance.yaml_models import PROJECT

MOST_APART = 0.2


def main() -> int:
    """Run, and compare or keep the recording."""
    parser = argparse.ArgumentParser(prog="python -m tests.estimate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="a file of runs/, without .args")
    parser.add_argument("--write", action="store_true", help=f"write {ESTIMATE.name} anew")
    options = parser.parse_args()
    folder = runner.folder_for(options.run, runner.RESULTS)
    recorded = folder.with_name(f"{folder.name}-estimate.yaml")
    listener = ("--pythonpath", str(PROJECT), "--listener", f"tests.estimate.recording:{recorded}")
    ending = runner.run(runner.RunRequest(options.run, folder, options=listener))
    cli.print_gate(ending.gate)
    print(f"\n{ending.gate.line}\n{recorded}", flush=True)
    if options.write:
        recorded.replace(ESTIMATE)
        return ending.status
    wrong = apart(recorded)
    print("\n".join(wrong))
    return ending.status or bool(wrong)


def apart(recorded: Path) -> list[str]:
    """How the estimate differs from a recording, in the sums over the tests of the recording."""
    estimate, now = read_estimate(ESTIMATE), read_estimate(recorded)
    missing = sorted(now.tests.keys() - estimate.tests.keys())
    sums = [
        sum((one.tests[name].amounts for name in now.tests if name in one.tests), Amounts()) for one in (estimate, now)
    ]
    return [f"{ESTIMATE.name}: no test '{name}': python -m tests.estimate RUN --write" for name in missing] + [
        f"{ESTIMATE.name}: {word} {said}, recorded {seen}: python -m tests.estimate RUN --write"
        for (word, said), (_, seen) in zip(sums[0], sums[1], strict=True)
        if abs(said - seen) > MOST_APART * max(said, seen)
    ]


if __name__ == "__main__":
    sys.exit(main())
