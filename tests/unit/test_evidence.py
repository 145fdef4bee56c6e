"""Evidence on disk: what was written is there at once, chained and sealed, and whatever is wrong with it is named."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from acceptance.errors import ConfigurationError, NotWritten
from acceptance.evidence.merge import merge
from acceptance.evidence.reader import EVIDENCE, Bundle, read_evidence, read_run, without_copies
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact, schema
from acceptance.evidence.seal import digest_of, write_seal
from acceptance.redaction.redactor import Redactor
from acceptance.yaml_models import PROJECT

RUN = "r1"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register("correct horse battery staple")
    return redactor


def recorded(folder: Path, *notes: str, run: str = RUN) -> Path:
    """A file of evidence with these notes after its first line."""
    recorder = Recorder(folder, run, Redactor(), "one")
    for note in notes:
        recorder.note(note)
    recorder.close()
    return folder / f"records-{recorder.writer}.jsonl"


def seal(folder: Path, violated: tuple[str, ...] = ()) -> None:
    for bundle in read_evidence(folder):
        write_seal(folder, bundle.run, bundle.chains, bundle.artifacts, violated)


def the(folder: Path) -> Bundle:
    [bundle] = read_evidence(folder)
    return bundle


def test_records_are_there_before_the_writer_ends(tmp_path: Path, redactor: Redactor) -> None:
    recorder = Recorder(tmp_path, RUN, redactor, "one", deployment="d", build="b")
    recorder.current_test = "S.T"
    recorder.observe("INT-13", "slowest_processing", 2.5, "s", samples=7)
    recorder.test(name="S.T", status="PASS", criteria=["INT-13"])
    recorder.note("done")
    evidence = the(tmp_path)
    [observation] = evidence.observations
    assert (observation.value, observation.samples, observation.test, observation.build) == (2.5, 7, "S.T", "b")
    assert observation.reference == f"{recorder.writer}:2"
    assert [outcome.criteria for outcome in evidence.outcomes] == [("INT-13",)]
    assert [note.text for note in evidence.notes] == ["done"]
    assert (evidence.run, evidence.damage, evidence.seal) == (RUN, [], None)
    recorder.close()


def test_a_full_disk_is_our_own_and_what_was_written_stays(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, RUN, Redactor(), "one")
    recorder.note("there was room")
    room, full = os.dup(recorder._file), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, recorder._file)
    with pytest.raises(NotWritten, match=r"evidence cannot be written: No space left on device: .*records-one-"):
        recorder.note("there was none")
    os.dup2(room, recorder._file)
    for number in (room, full):
        os.close(number)
    recorder.close()
    [bundle] = read_evidence(tmp_path)
    assert ([note.text for note in bundle.notes], bundle.damage) == (["there was room"], [])


def test_writers_do_not_mix(tmp_path: Path) -> None:
    recorded(tmp_path, "one")
    recorded(tmp_path, "two")
    assert {note.text for note in the(tmp_path).notes} == {"one", "two"}


def test_no_secret_is_written(tmp_path: Path, redactor: Redactor) -> None:
    recorder = Recorder(tmp_path, RUN, redactor, "one")
    recorder.test(name="T", status="FAIL", criteria=[], message="said 'correct horse battery staple'")
    recorder.observe("INT-01", "answer", "correct horse battery staple", "text", samples=1)
    recorder.note("correct horse battery staple")
    assert all(b"battery staple" not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"criterion": ""}, "criterion"),
        ({"criterion": "speed"}, "criterion"),
        ({"name": " "}, "name"),
        ({"unit": ""}, "unit"),
        ({"samples": 0}, "samples"),
        ({"value": float("inf")}, "value"),
        ({"value": "quick"}, "a text has the unit 'text'"),
        ({"value": 1.0, "unit": "text"}, "a text has the unit 'text'"),
        ({"statistic": "mean"}, "statistic and distribution go together"),
    ],
)
def test_what_is_not_whole_cannot_be_recorded(changed: dict[str, Any], told: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"criterion": "INT-13", "name": "speed", "value": 1.5, "unit": "s", "samples": 3}
    recorder = Recorder(tmp_path, RUN, Redactor(), "one")
    with pytest.raises(ValueError, match=told):
        recorder.observe(**(asked | changed))
    assert the(tmp_path).observations == []


@pytest.mark.parametrize("missing", ["unit", "samples"])
def test_unit_and_samples_are_never_assumed(missing: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"criterion": "INT-13", "name": "speed", "value": 1.5, "unit": "s", "samples": 3}
    recorder = Recorder(tmp_path, RUN, Redactor(), "one")
    with pytest.raises(TypeError, match=missing):
        recorder.observe(**{name: value for name, value in asked.items() if name != missing})


@pytest.mark.parametrize(
    ("tail", "told"),
    [
        (b'{"kind":"note","text":"cut', "half a line"),
        (b'{"kind":"note","text":"whole but not ended"}', "half a line"),
        (b"\xff\xfe\n", "not a record"),
        (b"{}\n", "not a record"),
        (b'{"kind":"?"}\n', "not a record"),
        (b"\n", "not a record"),
        (b'{"kind":"note","text":"x","time":"2026-99-99T00:00:00.000Z"}\n', "not a record: note.time"),
        (b'{"kind":"note","text":"x","number":3}\n', "is a record of the writer ''"),
    ],
)
def test_half_and_foreign_lines_are_named(tmp_path: Path, tail: bytes, told: str) -> None:
    path = recorded(tmp_path, "first")
    with path.open("ab") as file:
        file.write(tail)
    [damage] = the(tmp_path).damage
    assert damage.startswith(f"{path.name}:3: {told}")


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b"second", b"secund"), *lines[3:]], ":4: does not follow"),
        (lambda lines: [*lines[:2], *lines[3:]], ":3: is record 4, expected 3"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], ":2: is record 3, expected 2"),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], ":4: is record 3, expected 4"),
        (lambda lines: lines[:-1], "holds 3 records; it was sealed with 4"),
        (lambda lines: [*lines[:3], lines[3].replace(b"third", b"turd!")], "4: is not the record that was sealed"),
        (lambda lines: [], "its first line, which names the run, is missing"),
    ],
)
def test_what_was_altered_after_the_seal_is_named(
    tmp_path: Path, change: Callable[[list[bytes]], list[bytes]], told: str
) -> None:
    path = recorded(tmp_path, "first", "second", "third")
    seal(tmp_path)
    assert the(tmp_path).damage == []
    path.write_bytes(b"".join(change(lines_of(path))))
    assert any(told in damage and path.name in damage for damage in the(tmp_path).damage)


def test_files_that_come_or_go_after_the_seal_are_named(tmp_path: Path) -> None:
    first = recorded(tmp_path, "first")
    seal(tmp_path)
    late = recorded(tmp_path, "late")
    first.unlink()
    assert the(tmp_path).damage == [
        f"{first.name}: is not there; it was sealed with 2 records",
        f"{late.name}: is not in the seal",
    ]


def test_a_seal_without_records_still_tells_what_was_violated(tmp_path: Path) -> None:
    path = recorded(tmp_path, "first")
    seal(tmp_path, ("INT-01",))
    path.unlink()
    evidence = the(tmp_path)
    assert evidence.seal is not None
    assert evidence.seal.violated == ("INT-01",)


def test_an_altered_artifact_is_named(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"seen")
    recorder = Recorder(tmp_path / EVIDENCE, RUN, Redactor(), "one")
    seen = Artifact(path="picture.png", sha256=digest_of(picture))
    recorder.observe("INT-13", "shown", True, "yes or no", samples=1, artifact=seen)
    seal(tmp_path / EVIDENCE)
    assert the(tmp_path / EVIDENCE).damage == []
    picture.write_bytes(b"painted")
    assert the(tmp_path / EVIDENCE).damage == ["picture.png: is not what was recorded (SHA-256 differs)"]
    picture.unlink()
    assert the(tmp_path / EVIDENCE).damage == ["picture.png: is not there"]


def test_a_timeout_between_writing_and_counting_breaks_no_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, RUN, Redactor(), "one")
    settled = recorder._settled
    calls = 0

    def interrupted() -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:  # the line is written, and not yet counted
            raise KeyboardInterrupt
        return settled()

    monkeypatch.setattr(recorder, "_settled", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorder.note("first")
    recorder.note("second")
    assert [note.text for note in the(tmp_path).notes] == ["first", "second"]
    assert the(tmp_path).damage == []


def test_interruptions_at_any_moment_break_no_chain(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, RUN, Redactor(), "one")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(60):
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.0003 + number * 0.00001)  # once
                while True:
                    recorder.note(str(number))
    finally:
        signal.signal(signal.SIGALRM, before)
    recorder.note("last")
    evidence = the(tmp_path)
    assert evidence.damage == []
    assert evidence.notes[-1].text == "last"


def test_what_is_no_folder_of_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder"):
        read_run(tmp_path / "nothing")
    with pytest.raises(ConfigurationError, match="holds no evidence"):
        read_run(tmp_path)


def test_the_same_run_twice_is_one_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = recorded(tmp_path / name / EVIDENCE, "same")
        if name == "b":
            path.unlink()
            there = next((tmp_path / "a" / EVIDENCE).iterdir())
            (tmp_path / "b" / EVIDENCE / there.name).write_bytes(there.read_bytes())
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    [bundle] = without_copies(read_run(tmp_path / "both"))
    assert (bundle.home, len(bundle.notes), bundle.damage) == ("merged/r1", 1, [])


def test_two_versions_of_a_run_are_damage(tmp_path: Path) -> None:
    for name in ("a", "b"):
        recorded(tmp_path / name / EVIDENCE, f"version {name}")
    merge([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    [bundle] = without_copies(read_run(tmp_path / "both"))
    assert bundle.damage == ["there are two different versions of the run r1"]


def test_the_schema_in_the_repository_is_that_of_the_records() -> None:
    """`python -m acceptance.evidence.schema` writes it anew."""
    written = json.loads((PROJECT / "docs" / "evidence.schema.json").read_text())
    assert written == schema()
