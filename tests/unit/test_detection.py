"""Which defects are tried, and what counts as detected."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.deployment import Defects
from acceptance.errors import ConfigurationError
from acceptance.evidence.reading import Bundle
from acceptance.evidence.records import Outcome, Scope
from acceptance.running import detection, runner
from acceptance.running.detection import Defect, Selection, detect
from acceptance.running.runner import Ending, Request
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import judge


def defect(name: str, must: tuple[str, ...], may: dict[str, str] | None = None, area: str = "INT") -> Defect:
    return Defect(name=name, area=area, must=must, may=may or {}, description="d", file=f"sandbox/defects/{area}.py")


LEAK = defect("leak", ("INT-04",), {"INT-07": "an answer comes from it"})
SLOW = defect("slow", ("INT-13",))
STALE = defect("stale", ("PRE-01",), area="PRE")
ALL = [LEAK, SLOW, STALE]


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts runs that violate these criteria in the place of real ones."""

    def plant(violated: tuple[str, ...], *, active: bool = True, interrupted: bool = False) -> None:
        def run(request: Request) -> Ending:
            request.before_end(None)  # type: ignore[arg-type]
            scope = Scope(name="n", claims=(), deployment="d", build="b1")
            failed = [Outcome(test=f"t {name}", criteria=(name,), status="FAIL", message="m") for name in violated]
            gate = judge([Bundle("r", scopes=[scope], outcomes=failed)], read_criteria(CRITERIA))
            return Ending(gate, (), interrupted)

        monkeypatch.setattr(runner, "run", run)
        monkeypatch.setattr(detection, "_is_active", lambda *_: active)

    monkeypatch.setattr(detection, "_provided_by", lambda _: Defects(catalogue=[], plant=[], active=[]))
    monkeypatch.setattr(detection, "_listed", lambda _: ALL)
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

    def interrupted_at_the_second(request: Request) -> Ending:
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
    with pytest.raises(ConfigurationError, match="DEFECT leek: unknown; did you mean leak"):
        Selection(defect="leek").of(ALL)
    with pytest.raises(ConfigurationError, match="DEFECT xyz: unknown; there are: leak, slow, stale"):
        Selection(defect="xyz").of(ALL)
    with pytest.raises(ConfigurationError, match="no defect must be noticed by INT-99"):
        Selection(criterion="INT-99").of(ALL)


def test_the_smallest_run_that_claims_enough_is_taken() -> None:
    assert detection._run_for(LEAK) == "integration"
    assert detection._run_for(defect("late", ("INT-04", "PERF-01"))) == "full"
