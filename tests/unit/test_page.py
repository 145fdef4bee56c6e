"""The gate page: whether it is GO, if not why, and where to look; and nothing that a run observed becomes markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from acceptance.deployment.descriptor import Threshold
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.reader import Bundle, read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Past, Scope, Trend
from acceptance.report.documents import NAMES
from acceptance.report.page import anchor, page
from acceptance.report.render import GATE, PAGE, SUMMARY, XUNIT
from acceptance.run import EARLIER
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.gate import judge

from tests.evidence import ALL, complete, write_run

HOSTILE = "</style><script>alert('x')</script>"
COMPLETE = complete()


class _Read(HTMLParser):
    """Tags with their attributes, and the texts in between."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attributes(self, name: str) -> list[str]:
        return [value for _, given in self.tags if (value := given.get(name)) is not None]


def _page(folder: Path, criteria: Criteria = COMPLETE) -> str:
    bundles = read_run(folder)
    return page(judge(bundles, criteria), bundles, criteria)


@pytest.fixture
def shown(tmp_path: Path) -> Callable[..., _Read]:
    """The page of a run as it is read."""
    return lambda **run: _Read(_page(write_run(tmp_path / "run", **run)))


def _failing(recorder: Recorder) -> None:
    recorder.test(
        name="Reaches Nothing", status="FAIL", cause="product", criteria=["INT-04"], message=f"got 200 {HOSTILE}",
        place="s1-t9", source="suites/integration/04__isolation.robot:44",
    )  # fmt: skip


def test_a_later_run_in_the_same_folder_sets_every_file_of_a_report_aside() -> None:
    names = (GATE, PAGE, SUMMARY, XUNIT, *NAMES)
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in EARLIER)] == []


def test_it_says_go(shown: Callable[..., _Read]) -> None:
    read = shown()
    assert "Verdict: GO Every required criterion is met" in read.text
    assert "full: 49 of 49 required criteria claimed" in read.text
    assert "No violation, no open criterion, no flaky test." in read.text


def test_it_says_what_is_violated_and_where_to_look(shown: Callable[..., _Read]) -> None:
    read = shown(change=_failing)
    assert "Verdict: NO-GO" in read.text
    assert "1 of 49 required criteria is violated" in read.text
    why = read.text[read.text.index("Why 1 cause of violations") : read.text.index("Margin:")]
    assert "INT-04" in why
    assert "got 200" in why
    assert "suites/integration/04__isolation.robot:44" in why
    assert "log.html#s1-t9" in read.attributes("href")


def test_what_is_not_verified_stands_by_kind_and_the_same_reason_once(shown: Callable[..., _Read]) -> None:
    def capabilities(recorder: Recorder) -> None:
        recorder.write(Scope(name="full", claims=tuple(ALL.criteria), deployment="cloud", build="b1"))

    plain = next(name for name, one in ALL.criteria.items() if not (one.needs or one.limits or one.required == "O"))
    read = shown(change=capabilities, left_out=[plain])
    assert "Cannot be known here: the deployment lacks a capability" in read.text
    assert f"Not checked: it could have been observed, and was not {plain}" in read.text
    reason = "needs the capability 'faults'"
    before_criteria = read.text[: read.text.index("Margin:")]
    assert before_criteria.count(reason) < sum("faults" in one.needs for one in ALL.criteria.values())


def test_what_is_not_offered_is_listed_and_keeps_the_verdict_from_go(shown: Callable[..., _Read]) -> None:
    def absent(recorder: Recorder) -> None:
        for criterion, place in (("INT-02", "routes.refresh"), ("INT-09", "realtime")):
            recorder.test(
                name=f"needs {place}", status="SKIP", cause="not_offered", criteria=[criterion],
                message=f"not offered: {place}",
            )  # fmt: skip

    read = shown(change=absent)
    assert "Verdict: PASS Everything is met that this run claims and the deployment offers." in read.text
    assert "Met in part: the rest is not offered INT-02 Sessions are managed without routes.refresh" in read.text
    assert "met in part" in read.text
    assert "No violation, no open criterion" not in read.text


def test_unsealed_evidence_and_relaxed_thresholds_are_told_first(shown: Callable[..., _Read]) -> None:
    def relax(recorder: Recorder) -> None:
        given = {"PERF-01": Threshold(value=400, reason="the free plan")}
        recorder.write(Scope(name="full", claims=("PERF-01",), deployment="cloud", build="b1", thresholds=given))

    read = shown(change=relax, sealed=False)
    head = read.text[: read.text.index("Why")]
    assert "is not sealed" in head
    assert "the free plan" in head
    assert "not sealed" in read.text


def test_a_partial_run_is_not_buried_under_what_it_does_not_claim(shown: Callable[..., _Read]) -> None:
    read = shown(claims=("INT-01", "INT-02", "SEC-01"))
    assert "partial: 2 of 49 required criteria claimed" in read.text
    assert "58 criteria are not claimed by this run (47 of them required)" in read.text
    assert "1 criterion does not gate: it yields findings" in read.text
    assert "BRW-03 It looks right does not gate" in read.text
    states = [given.get("data-state") for tag, given in read.tags if tag == "tbody" and given.get("data-state")]
    assert {state: states.count(state) for state in states} == {"met": 2, "observed": 1, "unclaimed": 58}


def test_flaky_tests_and_what_got_worse_are_told(shown: Callable[..., _Read]) -> None:
    def change(recorder: Recorder) -> None:
        recorder.test(name="T", status="FAIL", cause="product", criteria=["INT-08"], message="late once")
        recorder.test(name="T", status="PASS", criteria=["INT-08"])
        past = tuple(
            Past(run=f"r{day}", name="full", time=f"2026-11-{day}T10:00:00.000Z", value=day / 10)
            for day in range(10, 20)
        )
        regression = "slower than before: median 9 s"
        recorder.write(Trend(criterion="PRE-01", figure="slowest_probe", unit="s", past=past, regression=regression))

    read = shown(change=change)
    assert "Flaky tests T INT-08 flaky: passed on try 2, after: late once" in read.text
    assert "slower than before: median 9 s" in read.text
    assert any("10 earlier" in label for label in read.attributes("aria-label"))


def test_every_figure_leads_to_its_line_of_evidence(shown: Callable[..., _Read]) -> None:
    read = shown(run="20261124-full")
    (writer,) = {link[: link.index(".jsonl")] for link in read.attributes("href") if link.startswith("evidence/")}
    name = writer.removeprefix("evidence/records-")
    ids = read.attributes("id")
    assert anchor(f"20261124-full/{name}:4") in ids
    assert len(ids) == len(set(ids))
    inside = {link[1:] for link in read.attributes("href") if link.startswith("#")}
    assert {link for link in inside if not link.startswith(("i-", "ring"))} <= set(ids)


def test_counts_of_tests_lead_to_all_of_them_and_each_to_its_place_in_the_log(shown: Callable[..., _Read]) -> None:
    def check(recorder: Recorder) -> None:
        recorder.test(name="preflight: PRE-01", status="PASS", criteria=["PRE-01"])

    read = shown(claims=["PRE-01", "INT-01"], change=check)
    assert {"#tests-PRE-01", "#tests-INT-01"} <= set(read.attributes("href"))
    assert {"tests-PRE-01", "tests-INT-01"} <= set(read.attributes("id"))
    assert "preflight: PRE-01 passed 0.0 check of the run" in read.text
    assert "Tests 2 tests and 1 check of the run itself" in read.text


def test_names_of_figures_are_words_and_the_raw_name_stands_in_the_details(shown: Callable[..., _Read]) -> None:
    read = shown(claims=["PRE-01"])
    assert "slowest probe" in read.text
    assert "slowest probe slowest_probe" in read.text
    assert read.text.count("slowest_probe") == 1


def test_all_of_what_should_be_much_has_a_full_bar(shown: Callable[..., _Read]) -> None:
    read = shown(claims=["INT-10"])
    assert "at least 100 % all 1 passed" in read.text
    assert "left:0.0%;width:100.0%" in read.attributes("style")


@pytest.mark.parametrize(("names", "told"), [(["full"], "0.5 s before"), (["quick"], "")])
def test_few_earlier_runs_are_told_and_those_of_another_name_are_not(
    shown: Callable[..., _Read], names: list[str], told: str
) -> None:
    def change(recorder: Recorder) -> None:
        past = tuple(Past(run=name, name=name, time="2026-11-01T10:00:00.000Z", value=0.5) for name in names)
        recorder.write(Trend(criterion="PRE-01", figure="slowest_probe", unit="s", past=past))

    read = shown(claims=["PRE-01"], change=change)
    assert (told in read.text) if told else "before" not in read.text
    assert ("Trend" in read.text) is bool(told)
    assert not any("earlier" in label for label in read.attributes("aria-label"))


def test_what_stands_beside_the_page_is_linked(shown: Callable[..., _Read]) -> None:
    assert {*NAMES, "xunit.xml", "gate.json", "log.html"} <= set(shown().attributes("href"))


def test_an_anchor_holds_nothing_but_letters_digits_and_dashes() -> None:
    assert anchor("2026_run/robot-61880cb6:9") == "o-2026-run-robot-61880cb6-9"


def test_charts_are_of_all_samples_together_and_say_so(shown: Callable[..., _Read]) -> None:
    def change(recorder: Recorder) -> None:
        for start in (0, 10):
            kept = Distribution.of([(start + number) / 100 for number in range(10)])
            recorder.observe(
                "INT-08", "lag", kept.statistic("max"), "s", samples=10, statistic="max", distribution=kept
            )
        recorder.series("ERR-01", "response time", "ms", {"all": [(0, 1), (9, 2)]}, marks={"fault begins": 4})

    read = shown(change=change)
    assert "INT-08: lag" in read.text
    assert "20 samples: min 0 s" in read.text
    assert "fault begins at 4 s" in read.text


def test_what_a_run_observed_never_becomes_markup(tmp_path: Path) -> None:
    def change(recorder: Recorder) -> None:
        _failing(recorder)
        recorder.observe("INT-08", HOSTILE, HOSTILE, "text", samples=1)
        kept = Distribution.of([float(number) for number in range(30)])
        recorder.observe("INT-08", f"n{HOSTILE}", 29.0, HOSTILE, samples=30, statistic="max", distribution=kept)
        recorder.series("INT-08", HOSTILE, HOSTILE, {HOSTILE: [(0, 1)]}, x_unit=HOSTILE, marks={HOSTILE: 1})
        recorder.note(HOSTILE)
        recorder.test(name=HOSTILE, status="SKIP", criteria=["INT-09"], message=HOSTILE, place=HOSTILE, source=HOSTILE)

    html = _page(write_run(tmp_path, deployment=HOSTILE, build=HOSTILE, name=HOSTILE, change=change))
    assert html.count("<script") == 1, "the page's own"
    assert html.count("</style>") == 1
    assert "&lt;script&gt;" in html


def test_it_needs_nothing_but_itself(tmp_path: Path) -> None:
    html = _page(write_run(tmp_path))
    read = _Read(html)
    assert read.attributes("src") == []
    assert not re.search(r"https?://|@import|url\(", html)
    assert {tag for tag, _ in read.tags} & {"link", "img", "iframe", "object"} == set()


def test_it_can_be_read_without_seeing_it(shown: Callable[..., _Read]) -> None:
    read = shown(change=_failing)
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    names = [tag for tag, _ in read.tags]
    assert names.count("main") == names.count("h1") == 1
    assert names.count("caption") == names.count("table")
    assert all("scope" in given for tag, given in read.tags if tag == "th")
    assert "polite" in read.attributes("aria-live")
    assert dict(read.tags)["html"] == {"lang": "en"}


def test_the_same_evidence_gives_the_same_page_in_whatever_order(tmp_path: Path) -> None:
    write_run(tmp_path / "a", run="20261124-a", claims=["INT-01", "PERF-01"])
    write_run(tmp_path / "b", run="20261124-b", claims=["INT-02", "PERF-01"])
    bundles = [*read_run(tmp_path / "a"), *read_run(tmp_path / "b")]

    def once(given: Sequence[Bundle]) -> str:
        return page(judge(given, COMPLETE), given, COMPLETE)

    assert once(bundles) == once(bundles[::-1]) == once(bundles)


def test_observations_without_number_do_not_make_it_longer(tmp_path: Path) -> None:
    (bundle,) = read_run(write_run(tmp_path))
    plain = len(page(judge([bundle], COMPLETE), [bundle], COMPLETE))
    one = bundle.observations[0].model_copy(update={"criterion": "INT-08", "unit": "ms", "value": 1.0})
    for name in range(50):
        bundle.observations += [
            one.model_copy(update={"name": f"figure {name}", "number": number}) for number in range(100, 2_100)
        ]
    assert len(page(judge([bundle], COMPLETE), [bundle], COMPLETE)) < plain + 50_000


def test_a_run_of_which_nothing_is_known_has_a_page() -> None:
    empty = Bundle("20261124-full", damage=["records-x.jsonl:1: not a record"])
    read = _Read(page(judge([empty], COMPLETE), [empty], COMPLETE))
    assert "INCONCLUSIVE" in read.text
    assert "nothing was recorded" in read.text
    assert "not a record" in read.text
