"""Every harness mutant is noticed, and a harness that does not look notices none: so being noticed means something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import DeploymentLibrary
import pytest
from acceptance.evidence import reader
from acceptance.evidence.reader import Bundle, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.report import render
from acceptance.runner import runner
from acceptance.runner.finalize import judge_again
from acceptance.runner.runner import Ending, RunRequest
from acceptance.verdict import criterion_results
from acceptance.verdict import gate as gate_module
from acceptance.verdict.criteria import CRITERIA, Criteria, read_criteria
from acceptance.verdict.gate import judge

from tests.detection import mutant_runner, tampering
from tests.detection.mutant_runner import HarnessMutants
from tests.detection.mutants import HARNESS_MUTANTS, PRE, QUICK, HarnessMutant
from tests.evidence import write_run

Blinding = Callable[[pytest.MonkeyPatch], None]
PRESENT = read_criteria(CRITERIA)  # with what a team added: mutants are judged by all
BY_NAME = {mutant.name: mutant for mutant in HARNESS_MUTANTS}
EVERY = pytest.mark.parametrize("mutant", HARNESS_MUTANTS, ids=lambda mutant: mutant.name)


def quick_run(request: RunRequest) -> Ending:
    """A run of `quick` with these options of robot, without a deployment."""
    option = request.options[0] if request.options else ""
    not_run = {"--exclude": ("PRE-03",), "--skip": ("PRE-03",), "--dryrun": PRE}.get(option, ())

    def skip(recorder: Recorder) -> None:
        if option == "--skip":
            recorder.test(name="suite: PRE-03", criteria=["PRE-03"], status="SKIP", message="Test skipped")

    write_run(request.folder, run=request.identifier, name="quick", claims=PRE, left_out=not_run, change=skip)
    gate, _ = judge_again(request.folder, PRESENT)
    return Ending(gate, (), interrupted=False)


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> HarnessMutants:
    monkeypatch.setattr(runner, "run", quick_run)
    return HarnessMutants("any", tmp_path / "d")


@EVERY
def test_it_is_noticed(mutant: HarnessMutant, mutants: HarnessMutants) -> None:
    attempt = mutants.attempt(mutant)
    assert (attempt.active, attempt.noticed) == (True, True), attempt.message
    assert mutant.says in attempt.message
    assert attempt.gate.verdict != "GO"


@EVERY
def test_a_verdict_that_is_always_the_same_notices_nothing(
    mutant: HarnessMutant, mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = mutants._run(QUICK, "good")
    monkeypatch.setattr(runner, "run", lambda request: Ending(good.gate, (), interrupted=False))
    monkeypatch.setattr(mutant_runner, "judge_again", lambda folder, criteria: (good.gate, []))
    write_run(mutants._folder / "quick", claims=PRE)
    judge_again(mutants._folder / "quick", PRESENT)
    attempt = mutants.attempt(mutant)
    assert not attempt.noticed
    assert attempt.message.startswith(f"expected {mutant.verdict} and '")


def no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    read = reader._read_file
    monkeypatch.setattr(reader, "_read_file", lambda path: (*read(path)[:3], []))
    monkeypatch.setattr(reader, "_against_seal", lambda bundle: ())


def nothing_unsound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "unsound", lambda bundle, criteria, now: [])


def no_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "_first_difference", lambda path, text: 0)


def nothing_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(criterion_results, "_unseen", lambda criterion, declared, tests: ())


def no_violations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(criterion_results, "_wrong", lambda *_: ())


def nothing_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: Criteria, given: Any) -> tuple[Criteria, list[str]]:
        return self, []

    monkeypatch.setattr(Criteria, "with_strictest", silent)


def all_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bundle, "scope", property(lambda bundle: bundle.scopes[-1].model_copy(update={"claims": PRE})))


def nothing_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "_sorted", lambda bundles: (list(bundles), [], []))


DAMAGE = (
    "failure-turned-into-a-pass", "failure-turned-and-chained-anew", "figure-changed", "half-a-line", "last-lines-cut",
    "lines-reordered", "records-added",
)  # fmt: skip
NOT_SOUND = (
    *DAMAGE, "evidence-aged", "observations-of-another-build", "records-of-another-run", "seal-removed",
)  # fmt: skip
BLIND: dict[Blinding, tuple[str, ...]] = {
    no_damage: DAMAGE,
    nothing_unsound: NOT_SOUND,
    no_differences: ("verdict-edited", "document-edited"),
    nothing_unseen: ("test-excluded", "test-skipped", "tests-only-read"),
    no_violations: ("claim-of-the-violated-removed",),
    nothing_relaxed: ("threshold-loosened",),
    all_claimed: ("claim-removed",),
    nothing_left_out: ("run-of-another-build-merged",),
}


@pytest.mark.parametrize(
    ("name", "blinding"), [(name, blinding) for blinding, names in BLIND.items() for name in names]
)
def test_a_harness_that_is_blind_to_it_is_found_out(
    name: str, blinding: Blinding, mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch
) -> None:
    blinding(monkeypatch)
    attempt = mutants.attempt(BY_NAME[name])
    assert (attempt.active, attempt.noticed) == (True, False)


def test_of_each_there_is_a_harness_that_is_blind_to_it() -> None:
    assert {name for names in BLIND.values() for name in names} == set(BY_NAME)
    assert len(BY_NAME) == len(HARNESS_MUTANTS)


def test_an_edited_document_that_is_not_kept_is_found_out(
    mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetting(folder: Path, criteria: Criteria) -> Any:
        found = judge_again(folder, criteria)
        for kept in folder.glob("*.edited"):
            kept.unlink()
        return found

    monkeypatch.setattr(mutant_runner, "judge_again", forgetting)
    attempt = mutants.attempt(BY_NAME["verdict-edited"])
    assert not attempt.noticed
    assert "the edited one was not kept" in attempt.message


def test_what_changes_nothing_is_not_active(mutants: HarnessMutants) -> None:
    nothing = HarnessMutant("nothing", "Nothing is done.", "PASS", "required")
    assert not mutants.attempt(nothing).active
    assert not mutants.attempt(HarnessMutant("none", "", "PASS", "required", options=("--loglevel", "INFO"))).active


def test_one_good_run_is_made(mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(request: RunRequest) -> Ending:
        made.append(request.folder.name)
        return quick_run(request)

    monkeypatch.setattr(runner, "run", counted)
    for mutant in HARNESS_MUTANTS:
        mutants.attempt(mutant)
    assert made == ["quick", "test-excluded", "test-skipped", "tests-only-read"]


def test_on_a_run_that_is_not_good_nothing_is_judged(mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(request: RunRequest) -> Ending:
        ending = quick_run(request)
        tampering.fail_honestly(request.folder)
        return Ending(judge_again(request.folder, PRESENT)[0], ending.problems, interrupted=False)

    monkeypatch.setattr(runner, "run", failing)
    for mutant in HARNESS_MUTANTS:
        attempt = mutants.attempt(mutant)
        assert (attempt.active, attempt.noticed) == (False, False)
        assert attempt.message.startswith("no harness mutant can be judged: without any, the run quick is NO-GO")


def test_nor_on_one_that_is_judged_otherwise_the_second_time(
    mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restless(request: RunRequest) -> Ending:
        ending = quick_run(request)
        tampering.edit(request.folder / "gate.json", "PASS", "GO")
        return ending

    monkeypatch.setattr(runner, "run", restless)
    assert "is judged otherwise the second time" in mutants.attempt(HARNESS_MUTANTS[0]).message


def test_an_interruption_is_told(mutants: HarnessMutants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", lambda request: Ending(quick_run(request).gate, (), interrupted=True))
    assert mutants.attempt(HARNESS_MUTANTS[0]).interrupted


def test_what_is_forged_by_someone_who_knows_the_format_is_whole(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", claims=PRE)
    tampering.fail_honestly(folder)
    gate = judge(read_run(folder), PRESENT)
    assert (gate.verdict, gate.unsound) == ("NO-GO", ())
    tampering.age(folder)
    assert [bundle.damage for bundle in read_run(folder)] == [[]]


@pytest.mark.parametrize(
    ("status", "message", "recorded"),
    [
        ("SKIP", "Failed test skipped using 'slow' tag.\n\nOriginal failure:\nexpected b, observed c", "FAIL"),
        ("SKIP", "Test skipped using 'slow' tag.", "SKIP"),
        ("PASS", "", "PASS"),
    ],
)
def test_a_failure_that_robot_is_told_to_skip_is_recorded_as_one(status: Any, message: str, recorded: str) -> None:
    assert DeploymentLibrary._status(status, message) == recorded
