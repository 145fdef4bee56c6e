"""Comparing two runs: what changed is named, the worst first, and what did not is counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from acceptance.cli import main
from acceptance.deployment.descriptor import Threshold
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Decision, Scope
from acceptance.report.comparison import WIDTH, in_sum, lines
from acceptance.verdict.diff import Comparison, compare, load_gate
from acceptance.verdict.gate import judge

from tests.evidence import ALL, write_run

CLAIMS = tuple(name for name in ALL.criteria if name.startswith(("PRE", "INT")))
LATE = "event 6 came 3 s late; expected within 1 s of the REST view"


@pytest.fixture
def compared(tmp_path: Path) -> Callable[..., Comparison]:
    """Compares a run in which all went well with another that differs as told."""

    def compare_with(before: Callable[[Recorder], None] = lambda recorder: None, **after: Any) -> Comparison:
        write_run(tmp_path / "A", run="a", name="integration", claims=CLAIMS, change=before)
        write_run(tmp_path / "B", **({"run": "b", "name": "integration", "claims": CLAIMS} | after))
        (one, decided), (other, decided_other) = (load_gate(tmp_path / name, ALL) for name in "AB")
        return compare(one, other, decided=decided, decided_other=decided_other)

    return compare_with


def ending(test: str, **changes: Any) -> Callable[[Recorder], None]:
    return lambda recorder: recorder.test(**({"name": test, "status": "PASS", "criteria": ["INT-08"]} | changes))


def observed(name: str, value: float, unit: str = "s") -> Callable[[Recorder], None]:
    def observe(recorder: Recorder) -> None:
        recorder.observe("INT-13", name, value, unit, samples=7)

    return observe


def decided(digest: str) -> Callable[[Recorder], None]:
    return lambda recorder: recorder.write(Decision(file="0007.md", title="t", summary="s", sha256=digest * 64))


def test_of_equal_runs_only_counts_are_told(compared: Callable[..., Comparison]) -> None:
    comparison = compared()
    assert lines(comparison)[4:] == [
        "",
        f"Equal: {len(CLAIMS)} criteria, {comparison.equal['figures']} figures, {len(CLAIMS)} tests",
        "In sum: no verdict, criterion or test got worse or better.",
    ]


def test_another_deployment_and_build_are_named_first(compared: Callable[..., Comparison]) -> None:
    told = lines(compared(deployment="staging", build=None))
    assert told[:2] == ["Not the same deployment: cloud -> staging", "Not the same build: b1 -> unknown"]
    assert " ".join(told[-2:]).endswith("(not the same deployment and build).")


def test_a_criterion_that_changed_has_its_reason(compared: Callable[..., Comparison]) -> None:
    comparison = compared(change=ending("suite: INT-08", status="FAIL", message=LATE), left_out=["INT-16"])
    assert [(row.id, row.before, row.after, row.better) for row in comparison.criteria] == [
        ("INT-08", "met", "violated", False),
        ("INT-16", "met", "not_verified", False),
    ]
    assert f"            suite: INT-08: {LATE}" in lines(comparison)
    assert "verdict went from PASS to NO-GO; worse: 2 criteria, 1 test, 1 test gone" in in_sum(comparison)


def test_what_became_better_is_told_as_that(tmp_path: Path) -> None:
    late = ending("suite: INT-08", status="FAIL", message=LATE)
    write_run(tmp_path / "A", run="a", claims=CLAIMS, change=late)
    write_run(tmp_path / "B", run="b", claims=CLAIMS)
    comparison = compare(*(load_gate(tmp_path / name, ALL)[0] for name in "AB"))
    assert f"            was: suite: INT-08: {LATE}" in lines(comparison)
    assert "  now passing  suite: INT-08" in lines(comparison)
    assert in_sum(comparison) == "In sum: the verdict went from NO-GO to PASS; better: 1 criterion, 1 test."


def test_figures_stand_with_their_side_of_the_threshold_the_worst_first(compared: Callable[..., Comparison]) -> None:
    def slower(recorder: Recorder) -> None:
        observed("slowest_processing", 31.5)(recorder)
        recorder.observe("INT-08", "realtime_lag", 0.9, "s", samples=10)
        observed("queue wait", 3.0)(recorder)

    comparison = compared(observed("queue wait", 1.5), change=slower)
    assert [(one.name, one.before, one.after) for one in comparison.figures] == [
        ("slowest_processing", 18.0, 31.5),
        ("realtime_lag", 0.6, 0.9),
        ("queue wait", 1.5, 3.0),
    ]
    first = comparison.figures[0]
    assert (first.difference, first.percent, first.worse) == (13.5, 75.0, 0.75)
    told = " | ".join(" ".join(line.split()) for line in lines(comparison))
    assert "INT-13 slowest processing 18 s 31.5 s +13.5 +75 % under 30: BROKEN" in told
    assert "INT-08 realtime lag 0.6 s 0.9 s +0.3 +50 % at most 1: kept" in told
    assert "INT-13 queue wait 1.5 s 3 s +1.5 +100 % | " in told


def test_a_figure_that_changed_and_kept_its_threshold_is_said_to_have(compared: Callable[..., Comparison]) -> None:
    comparison = compared(change=lambda recorder: recorder.observe("INT-08", "realtime_lag", 0.9, "s", samples=10))
    assert in_sum(comparison) == (
        "In sum: no verdict, criterion or test got worse or better; "
        "1 figure changed and kept its threshold, most INT-08 realtime lag: +50 %."
    )


def test_tests_that_come_or_go_with_what_is_claimed_are_counted_only(tmp_path: Path) -> None:
    write_run(tmp_path / "A", run="a", claims=CLAIMS[:3])
    write_run(tmp_path / "B", run="b", claims=CLAIMS)
    one, other = (load_gate(tmp_path / name, ALL)[0] for name in "AB")
    more, less = lines(compare(one, other)), lines(compare(other, one))
    assert [line for line in more if line.startswith("  new")] == ["  new          16 tests, since more is claimed"]
    assert [line for line in less if line.startswith("  gone")] == ["  gone         16 tests, since less is claimed"]
    assert "test gone" not in less[-1]


def test_the_help_says_that_it_only_tells(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    assert "exit status is 0 whatever changed" in " ".join(capsys.readouterr().out.split())


def test_a_figure_that_is_gone_or_was_0_has_no_percentage(compared: Callable[..., Comparison]) -> None:
    comparison = compared(observed("wait", 0.0), change=observed("wait", 3.0), left_out=["INT-08"])
    assert {(one.name, one.before, one.after, one.percent) for one in comparison.figures} == {
        ("wait", 0.0, 3.0, None),
        ("realtime_lag", 0.6, None, None),
    }
    assert any("none" in line and line.endswith("at most 1: not verified") for line in lines(comparison))


def test_less_is_worse_where_more_is_better(compared: Callable[..., Comparison]) -> None:
    [change] = compared(change=observed("documents_completed", 90.0, "%")).figures
    assert (change.worse, change.kept_before, change.kept_after) == (0.1, True, False)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ([], [{}], "  new          suite: extra"),
        ([{}], [], "  gone         suite: extra"),
        ([{}], [{"status": "FAIL"}], "  now failing  suite: extra"),
        ([{"status": "FAIL"}], [{}], "  now passing  suite: extra"),
        ([{}], [{"status": "SKIP", "cause": "capability"}], "  now skipped  suite: extra"),
        ([{}], [{"status": "FAIL"}, {}], "  now flaky    suite: extra"),
        ([], [{"status": "FAIL"}], "  now failing  suite: extra (new)"),
        ([{"seconds": 0.5}], [{"seconds": 1.5}], "  much slower  suite: extra 0.5 s -> 1.5 s"),
        ([{"seconds": 0.1}], [{"seconds": 1.0}], None),
        ([{"seconds": 5.0}], [{"seconds": 9.0}], None),
        ([{"status": "FAIL"}], [{"status": "FAIL"}], None),
    ],
)
def test_tests_that_ended_differently_or_are_much_slower(
    before: list[dict[str, Any]], after: list[dict[str, Any]], told: str | None, compared: Callable[..., Comparison]
) -> None:
    def record(tries: list[dict[str, Any]]) -> Callable[[Recorder], None]:
        def change(recorder: Recorder) -> None:
            for one in tries:
                ending("suite: extra", **one)(recorder)

        return change

    named = [line for line in lines(compared(record(before), change=record(after))) if line.startswith("  ")]
    named = [line for line in named if "suite: extra" in line and "INT-08" not in line and not line.startswith("   ")]
    assert named == ([told] if told else [])


def test_claims_and_thresholds_that_differ(compared: Callable[..., Comparison]) -> None:
    def stricter(recorder: Recorder) -> None:
        scope = Scope(name="integration", claims=(*CLAIMS[1:], "ERR-01"), deployment="cloud", build="b1")
        recorder.write(scope.model_copy(update={"thresholds": {"INT-13.slowest_processing": Threshold(value=20)}}))

    comparison = compared(claims=CLAIMS[1:], change=stricter)
    assert (comparison.claimed, comparison.unclaimed) == (("ERR-01",), (CLAIMS[0],))
    assert "  INT-13 slowest_processing: under 30 s -> under 20 s" in lines(comparison)
    assert "1 criterion no longer claimed" in in_sum(comparison)


def test_decisions_that_were_edited(compared: Callable[..., Comparison]) -> None:
    comparison = compared(decided("a"), change=decided("b"))
    assert lines(comparison)[5:7] == ["Decisions", "  0007.md: aaaaaaaaaaaa -> bbbbbbbbbbbb"]


def test_everything_fits_into_the_console(compared: Callable[..., Comparison]) -> None:
    def long(recorder: Recorder) -> None:
        for number in range(50):
            ending(f"{'A very long name of a suite. ' * 6}{number}", status="FAIL", message="why " * 200)(recorder)
        observed("a figure with a name that has no end " * 5, 123456.789)(recorder)

    told = lines(compared(change=long, run="b" * 150))
    assert max(len(line) for line in told) <= WIDTH
    assert "               and 30 more" in told


def test_runs_that_are_too_old_to_count_can_still_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path / "A", claims=CLAIMS)
    later = datetime.now(UTC) + timedelta(days=365)
    monkeypatch.setattr("acceptance.verdict.diff.utc_now", lambda: later)
    assert load_gate(folder, ALL)[0].verdict == "PASS"
    assert judge(read_run(folder), ALL, later).verdict == "INCONCLUSIVE"


def test_the_command_takes_folders_links_and_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "A", run="a", claims=CLAIMS)
    write_run(tmp_path / "B", run="b", claims=CLAIMS, left_out=["INT-08"])
    (tmp_path / "latest").symlink_to("B")
    (tmp_path / "B" / "gate.json").write_text("edited by hand")
    told = set()
    for other in ("B", "latest", "latest/gate.json"):
        assert main(["compare", str(tmp_path / "A"), str(tmp_path / other)]) == 0
        told.add(capsys.readouterr().out)
    assert len(told) == 1
    assert "INT-08    met -> not verified" in told.pop()


@pytest.mark.parametrize("other", ["nowhere", "."])
def test_what_is_no_run_is_told(other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(tmp_path / "A", claims=CLAIMS)
    assert main(["compare", str(tmp_path / "A"), str(tmp_path / other)]) == 3
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
