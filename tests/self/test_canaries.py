"""No byte that a run leaves behind holds a secret: at the highest log level, with failures, of one file alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from acceptance.evidence.reader import read_run
from acceptance.yaml_models import PROJECT
from robot.api import ExecutionResult

from tests.self.canaries import planted
from tests.self.canaries.searching import spilled

SUITE = Path(__file__).parent / "canaries" / "canaries.robot"
ENVIRONMENT = 'canary"ä/env+7531&x='
ACCESS, REFRESH = "canary-access-8642-" + "a" * 200, "canary-refresh-9753"
SECRETS = (ENVIRONMENT, ACCESS, REFRESH, planted.BORN, planted.FOREIGN)


@pytest.fixture
def address() -> Iterator[str]:
    """A server that gives everybody a session."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
            session = {"access_token": ACCESS, "refresh_token": REFRESH, "token_type": "bearer", "expires_in": 60}
            content = json.dumps(session | {"user": {"id": "1", "email": sent["email"]}}).encode()
            self.send_response(201)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def descriptor(address: str, folder: Path) -> Path:
    service = {"url": address}
    names = ("frontend", "api", "worker", "authentication", "storage", "realtime")
    path = folder / "here.yaml"
    content = {
        "name": "here",
        "environment": "test",
        "users": "signup",
        "services": dict.fromkeys(names, service),
        "providers": {
            "parser": {"name": "p", "job_id_pattern": "^p"},
            "model": "m",
            "embedding": {"name": "e", "dimensions": 8},
        },
        "sessions": {"refresh_reuse_seconds": 0, "logout_revokes_access": True, "jwt_survives_auth_outage": True},
        "secrets": {"canary": "CANARY_ENVIRONMENT"},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def command(folder: Path, address: str, *options: str) -> list[str]:
    return [
        *(sys.executable, "-m", "robot", "--outputdir", str(folder), "--loglevel", "TRACE"),
        *("--pythonpath", str(PROJECT)),
        *("--variable", f"ADDRESS:{address}", *options, str(SUITE)),
    ]


def environment(folder: Path, address: str, **more: str) -> dict[str, str]:
    return os.environ | {
        "ACCEPTANCE_DEPLOYMENT": str(descriptor(address, folder.parent)),
        "CANARY_ENVIRONMENT": ENVIRONMENT,
        "PYTHONIOENCODING": "utf-8",
        **more,
    }


def robot(folder: Path, address: str, *options: str, start_in: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, address, *options),
        env=environment(folder, address),
        cwd=start_in or folder.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_nothing_that_is_left_behind_holds_a_secret(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ended = robot(folder, address, "--xunit", "xunit.xml", "--loglevel", "TRACE:INFO")
    tests = list(ExecutionResult(folder / "output.xml").suite.all_tests)
    assert [test.name for test in tests if test.passed] == [], ended.stdout + ended.stderr
    assert spilled(folder, SECRETS, stdout=ended.stdout, stderr=ended.stderr) == []
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"output.xml", "log.html", "report.html", "xunit.xml", "gate.html"} <= left
    assert {name for name in left if name.endswith((".png", ".txt", ".bin"))} == {"masked.png"}
    for name in ("planted", "late"):
        assert {f"{name}/{kind}/load/shards.tar.gz" for kind in ("environment", "born")} <= left
    assert (folder / "output.xml").read_bytes().count(b"redacted") > 20  # the canaries were there


def test_what_was_removed_is_noted_and_what_was_recorded_stays_sound(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ended = robot(folder, address, "--test", "In Files", "--test", "In Evidence")
    (bundle,) = read_run(folder)
    assert bundle.damage == []
    assert bundle.artifacts.keys() == {"body.json", "masked.png"}
    notes = [note.text for note in bundle.notes]
    for kind in ("environment", "born"):
        picture = f"{kind}/browser/screenshot.png: removed: an unapproved picture"
        assert any(note.startswith(f"planted/{picture}") for note in notes)
        assert f"late/{picture}" in ended.stderr  # after the seal, nothing is noted any more


def test_in_a_folder_where_somebody_works_only_files_of_robot_framework_are_touched(
    address: str, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    robot(folder, address, "--test", "In Files", "--test", "In Titles", start_in=folder)
    assert (folder / "planted" / "environment" / "browser" / "screenshot.png").exists()
    for name in ("output.xml", "log.html", "report.html"):
        (tmp_path / "swept").mkdir(exist_ok=True)
        (folder / name).rename(tmp_path / "swept" / name)
    assert spilled(tmp_path / "swept", SECRETS) == []


def test_shards_are_swept_by_those_who_know_their_secrets(address: str, tmp_path: Path) -> None:
    folders = [tmp_path / "out" / shard for shard in ("1", "2")]
    (tmp_path / "out").mkdir()
    shards = [
        subprocess.Popen(
            command(folder, address),
            env=environment(folder, address, ACCEPTANCE_RUN="shards"),
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for folder in folders
    ]
    for shard in shards:
        shard.wait(timeout=120)
    assert spilled(tmp_path / "out", SECRETS) == []
    for folder in folders:
        (bundle,) = read_run(folder)
        assert bundle.damage == []
        assert any(note.text.startswith("late/born/browser/screenshot.png: removed") for note in bundle.notes)


def test_the_search_finds_what_is_not_hidden(tmp_path: Path) -> None:
    for number, secret in enumerate(SECRETS):
        folder = tmp_path / str(number)
        folder.mkdir()
        planted.plant_all(folder, secret)
        files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        seen = spilled(folder, [secret])
        assert {line.split(":")[0].split("|")[0] for line in seen} == files - {"browser/screenshot.png"}
        assert any(line.startswith("load/shards.tar.gz|gunzip|shard/trace.zip|trace.network:") for line in seen)
    packed = base64.b64encode(zlib.compress(f"{ACCESS} {'and so on ' * 20}".encode(), 9)).decode()
    (tmp_path / "log.html").write_text(f'<script>window.output["strings"].concat(["{packed}"])</script>')
    assert spilled(tmp_path, [ACCESS])[-1].startswith("log.html (packed text): canary")


def test_a_debug_file_is_refused(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ended = robot(folder, address, "--debugfile", "debug.txt")
    assert ended.returncode == 253  # Robot Framework's status for an execution that was ended
    assert "--debugfile is refused" in ended.stderr
    assert "canary" not in (folder / "debug.txt").read_text().replace("Canaries", "")
