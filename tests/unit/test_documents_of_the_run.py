"""The four documents: everything in them is evidence, linked, and nothing that evidence says changes their shape."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from acceptance.evidence.reader import Bundle, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Decision, Note, Observation, Outcome, Plan, Scope
from acceptance.report.analysis import LINES, SECTIONS, STRATEGIES
from acceptance.report.documents import NAMES, documents
from acceptance.report.markdown import anchor, lost_references, without_references
from acceptance.report.validate import broken_rows
from acceptance.verdict.gate import judge
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evidence import ALL, complete, write_run

NOTES, DECIDED, HANDOFF, SUMMARY = NAMES
HOSTILE = "a | b\n# <script>alert('x')</script> `code` [l](http://e) {{ x }} \u2028 \x00" + "y" * 10_000
INTEGRATION = tuple(ALL.of(["PRE", "INT"]))


def written(folder: Path) -> Mapping[str, str]:
    """The documents of a run's folder, each link where it is used."""
    bundles, criteria = read_run(folder), complete()
    found = documents(judge(bundles, criteria), bundles, criteria)
    assert not any(lost_references(text) for text in found.values())
    return {name: without_references(text) for name, text in found.items()}


def section(document: str, title: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"no section {title}"
    return found[1].strip()


def wrong(recorder: Recorder) -> None:
    """A run in which much goes wrong."""
    recorder.test(
        name="Cloud.Hit", status="FAIL", criteria=["CLOUD-01"], message="expected a hit,\nfound a miss", place="s1-t9"
    )
    recorder.test(name="Errors.Recovers", status="FAIL", criteria=["ERR-01"], message="too late")
    recorder.test(name="Errors.Recovers", status="PASS", criteria=["ERR-01"], place="s2-t2")
    recorder.test(name="Cloud.Scales", status="SKIP", criteria=["CLOUD-04"], cause="capability", message="no scale")
    recorder.test(
        name="Load.Steps", status="FAIL", criteria=["PERF-03", "PERF-05"], cause="environment", message="no Artillery"
    )
    recorder.test(name="Security.Headers", status="FAIL", criteria=["SEC-06"], message="no HSTS", place="s3-t3")
    recorder.observe("PERF-01", "mean_first_byte", 322.2001, "ms", samples=5000)
    recorder.note("robot died")


def test_every_measured_number_is_a_link_to_its_observation(tmp_path: Path) -> None:
    folder = write_run(tmp_path)
    found = written(folder)
    observed = {anchor(f"{one.run}/{seen.reference}") for one in read_run(folder) for seen in one.observations}
    linked = {target for text in found.values() for target in re.findall(r"\(gate\.html#(o-[^)]+)\)", text)}
    assert linked == observed
    assert "realtime lag [0.6 s](gate.html#o-" in found[NOTES]


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = write_run(tmp_path, change=wrong)
    assert written(folder) == written(folder)


def test_each_fault_stands_in_its_section(tmp_path: Path) -> None:
    found = written(write_run(tmp_path, change=wrong))
    violations = section(found[NOTES], "Violations")
    assert "[Cloud.Hit](log.html#s1-t9): expected a hit, found a miss" in violations
    assert "mean first byte is [322.2001 ms](gate.html#" in violations
    assert "must be at most 322.2 ms" in violations
    assert "[Errors.Recovers](log.html#s2-t2)" in section(found[NOTES], "Tests that failed on their first try")
    stopped = section(found[NOTES], "Tests that did not run to their end")
    assert "Cloud.Scales (capability): no scale" in stopped
    assert "Load.Steps (environment): no Artillery" in stopped
    assert section(found[NOTES], "Notes of the run") == "- robot died"
    assert "no HSTS" in section(found[HANDOFF], "Findings")
    assert "Without a finding: PERF-08, PERF-09, BRW-03," in section(found[HANDOFF], "Findings")
    assert "CLOUD-04" in section(found[HANDOFF], "What cannot be known on this deployment")
    assert "PERF-05" in section(found[HANDOFF], "Known gaps")
    baseline = section(found[SUMMARY], "Baseline comparison").splitlines()
    assert next(line for line in baseline if "PERF-01" in line).endswith("| +3.1e-05 % | **broken** |")
    assert next(line for line in baseline if "PERF-02" in line).endswith("| 0 % | kept |")
    assert next(line for line in baseline if "PERF-03" in line).endswith("| not verified |")
    assert re.search(r"^\| PERF-05 .*\| not verified \|", found[SUMMARY], re.MULTILINE)


FACT = "CPU of api reached 97 % of 1 core at 40 users/s (api: 0.97), with CPU of worker 10 %"


def found_out(recorder: Recorder) -> None:
    """A run that names a bottleneck."""
    text = f"CPU of api 97 % of 1 core at 40 users/s, {'and so on, ' * 20}the end"
    recorder.observe("PERF-09", "first_to_saturate", text, "text", samples=3)
    recorder.observe("PERF-09", "suggestion_1", f"{FACT}: more instances of api: or less work", "text", samples=3)
    recorder.observe("PERF-09", "suggestion_2", "profile the api", "text", samples=3)
    recorder.observe("PERF-09", "utilization, CPU of api", 97.0, "%", samples=8)


def test_findings_in_words_stand_whole_in_their_section(tmp_path: Path) -> None:
    found = written(write_run(tmp_path, change=found_out))
    findings, summary = section(found[HANDOFF], "Findings"), found[SUMMARY]
    assert re.search(r"  - first to saturate: \[CPU of api 97 % .* the end\]\(gate\.html#o-", findings)
    assert f"  - suggestion 1: [{FACT}: more instances of api: or less work](gate.html#o-" in findings
    for title, own, other in (
        ("Bottlenecks", "first to saturate", "more instances"),
        (
            "Optimization opportunities",
            f"| more instances of api: or less work | [{FACT}](gate.html#o-",
            "first to saturate",
        ),
        ("Optimization opportunities", "| [profile the api](gate.html#o-", "first to saturate"),
        ("Resource utilization", "| CPU of api | [97 %](gate.html#o-", "more instances"),
    ):
        assert own in section(summary, title)
        assert other not in section(summary, title)


def rising(recorder: Recorder) -> None:
    """A run with everything that the analysis reads."""
    found_out(recorder)
    repeats = {"repeat 1": [(10.0, 29.5), (20.0, 60.0)], "repeat 2": [(10.0, 30.0)], "offered": [(10.0, 30.0)]}
    recorder.series("PERF-08", "requests answered", "1/s", repeats, x_unit="users/s")
    recorder.series("PERF-08", "error rate", "%", {"repeat 1": [(20.0, 1.5)]}, x_unit="users/s")
    recorder.observe("PERF-08", "stated_capacity", "20 users/s", "text", samples=2)
    recorder.series("PERF-09", "utilization", "%", {"CPU of api": [(10.0, 40.0), (20.0, 97.0)]}, x_unit="users/s")
    recorder.series("PERF-09", "first, CPU of api", "%", {"repeat 1": [(0.0, 40.0), (9.0, 97.0)]})
    for number in range(20):
        recorder.observe("CLOUD-04", f"event {number}", f"instances {number}", "text", samples=1)


def test_each_section_of_the_analysis_has_one_table_and_few_lines(tmp_path: Path) -> None:
    summary = written(write_run(tmp_path, change=rising))[SUMMARY]
    analysis = {one.title: section(summary, one.title) for one in SECTIONS}
    assert len(analysis) == 5
    for text in analysis.values():
        blocks = re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)
        lines = [line for line in text.splitlines() if line and not line.startswith("|")]
        assert len(blocks) == 1
        assert len(lines) <= LINES
        assert "](gate.html#o-" in text
    steps = analysis["Scaling behaviour"]
    assert "| users/s | [answered, 1/s](gate.html#o-" in steps
    assert "| 10 | 29.5 to 30 |  |\n| 20 | 60 | 1.5 |" in steps
    assert "13 more in [the gate](gate.html)" in steps
    assert re.search(
        r"\| users/s \| \[CPU of api, mean in %\]\(gate\.html#o-.*\n.*\n\| 10 \| 40 \|\n\| 20 \| 97 \|",
        analysis["Bottlenecks"],
    )
    targets = re.findall(r"gate\.html#o-[^)]+", summary)
    assert len(targets) == len(set(targets))


def test_series_of_what_is_not_claimed_are_not_in_the_analysis(tmp_path: Path) -> None:
    summary = written(write_run(tmp_path, claims=INTEGRATION, change=rising))[SUMMARY]
    assert section(summary, "Scaling behaviour") == "Not verified: not claimed by this run (CLOUD-04, PERF-08)"
    assert section(summary, "Bottlenecks") == "Not verified: not claimed by this run (PERF-09, PERF-11)"


def test_an_integration_run_says_of_performance_that_it_is_not_verified(tmp_path: Path) -> None:
    found = written(write_run(tmp_path, name="integration", claims=INTEGRATION))
    for title in ("Scaling behaviour", "Bottlenecks", "Optimization opportunities", "Resource utilization"):
        assert section(found[SUMMARY], title).startswith("Not verified: not claimed by this run (")
    baseline = section(found[SUMMARY], "Baseline comparison")
    assert baseline.endswith("Not verified: not claimed by this run (PERF-01…04, PERF-06, PERF-07, PERF-12)")
    assert "no GO" in found[SUMMARY]


def test_what_a_run_does_not_claim_is_one_line(tmp_path: Path) -> None:
    def looks_at_its_report(recorder: Recorder) -> None:
        recorder.test(name="report: DOC-01", status="PASS", criteria=["DOC-01"])

    found = written(write_run(tmp_path, name="integration", claims=INTEGRATION, change=looks_at_its_report))
    lines = [line for line in found[SUMMARY].splitlines() if "DOC-01" in line]
    assert lines == [
        "42 criteria are not claimed by this run: PERF-01…12, CLOUD-01…05, ERR-01…09, BRW-01…05, SEC-01…08, DOC-01…03."
    ]
    assert "17 tests and 3 checks of the run itself: 20 passed." in found[SUMMARY]
    assert "17 tests and 3 checks of the run itself (20 passed) for 19 criteria" in found[NOTES]
    assert section(found[HANDOFF], "Security and accessibility, criterion by criterion") == (
        "8 criteria are not claimed by this run: SEC-01…08."
    )
    assert found[HANDOFF].count("This run has no observation to start from") == 1


def test_a_performance_strategy_without_an_observation_says_why(tmp_path: Path) -> None:
    text = written(write_run(tmp_path, claims=["INT-01", "PERF-11"]))[DECIDED]
    assert text.index("## Performance strategies") < text.index("## Optimization decisions") < text.index("## Appendix")
    rows = section(text, "Performance strategies").splitlines()[2:]
    assert len(rows) == len(STRATEGIES)
    for row in rows:
        measured = row.startswith("| Quick queries | PERF-11 met | query p95 [120 ms](gate.html#o-")
        assert measured or row.endswith(" | not claimed by this run |")


def test_a_criterion_of_which_every_test_was_skipped_is_not_observed(tmp_path: Path) -> None:
    def skip(recorder: Recorder) -> None:
        recorder.test(name="s", status="SKIP", cause="capability", criteria=["SEC-06"], message="no browser")

    found = written(write_run(tmp_path, claims=["SEC-06"], left_out=["SEC-06"], change=skip))
    assert re.search(r"\| SEC-06 .*\| not verified \|", found[SUMMARY])
    assert "SEC-06" not in section(found[HANDOFF], "Findings")


def test_what_a_run_does_not_claim_is_not_reported_as_measured(tmp_path: Path) -> None:
    def more(recorder: Recorder) -> None:
        recorder.observe("PERF-01", "mean_first_byte", 12, "ms", samples=5000)

    found = written(write_run(tmp_path, name="integration", claims=INTEGRATION, change=more))
    assert not [text for text in found.values() if "12 ms" in text]


def test_decisions_stand_with_their_hash_and_what_was_measured_of_them(tmp_path: Path) -> None:
    def decide(recorder: Recorder) -> None:
        for number_, names in enumerate((("INT-08.realtime_lag", "INT-03"), ("PERF-01", "NO-99"), ())):
            recorder.write(
                Decision(
                    file=f"docs/decisions/{number_}.md",
                    title=f"Title {number_}",
                    summary="Because `x` is *so*.",
                    sha256=str(number_) * 64,
                    measured_by=names,
                )
            )

    found = written(write_run(tmp_path, claims=INTEGRATION, change=decide))[DECIDED]
    assert "SHA-256: `" + "0" * 64 in section(found, "Title 0")
    measured = section(found, "Title 0")
    assert re.search(r"Measured by INT-08\.realtime_lag \(.*\), met: realtime lag \[0\.6 s\]\(gate\.html#", measured)
    assert re.search(r"Measured by INT-03 \(.*\), met: \[1 passed\]\(gate\.html#tests-INT-03\), without", measured)
    unmeasured = section(found, "Title 1")
    assert "- Not measured in this run: PERF-01" in unmeasured
    assert "Measured by NO-99: not measured in this run, there is no such criterion" in unmeasured
    assert section(found, "Title 2").endswith(f"- SHA-256: `{'2' * 64}`")
    assert (
        section(found, "Optimization decisions").splitlines()[2]
        == "| Title 1 | PERF-01 not measured in this run; NO-99 not measured in this run |"
    )
    assert "Because `x` is *so*." in found


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: write_run(folder, sealed=False),
        lambda folder: write_run(folder, claims=()),
        lambda folder: write_run(folder, left_out=ALL.criteria),
        lambda folder: write_run(folder, claims=["SEC-01"], build=None),
    ],
    ids=["unsealed", "no claim", "nothing observed", "no build"],
)
def test_strange_evidence_is_reported_as_what_it_is(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    found = written(make(tmp_path))
    assert all(text.strip() and not broken_rows(text) for text in found.values())
    assert not any("Every required criterion is met" in text for text in found.values())


def test_no_evidence_at_all_is_reported() -> None:
    found = documents(judge([], ALL), [], ALL)
    assert "Nothing: there is no evidence of a run." in found[NOTES]
    assert "INCONCLUSIVE" in found[SUMMARY]


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    def hostile(recorder: Recorder) -> None:
        recorder.test(name=HOSTILE, status="FAIL", criteria=["INT-03", "SEC-01"], message=HOSTILE, place="s1-t1) | x")
        recorder.observe("SEC-01", HOSTILE, HOSTILE, "text", samples=1)
        recorder.note(HOSTILE)
        recorder.write(
            Decision(file=HOSTILE, title=HOSTILE, summary=HOSTILE, sha256="a" * 64, measured_by=(HOSTILE, "INT-03"))
        )

    for text in written(write_run(tmp_path, change=hostile)).values():
        assert not broken_rows(text)
        assert "<script" not in text
        assert "{{" not in text
        assert "\x00" not in text
        assert "](http" not in text.replace("\\]", "")
        assert max(len(line) for line in text.splitlines()) < 6_000


ANY_TEXT = st.text(max_size=60) | st.sampled_from([HOSTILE, "|", "\n", "`", "<b>", "\\", "\\|", "**", "\x85", "\x1c"])
NAMED = ANY_TEXT.filter(lambda text: bool(text.strip()))
CRITERION = st.sampled_from(sorted(ALL.criteria))
RECORDS = st.one_of(
    st.builds(
        Outcome,
        test=NAMED,
        criteria=st.lists(CRITERION, max_size=3).map(tuple),
        status=st.sampled_from(["PASS", "FAIL", "SKIP"]),
        cause=st.sampled_from([None, "product", "environment", "capability"]),
        message=ANY_TEXT,
        place=ANY_TEXT,
    ),
    st.builds(Observation, criterion=CRITERION, name=NAMED, value=ANY_TEXT, unit=st.just("text"), samples=st.just(1)),
    st.builds(
        Observation,
        criterion=CRITERION,
        name=NAMED | st.sampled_from(["error_rate", "realtime_lag"]),
        value=st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
        unit=NAMED.filter(lambda unit: unit != "text"),
        samples=st.integers(1, 10**6),
    ),
    st.builds(Note, text=ANY_TEXT),
    st.builds(Plan, tests=st.dictionaries(CRITERION, st.tuples(NAMED), max_size=2)),
    st.builds(
        Decision,
        file=NAMED,
        title=NAMED,
        summary=ANY_TEXT,
        sha256=st.just("a" * 64),
        measured_by=st.lists(ANY_TEXT | CRITERION, max_size=3).map(tuple),
    ),
)


@settings(max_examples=60)
@given(
    records=st.lists(RECORDS, max_size=8),
    name=NAMED,
    claims=st.lists(CRITERION, max_size=4).map(tuple),
    scoped=st.booleans(),
)
def test_whatever_evidence_says_the_documents_keep_their_shape(
    records: list[Outcome | Observation | Note | Plan | Decision], name: str, claims: tuple[str, ...], scoped: bool
) -> None:
    bundle = Bundle(name)
    if scoped:
        bundle.add(Scope(name=name, claims=claims, deployment=name, build=name))
    for place, record in enumerate(records):
        bundle.add(record.model_copy(update={"writer": "w", "number": place + 1}))
    gate = judge([bundle], complete())
    found = documents(gate, [bundle], complete())
    plain = documents(judge([], complete()), [], complete())
    for title, text in found.items():
        assert not broken_rows(text)
        assert "\x00" not in text
        headings = [line for line in text.splitlines() if line.startswith("## ")]
        assert headings == [line for line in plain[title].splitlines() if line.startswith("## ")]
