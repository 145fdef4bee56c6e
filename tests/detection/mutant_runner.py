"""Trying harness mutants: a good run is made once, each is done to a copy of what it left, and that is judged again.

Those that act while a run goes on, or by its options, have a run of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from acceptance.event_loop import LoopThread
from acceptance.runner import runner
from acceptance.runner.finalize import judge_again
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import Gate

from tests.detection.mutants import Good, HarnessMutant


@dataclass(frozen=True)
class Attempt:
    """What came of a harness mutant: whether it changed anything, the gate, and whether and how that was noticed."""

    active: bool
    gate: Gate
    noticed: bool
    message: str
    interrupted: bool = False


class HarnessMutants:
    """Tries harness mutants on good runs, each of which is made when the first that needs it is tried.

    Args:
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        folder: where the runs leave their files, each in a folder of its own.
    """

    def __init__(self, deployment: str, folder: Path) -> None:
        self._deployment = deployment
        self._folder = folder
        self._numbers = count(1)
        self._criteria = read_criteria(CRITERIA)
        self._good: dict[Good, tuple[runner.Ending, str]] = {}

    def attempt(self, mutant: HarnessMutant) -> Attempt:
        """Do it, judge, and look whether that was noticed."""
        good = mutant.good
        if good not in self._good:
            made = self._run(good, good.name)
            self._good[good] = made, self._not_good(good, made)
        ending, useless = self._good[good]
        if useless or ending.interrupted:
            return Attempt(False, ending.gate, False, useless, ending.interrupted)
        if mutant.options or mutant.during:
            return self._by_run(mutant, ending.gate)
        return self._by_hand(mutant)

    def _by_run(self, mutant: HarnessMutant, good: Gate) -> Attempt:
        loop = LoopThread()
        try:
            meddling = loop.begin(mutant.during(self._folder / mutant.name)) if mutant.during else None
            ending = self._run(mutant.good, mutant.name, mutant.options)
            failure = meddling.exception() if meddling and meddling.done() else None
            done = meddling is None or bool(meddling.done() and not failure and meddling.result())
        finally:
            loop.close()
        noticed = "" if ending.problems else mutant.noticed("", ending.gate, ())
        message = f"{failure}" if failure else noticed or _missed(mutant, "", ending.gate, ending.problems)
        active = done and _passed(ending.gate) != _passed(good)
        return Attempt(active, ending.gate, bool(noticed), message, ending.interrupted)

    def _by_hand(self, mutant: HarnessMutant) -> Attempt:
        good, folder = self._folder / mutant.good.name, self._folder / mutant.name
        shutil.copytree(good, folder)
        mutant.first(folder)
        before = _files(folder)
        where = mutant.do(folder)
        after = _files(folder)
        gate, told = judge_again(folder, self._criteria)
        noticed = mutant.noticed(where, gate, told)
        message = noticed or _missed(mutant, where, gate, told)
        name = mutant.edits
        if name and noticed:
            left = _files(folder)
            if (left.get(name), left.get(f"{name}.edited")) != (before[name], after[name]):
                noticed, message = "", f"{name}: the true one was not written, or the edited one was not kept"
        return Attempt(before != after, gate, bool(noticed), message)

    def _run(self, good: Good, name: str, options: tuple[str, ...] = ()) -> runner.Ending:
        return runner.run(
            runner.RunRequest(
                good.run,
                self._folder / name,
                identifier=f"{self._folder.name}-s{next(self._numbers)}",  # addresses are made of it: it must be short
                deployment=self._deployment,
                options=(*good.options, *options),
                console=False,
            )
        )

    def _not_good(self, good: Good, ending: runner.Ending) -> str:
        """Why nothing can be tried on the run; nothing where it is good, and untouched is judged as it was."""
        why = "no harness mutant can be judged: "
        tests = {test.name: test for row in ending.gate.criteria for test in row.tests if test.status != "PASS"}
        wrong = [*ending.problems, *(f"{name}: {test.message}" for name, test in tests.items())]
        if wrong or ending.gate.verdict != good.verdict:
            return f"{why}without any, the run {good.name} is {'; '.join((ending.gate.line, *wrong))}"
        again, told = judge_again(self._folder / good.name, self._criteria)
        if again != ending.gate or told:
            differs = "; ".join((again.line, *told))
            return f"{why}untouched, the run {good.name} is judged otherwise the second time: {differs}"
        return ""


def _missed(mutant: HarnessMutant, where: str, gate: Gate, told: Sequence[str]) -> str:
    expected = " … ".join(part for part in (where, mutant.says) if part)
    return f"expected {mutant.verdict} and '{expected}', observed {'; '.join((gate.line, *told))}"


def _passed(gate: Gate) -> set[str]:
    return {test.name for row in gate.criteria for test in row.tests if test.status == "PASS"}


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
