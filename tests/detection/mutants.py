"""Harness mutants: what may be done to a run, or to what it left, and how its verdict must notice.

A defect shows that the suites detect a wrong deployment; a harness mutant, that the verdict detects a wrong run.
Some are clumsy. Others are done by someone who knows the format and makes chains and seal anew.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.verdict.gate import Gate, Verdict

from tests.detection import tampering

AREA = "evidence"
PRE = ("PRE-01", "PRE-02", "PRE-03")
DOCUMENT = "TODO001_phase2_testing_summary.md"


@dataclass(frozen=True)
class Good:
    """A run that nothing is done to: each of its tests passes. It has the criteria that the harness mutants speak of.

    Args:
        name: of its folder.
        run: a file of `runs/`, without `.args`.
        verdict: what it comes to.
        options: for robot.
    """

    name: str
    run: str
    verdict: Verdict
    options: tuple[str, ...] = ()


QUICK = Good("quick", "quick", "PASS")


@dataclass(frozen=True)
class HarnessMutant:
    """One thing that is done to a good run.

    Args:
        verdict: what the run must come to.
        must: the criteria that must not be met any more.
        says: what must be said of it, in the gate or of an edited report.
        do: does it to the run's folder; returns what must be said besides: where, as far as that can be known.
        first: what is honestly so before it is done: the run found something wrong.
        options: for robot: it is done to a run of its own, by these.
        during: is at work while a run of its own goes on, given the run's folder; returns what it did. It is cancelled
            with the end of the run, and has done nothing then.
        edits: the file of the report that is edited: that one must be kept beside, and the true one written.
        each: it must be said of each of the criteria, not only of one.
        good: the run that it is done to, or that a run of its own is compared with.
    """

    name: str
    description: str
    verdict: Verdict
    says: str
    must: tuple[str, ...] = ()
    do: Callable[[Path], str] = lambda folder: ""
    first: Callable[[Path], None] = lambda folder: None
    options: tuple[str, ...] = ()
    during: Callable[[Path], Coroutine[Any, Any, str]] | None = None
    edits: str = ""
    each: bool = False
    good: Good = QUICK

    def noticed(self, where: str, gate: Gate, told: Sequence[str]) -> str:
        """The sentence that notices it, or nothing.

        Args:
            where: what `do` returned.
            told: what was said of the report's files.
        """
        met = {row.id for row in gate.criteria if row.status in ("met", "not_applicable")}
        if gate.verdict != self.verdict or met & set(self.must):
            return ""
        reasons = [row.reason for row in gate.criteria if row.id in self.must]
        if self.each and not all(self.says in reason for reason in reasons):
            return ""
        said = [*told] if self.edits else [*gate.unsound, *gate.left_out, *reasons, gate.line]
        return next((text for text in said if self.says in text and where in text), "")


HARNESS_MUTANTS = (
    HarnessMutant(
        "failure-turned-into-a-pass",
        "In the records of a run that found something wrong, FAIL is replaced by PASS.",
        "NO-GO",
        "does not follow from the line before",
        must=PRE,
        first=tampering.fail_honestly,
        do=tampering.turn_into_pass,
    ),
    HarnessMutant(
        "failure-turned-and-chained-anew",
        "FAIL is replaced by PASS, and the chain of the records is made to fit; only the seal is left as it was.",
        "NO-GO",
        "is not the record that was sealed as the last",
        must=PRE,
        first=tampering.fail_honestly,
        do=tampering.turn_into_pass_and_chain,
    ),
    HarnessMutant(
        "figure-changed",
        "A measured figure is made a better one.",
        "INCONCLUSIVE",
        "does not follow from the line before",
        must=PRE,
        do=tampering.change_figure,
    ),
    HarnessMutant(
        "half-a-line",
        "A file of records ends in the middle of a line, as on a full disk.",
        "INCONCLUSIVE",
        "half a line",
        must=PRE,
        do=tampering.cut_line,
    ),
    HarnessMutant(
        "last-lines-cut",
        "The last records of a file are gone, and what is left is whole.",
        "INCONCLUSIVE",
        "it was sealed with",
        must=PRE,
        do=tampering.cut_last_lines,
    ),
    HarnessMutant(
        "lines-reordered",
        "Two records change places.",
        "INCONCLUSIVE",
        "lines are missing, doubled or out of order",
        must=PRE,
        do=tampering.reorder,
    ),
    HarnessMutant(
        "records-added",
        "A further file of records, whole and chained, is added after the run was sealed.",
        "INCONCLUSIVE",
        "is not in the seal",
        must=PRE,
        do=tampering.add_records,
    ),
    HarnessMutant(
        "evidence-aged",
        "The evidence is of a year ago, whole and sealed then.",
        "INCONCLUSIVE",
        "evidence counts for",
        must=PRE,
        do=tampering.age,
    ),
    HarnessMutant(
        "observations-of-another-build",
        "What was measured on another build is sealed as this one's.",
        "INCONCLUSIVE",
        "holds observations of another deployment",
        must=PRE,
        do=tampering.observe_another_build,
    ),
    HarnessMutant(
        "records-of-another-run",
        "A file of records of another run lies among this one's.",
        "INCONCLUSIVE",
        "is not sealed",
        must=PRE,
        do=tampering.mix_in_another_run,
    ),
    HarnessMutant(
        "run-of-another-build-merged",
        "The sealed evidence of an older build is merged in.",
        "PASS",
        "of build",
        do=tampering.merge_another_build,
    ),
    HarnessMutant(
        "seal-removed",
        "The seal is deleted.",
        "INCONCLUSIVE",
        "is not sealed",
        must=PRE,
        do=tampering.remove_seal,
    ),
    HarnessMutant(
        "claim-removed",
        "The run claims one criterion less, so that nobody asks for it.",
        "PASS",
        "required",
        must=("PRE-03",),
        do=tampering.claim_less,
    ),
    HarnessMutant(
        "claim-of-the-violated-removed",
        "The run does not claim any more what it found violated; chains and seal are made anew.",
        "NO-GO",
        "violated: PRE-01",
        must=("PRE-01",),
        first=tampering.fail_honestly,
        do=tampering.disclaim_violated,
    ),
    HarnessMutant(
        "threshold-loosened",
        "A limit is raised, with a reason that sounds well.",
        "PASS",
        "against relaxed thresholds: PRE-01 at most 60 s instead of at most 10 s",
        do=tampering.loosen,
    ),
    HarnessMutant(
        "verdict-edited",
        "In gate.json, PASS is replaced by GO.",
        "PASS",
        "differs from what the evidence says now",
        do=lambda folder: tampering.edit(folder / "gate.json", "PASS", "GO"),
        edits="gate.json",
    ),
    HarnessMutant(
        "document-edited",
        "In a document, PASS is replaced by GO.",
        "PASS",
        "differs from what the evidence says now",
        do=lambda folder: tampering.edit(folder / DOCUMENT, "PASS", "GO"),
        edits=DOCUMENT,
    ),
    HarnessMutant(
        "test-excluded",
        "A test is left out of the run.",
        "INCONCLUSIVE",
        "declared but did not run",
        must=("PRE-03",),
        options=("--exclude", "criterion:PRE-03"),
    ),
    HarnessMutant(
        "test-skipped",
        "A test is skipped.",
        "INCONCLUSIVE",
        "skipped: ",
        must=("PRE-03",),
        options=("--skip", "criterion:PRE-03"),
    ),
    HarnessMutant(
        "tests-only-read",
        "Robot only reads the tests (--dryrun), and all of them pass.",
        "INCONCLUSIVE",
        "declared but did not run",
        must=PRE,
        options=("--dryrun",),
    ),
)
