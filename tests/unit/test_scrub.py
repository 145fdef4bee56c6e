"""What a run leaves is cleaned whatever wrote it; what cannot be cleaned goes, and is named."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import tarfile
import xml.etree.ElementTree as ElementTree
import zipfile
import zlib
from pathlib import Path

import pytest
from acceptance.evidence.reader import EVIDENCE, MERGED, read_run, recorded_artifacts
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Artifact
from acceptance.redaction import archives
from acceptance.redaction.patterns import MASK
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.scrub import DEPTH, SecretLeftError, scrub, scrub_file

SECRET = "s3cret-of-the-run-0123"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\xff"


@pytest.fixture
def redactor() -> Redactor:
    redactor = Redactor()
    redactor.register(SECRET)
    return redactor


def zipped(members: dict[str, bytes], comment: bytes = b"") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def members_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def tarred(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return packed.getvalue()


@pytest.mark.parametrize("name", ["artillery.log", "artillery.jsonl", "trace.har", "no-suffix"])
def test_text_is_cleaned_and_keeps_its_mode(name: str, tmp_path: Path, redactor: Redactor) -> None:
    path = tmp_path / "deep" / name
    path.parent.mkdir()
    path.write_bytes(f"one\r\n{SECRET}\r\nthree ä".encode())
    path.chmod(0o640)
    assert scrub(tmp_path, redactor) == []
    assert path.read_bytes() == f"one\r\n{MASK}\r\nthree ä".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_what_is_clean_is_not_touched(tmp_path: Path, redactor: Redactor) -> None:
    for name, content in {"a.txt": b"text", "b.zip": zipped({"c": b"d"}), "e.bin": b"\xff\x00"}.items():
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (1, 1))
    assert scrub(tmp_path, redactor) == []
    assert {path.stat().st_mtime for path in tmp_path.iterdir()} == {1}


def test_markup_can_be_read_afterwards(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "output.xml").write_text(f'<?xml version="1.0"?>\n<kw name="Sign in with {SECRET}">{SECRET}</kw>')
    assert scrub(tmp_path, redactor) == []
    assert ElementTree.parse(tmp_path / "output.xml").getroot().attrib == {"name": f"Sign in with {MASK}"}


def test_long_texts_of_a_log_are_unpacked(tmp_path: Path, redactor: Redactor) -> None:
    packed = base64.b64encode(zlib.compress(f"{SECRET} {'and so on ' * 20}".encode(), 9)).decode()
    (tmp_path / "log.html").write_text(f'<script>window.output["strings"].concat(["*a","{packed}"])</script>')
    assert scrub(tmp_path, redactor) == []
    left = (tmp_path / "log.html").read_text().split('"')[-2]
    assert zlib.decompress(base64.b64decode(left)).decode().startswith("&lt;redacted&gt; and so on")


@pytest.mark.parametrize("content", [PNG, b"\xff\xd8\xff\xe0\x00", b"RIFF\x00\x00\x00\x00WEBPVP8 \xff", b"%PDF-1.7\nx"])
def test_an_unapproved_picture_is_removed(content: bytes, tmp_path: Path, redactor: Redactor) -> None:
    for name in ("failed.dat", "masked.dat"):
        (tmp_path / name).write_bytes(content)
    found = scrub(tmp_path, redactor, keep=["masked.dat"])
    assert found == ["failed.dat: removed: an unapproved picture, which cannot be searched"]
    assert [path.name for path in tmp_path.iterdir()] == ["masked.dat"]


def test_a_picture_is_kept_unless_its_bytes_hold_a_secret(tmp_path: Path, redactor: Redactor) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(PNG)
    scrub_file(path, redactor)
    assert path.read_bytes() == PNG
    path.write_bytes(PNG + b"tEXtComment\x00" + SECRET.encode())
    with pytest.raises(SecretLeftError, match=r"picture\.png: removed: holds a secret, and cannot be cleaned"):
        scrub_file(path, redactor)
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\x00" + SECRET.encode(),
        SECRET.encode("utf-16"),
        SECRET.encode("utf-16-be"),
        b"\xff" + base64.b64encode(b"u:" + SECRET.encode()),
        b"\xff\x00password=0123456789",
    ],
)
def test_other_files_that_hold_a_secret_go(content: bytes, tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "core").write_bytes(content)
    assert scrub(tmp_path, redactor) == ["core: removed: holds a secret, and cannot be cleaned"]
    assert not (tmp_path / "core").exists()


def test_archives_are_cleaned_however_deep(tmp_path: Path, redactor: Redactor) -> None:
    network = json.dumps({"name": "Authorization", "value": f"Basic {SECRET}"})
    trace = zipped({"trace.network": network.encode(), "page.jpeg": b"\xff\xd8\xff\xe0", "font": b"\xff\x01"})
    path = tmp_path / "shards.tar.gz"
    path.write_bytes(tarred({"log.gz": gzip.compress(SECRET.encode()), "trace.zip": trace, "a/b.txt": b"stays"}))
    reason = "an unapproved picture, which cannot be searched"
    assert scrub(tmp_path, redactor, keep=[path.name]) == [f"{path.name}: removed from it: page.jpeg: {reason}"]
    with tarfile.open(path) as archive:
        left = {name: file.read() for name in archive.getnames() if (file := archive.extractfile(name))}
    assert left.keys() == {"log.gz", "trace.zip", "a/b.txt"}
    assert gzip.decompress(left["log.gz"]).decode() == MASK
    assert left["a/b.txt"] == b"stays"
    assert members_of(left["trace.zip"]) == {
        "trace.network": json.dumps({"name": "Authorization", "value": MASK}).encode(),
        "font": b"\xff\x01",
    }


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_every_tape_is_cleaned(mode: str, tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "a").write_bytes(tarred({"x": SECRET.encode(), f"{SECRET}.txt": b"text"}, mode))
    assert scrub(tmp_path, redactor) == [f"a: removed from it: {MASK}.txt: its name holds a secret"]
    with tarfile.open(tmp_path / "a") as archive:
        file = archive.extractfile("x")
        assert file is not None and file.read() == MASK.encode()


@pytest.mark.parametrize(
    "content",
    [
        zipped({"a": b"b"}, comment=SECRET.encode()),
        SECRET.encode() + b"\xff" + zipped({"a": b"b"}),
        zipped({SECRET: b"b", "a": b"b"}),
    ],
)
def test_what_stands_beside_the_members_goes(content: bytes, tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    scrub(tmp_path, redactor)
    assert SECRET.encode() not in (tmp_path / "a.zip").read_bytes()
    assert members_of((tmp_path / "a.zip").read_bytes()) == {"a": b"b"}


def nested(depth: int) -> bytes:
    content = b"text"
    for _ in range(depth):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (gzip.compress(b"text" * 99)[:-9], "it cannot be opened (EOFError), so its content is unknown"),
        (zipped({"a": b"text" * 99})[:40], "it cannot be opened (BadZipFile), so its content is unknown"),
        (b"\x28\xb5\x2f\xfd\x00", "it is of a kind that cannot be opened, so its content is unknown"),
        (nested(DEPTH + 1), "more than 5 archives within each other are not opened"),
        (zipped(dict.fromkeys("abcdefg", b"")), "it holds more than is unpacked, so its content is unknown"),
        (gzip.compress(bytes(1001)), "it holds more than is unpacked, so its content is unknown"),
    ],
    ids=["half a gzip", "half a zip", "Zstandard", "nested", "many members", "large"],  # the content holds the time
)
def test_what_cannot_be_opened_goes(
    content: bytes, why: str, tmp_path: Path, redactor: Redactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives.Allowance, "__init__", lambda self: self.__dict__.update(members=6, size=1000))
    (tmp_path / "a").write_bytes(content)
    assert scrub(tmp_path, redactor) == [f"a: removed: {why}"]
    assert not list(tmp_path.iterdir())


def test_bombs_are_not_unpacked(tmp_path: Path, redactor: Redactor, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zipped({"a": gzip.compress(bytes(3_000_000)), "b": gzip.compress(bytes(3_000_000))})
    monkeypatch.setattr(archives.Allowance, "__init__", lambda self: self.__dict__.update(members=99, size=4_000_000))
    (tmp_path / "bomb.zip").write_bytes(bomb)
    (line,) = scrub(tmp_path, redactor)
    assert line.startswith("bomb.zip: removed from it: b: it holds more than is unpacked")


def test_names_are_searched_too(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / f"of {SECRET}").mkdir()
    (tmp_path / f"of {SECRET}" / "a.txt").write_text("text")
    (tmp_path / f"{SECRET}.txt").write_text("text")
    found = scrub(tmp_path, redactor)
    assert found == [
        f"of {MASK}/a.txt: removed: its name holds a secret",
        f"{MASK}.txt: removed: its name holds a secret",
    ]
    assert not list(tmp_path.iterdir())


def test_links_are_not_followed(tmp_path: Path, redactor: Redactor) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "own.txt").write_text(SECRET)
    run = tmp_path / "run"
    run.mkdir()
    (run / "folder").symlink_to(tmp_path / "outside")
    (run / "file").symlink_to(tmp_path / "outside" / "own.txt")
    (run / "speaking").symlink_to(f"/nowhere/{SECRET}")
    assert scrub(run, redactor) == ["speaking: removed: a link whose name or target holds a secret"]
    assert (tmp_path / "outside" / "own.txt").read_text() == SECRET
    assert {path.name for path in run.iterdir()} == {"folder", "file"}


def test_records_are_searched_and_never_altered(tmp_path: Path, redactor: Redactor) -> None:
    recorder = Recorder(tmp_path / EVIDENCE, "run", Redactor(), "test")  # it does not know the secret
    recorder.observe("INT-01", "session_token", "kept", "text", samples=1)  # a shape, but only beside its value
    assert scrub(tmp_path, redactor) == []
    recorder.note(SECRET)
    recorder.close()
    (line,) = scrub(tmp_path, redactor)
    assert line.startswith(f"evidence/records-{recorder.writer}.jsonl: holds a secret, and stays as it is")
    assert [bundle.damage for bundle in read_run(tmp_path)] == [[]]


def test_what_was_there_before_or_belongs_to_others_stays(tmp_path: Path, redactor: Redactor) -> None:
    for name in ("log.html", "notes.txt"):
        (tmp_path / name).write_text(SECRET)
    assert scrub(tmp_path, redactor, since=(tmp_path / "log.html").stat().st_ctime + 1) == []
    scrub(tmp_path, redactor, within=["log.html"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"log.html": MASK, "notes.txt": SECRET}


def test_artifacts_that_were_recorded_are_known_also_where_runs_were_merged(tmp_path: Path) -> None:
    for home in (tmp_path, tmp_path / MERGED / "other"):
        recorder = Recorder(home / EVIDENCE, "run", Redactor(), "test")
        artifact = Artifact(path="masked.png", sha256="0" * 64)
        recorder.observe("INT-01", "page", 1, "files", samples=1, artifact=artifact)
        recorder.close()
    with (tmp_path / EVIDENCE / f"records-{recorder.writer}.jsonl").open("w") as file:
        file.write('{"kind": "observation", "artifact"')  # half a line
    assert recorded_artifacts(tmp_path) == {"masked.png", "merged/other/masked.png"}


def test_a_record_holds_no_secret_wherever_it_came_from(tmp_path: Path, redactor: Redactor) -> None:
    recorder = Recorder(tmp_path / EVIDENCE, "run", redactor, "test")
    recorder.note(SECRET)
    recorder.test(name=f"test {SECRET}", status="FAIL", criteria=["INT-01"], message=SECRET)
    recorder.observe("INT-01", f"of {SECRET}", SECRET, "text", samples=1)
    recorder.series("INT-01", SECRET, "ms", {SECRET: [(0, 1)]}, marks={SECRET: 0})
    recorder.close()
    assert scrub(tmp_path, redactor) == []
    assert SECRET not in (tmp_path / EVIDENCE / f"records-{recorder.writer}.jsonl").read_text()
