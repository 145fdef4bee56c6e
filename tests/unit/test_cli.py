"""Bad input: one clear error, status 3, no traceback, and a gate that says that nothing was seen."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from acceptance.cli import main
from acceptance.runner.runner import folder_for

from tests.evidence import write_run
from tests.unit.conftest import descriptor_at

NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def descriptor() -> dict[str, Any]:
    """A descriptor without mistakes, of a deployment that does not answer."""
    content: dict[str, Any] = descriptor_at(NOBODY).model_dump(mode="json", exclude_none=True)
    return content


def run(tmp_path: Path, *arguments: str) -> int:
    return main(["run", *arguments, "--results", str(tmp_path / "results")])


def statuses(tmp_path: Path, verdict: str = "INCONCLUSIVE") -> dict[str, str]:
    """Of the required criteria that were claimed, in the gate that the run left."""
    gate = json.loads((tmp_path / "results" / "latest" / "gate.json").read_text())
    assert gate["verdict"] == verdict
    return {row["id"]: row["status"] for row in gate["criteria"] if row["id"].startswith(("PRE", "INT"))}


def write(path: Path, content: object) -> str:
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["integrashion"], "RUN integrashion: unknown; known are"),
        ([], "the following arguments are required: name"),
        (["integration", "--deployment", ""], "expected a name or a path, found ''"),
        (["integration", "--deploiment", "x"], "unrecognized arguments"),
    ],
)
def test_wrong_use_is_told_and_leaves_nothing(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(run(tmp_path, *arguments))
    assert ended.value.code == 3
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert told in error
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("deployment", "told"),
    [
        ("sandbux", "DEPLOYMENT sandbux: unknown; did you mean 'sandbox'?"),
        (
            "nowhere/cloud.yaml",
            "DEPLOYMENT nowhere/cloud.yaml: no such file; a sandbox removes its descriptor when it ends",
        ),
    ],
)
def test_an_unknown_deployment_is_told(
    deployment: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "integration", "--deployment", deployment) == 3
    error = capsys.readouterr().err
    assert error.startswith(f"error: {told}")
    assert error.count("\n") == 1
    assert set(statuses(tmp_path).values()) == {"not_verified"}


def test_every_mistake_in_a_descriptor_is_told(
    descriptor: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    descriptor["users"] = "invited"
    descriptor["capabilites"] = descriptor.pop("capabilities")
    descriptor["services"]["api"]["url"] = 80
    path = write(tmp_path / "cloud.yaml", descriptor)
    assert run(tmp_path, "integration", "--deployment", path) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith(f"error: {path}:") for line in lines)
    assert statuses(tmp_path)["PRE-02"] == "not_verified"  # a mistake of ours says nothing of the deployment
    assert "users: Input should be" in (tmp_path / "results" / "latest" / "gate.json").read_text()


def test_unreachable_services_and_unset_secrets_are_told_by_name(
    descriptor: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_SECRET", raising=False)
    descriptor["secrets"] = {"webhook_secret": "NO_SUCH_SECRET"}
    path = write(tmp_path / "cloud.yaml", descriptor)
    assert run(tmp_path, "integration", "--deployment", path) == 3
    error = capsys.readouterr().err
    assert "error: PRE-01: api: " in error
    assert "error: PRE-02: secret 'webhook_secret' is not set: set NO_SUCH_SECRET" in error
    assert "Traceback" not in error
    judged = statuses(tmp_path, "NO-GO")
    assert (judged["PRE-01"], judged["PRE-02"]) == ("violated", "violated")
    assert {status for name, status in judged.items() if not name.startswith("PRE")} == {"not_verified"}


def test_a_looser_threshold_without_a_reason_is_told(
    descriptor: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    descriptor["thresholds"] = {"INT-08": {"value": 5}}
    path = write(tmp_path / "cloud.yaml", descriptor)
    assert run(tmp_path, "integration", "--deployment", path) == 3
    assert "thresholds.INT-08: at most 5 s is looser than at most 1 s and needs a reason" in capsys.readouterr().err


def test_results_that_cannot_be_written_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").write_text("a file where the folder should be")
    assert run(tmp_path, "integration") == 3
    assert capsys.readouterr().err == f"error: {tmp_path / 'results'}: cannot be written: Not a directory\n"


def test_a_full_disk_is_told_by_the_file_that_has_no_room(
    descriptor: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, content: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("acceptance.evidence.recorder.os.write", full)
    assert run(tmp_path, "quick", "--deployment", write(tmp_path / "cloud.yaml", descriptor)) == 3
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'results'}/")
    assert line.endswith(": evidence cannot be written: No space left on device")
    assert not (tmp_path / "results" / "latest").is_symlink()


def test_a_run_that_is_mistyped_leaves_no_older_verdict_as_the_latest(tmp_path: Path) -> None:
    (tmp_path / "results" / "older").mkdir(parents=True)
    (tmp_path / "results" / "latest").symlink_to("older")
    assert run(tmp_path, "integratoin") == 3
    assert not (tmp_path / "results" / "latest").is_symlink()
    assert (tmp_path / "results" / "older").is_dir()


def test_what_is_wrong_with_the_evidence_stands_once_below_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(tmp_path / "r", claims=("PRE-01", "PRE-02"), sealed=False)
    assert main(["report", str(folder)]) == 2
    shown = capsys.readouterr().out
    assert shown.count("its evidence does not count: see below") == 2
    assert shown.count("its evidence does not count: the run") == 1


def test_a_relative_folder_of_results_is_that_of_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert folder_for("quick", Path("res")).parent == tmp_path / "res"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_what_cannot_be_printed_changes_no_verdict(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "r", claims=("PRE-01",), sealed=False)
    command = [sys.executable, "-m", "acceptance", "report", str(folder)]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "error: standard output: No space left on device\n")


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    code = "import os, runpy, sys; os.rmdir(os.getcwd()); sys.argv[1:] = ['compare', 'A', 'B'];"
    code += "runpy.run_module('acceptance', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 3
    assert ended.stderr == "error: the folder in which this was started is gone: change to another one\n"


def test_evidence_is_never_merged_into_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, other = (write_run(tmp_path / name, claims=("PRE-01",)) for name in "ab")
    for into in (folder, other):
        assert main(["report", str(folder), "--into", str(into)]) == 3
        assert f"{into}: holds a run" in capsys.readouterr().err
    assert not (folder / "merged").exists()


def test_what_is_compared_is_named_as_it_was_typed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").touch()
    assert main(["compare", str(tmp_path / "README.md"), str(tmp_path)]) == 3
    assert capsys.readouterr().err == f"error: {tmp_path}/README.md: is neither the folder of a run nor its gate.json\n"
