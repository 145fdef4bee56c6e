"""Which defects are tried, and what counts as detected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.deployment.provisioning import Defects
from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Outcome, Scope
from acceptance.runner import runner
from acceptance.runner.runner import Ending, RunRequest
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import Gate, judge

from tests.detection import detection
from tests.detection.defects import Defect
from tests.detection.detection import Selection, detect
from tests.detection.mutant_runner import Attempt, HarnessMutants


def defect(name: str, must: tuple[str, ...], may: dict[str, str] | None = None, area: str = "INT") -> Defect:
    return Defect(name=name, area=area, must=must, may=may or {}, description="d", file=f"sandbox/defects/{area}.py")


LEAK = defect("leak", ("INT-04",), {"INT-07": "an answer comes from it"})
SLOW = defect("slow", ("INT-13",))
STALE = defect("stale", ("PRE-01",), area="PRE")
ALL = [LEAK, SLOW, STALE]
LONG = [one for one in detection._mutants() if one.file]
OF_LOAD = [one for one in LONG if one.file == detection.LOAD_FILE]
MUTANTS = [one for one in detection._mutants() if not one.file]


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts runs that violate these criteria in the place of real ones."""

    def plant(violated: tuple[str, ...], *, active: bool = True, interrupted: bool = False) -> None:
        def run(request: RunRequest) -> Ending:
            request.before_end(None)  # type: ignore[arg-type]
            scope = Scope(name="n", claims=(), deployment="d", build="b1")
            failed = [Outcome(test=f"t {name}", criteria=(name,), status="FAIL", message="m") for name in violated]
            gate = judge([Bundle("r", scopes=[scope], outcomes=failed)], read_criteria(CRITERIA))
            return Ending(gate, (), interrupted)

        monkeypatch.setattr(runner, "run", run)
        monkeypatch.setattr(detection, "is_active", lambda *_: active)

    monkeypatch.setattr(detection, "provided_by", lambda _: Defects(catalogue=[], plant=[], active=[]))
    monkeypatch.setattr(detection, "listed", lambda _: ALL)
    return plant


@pytest.mark.parametrize(
    ("violated", "active", "told"),
    [
        (("INT-04",), True, ""),
        (("INT-04", "INT-07"), True, ""),
        (("INT-07",), True, "INT-04 did not notice"),
        (("INT-04", "INT-13"), True, "INT-13 should not be violated"),
        (("INT-04",), False, "it was never active"),
        ((), True, "INT-04 did not notice"),
    ],
)
def test_detected_is_what_must_and_nothing_but_what_may(
    violated: tuple[str, ...],
    active: bool,
    told: str,
    deployment: Callable[..., None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deployment(violated, active=active)
    status = detect(Selection(defect="leak"), "any", tmp_path / "d")
    found = json.loads((tmp_path / "d" / "detection.json").read_text())
    assert found["build"] == "b1"
    [finding] = found["defects"]
    assert (finding["detected"], status) == (told == "", 0 if told == "" else 1)
    assert finding["violated"] == sorted(violated)
    assert told in capsys.readouterr().out


def test_what_was_found_before_an_interruption_is_kept(
    deployment: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment(("INT-04",))
    whole = runner.run

    def interrupted_at_the_second(request: RunRequest) -> Ending:
        ending = whole(request)
        return ending if request.plant == "leak" else Ending(ending.gate, (), interrupted=True)

    monkeypatch.setattr(runner, "run", interrupted_at_the_second)
    assert detect(Selection(), "any", tmp_path / "d") == 1
    found = json.loads((tmp_path / "d" / "detection.json").read_text())
    assert [finding["name"] for finding in found["defects"]] == ["leak"]


def test_defects_are_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Selection(defect="slow").of(ALL) == [SLOW]
    assert Selection(criterion="PRE-01").of(ALL) == [STALE]
    assert [Selection(shard=(part, 2)).of(ALL) for part in (1, 2)] == [[LEAK, STALE], [SLOW]]
    monkeypatch.setattr(detection, "_changed_since", lambda _: set[str]())
    assert Selection(sample="HEAD").of(ALL) == [LEAK, STALE]
    monkeypatch.setattr(detection, "_changed_since", lambda _: {"sandbox/defects/INT.py"})
    assert Selection(sample="HEAD").of(ALL) == ALL
    assert Selection(sample="HEAD").of([*ALL, *MUTANTS]) == [*ALL, *MUTANTS]
    assert Selection(criterion="PRE-01").of([*ALL, *MUTANTS]) == [STALE]
    assert Selection(criterion="PERF-05").of([*ALL, *OF_LOAD])[0].name == "generator-starved"
    of_load = [defect("late", ("PERF-01",), area="PERF"), *OF_LOAD]
    assert Selection(sample="HEAD").of(of_load) == of_load[:1]  # a minute each: only where they were changed
    with pytest.raises(ConfigurationError, match="DEFECT leek: unknown; did you mean leak"):
        Selection(defect="leek").of(ALL)
    with pytest.raises(ConfigurationError, match="DEFECT xyz: unknown; there are: leak, slow, stale"):
        Selection(defect="xyz").of(ALL)
    with pytest.raises(ConfigurationError, match="no defect must be noticed by INT-99"):
        Selection(criterion="INT-99").of(ALL)


def test_the_smallest_run_that_claims_enough_is_taken() -> None:
    assert detection._run_for(STALE) == "quick"
    assert detection._run_for(LEAK) == "integration"
    assert detection._run_for(defect("late", ("INT-04", "PERF-01"))) == "full"


def test_an_experiment_is_tried_with_the_rows_of_its_criterion_alone() -> None:
    slow = detection._options(defect("leak", ("INT-04",), {"INT-07": "r"}))
    assert slow == ("--exclude", "slow NOT criterion:INT-04 OR criterion:INT-07")
    one, two, closing = (
        detection._options(defect("down", must, {"ERR-07": "r"}, area="ERR"))
        for must in (("ERR-01",), ("ERR-02", "ERR-03"), ("ERR-09",))
    )
    assert one[-3:] == ("--exitonfailure", "--include", "criterion:ERR-01")
    assert two[-2:] == ("--include", "criterion:ERR-02 OR criterion:ERR-03") and "--exitonfailure" not in two
    assert closing[-2:] == ("--include", "criterion:ERR-07") and "--exitonfailure" not in closing


@pytest.fixture
def attempted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Attempt], None]:
    """Has every harness mutant come to this."""
    return lambda attempt: monkeypatch.setattr(HarnessMutants, "attempt", lambda *_: attempt)


@pytest.mark.parametrize(
    ("active", "noticed", "told"),
    [
        (True, True, "[1/1] detected seal-removed (0 s) by the gate: it says how"),
        (True, False, "[1/1] NOT DETECTED seal-removed (0 s): it says how"),
        (False, True, "[1/1] NOT DETECTED seal-removed (0 s): it was never active; it says how"),
    ],
)
def test_a_mutant_is_found_as_a_defect_is(
    active: bool,
    noticed: bool,
    told: str,
    attempted: Callable[[Attempt], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    attempted(Attempt(active, good_gate(), noticed, "it says how"))
    status = detect(Selection(defect="seal-removed"), "has no defects", tmp_path / "d")
    [found] = json.loads((tmp_path / "d" / "detection.json").read_text())["defects"]
    assert (found["detected"], status) == (active and noticed, 0 if active and noticed else 1)
    assert (found["must"], found["violated"]) == (["PRE-01", "PRE-02", "PRE-03"], [])
    assert told in capsys.readouterr().out


def test_defects_and_sabotages_are_one_list(
    deployment: Callable[..., None], attempted: Callable[[Attempt], None], tmp_path: Path
) -> None:
    deployment(())
    attempted(Attempt(True, good_gate(), True, "it says how"))
    parts = [detect(Selection(shard=(part, 2)), "any", tmp_path / f"d{part}") for part in (1, 2)]
    found = [json.loads((tmp_path / f"d{part}" / "detection.json").read_text())["defects"] for part in (1, 2)]
    names = [finding["name"] for part in found for finding in part]
    assert sorted(names) == sorted(one.name for one in [*ALL, *MUTANTS, *LONG])
    assert parts == [1, 1]


def test_only_a_mutant_can_be_asked_of_a_deployment_without_defects(tmp_path: Path) -> None:
    descriptor = tmp_path / "cloud.yaml"
    descriptor.write_text("name: cloud\n")
    with pytest.raises(ConfigurationError, match="has no provision"):
        detect(Selection(), str(descriptor), tmp_path / "d")


def good_gate() -> Gate:
    return judge([Bundle("r", scopes=[Scope(name="n", claims=(), deployment="d")])], read_criteria(CRITERIA))
