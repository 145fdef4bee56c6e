"""A load that was interrupted has partial figures of its own names, and verifies nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from acceptance.evidence.reader import EVIDENCE, Bundle, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.performance.partial_results import CRITERIA, record_unfinished
from acceptance.redaction.redactor import Redactor
from acceptance.verdict.gate import judge
from ArtilleryLibrary.figures import LOG, Ending
from ArtilleryLibrary.plan import PLAN, LoadPlan

from tests.evidence import ALL, write_run
from tests.unit.test_load import script

REQUEST = {"kind": "request", "user": "u", "scenario": "Authentication Flow", "endpoint": "login", "at": 2, "sent": 1}


def left(folder: Path, ending: Ending, lines: list[dict[str, object]], name: str = "load-full") -> None:
    load, used = folder / name, script()
    load.mkdir(parents=True)
    plan = LoadPlan(
        script="s", target="t", phases=used.phases, scenarios=used.scenarios, corrections=(), node="24",
        artillery="2", ending=ending,
    )  # fmt: skip
    (load / PLAN).write_text(plan.model_dump_json())
    (load / LOG).write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def recorded(folder: Path) -> Bundle:
    recorder = Recorder(folder / EVIDENCE, "r", Redactor(), "runner")
    record_unfinished(folder, recorder)
    recorder.close()
    [bundle] = read_run(folder)
    return bundle


def test_partial_figures_are_there_and_named_as_such(tmp_path: Path) -> None:
    users = [{"kind": "user", "user": f"u{number}", "at": 1 + number} for number in range(9)]
    good, bad = {**REQUEST, "ok": True, "first": 20, "total": 25}, {**REQUEST, "ok": False, "failures": ["500"]}
    left(tmp_path, Ending.INTERRUPTED, [*users, good, good, good, bad])
    bundle = recorded(tmp_path)
    assert {(one.criterion, one.name): (one.value, one.samples) for one in bundle.observations} == {
        ("PERF-01", "mean_first_byte_of_an_unfinished_load"): (20.0, 3),
        ("PERF-02", "successful_requests_of_an_unfinished_load"): (3, 4),
        ("PERF-03", "error_rate_of_an_unfinished_load"): (25.0, 4),
        ("PERF-05", "arrivals_of_an_unfinished_load"): (0.5, 9),
    }
    [outcome] = bundle.outcomes
    assert (outcome.cause, outcome.criteria) == ("environment", CRITERIA)
    assert outcome.message == (
        "the load was interrupted after 9 of 1800 users and 4 requests;"
        " what was measured of them is in load-full/requests.jsonl"
    )


def test_a_rise_that_was_interrupted_says_how_far_it_came(tmp_path: Path) -> None:
    left(tmp_path, Ending.STOPPED_EARLY, [], "scaling/repeat-1")
    left(tmp_path, Ending.INTERRUPTED, [{**REQUEST, "ok": True, "first": 20, "total": 25}], "scaling/repeat-2")
    bundle = recorded(tmp_path)
    assert {one.criterion for one in bundle.observations} == {"PERF-08"}
    assert {one.name: one.value for one in bundle.observations}["successful_requests_of_an_unfinished_load"] == 1
    [outcome] = bundle.outcomes
    assert (outcome.test, outcome.cause, outcome.criteria) == (
        "scaling/repeat-2: it came to its end", "environment", ("PERF-08", "PERF-09"),
    )  # fmt: skip
    assert "what was measured of them is in scaling/repeat-2/requests.jsonl" in outcome.message


def test_one_that_had_just_begun_has_what_there_is(tmp_path: Path) -> None:
    left(tmp_path, Ending.INTERRUPTED, [])
    bundle = recorded(tmp_path)
    assert [one.value for one in bundle.observations] == [0, 0]
    assert "after 0 of 1800 users and 0 requests" in bundle.outcomes[0].message


@pytest.mark.parametrize("ending", [ending for ending in Ending if ending is not Ending.INTERRUPTED])
def test_other_endings_are_recorded_by_the_suites(ending: Ending, tmp_path: Path) -> None:
    left(tmp_path, ending, [])
    assert (recorded(tmp_path).observations, recorded(tmp_path).outcomes) == ([], [])


def test_a_plan_that_is_none_is_noted(tmp_path: Path) -> None:
    left(tmp_path, Ending.INTERRUPTED, [])
    (tmp_path / "load-full" / PLAN).write_text("{}")
    [note] = recorded(tmp_path).notes
    assert note.text.startswith("load-full: what is left of it cannot be read: ")


def test_it_keeps_even_a_good_run_from_being_met(tmp_path: Path) -> None:
    left(tmp_path, Ending.INTERRUPTED, [])
    write_run(tmp_path, claims=CRITERIA, change=lambda recorder: record_unfinished(tmp_path, recorder))
    rows = {row.id: row.status for row in judge(read_run(tmp_path), ALL).criteria}
    assert {rows[name] for name in CRITERIA} == {"not_verified"}
