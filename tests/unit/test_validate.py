"""Whether the report is what it should be: each property that DOC-01…03 promise is broken once, and noticed."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.reader import Bundle, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.redaction.redactor import Redactor
from acceptance.report import validate
from acceptance.report.decisions import read_decisions
from acceptance.report.documents import NAMES, documents
from acceptance.report.page import page
from acceptance.report.validate import broken_rows, problems
from acceptance.runner import finalize
from acceptance.runner.finalize import conclude
from acceptance.verdict.gate import Gate, judge
from acceptance.yaml_models import PROJECT

from tests.evidence import complete, write_run

NOTES, DECIDED, HANDOFF, SUMMARY = NAMES
CRITERIA = complete()
Change = Callable[[str], str]


def with_everything(recorder: Recorder) -> None:
    """Decisions, samples to draw, a series and words that look like a leak but are what was observed."""
    for decision in read_decisions(PROJECT)[0]:
        recorder.write(decision)
    samples = Distribution.of([float(one) for one in range(1, 40)])
    recorder.observe(
        "PERF-08", "latency", samples.mean, "ms", samples=samples.count, statistic="mean", distribution=samples
    )
    recorder.series("PERF-08", "throughput", "1/s", {"requests": [(0.0, 1.0), (1.0, 2.0)]})
    recorder.note("the header was None, expected nan")


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Gate, list[Bundle]]:
    """A full run, and its gate."""
    bundles = read_run(write_run(tmp_path, change=with_everything))
    return judge(bundles, CRITERIA), bundles


def faults(judged: tuple[Gate, list[Bundle]]) -> dict[str, list[str]]:
    """What is wrong, of the criteria of which something is."""
    return {name: lines for name, lines in problems(*judged, CRITERIA).items() if lines}


def test_a_good_report_has_no_problem(judged: tuple[Gate, list[Bundle]]) -> None:
    assert problems(*judged, CRITERIA) == {"BRW-05": [], "DOC-01": [], "DOC-02": [], "DOC-03": []}


def without_analysis(text: str, instead: str) -> str:
    """A summary in which a section says something else."""
    return re.sub(r"(### Bottlenecks\n).*?(?=\n###)", rf"\1\n{instead}\n", text, flags=re.DOTALL)


def in_document(name: str, change: Change) -> Callable[[dict[str, str]], dict[str, str]]:
    return lambda found: found | {name: change(found[name])}


@pytest.mark.parametrize(
    ("change", "criterion", "problem"),
    [
        (lambda found: {name: found[name] for name in NAMES[1:]}, "DOC-01", f"{NOTES} is not written"),
        (in_document(HANDOFF, lambda text: " \n"), "DOC-01", f"{HANDOFF} is empty"),
        (
            in_document(NOTES, lambda text: text.replace("]: gate.html#o-", "]: gate.html#o-x", 1)),
            "DOC-01",
            "which the page does not have",
        ),
        (
            in_document(NOTES, lambda text: text + "\n[5 s](gate.html#INT-01)\n"),
            "DOC-01",
            f"{NOTES} links to gate.html#INT-01, which is no observation of the evidence",
        ),
        (
            in_document(NOTES, lambda text: text + "\n[5 s][9999]\n"),
            "DOC-01",
            f"{NOTES} refers to [9999], which is not one link",
        ),
        (
            in_document(NOTES, lambda text: text + "\n[1]: gate.html#o-2\n"),
            "DOC-01",
            f"{NOTES} refers to [1], which is not one link",
        ),
        (
            in_document(NOTES, lambda text: text + "\n[a test](log.html#s9-t9)\n"),
            "DOC-01",
            f"{NOTES} links to log.html#s9-t9, where no test stands",
        ),
        (
            in_document(DECIDED, lambda text: re.sub("[0-9a-f]{64}", "0" * 64, text)),
            "DOC-01",
            f"{DECIDED} does not name the decision docs/decisions/0001",
        ),
        (in_document(NOTES, lambda text: text + "\n{{ gate.line }}\n"), "DOC-01", "shows '{{'"),
        (in_document(NOTES, lambda text: text + "\nUndefined\n"), "DOC-01", "shows 'Undefined'"),
        (in_document(NOTES, lambda text: text + "\n| a | b |\n|---|---|\n| c |\n"), "DOC-01", "the row of a table"),
        (
            in_document(SUMMARY, lambda text: text.replace("### Bottlenecks", "### Others")),
            "DOC-03",
            "has no section 'Bottlenecks'",
        ),
        (
            in_document(SUMMARY, lambda text: without_analysis(text, "All is well.")),
            "DOC-03",
            "the section 'Bottlenecks'",
        ),
        (
            in_document(SUMMARY, lambda text: without_analysis(text, "See [1 passed](gate.html#tests-PERF-09).")),
            "DOC-03",
            "neither holds a linked observation nor says",
        ),
        (
            in_document(SUMMARY, lambda text: without_analysis(text, "Not verified: ")),
            "DOC-03",
            "neither holds a linked observation nor says",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_document_is_reported(
    judged: tuple[Gate, list[Bundle]],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, str]], dict[str, str]],
    criterion: str,
    problem: str,
) -> None:
    broken = change(documents(*judged, CRITERIA))
    monkeypatch.setattr(validate, "documents", lambda *given: broken)
    found = faults(judged)
    assert list(found) == [criterion]
    assert any(problem in line for line in found[criterion])


def test_none_and_nan_are_reported_where_the_evidence_does_not_contain_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = read_run(write_run(tmp_path))
    gate = judge(bundles, CRITERIA)
    broken = in_document(NOTES, lambda text: text + "\nNone of nan\n")(documents(gate, bundles, CRITERIA))
    monkeypatch.setattr(validate, "documents", lambda *given: broken)
    lines = [f"{NOTES} shows '{word}', which no reader should see" for word in ("None", "nan")]
    assert faults((gate, bundles)) == {"DOC-01": lines}


def test_a_document_that_differs_each_time_is_reported(
    judged: tuple[Gate, list[Bundle]], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter(range(9))
    written = documents(*judged, CRITERIA)
    monkeypatch.setattr(
        validate, "documents", lambda *given: written | {NOTES: f"{written[NOTES]}\n{next(times)} times\n"}
    )
    found = faults(judged)
    assert found == {"DOC-01": [f"{NOTES} is another one when it is written again from the same evidence"]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda html: re.sub(r"\bGO\b", "well", html), "does not name the verdict GO"),
        (lambda html: html.replace('id="INT-08"', ""), "has no row for INT-08"),
        (lambda html: html.replace('id="tests-INT-08"', ""), "does not list the tests of INT-08"),
        (lambda html: html.replace("log.html#s1-t1", "log.html"), "has no link to log.html#s1-t1"),
        (lambda html: re.sub(r"<figure.*?</figure>", "", html, flags=re.DOTALL), "has no chart"),
    ],
)
def test_what_is_wrong_with_the_page_is_reported(
    judged: tuple[Gate, list[Bundle]], monkeypatch: pytest.MonkeyPatch, change: Change, problem: str
) -> None:
    broken = change(page(*judged, CRITERIA))
    monkeypatch.setattr(validate, "page", lambda *given: broken)
    assert any(problem in line for line in faults(judged)["DOC-02"])


def test_an_observation_that_the_page_lost_is_reported(
    judged: tuple[Gate, list[Bundle]], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = page(*judged, CRITERIA).replace('id="o-', 'id="x-')
    monkeypatch.setattr(validate, "page", lambda *given: broken)
    lines = faults(judged)["DOC-01"]
    assert all("which the page does not have" in line or line.startswith("and ") for line in lines)
    assert len(lines) <= len(NAMES) * (validate.MOST + 1)


def test_words_in_scripts_are_not_what_a_reader_sees() -> None:
    assert "hidden" not in validate.read_page("<style>hidden</style><script>hidden</script><p>seen</p>").text


def test_rows_of_another_length_are_found() -> None:
    assert broken_rows("| a | b |\n|---|---|\n| c | d |\n\ntext | x\n\n| a |\n|---|\n| b | c |\n") == [9]
    assert broken_rows("| a \\| b |\n|---|\n| c\n") == [3]


def test_a_run_ends_with_its_decisions_and_checked_documents(tmp_path: Path) -> None:
    recorder = Recorder(
        write_run(tmp_path, sealed=False) / "evidence", "20261124-120000-full-abcd", Redactor(), "runner"
    )
    conclude(tmp_path, recorder, CRITERIA)
    (bundle,) = read_run(tmp_path)
    assert {one.file for one in bundle.decisions} == {one.file for one in read_decisions(PROJECT)[0]}
    rehearsed = {one.test: (one.status, one.message) for one in bundle.outcomes if one.writer == recorder.writer}
    assert rehearsed == {f"report: {name}": ("PASS", "") for name in ("BRW-05", "DOC-01", "DOC-02", "DOC-03")}
    assert all((tmp_path / name).stat().st_size for name in NAMES)


def test_a_decision_that_cannot_be_read_is_a_note_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finalize, "PROJECT", tmp_path / "nowhere")
    folder = write_run(tmp_path / "run", sealed=False)
    recorder = Recorder(folder / "evidence", "20261124-120000-full-abcd", Redactor(), "runner")
    conclude(folder, recorder, CRITERIA)
    (bundle,) = read_run(folder)
    assert [note.text for note in bundle.notes] == ["docs/decisions: no such folder: no decision is among the evidence"]
    assert judge([bundle], CRITERIA).verdict == "GO"


def test_what_a_sibling_proved_is_linked_too(tmp_path: Path) -> None:
    def unknowable(recorder: Recorder) -> None:
        recorder.test(
            name="suite: CLOUD-01", status="SKIP", cause="capability", criteria=["CLOUD-01"], message="no cold cache"
        )

    write_run(tmp_path / "1", run="1", left_out=["CLOUD-01"], change=unknowable)
    write_run(tmp_path / "2", run="2", claims=["CLOUD-01"], deployment="twin", sibling_of="cloud")
    bundles = [bundle for name in ("1", "2") for bundle in read_run(tmp_path / name)]
    gate = judge(bundles, CRITERIA)
    assert [row.proven_on for row in gate.criteria if row.id == "CLOUD-01"] == ["twin"]
    assert "met (on twin)" in documents(gate, bundles, CRITERIA)[NOTES]
    assert faults((gate, bundles)) == {}
