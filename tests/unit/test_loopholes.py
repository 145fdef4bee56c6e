"""Ways to a better verdict that were found once, and are closed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.cli import main
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.merge import merge
from acceptance.evidence.reader import EVIDENCE, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact, Opened, Scope
from acceptance.verdict.gate import Gate, judge
from DeploymentLibrary import _cause, _status

from tests.evidence import complete, write_run
from tests.unit.gates import evidence, row, speed
from tests.unit.gates import judge as judge_small

CRITERIA = complete()


def judged(*folders: Path) -> Gate:
    return judge([bundle for folder in folders for bundle in read_run(folder)], CRITERIA)


def failing(recorder: Recorder) -> None:
    recorder.test(name="x", status="FAIL", criteria=["INT-05"], message="lost")


def without_sql(recorder: Recorder) -> None:
    capabilities = tuple({need for one in CRITERIA.criteria.values() for need in one.needs} - {"sql"})
    claims = tuple(CRITERIA.criteria)
    recorder.write(Scope(name="full", claims=claims, deployment="cloud", build="b1", capabilities=capabilities))


def first_line_changed(folder: Path, **changes: object) -> None:
    """The line of this kind altered, as with an editor: its chain is not made anew."""
    [path] = (folder / EVIDENCE).glob("records-*")
    lines = path.read_text().splitlines(keepends=True)
    kind = changes.pop("kind")
    for number, line in enumerate(lines):
        if json.loads(line)["kind"] == kind:
            lines[number] = json.dumps(json.loads(line) | changes) + "\n"
            break
    path.write_text("".join(lines))


def test_a_sibling_does_not_prove_what_was_not_run_here(tmp_path: Path) -> None:
    lazy = write_run(tmp_path / "own", change=without_sql, left_out=["INT-05"])
    sibling = write_run(tmp_path / "s", run="s", deployment="staging", sibling_of="cloud")
    assert row(judged(lazy, sibling), "INT-05").reason.startswith("we failed to look")


@pytest.mark.parametrize("name", ["a/b", "../../x", ".."])
def test_a_run_with_a_crooked_name_does_not_vanish_from_a_merge(name: str, tmp_path: Path) -> None:
    bad = write_run(tmp_path / "a", run="a", change=failing, violated=["INT-05"])
    first_line_changed(bad, kind="opened", run=name)
    merge([bad, write_run(tmp_path / "b", run="b")], tmp_path / "deep" / "both")
    assert judged(tmp_path / "deep" / "both").verdict == "NO-GO"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "deep"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["both"]


@pytest.mark.parametrize("changes", [{"build": "b0", "sibling_of": "elsewhere"}, {"build": "b0"}])
def test_a_damaged_run_is_never_left_out(changes: dict[str, str], tmp_path: Path) -> None:
    bad = write_run(tmp_path / "a", run="a", change=failing, violated=["INT-05"])
    first_line_changed(bad, kind="run", **changes)
    assert judged(bad, write_run(tmp_path / "b", run="b")).verdict == "NO-GO"


def test_a_damaged_run_does_not_say_what_is_judged(tmp_path: Path) -> None:
    bad = write_run(tmp_path / "a", run="a", change=failing, violated=["INT-05"])
    other = write_run(tmp_path / "b", run="b")
    first_line_changed(other, kind="run", deployment="elsewhere", time="2026-11-24T23:59:59.000Z")
    assert (judged(bad, other).verdict, judged(bad, other).deployment) == ("NO-GO", "cloud")


@pytest.mark.parametrize(
    ("status", "message", "cause"),
    [
        ("FAIL", "EnvironmentUnavailable: no browser", "environment"),
        ("FAIL", "Setup failed:\nEnvironmentUnavailable: no browser", "environment"),
        ("FAIL", "NotWritten: [Errno 28] evidence cannot be written: No space left on device", "environment"),
        ("FAIL", "OSError: [Errno 28] No space left on device", "product"),
        ("FAIL", "sha differs\n\nAlso teardown failed:\nEnvironmentUnavailable: x", "product"),
        ("FAIL", "Several failures occurred:\n\n1) wrong\n\n2) EnvironmentUnavailable: x", "product"),
        ("FAIL", "GET /x: expected 200, observed 503 EnvironmentUnavailable", "product"),
        ("SKIP", "CapabilityMissing: needs the capability 'sql'", "capability"),
        ("SKIP", "not offered: routes.refresh", "not_offered"),
        ("FAIL", "not offered: routes.refresh\n\nAlso teardown failed:\nsha differs", "product"),
        ("FAIL", "NameError: x", "product"),
    ],
)
def test_only_what_stands_alone_excuses(status: str, message: str, cause: str) -> None:
    assert _cause(status, message) == cause


def test_a_failure_before_a_skip_stays_one() -> None:
    message = "CapabilityMissing: needs the capability 'sql'\n\nAlso failure occurred:\nwrong"
    assert (_status("SKIP", message), _cause("FAIL", message)) == ("FAIL", "product")


@pytest.mark.parametrize("more", [speed(45, samples=1), speed(1, unit="ms")])
def test_too_few_or_strange_samples_hide_no_broken_limit(more: Any) -> None:
    limited = row(judge_small(evidence(observations=[speed(45, samples=1), more])), "AA-02")
    assert limited.status == "violated"


def test_other_criteria_than_those_of_the_run_are_told(tmp_path: Path) -> None:
    def other_criteria(recorder: Recorder) -> None:
        recorder.write(Scope(name="full", claims=(), deployment="cloud", build="b1", criteria="0" * 64))

    gate = judged(write_run(tmp_path / "a", change=other_criteria))
    assert any("judged by other criteria" in problem for problem in gate.unsound)


def test_runs_that_do_not_count_stand_in_the_line(tmp_path: Path) -> None:
    one = write_run(tmp_path / "a", run="a", build="b0", change=failing)
    assert "without a: of build b0, judged is b1" in judged(one, write_run(tmp_path / "b", run="b")).line


@pytest.mark.parametrize(
    "change",
    [
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), path.symlink_to("nowhere")),
        lambda path: path.write_bytes(b""),
    ],
)
def test_files_that_are_none_are_damage(change: Callable[[Path], object], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "a")
    change(next((folder / EVIDENCE).glob("records-*")))
    assert (judged(folder).verdict, main(["report", str(folder)])) == ("INCONCLUSIVE", 2)


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "a\0b", ""])
def test_an_artifact_lies_in_the_run(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        Artifact(path=path, sha256="0" * 64)


@pytest.mark.parametrize("run", ["", ".", "../x", "a/b", "a\0b"])
def test_the_name_of_a_run_is_the_name_of_a_folder(run: str) -> None:
    with pytest.raises(ValueError, match="run"):
        Opened(run=run)


@pytest.mark.parametrize("change", [{"hdr": "HISTFAAAx"}, {"resolution": float("inf")}, {"raw": [float("inf")]}])
def test_an_altered_distribution_is_no_record(change: dict[str, object]) -> None:
    whole = Distribution.of([0.5] * (2000 if "hdr" in change else 3)).model_dump()
    with pytest.raises(ValueError, match="Distribution"):
        Distribution.model_validate(whole | change)


def test_a_report_that_breaks_leaves_no_older_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "a", claims=["INT-05"])
    main(["report", str(folder)])
    monkeypatch.setattr("acceptance.report.render.page", lambda *_: 1 / 0)
    assert main(["report", str(folder)]) == 0
    assert "the report broke: ZeroDivisionError" in (folder / "gate.html").read_text()
