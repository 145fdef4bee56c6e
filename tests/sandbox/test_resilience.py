"""The sandbox under its own faults: what is refused, what goes on, what comes back, and that nothing is lost."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sandbox.state import SERVICES_FILE
from tests.sandbox.made import ended, pdf, processed
from tests.sandbox.place import until

CREDENTIALS = {"email": "ada@example.com", "password": "Fourteen berths 1912"}
QUESTION = {"message": "How many berths are there?"}


@pytest.fixture(scope="module")
def control(descriptor: Path) -> Iterator[httpx.Client]:
    given = yaml.safe_load(descriptor.read_text())["faults"]["control"]
    secrets = dict(line.split("=", 1) for line in descriptor.with_suffix(".env").read_text().splitlines())
    headers = {"authorization": f"Bearer {secrets['SANDBOX_FAULT_TOKEN']}"}
    with httpx.Client(base_url=given["url"], headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture(autouse=True)
def healthy(api: httpx.Client) -> Iterator[None]:
    yield
    until(lambda: is_healthy(api), "health after the fault")


@contextmanager
def broken(control: httpx.Client, kind: str, target: str, **parameters: Any) -> Iterator[dict[str, Any]]:
    body = {"kind": kind, "target": target, "parameters": parameters, "lease_seconds": 60}
    fault = control.put("faults/one", json=body).json()
    assert fault["in_effect"], fault
    yield fault
    assert control.delete("faults/one").status_code == 204


def conditions(api: httpx.Client) -> dict[str, str]:
    return dict(api.get("/health").json()["services"])


def is_healthy(api: httpx.Client) -> bool:
    try:
        return bool(api.get("/health").json().get("status") == "healthy")
    except httpx.HTTPError:
        return False


def is_refused(answer: httpx.Response, service: str) -> bool:
    """Whether an answer is a readable 503 that says when to come again."""
    error = answer.json()["error"]
    return (answer.status_code, error["code"]) == (503, f"{service}_unavailable") and int(
        answer.headers["retry-after"]
    ) > 0


@pytest.mark.parametrize("kind", ["refuse", "blackhole", "cut", "reset"])
def test_without_its_database_everything_is_refused_and_comes_back(
    api: httpx.Client, control: httpx.Client, kind: str
) -> None:
    with broken(control, kind, "database", **({"after_bytes": 10} if kind == "cut" else {})):
        assert is_refused(api.get("/documents"), "database")
        assert is_refused(api.post("/api/chat", json=QUESTION), "database")
        until(lambda: conditions(api)["database"] == "unavailable", "health says so")
    until(lambda: api.get("/documents").status_code == 200, "the database is used again")


def test_what_was_accepted_survives_the_death_of_the_database(api: httpx.Client, control: httpx.Client) -> None:
    document = processed(api, pdf("The harbour has twelve berths."))
    with broken(control, "kill", "database-server"):
        pass
    until(lambda: api.get("/documents").status_code == 200, "the database is there again")
    assert api.get(f"/api/upload-pipeline/jobs/{document['job_id']}").json()["state"] == "done"


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 500},
        {"status": 401, "body": "{}"},
        {"status": 200, "body": "[]"},
        {"status": 200, "body": "{}"},
        {"status": 200, "body": "<html>", "content_type": "text/html"},
    ],
)
def test_whatever_answers_for_authentication_nobody_is_blamed(
    api: httpx.Client, control: httpx.Client, answer: dict[str, Any]
) -> None:
    with broken(control, "respond", "authentication", **answer):
        assert is_refused(api.post("/auth/login", json=CREDENTIALS), "authentication")
        assert api.get("/documents").status_code == 200
    assert api.post("/auth/login", json=CREDENTIALS).status_code == 200


@pytest.mark.parametrize("answer", [{"status": 429, "headers": {"Retry-After": "7"}}, {"status": 200, "body": "{}"}])
@pytest.mark.parametrize("service", ["model", "parser", "storage"])
def test_a_document_waits_for_what_its_processing_needs(
    api: httpx.Client, control: httpx.Client, service: str, answer: dict[str, Any]
) -> None:
    times = 2 if "headers" not in answer else 1
    with broken(control, "respond", f"{service}-worker" if service == "model" else service, **answer, times=times):
        if service == "storage":  # the announcement is refused, and can be repeated
            for _ in range(times):
                assert is_refused(api.post("/api/upload-pipeline/upload", json=announced()), "storage")
        job = processed(api, pdf(f"The harbour has {uuid.uuid4()} berths."))
    assert (job["state"], job["last_error"]) == ("done", None)


def announced() -> dict[str, Any]:
    return {"filename": "a.pdf", "bytes_len": 9, "mime": "application/pdf", "sha256": uuid.uuid4().hex * 2}


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("refuse", {}), ("blackhole", {}), ("respond", {"status": 200, "body": "<html>", "content_type": "text/html"})],
)
def test_a_question_without_its_model_is_refused_in_time(
    api: httpx.Client, control: httpx.Client, kind: str, parameters: dict[str, Any]
) -> None:
    workflow = str(uuid.uuid4())
    with broken(control, kind, "model-api", **parameters):
        answer = api.post("/api/chat", json=QUESTION | {"workflow_id": workflow})
        assert is_refused(answer, "model")
        assert answer.elapsed.total_seconds() < 8
        assert last_event(api, workflow)["success"] is False


def test_a_stream_that_is_cut_says_so_and_ends_its_workflow(api: httpx.Client, control: httpx.Client) -> None:
    document = f"The harbour has fourteen berths, {' and '.join(f'pontoon {n} of {uuid.uuid4()}' for n in range(9))}."
    processed(api, pdf(document))
    workflow = str(uuid.uuid4())
    asked = {"message": "How many berths has the harbour?", "workflow_id": workflow}
    whole = api.post("/api/chat", json=asked, headers={"accept": "text/event-stream"}).text
    assert "event: done" in whole
    with broken(control, "slice", "model-api", bytes=400, milliseconds=30):
        with api.stream("POST", "/api/chat", json=asked, headers={"accept": "text/event-stream"}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == "event: delta"
            cut = control.put(
                "faults/two",
                json={"kind": "reset", "target": "model-api", "parameters": {}, "lease_seconds": 30},
            )
            assert cut.status_code == 200
            rest = "\n".join(lines)
        assert control.delete("faults/two").status_code == 204
    assert "event: error" in rest
    assert "event: done" not in rest
    assert json.loads(rest.split("event: error\ndata: ")[1].split("\n")[0])["error"]["code"] == "model_unavailable"
    assert last_event(api, workflow)["success"] is False


def test_a_hanging_instance_is_replaced(api: httpx.Client, control: httpx.Client) -> None:
    with broken(control, "freeze", "api-1"):
        for _ in range(4):
            answer = httpx.get(f"{api.base_url}/health", timeout=10, trust_env=False)
            assert answer.status_code == 200


@pytest.mark.parametrize("kind", ["kill", "stop"])
def test_requests_go_to_the_instance_that_is_left(api: httpx.Client, control: httpx.Client, kind: str) -> None:
    with broken(control, kind, "api-2"):
        statuses = {httpx.get(f"{api.base_url}/ws/health", trust_env=False).status_code for _ in range(6)}
    assert statuses == {200}


def test_a_worker_takes_over_from_a_dead_one(api: httpx.Client, control: httpx.Client) -> None:
    with broken(control, "latency", "parser", milliseconds=1500):
        content = pdf(f"The harbour has {uuid.uuid4()} berths.")
        job_id = uploaded(api, content)
        until(lambda: status_of(api, job_id) == "parse_queued", "a worker waits for the parser")
        body = {"kind": "kill", "target": "worker", "parameters": {}, "lease_seconds": 30}
        assert control.put("faults/two", json=body).json()["in_effect"]
    until(lambda: ended(api, job_id), "another worker has finished it")
    assert control.delete("faults/two").status_code == 204
    assert ended(api, job_id)["state"] == "done"  # type: ignore[index]


def test_all_faults_end_with_the_control_process(api: httpx.Client, control: httpx.Client, descriptor: Path) -> None:
    table = descriptor.parent / SERVICES_FILE
    before = json.loads(table.read_text())["faults"]["pid"]
    for name, kind, target in (("a", "refuse", "model"), ("b", "freeze", "worker-1"), ("c", "stop", "worker-2")):
        body = {"kind": kind, "target": target, "lease_seconds": 600}
        assert control.put(f"faults/{name}", json=body).json()["in_effect"]
    os.kill(before, signal.SIGKILL)
    until(lambda: json.loads(table.read_text())["faults"]["pid"] not in (0, before), "it is started again")
    until(lambda: is_healthy(api), "everything is well")
    assert control.get("faults").json() == {"faults": []}
    assert processed(api, pdf(f"The harbour has {uuid.uuid4()} berths."))["state"] == "done"


def status_of(api: httpx.Client, job_id: str) -> str:
    return str(api.get(f"/api/upload-pipeline/jobs/{job_id}").json()["status"])


def uploaded(api: httpx.Client, content: bytes) -> str:
    body = announced() | {"bytes_len": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    announcement = api.post("/api/upload-pipeline/upload", json=body).json()
    assert httpx.put(announcement["signed_url"], content=content, trust_env=False).status_code == 200
    return str(announcement["job_id"])


def last_event(api: httpx.Client, workflow: str) -> dict[str, Any]:
    """The end of a workflow, by its stream."""
    text = api.get(f"/api/workflow/{workflow}/status/stream").text
    return dict(json.loads(text.strip().rpartition("data: ")[2]))
