"""Run a file of `runs/` on the sandbox, and see whether `variables/estimate.yaml` still says what it takes.

python -m tests.estimate integration             # the exit status is 1 where the run or the estimate is wrong
python -m tests.estimate integration --write     # keep what is recorded; dialects show what tests do without
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from acceptance import cli
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Descriptor, contract_of
from acceptance.deployment.provisioning import DEPLOYMENTS, OpenDeployment
from acceptance.estimate import (
    ESTIMATE,
    Amounts,
    Estimate,
    EstimatedTest,
    absent_place,
    amounts_of,
    read_estimate,
)
from acceptance.runner import runner
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import Gate
from acceptance.yaml_models import PROJECT

MOST_APART = 0.2
WIDTH = 134
HEAD = """\
# What the tests send and need, recorded of the sandbox: by it, `make check DEPLOYMENT=…` estimates a run.
# `python -m tests.estimate integration --write` records it again; `make test` fails where it is a fifth off.
"""
Tests = dict[str, EstimatedTest]


def main() -> int:
    """Run, and compare or keep the recording."""
    parser = argparse.ArgumentParser(prog="python -m tests.estimate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="a file of runs/, without .args")
    parser.add_argument("--write", action="store_true", help=f"write the tests of this run into {ESTIMATE.name}")
    options = parser.parse_args()
    folder = runner.folder_for(options.run, runner.RESULTS)
    recorded = folder.with_name(f"{folder.name}-estimate.json")
    listener = ("--pythonpath", str(PROJECT), "--listener", f"tests.estimate.recording:{recorded}")
    ending = runner.run(runner.RunRequest(options.run, folder, options=listener))
    cli.print_gate(ending.gate)
    print(f"\n{ending.gate.line}", flush=True)
    tests = {name: EstimatedTest.model_validate(test) for name, test in json.loads(recorded.read_text()).items()}
    recorded.unlink()
    if options.write:
        for dialect in sorted(path.stem for path in DEPLOYMENTS.glob("*.yaml") if path.stem != "sandbox"):
            tests = _seen_on(dialect, options.run, tests)
        claims = {*runner.claims_of(options.run, read_criteria(CRITERIA))}
        kept = {name: one for name, one in read_estimate().tests.items() if not {*one.criteria} <= claims}
        ESTIMATE.write_text(text_of(kept | tests), encoding="utf-8")
        return ending.status
    wrong = apart(read_estimate(), tests)
    print("\n".join(wrong))
    return ending.status or bool(wrong)


def apart(estimate: Estimate, recorded: Mapping[str, EstimatedTest]) -> list[str]:
    """How the estimate of the criteria of a recording differs from it, in the sums over their tests."""
    criteria = {name for test in recorded.values() for name in test.criteria}
    said = amounts_of(estimate, [*criteria], {})
    seen = sum((test.amounts for test in recorded.values()), Amounts())
    return [
        f"{ESTIMATE.name}: {word} {value}, recorded {getattr(seen, word)}: python -m tests.estimate RUN --write"
        for word, value in said
        if abs(value - getattr(seen, word)) > MOST_APART * max(value, getattr(seen, word))
    ]


def without_needless(
    tests: Mapping[str, EstimatedTest], ended: Mapping[str, str], descriptor: Descriptor, contract: Contract
) -> Tests:
    """The tests without the needs that a run on a deployment was seen to do without.

    Args:
        ended: the place that each test missed there; empty of those that passed.
    """
    absent = {read: place for read in _reads(tests.values()) if (place := absent_place(read, descriptor, contract))}
    needless = {read for name, test in tests.items() if ended.get(name) == "" for read in test.reads if read in absent}
    return {
        name: test.model_copy(
            update={"reads": frozenset(read for read in test.reads if read not in needless or absent[read] in missed)}
        )
        for name, test in tests.items()
        for missed in [ended.get(name, "").split(", ")]
    }


def _reads(tests: Iterable[EstimatedTest]) -> set[str]:
    return {read for test in tests for read in test.reads}


def _seen_on(deployment: str, name: str, tests: Tests) -> Tests:
    opened: list[OpenDeployment] = []
    folder = runner.folder_for(f"{name}-{deployment}", runner.RESULTS)
    contracts: list[Contract] = []

    def look(there: OpenDeployment) -> None:
        opened.append(there)
        contracts.append(contract_of(there.descriptor))

    ending = runner.run(runner.RunRequest(name, folder, deployment=deployment, before_end=look))
    print(f"\n{ending.gate.line}", flush=True)
    return without_needless(tests, _ended(ending.gate), opened[0].descriptor, contracts[0]) if opened else tests


def _ended(gate: Gate) -> dict[str, str]:
    tests = (test for row in gate.criteria for test in row.tests)
    return {
        test.name: ", ".join(test.without) for test in tests if test.status == "PASS" or test.cause == "not_offered"
    }


def text_of(tests: Mapping[str, EstimatedTest]) -> str:
    """The file: the tests with what they send, then the places that tests need by the numbers of the tests."""
    lines, readers = (
        ["tests:  # criteria, then requests, documents, model calls and users"],
        defaultdict[str, list[int]](list),
    )
    for number, (name, test) in enumerate(tests.items(), start=1):
        figures = ", ".join(str(value) for _, value in test.amounts)
        lines.append(f"  {json.dumps(name)}: [[{', '.join(test.criteria)}], {figures}]")
        for place in test.reads:
            readers[place].append(number)
    together: dict[str, list[str]] = defaultdict(list)
    for place, numbers in sorted(readers.items()):
        together[" ".join(_ranges(numbers))].append(place)
    lines.append("reads:  # by the numbers of the tests, from 1: what each needs of contract and descriptor")
    for ranges, places in together.items():
        wrapped = textwrap.wrap(f"[{', '.join(places)}]", WIDTH, break_long_words=False, break_on_hyphens=False)
        lines += [f'  "{ranges}":', *(f"    {line}" for line in wrapped)]
    return "\n".join([HEAD.rstrip(), *lines, ""])


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    first = last = numbers[0]
    for number in (*numbers[1:], 0):
        if number == last + 1:
            last = number
            continue
        yield f"{first}-{last}" if last > first else f"{first}"
        first = last = number


if __name__ == "__main__":
    sys.exit(main())
