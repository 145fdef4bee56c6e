"""Evidence on disk: what was written is there at once, and half a line is no record."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.redaction import Redactor
from acceptance.verdict.evidence import Evidence, Recorder, read_evidence


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register("correct horse battery staple")
    return redactor


def test_records_are_there_before_the_writer_ends(tmp_path: Path, redactor: Redactor) -> None:
    recorder = Recorder(tmp_path, redactor, "one", deployment="d", build="b")
    recorder.current_test = "S.T"
    recorder.observe("INT-13", "slowest_processing", 2.5, unit="s", samples=7)
    recorder.test(name="S.T", status="PASS", criteria=["INT-13"])
    recorder.note("done")
    evidence = read_evidence(tmp_path)
    [observation] = evidence.observations
    assert (observation.value, observation.samples, observation.test, observation.build) == (2.5, 7, "S.T", "b")
    assert [outcome.criteria for outcome in evidence.outcomes] == [("INT-13",)]
    assert [note.text for note in evidence.notes] == ["done"]
    recorder.close()


def test_writers_do_not_mix(tmp_path: Path, redactor: Redactor) -> None:
    for writer in ("one", "two"):
        Recorder(tmp_path, redactor, writer).note(writer)
    assert {note.text for note in read_evidence(tmp_path).notes} == {"one", "two"}


def test_no_secret_is_written(tmp_path: Path, redactor: Redactor) -> None:
    recorder = Recorder(tmp_path, redactor, "one")
    recorder.test(name="T", status="FAIL", criteria=[], message="said 'correct horse battery staple'")
    recorder.observe("INT-01", "answer", "correct horse battery staple")
    recorder.note("correct horse battery staple")
    assert b"battery staple" not in (tmp_path / "records-one.jsonl").read_bytes()


@pytest.mark.parametrize(
    "tail",
    [
        b'{"kind":"note","text":"cut',
        b'{"kind":"note","text":"whole but not ended"}',
        b"\xff\xfe\n",
        b"{}\n",
        b'{"kind":"?"}\n',
    ],
)
def test_half_and_foreign_lines_are_damage(tmp_path: Path, redactor: Redactor, tail: bytes) -> None:
    Recorder(tmp_path, redactor, "one").note("first")
    with (tmp_path / "records-one.jsonl").open("ab") as file:
        file.write(tail)
    evidence = read_evidence(tmp_path)
    assert [note.text for note in evidence.notes] == ["first"]
    assert len(evidence.damage) == 1
    assert evidence.damage[0].startswith("records-one.jsonl:2: ")


def test_no_evidence_is_empty(tmp_path: Path) -> None:
    assert read_evidence(tmp_path / "nothing") == Evidence()
