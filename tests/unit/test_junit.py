"""What CI reads: xunit that its tools can count, and a summary that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring

import pytest
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import Recorder
from acceptance.report.junit import summary, xunit
from acceptance.report.validate import broken_rows
from acceptance.verdict.gate import judge
from robot import running
from robot.api import ResultWriter

from tests.evidence import ALL, complete, write_run

CRITERIA = complete()


def wrong(recorder: Recorder) -> None:
    """A test for each way to end."""
    recorder.test(
        name="Full.Cloud.Cache Hits", status="FAIL", criteria=["CLOUD-01", "INT-03"], message="expected\n a <hit> \x07",
        seconds=1.25, place="s1-t9", source="suites/cloud.robot:9",
    )  # fmt: skip
    recorder.test(
        name="Full.Cloud.Scales", status="SKIP", criteria=["CLOUD-04"], cause="capability", message="no scale"
    )
    recorder.test(
        name="Full.Load.Steps", status="FAIL", criteria=["PERF-05"], cause="environment", message="no Artillery"
    )
    recorder.test(name="Full.Load.Again", status="FAIL", criteria=["PERF-06"], message="too slow")
    recorder.test(name="Full.Load.Again", status="PASS", criteria=["PERF-06"])


def cases_of(folder: Path) -> tuple[Element, dict[str, Element]]:
    """The root, and the cases by class and name."""
    bundles = read_run(folder)
    root = fromstring(xunit(judge(bundles, CRITERIA), bundles).encode())
    return root, {f"{case.get('classname')}: {case.get('name')}": case for case in root.iter("testcase")}


def properties(case: Element) -> list[tuple[str, str]]:
    """Names and values of a case."""
    return [(one.get("name", ""), one.get("value", "")) for one in case.iter("property")]


def test_each_way_to_end_has_its_element(tmp_path: Path) -> None:
    _, cases = cases_of(write_run(tmp_path, change=wrong))
    failed = cases["Full.Cloud: Cache Hits"]
    assert properties(failed) == [
        ("criterion", "CLOUD-01"),
        ("criterion", "INT-03"),
        ("source", "suites/cloud.robot:9"),
        ("log", "log.html#s1-t9"),
    ]
    failure = failed.find("failure")
    assert failure is not None
    assert (failure.get("message"), failure.text) == ("expected a <hit>", "expected\n a <hit> ")
    assert failed.get("time") == "1.250"
    assert [one.tag for one in cases["Full.Cloud: Scales"]] == ["properties", "skipped"]
    assert [one.tag for one in cases["Full.Load: Steps"]] == ["properties", "error"]
    assert [one.tag for one in cases["Full.Load: Again"]] == ["properties"]
    assert ("flaky", "flaky: passed on try 2, after: too slow") in properties(cases["Full.Load: Again"])


def test_criteria_are_tests_of_the_gate(tmp_path: Path) -> None:
    _, cases = cases_of(write_run(tmp_path, change=wrong))
    gate = {name: case for name, case in cases.items() if name.startswith("gate: criteria: ")}
    assert len(gate) == len(ALL.required)
    met = gate["gate: criteria: PERF-01 Mean response time under load"]
    assert properties(met) == [
        ("criterion", "PERF-01"),
        ("status", "met"),
        ("figure", "193.32"),
        ("threshold", "322.2"),
        ("samples", "4814"),
        ("unit", "ms"),
        ("must_be", "at most"),
    ]
    assert gate["gate: criteria: CLOUD-01 The CDN serves static content from cache"].find("failure") is not None
    skipped = gate["gate: criteria: CLOUD-04 Auto-scaling works"].find("skipped")
    assert skipped is not None
    assert "cannot be known here" in (skipped.text or "")


def test_what_the_run_checked_by_itself_is_a_suite_of_its_own(tmp_path: Path) -> None:
    _, cases = cases_of(write_run(tmp_path))
    checks = [name.removeprefix("checks of the run: ") for name in cases if name.startswith("checks of the run: ")]
    own = {name: one.judged_by for name, one in ALL.criteria.items() if one.judged_by != "test"}
    assert sorted(checks) == sorted(f"{kind}: {name}" for name, kind in own.items())


def test_only_what_is_claimed_is_in_the_gate(tmp_path: Path) -> None:
    _, cases = cases_of(write_run(tmp_path, claims=["INT-01", "SEC-01"]))
    assert [name for name in cases if name.startswith("gate: criteria: ")] == [
        f"gate: criteria: INT-01 {ALL.criteria['INT-01'].title}"
    ]


def test_counts_and_times_are_those_of_the_cases(tmp_path: Path) -> None:
    root, _ = cases_of(write_run(tmp_path, change=wrong))
    tags = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    for suite in (root, *root.iter("testsuite")):
        cases = list(suite.iter("testcase"))
        assert int(suite.get("tests", "")) == len(cases)
        for count, tag in tags.items():
            assert int(suite.get(count, "")) == sum(case.find(tag) is not None for case in cases)
        assert float(suite.get("time", "")) == pytest.approx(sum(float(case.get("time", "")) for case in cases))


def test_elements_are_those_of_robots_own_xunit(tmp_path: Path) -> None:
    tests = "*** Test Cases ***\nGood\n    No Operation\nBad\n    Fail    no\nLeft\n    Skip    no\n"
    suite = running.TestSuite.from_string(tests)
    ended = suite.run(output=None, console="none")
    ResultWriter(ended).write_results(xunit=str(tmp_path / "xunit.xml"), log=None, report=None, stdout=StringIO())
    theirs = fromstring((tmp_path / "xunit.xml").read_bytes())
    root, cases = cases_of(write_run(tmp_path / "run", change=wrong))
    their_suite = theirs if theirs.tag == "testsuite" else next(theirs.iter("testsuite"))
    assert all(set(ours.attrib) <= set(their_suite.attrib) for ours in root.iter("testsuite"))
    their_cases = list(theirs.iter("testcase"))
    assert {name for one in cases.values() for name in one.attrib} == {
        name for one in their_cases for name in one.attrib
    }
    assert {part.tag for one in their_cases for part in one} == {"failure", "skipped"}


def test_runs_that_do_not_count_are_not_told_and_siblings_are_by_name(tmp_path: Path) -> None:
    def named(name: str) -> Callable[[Recorder], None]:
        return lambda recorder: recorder.test(name=f"Own.{name}", status="PASS", criteria=["INT-01"])

    folders = [
        write_run(tmp_path / "1", run="1", claims=["INT-01"], change=named("Mine")),
        write_run(tmp_path / "2", run="2", claims=[], deployment="twin", sibling_of="cloud", change=named("Its")),
        write_run(tmp_path / "3", run="3", claims=["INT-01"], build="b0", sibling_of="cloud", change=named("Old")),
    ]
    bundles = [bundle for folder in folders for bundle in read_run(folder)]
    root = fromstring(xunit(judge(bundles, CRITERIA), bundles).encode())
    cases = {(case.get("classname"), case.get("name")) for case in root.iter("testcase")}
    assert {case for case in cases if "Own" in str(case[0])} == {("Own", "Mine"), ("Own on twin", "Its")}


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    bundles = read_run(write_run(tmp_path, change=wrong))
    gate = judge(bundles, CRITERIA)
    assert xunit(gate, bundles) == xunit(gate, list(reversed(bundles)))
    assert summary(gate) == summary(gate)


def test_no_evidence_is_an_empty_report() -> None:
    root = fromstring(xunit(judge([], CRITERIA), []).encode())
    assert root.get("tests") == "0"


def test_the_summary_says_what_is_wrong(tmp_path: Path) -> None:
    bundles = read_run(write_run(tmp_path, change=wrong))
    gate = judge(bundles, CRITERIA)
    text = summary(gate)
    assert text.startswith("## NO-GO\n\nNO-GO (full: violated: ")
    assert (
        "| CLOUD-01 | The CDN serves static content from cache | Full.Cloud.Cache Hits: expected a &lt;hit&gt; |"
        in text
    )
    assert "| CLOUD-04 | cannot be known here: Full.Cloud.Scales: no scale |" in text
    assert "| PERF-01 | mean first byte | 193.3 ms | at most 322.2 ms |" in text
    assert "checks of the run itself: " in text
    assert gate.runs[0].seal in text
    assert not broken_rows(text)


def test_the_summary_of_a_good_run_has_no_table_of_what_is_wrong(tmp_path: Path) -> None:
    text = summary(judge(read_run(write_run(tmp_path, claims=["INT-01"])), CRITERIA))
    assert "violated" not in text
    assert "not verified" not in text


def test_an_unsealed_run_is_said_to_be_so(tmp_path: Path) -> None:
    text = summary(judge(read_run(write_run(tmp_path, sealed=False)), CRITERIA))
    assert text.startswith("## INCONCLUSIVE")
    assert "not sealed" in text
