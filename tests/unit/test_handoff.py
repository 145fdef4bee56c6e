"""The handoff of browsers: machine and person beside each other, pictures, answers, and mistakes in answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact
from acceptance.evidence.seal import digest_of
from acceptance.report.documents import documents
from acceptance.report.handoff import handoff, open_checks, problems_of, read_answers, read_checklist
from acceptance.report.validate import problems
from acceptance.verdict.gate import judge
from PIL import Image

from tests.evidence import complete, write_run

ANSWER = (
    "answers: [{check: safari-mac.journey, result: failed, by: A. Person, when: 2026-11-30, note: the dialog is cut}]"
)


def seen(recorder: Recorder) -> None:
    """A run that drove engines, pictured steps, and has an answer."""
    recorder.test(name="Browser.Journey.WebKit", status="PASS", criteria=["BRW-01"], place="s1-t3")
    recorder.test(name="Browser.Phones.A Phone In WebKit", status="FAIL", criteria=["BRW-02"], message="<b> is covered")
    recorder.observe("BRW-01", "engine WebKit", "WebKit 2.50, by WebDriver", "text", samples=1)
    recorder.observe("BRW-05", "safari-mac.journey", "failed by A. Person on 2026-11-30", "text", samples=1)


def page(folder: Path) -> str:
    bundles = read_run(folder)
    return handoff(judge(bundles, complete()), bundles, folder)


def device(text: str, name: str) -> str:
    return text.partition(f'id="{name}"')[2].partition("</section>")[0]


def test_each_device_has_what_its_engine_was_judged_by(tmp_path: Path) -> None:
    text = page(write_run(tmp_path, change=seen))
    assert "WebKit 2.50, by WebDriver" in text
    assert "Browser.Journey.WebKit" in device(text, "safari-mac")
    assert "FAIL: &lt;b&gt; is covered" in device(text, "safari-iphone")
    assert "Browser.Journey.WebKit" not in device(text, "chrome-desktop")
    assert "everything is left" in device(text, "chrome-desktop")


def test_a_test_of_no_device_stands_by_itself(tmp_path: Path) -> None:
    def more(recorder: Recorder) -> None:
        recorder.test(name="Browser.Journey.Lynx", status="PASS", criteria=["BRW-01"])

    text = page(write_run(tmp_path, change=more))
    assert "Browser.Journey.Lynx" in text.partition("of no one device")[2]


def test_what_the_page_does_not_show_is_a_problem_of_the_handoff(tmp_path: Path) -> None:
    bundles = read_run(write_run(tmp_path, change=seen))
    gate = judge(bundles, complete())
    assert problems(gate, bundles, complete())["BRW-05"] == []
    text = handoff(gate, bundles).replace(">Browser.Journey.WebKit<", "><").replace(">safari-mac.looks<", "><")
    assert problems_of(text, gate) == [
        f"handoff.html does not show {one}" for one in ("Browser.Journey.WebKit", "safari-mac.looks")
    ]


def test_an_answer_stands_at_its_check_and_is_asked_for_no_more(tmp_path: Path) -> None:
    folder = write_run(tmp_path, change=seen)
    text = page(folder)
    assert "failed by A. Person on 2026-11-30" in device(text, "safari-mac")
    assert "check: safari-mac.journey," not in text
    assert "check: safari-mac.looks," in text
    assert not any("whole journey, from registration" in what for _, what in open_checks(read_run(folder)))


def test_the_document_names_what_is_open_and_what_was_answered(tmp_path: Path) -> None:
    bundles = read_run(write_run(tmp_path, change=seen))
    text = documents(judge(bundles, complete()), bundles, complete())["TODO001_phase2_handoff.md"]
    assert "Open on Safari on an iPhone: The whole journey by touch" in text
    assert "Answered, safari-mac.journey: failed by A. Person" in text


def test_pictures_are_part_of_the_page_while_they_are_there(tmp_path: Path) -> None:
    picture = tmp_path / "strip.webp"

    def pictured(recorder: Recorder) -> None:
        Image.new("RGB", (20, 10), "teal").save(picture, "WEBP")
        kept = Artifact(path="strip.webp", sha256=digest_of(picture))
        recorder.observe("BRW-03", "pictures of Chromium, phone", "log in; answer", "text", samples=2, artifact=kept)

    folder = write_run(tmp_path, change=pictured)
    text = page(folder)
    assert "data:image/webp;base64," in text
    assert text == page(folder)
    assert "2. answer" in text
    picture.unlink()
    assert "not beside this page any more" in page(folder)


def test_a_run_without_a_browser_leaves_everything(tmp_path: Path) -> None:
    text = page(write_run(tmp_path))
    assert "no test of this run drove a browser" in text
    assert "No step was pictured" in text


def test_answers_are_read_by_deployment(tmp_path: Path) -> None:
    (tmp_path / "cloud.yaml").write_text(ANSWER)
    assert [str(one) for one in read_answers("cloud", tmp_path)] == [
        "failed by A. Person on 2026-11-30: the dialog is cut"
    ]
    assert read_answers("other", tmp_path) == []


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (ANSWER.replace("safari-mac", "opera"), "no check is called opera.journey"),
        (ANSWER.replace("failed", "maybe"), "'passed', 'failed' or 'skipped'"),
        (ANSWER.replace("2026-11-30", "soon"), "when"),
    ],
)
def test_mistakes_in_answers_are_named(tmp_path: Path, answer: str, mistake: str) -> None:
    (tmp_path / "cloud.yaml").write_text(answer)
    with pytest.raises(ConfigurationError) as caught:
        read_answers("cloud", tmp_path)
    assert mistake in str(caught.value.problems)


def test_every_check_says_how_and_why() -> None:
    for one in read_checklist().devices.values():
        assert one.machine
        assert all(check.steps and check.why for check in one.checks.values())
