"""The OpenAPI document of the sandbox says what is true: by its own words, and by what Schemathesis finds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from acceptance.yaml_models import PROJECT

from sandbox.app import main
from sandbox.app.edge import Edge
from sandbox.settings import LISTENERS, Settings
from tests.sandbox.made import pdf, processed, signed_up

PUBLIC = {"/health", "/ws/health", "/auth/signup", "/auth/login", "/auth/refresh", "/api/upload-pipeline/upload/limits"}
STREAMS = {
    "/api/upload-pipeline/jobs/{job_id}/events": {"job_status"},
    "/api/workflow/{workflow_id}/status/stream": {"workflow_status", "workflow_complete"},
    "/api/chat": {"delta", "done", "error"},
}
WEBHOOK = "/api/upload-pipeline/webhook/llamaparse/{job_id}"
HERE = PROJECT / "tests" / "sandbox"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = main.create_app(Settings(Path(), dict.fromkeys(LISTENERS, 1), build="b"))
    assert isinstance(app, Edge)
    return dict(app._app.openapi())  # type: ignore[attr-defined]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def test_every_route_with_a_body_may_refuse_it_as_too_large(document: dict[str, Any]) -> None:
    with_body = {path: operation for path, operation in operations(document) if "requestBody" in operation}
    assert len(with_body) == 6
    assert [path for path, operation in with_body.items() if not {"413", "422"} <= operation["responses"].keys()] == []


def test_every_error_has_its_shape_and_tells_when_to_come_again(document: dict[str, Any]) -> None:
    shapes, later = set(), set()
    for path, operation in operations(document):
        for status, answer in operation["responses"].items():
            assert answer["headers"]["X-Request-Id"]["required"], (path, status)
            if status in ("429", "503"):
                later.add("Retry-After" in answer["headers"])
            if status >= "400":
                shapes.add((status == "409", answer["content"]["application/json"]["schema"]["$ref"].split("/")[-1]))
    assert (shapes, later) == ({(False, "ErrorBody"), (True, "Duplicate")}, {True})


def test_streams_name_their_events(document: dict[str, Any]) -> None:
    found = {}
    for path, operation in operations(document):
        if stream := operation["responses"].get("200", {}).get("content", {}).get("text/event-stream"):
            found[path] = set(stream["itemSchema"]["properties"]["event"]["enum"])
    assert found == STREAMS


def test_every_route_that_is_not_public_says_how_a_caller_is_known(document: dict[str, Any]) -> None:
    assert {path for path, operation in operations(document) if "security" not in operation} == PUBLIC
    known = document["components"]["securitySchemes"]
    assert {name for _, one in operations(document) for way in one.get("security", []) for name in way} == set(known)
    assert known["HTTPBearer"] == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def test_the_webhook_names_its_signature_and_its_body(document: dict[str, Any]) -> None:
    webhook = document["paths"][WEBHOOK]["post"]
    [signature] = (one for one in webhook["parameters"] if one["in"] == "header")
    assert (signature["name"], signature["required"]) == ("LC-Signature", True)
    assert signature["schema"]["pattern"] == "^sha256=[0-9a-f]{64}$"
    assert webhook["requestBody"]["required"] and "application/json" in webhook["requestBody"]["content"]


def test_schemathesis_finds_nothing(api: httpx.Client, descriptor: Path, tmp_path: Path) -> None:
    job = processed(api, pdf("The harbour of Lindmar has 14 berths."))
    chat = api.post("/api/chat", json={"message": "How many berths has the harbour of Lindmar?"}).json()
    known = {"job_id": job["job_id"], "document_id": job["document_id"], "workflow_id": chat["workflow_id"]}
    values = "".join(f'"path.{name}" = "{value}"\n' for name, value in known.items())
    anything, there = tmp_path / "anything.toml", tmp_path / "there.toml"
    anything.write_text(f'hooks = "{HERE / "signed_webhooks.py"}"\n{(HERE / "schemathesis.toml").read_text()}')
    there.write_text(f"{anything.read_text()}\n[parameters]\n{values}")
    secrets = dict(
        line.split("=", 1) for line in descriptor.with_suffix(".env").read_text().splitlines() if "=" in line
    )

    def ask(token: str, seconds: int, *arguments: str, configuration: Path = anything) -> None:
        command = (sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration), "run")
        chosen = ("--max-time", str(seconds), "-H", f"Authorization: {token}", *arguments)
        asked = subprocess.run(
            [*command, f"{api.base_url}/openapi.json", *chosen],
            cwd=tmp_path,  # it leaves a folder of its own
            env=os.environ | secrets,
            text=True,
            capture_output=True,
            timeout=90,
        )
        assert asked.returncode == 0, asked.stdout[-8000:] + asked.stderr[-2000:]
        assert " passed" in asked.stdout

    mine = api.headers["authorization"]
    ask(mine, 10, "--phases", "coverage,fuzzing", "--include-path-regex", r"\{(job|document|workflow)_id\}",
        "--exclude-method", "DELETE", configuration=there)  # fmt: skip
    ask(mine, 25, "--phases", "coverage,fuzzing,stateful", "--exclude-path", "/auth/logout")
    ask(
        f"Bearer {signed_up(api, 'bob@example.com')}",
        3,
        "--phases",
        "coverage,fuzzing",
        "--include-path",
        "/auth/logout",
    )
