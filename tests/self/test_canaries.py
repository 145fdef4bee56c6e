"""No byte that a run leaves behind holds a secret: at the highest log level, with failures, of one file alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
import yaml

SUITE = Path(__file__).parent / "canaries" / "canaries.robot"
ENVIRONMENT = 'canary"ä/env+7531&x='
ACCESS, REFRESH = "canary-access-8642-" + "a" * 200, "canary-refresh-9753"


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


def robot(folder: Path, address: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robot", "--outputdir", str(folder), "--loglevel", "TRACE", *options, str(SUITE)]
    variables = {
        "ACCEPTANCE_DEPLOYMENT": str(descriptor(address, folder.parent)),
        "CANARY_ENVIRONMENT": ENVIRONMENT,
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        command, env=os.environ | variables, cwd=folder.parent, capture_output=True, text=True, timeout=120, check=False
    )


def written_forms(secret: str) -> Iterator[bytes]:
    yield secret.encode()
    yield secret[:12].encode()
    yield quote(secret, safe="").encode()
    yield json.dumps(secret)[1:-1].encode()
    yield base64.b64encode(secret.encode())[:-4]
    yield base64.b64encode(f"user:{secret}".encode())[8:-4]


def test_nothing_that_is_left_behind_holds_a_secret(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ended = robot(folder, address, "--xunit", "xunit.xml", "--loglevel", "TRACE:INFO")
    assert ended.returncode == 5, ended.stdout + ended.stderr  # each of the five tests fails
    left = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {"output.xml", "log.html", "report.html", "xunit.xml"} <= left.keys()
    left |= {"stdout": ended.stdout.encode(), "stderr": ended.stderr.encode()}
    spilled = {
        f"{name}: …{content[max(0, content.find(form) - 60) : content.find(form) + 60]!r}"
        for name, content in left.items()
        for secret in (ENVIRONMENT, ACCESS, REFRESH)
        for form in written_forms(secret)
        if form in content
    }
    assert not spilled, "\n".join(sorted(spilled))
    assert left["output.xml"].count(b"redacted") > 20  # the canaries were there


def test_a_debug_file_is_refused(address: str, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    ended = robot(folder, address, "--debugfile", "debug.txt")
    assert ended.returncode == 253  # Robot Framework's status for an execution that was ended
    assert "--debugfile is refused" in ended.stderr
    assert "canary" not in (folder / "debug.txt").read_text().replace("Canaries", "")
