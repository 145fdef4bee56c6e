"""History: what is remembered, what a trend shows, and that a broken history fails nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from acceptance.evidence.reader import EVIDENCE, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Trend
from acceptance.redaction.redactor import Redactor
from acceptance.runner.finalize import conclude, judge_again
from acceptance.verdict import history
from acceptance.verdict.criterion_results import Row
from acceptance.verdict.gate import Gate, Judged, judge
from acceptance.verdict.history import LISTED, TREND_POINTS, remember, trends
from acceptance.verdict.metrics import Figure
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.evidence import ALL, write_run

SEAL = "5" * 64


def figure(value: float, *, unit: str = "s", must_be: str | None = "under", **changes: Any) -> Figure:
    limit = {"must_be": must_be, "threshold": None if must_be is None else 30.0, "least_samples": 5}
    return Figure.model_validate({"name": "speed", "unit": unit, "value": value, "samples": 7} | limit | changes)


def gate(day: int, *figures: Figure, deployment: str = "cloud", name: str = "full", **changes: Any) -> Gate:
    """A sound gate of a run of that day, in which one criterion has these figures."""
    run = f"run-{day}"
    ended = f"2026-{1 + day // 28:02}-{1 + day % 28:02}T10:00:00.000Z"
    row = Row(id="INT-13", title="t", required=True, status="met", figures=figures or (figure(10.0),))
    judged = Judged(
        run=run, name=name, deployment=deployment, build="b", home="", began=ended, ended=ended, records=1, seal=SEAL
    )
    whole: dict[str, Any] = {
        "run": run,
        "name": name,
        "scope": "full",
        "deployment": deployment,
        "build": f"b{day}",
        "verdict": "GO",
        "line": "GO",
        "claimed": 1,
        "required": 1,
        "runs": (judged,),
        "criteria": (row,),
    }
    return Gate(**(whole | changes))


def remembered(folder: Path, *gates: Gate) -> Path:
    for one in gates:
        remember(folder, one)
    return folder


def the(folder: Path, now: Gate) -> Trend:
    [trend], told = trends(folder, now)
    assert told == []
    return trend


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


# What is remembered


def test_a_gate_is_one_small_file_named_by_time_and_run(tmp_path: Path) -> None:
    folder = remembered(tmp_path / "history", gate(3), gate(3))
    [path] = files(folder)
    assert path.name == "20260104T100000000Z-run-3.json"
    content = json.loads(path.read_text())
    assert (content["run"], content["deployment"], content["build"], content["verdict"]) == (
        "run-3",
        "cloud",
        "b3",
        "GO",
    )
    assert content["figures"] == {"INT-13": [{"name": "speed", "unit": "s", "value": 10.0, "samples": 7}]}


@pytest.mark.parametrize(
    "changes",
    [{"unsound": ("damaged evidence",)}, {"runs": ()}, {"runs": (gate(1).runs[0].model_copy(update={"seal": ""}),)}],
)
def test_what_is_not_sealed_and_sound_is_not_remembered(changes: dict[str, Any], tmp_path: Path) -> None:
    assert not remembered(tmp_path / "history", gate(1, **changes)).exists()


def test_a_run_that_is_not_go_is_remembered(tmp_path: Path) -> None:
    remembered(tmp_path, gate(1, figure(31.0, broken="too slow"), verdict="NO-GO"))
    assert [point.value for point in the(tmp_path, gate(2)).past] == [31.0]


@pytest.mark.parametrize("lacking", [figure(1.0, missing="too few samples"), figure(1.0, least_samples=None)])
def test_figures_without_limit_or_with_too_few_samples_are_not_remembered(lacking: Figure, tmp_path: Path) -> None:
    remembered(tmp_path, gate(1, lacking))
    assert trends(tmp_path, gate(2)) == ([], [])


def test_what_a_sibling_showed_is_no_figure_of_the_deployment(tmp_path: Path) -> None:
    proven = gate(1).criteria[0].model_copy(update={"proven_on": "staging"})
    remembered(tmp_path, gate(1, criteria=(proven,)))
    assert trends(tmp_path, gate(2)) == ([], [])


def test_the_name_of_a_run_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    remembered(tmp_path / "history", gate(1, run="../../elsewhere/" + "x" * 400))
    assert [path.parent.name for path in tmp_path.rglob("*.json")] == ["history"]


# Trends


def test_a_trend_is_of_the_same_deployment_figure_and_unit_the_oldest_first(tmp_path: Path) -> None:
    remembered(
        tmp_path,
        gate(2, figure(12.0)),
        gate(1, figure(11.0)),
        gate(3, figure(13.0), deployment="other"),
        gate(4, figure(14.0, unit="ms")),
        gate(5, figure(15.0, name="other")),
        gate(6, figure(16.0), name="quick"),
    )
    trend = the(tmp_path, gate(7))
    assert [(point.run, point.value, point.build) for point in trend.past] == [
        ("run-1", 11.0, "b1"),
        ("run-2", 12.0, "b2"),
        ("run-6", 16.0, "b6"),
    ]
    assert (trend.criterion, trend.figure, trend.unit, trend.regression) == ("INT-13", "speed", "s", "")


def test_a_trend_is_of_the_last_runs_alone(tmp_path: Path) -> None:
    remembered(tmp_path, *(gate(day) for day in range(TREND_POINTS + 5)))
    assert [point.run for point in the(tmp_path, gate(100)).past][::29] == ["run-5", "run-34"]


def test_without_a_history_there_is_no_trend_and_nothing_to_tell(tmp_path: Path) -> None:
    assert trends(tmp_path / "nowhere", gate(1)) == ([], [])


def test_only_runs_of_the_same_kind_tell_a_regression(tmp_path: Path) -> None:
    slow = [gate(20, figure(20.0)), gate(21, figure(20.0))]
    others = [gate(day, figure(10.0), name="quick") for day in range(20)]
    remembered(tmp_path / "mixed", *others, *slow)
    assert the(tmp_path / "mixed", gate(22, figure(20.0))).regression == ""
    remembered(tmp_path / "alike", *(gate(day, figure(10.0)) for day in range(20)), *slow)
    assert the(tmp_path / "alike", gate(22, figure(20.0))).regression.startswith("slower than before")


def test_a_concluded_run_is_remembered_and_its_trend_is_in_its_evidence(tmp_path: Path) -> None:
    claims = [name for name in ALL.criteria if name.startswith("INT")]
    past = tmp_path / "history"
    for run in ("one", "two"):
        folder = write_run(tmp_path / run, run=run, name="integration", claims=claims, sealed=False)
        conclude(folder, Recorder(folder / EVIDENCE, run, Redactor(), "runner"), ALL, history=past)
    assert len(files(past)) == 2
    again, _ = judge_again(tmp_path / "two", ALL)
    [row] = [row for row in again.criteria if row.id == "INT-13"]
    assert {(trend.figure, len(trend.past)) for trend in row.trend} == {
        ("slowest_processing", 1),
        ("documents_completed", 1),
    }


# A broken history


def content(**changes: Any) -> bytes:
    whole = json.loads(history.Remembered.model_validate_json(GOOD).model_dump_json())
    return json.dumps(whole | changes).encode()


GOOD = (
    b'{"format":1,"run":"r","time":"2026-01-01T10:00:00.000Z","name":"full","deployment":"cloud","build":"b",'
    b'"verdict":"GO","figures":{"INT-13":[{"name":"speed","unit":"s","value":9.0,"samples":5}]}}'
)
NAME = "20260101T100000000Z-r.json"


def speed(value: object) -> bytes:
    return content(figures={"INT-13": [{"name": "speed", "unit": "s", "value": value, "samples": 5}]})


@pytest.mark.parametrize(
    ("name", "written", "told"),
    [
        (NAME, GOOD[:-20], "is no past gate: Invalid JSON: EOF"),
        (NAME, b"", "is no past gate: Invalid JSON"),
        (NAME, b"\xff\xfe", "is no past gate: Invalid JSON"),
        (NAME, b"[" * 100_000, "is no past gate: Invalid JSON"),
        (NAME, b"[]", "is no past gate: Input should be an object"),
        (NAME, b" " * 1_000_001, "is no past gate"),
        (NAME, content(format=2, more="x"), "is no past gate: format: Input should be 1"),
        (NAME, content(time="yesterday"), "is no past gate: time: "),
        (NAME, speed("9"), "is no past gate: figures: Input should be a valid number"),
        (NAME, speed(True), "is no past gate: figures: Input should be a valid number"),
        (NAME, speed(float("nan")), "is no past gate: "),
        (NAME, content(run="run-50"), "is of the run that is judged"),
        (NAME, content(run="run-50 + other"), "is of the run that is judged"),
        (NAME, content(run="run-1"), "is of a run that is there already"),
        (NAME, content(time="2027-01-01T10:00:00.000Z"), "is later than the run that is judged"),
        ("notes.txt", b"mine", "is no past gate"),
        ("bad\nname\udcff.json", GOOD, "is no past gate"),
    ],
)
def test_what_is_of_no_use_is_told_in_one_line_and_ignored(
    name: str, written: bytes, told: str, tmp_path: Path
) -> None:
    remembered(tmp_path, gate(0))
    (tmp_path / files(tmp_path)[0].name).rename(tmp_path / "20260101T000000000Z-run-1.json")
    first = tmp_path / "20260101T000000000Z-run-1.json"
    first.write_text(first.read_text().replace("run-0", "run-1"))
    (tmp_path / name).write_bytes(written)
    [trend], [line] = trends(tmp_path, gate(50))
    assert [point.run for point in trend.past] == ["run-1"]
    assert told in line
    assert line.startswith("history: ")
    assert line.isprintable()


def test_many_useless_files_are_counted(tmp_path: Path) -> None:
    for number in range(LISTED + 9):
        (tmp_path / f"{number:02}.txt").touch()
    found, told = trends(tmp_path, gate(1))
    assert (found, len(told), told[-1]) == ([], LISTED + 1, "history: 9 more files are of no use")


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "history").write_text("a file")
    assert trends(tmp_path / "history", gate(1)) == ([], ["history: history: cannot be read: Not a directory"])


def test_folders_links_and_drafts_among_the_files_are_no_gates(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / f"{NAME[:-6]}s.json").symlink_to(tmp_path / f"{NAME[:-6]}s.json")
    (tmp_path / f".{NAME}").write_bytes(GOOD[:9])
    found, told = trends(tmp_path, gate(1))
    assert (found, len(told)) == ([], 2)


NUMBER = st.one_of(st.floats(), st.integers(), st.text(), st.booleans(), st.none())
JSON = st.recursive(NUMBER, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)
ANY_FILE = st.one_of(
    st.binary(),
    st.builds(lambda cut: GOOD[:cut], st.integers(0, len(GOOD))),
    st.builds(speed, NUMBER),
    st.builds(
        lambda field, value: content(**{field: value}), st.sampled_from(["format", "run", "time", "figures"]), JSON
    ),
    st.builds(lambda value, run: speed(value).replace(b'"r"', b'"%d"' % run), st.floats(), st.integers(0, 99)),
)


@given(st.dictionaries(st.integers(0, 99), ANY_FILE, max_size=30))
@example({number: speed(1.7e308 * (-1) ** number).replace(b'"r"', b'"%d"' % number) for number in range(30)})
@example({0: b"9" * 5000, 1: speed(0).replace(b"0", b"9" * 5000)})
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_the_folder_nothing_is_raised(
    tmp_path_factory: pytest.TempPathFactory, found: dict[int, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    for number, written in found.items():
        (folder / f"20260101T1000000{number:02}Z-r.json").write_bytes(written)
    points, told = trends(folder, gate(50, figure(1e308)))
    assert len(told) <= LISTED + 1
    for point in points:
        Trend.model_validate_json(point.model_dump_json())


def test_a_gate_of_real_evidence_goes_round(tmp_path: Path) -> None:
    first, second = (
        judge(read_run(write_run(tmp_path / run, run=run, name="full")), ALL) for run in ("first", "second")
    )
    remember(tmp_path / "history", first)
    found, told = trends(tmp_path / "history", second)
    assert told == []
    assert len(found) == sum(len(criterion.limits) for criterion in ALL.criteria.values())
