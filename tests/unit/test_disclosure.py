"""Error bodies that disclose something are findings, with their kind and place; near misses are none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.checks.disclosure import disclosed_by, disclosures, error_bodies, public_hosts
from acceptance.checks.disclosure_patterns import ADDRESS, PATH, RAW_MESSAGE, SECRET, SQL, STACK_TRACE
from acceptance.checks.error_bodies import faults
from acceptance.clients.error_log import ErrorLog, ErrorResponse, recorded_errors
from acceptance.clients.http import ContractClient
from acceptance.errors import CapabilityMissing
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import NOTHING_LOOKED_AT, Recorder
from acceptance.redaction.redactor import Redactor
from acceptance.run import Run
from acceptance.runner.self_checks import run_closing_checks

from tests.unit.conftest import Serve, descriptor_at

ClientAt = Callable[[str], ContractClient]
PYTHON = 'Traceback (most recent call last):\n  File "/app/api/main.py", line 12, in ask\n    raise error'
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


def error(body: object, **fields: Any) -> ErrorResponse:
    text = body if isinstance(body, str) else json.dumps(body)
    about: dict[str, Any] = {"method": "GET", "url": "https://api.example.org/jobs/7", "status": 500}
    return ErrorResponse(**about | {"request_id": "r-1", "route": "job", "body": text} | fields)


def kinds(body: object, **fields: Any) -> tuple[str, ...]:
    found = disclosed_by(error(body, **fields), public_hosts(descriptor_at("https://api.example.org")))
    return found.kinds if found else ()


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (STACK_TRACE, PYTHON),
        (STACK_TRACE, "TypeError: x\n    at ask (/srv/api/dist/index.js:12:34)"),
        (STACK_TRACE, "boom\n    at node:internal/process/task_queues:95:5"),
        (STACK_TRACE, "x\n\tat org.acme.Jobs.read(Jobs.java:42)"),
        (STACK_TRACE, "x\nCaused by: java.net.SocketException"),
        (STACK_TRACE, "panic: boom\n\ngoroutine 7 [running]:\nmain.ask()\n\t/src/main.go:12 +0x1d"),
        (STACK_TRACE, "x\n   at Acme.Jobs.Read(String id) in C:\\src\\Jobs.cs:line 12"),
        (STACK_TRACE, "app/models/job.rb:12:in `read'"),
        (STACK_TRACE, "#0 /var/www/index.php(12): ask()"),
        (STACK_TRACE, "thread 'main' panicked at src/main.rs:2"),
        (SQL, "SELECT id, name FROM app.jobs WHERE id = 7"),
        (SQL, "select * from jobs where id = $1"),
        (SQL, "insert into app.jobs (id) values (7)"),
        (SQL, "update app.jobs set state = 'done'"),
        (SQL, "DELETE FROM app.jobs"),
        (SQL, '[SQL: select 1]'),
        (SQL, "SQLSTATE[42P01]"),
        (SQL, 'relation "app.jobs" does not exist'),
        (SQL, 'duplicate key value violates unique constraint "jobs_pkey"'),
        (SQL, 'syntax error at or near "from"'),
        (SQL, 'invalid input syntax for type uuid: "x"'),
        (SQL, "canceling statement due to statement timeout"),
        (SQL, "permission denied for table jobs"),
        (PATH, "cannot open /app/config/settings.yaml"),
        (PATH, "cannot open C:\\inetpub\\wwwroot\\web.config"),
        (PATH, "cannot import node_modules/pg/lib"),
        (PATH, "failed in api/routes/jobs.py"),
        (PATH, "failed in jobs.py:12"),
        (ADDRESS, "no answer from 10.0.3.7"),
        (ADDRESS, "no answer from 203.0.113.5:8443"),
        (ADDRESS, "no answer from http://127.0.0.1:9999/v1"),
        (ADDRESS, "no answer from localhost:8000"),
        (ADDRESS, "no answer from worker.svc.cluster.local"),
        (ADDRESS, "no answer from api.internal:3000"),
        (ADDRESS, "no answer from dpg-abcdefgh1234-a"),
        (ADDRESS, "no answer from db.abcdefghijkl.supabase.co"),
        (ADDRESS, "no answer from redis:6379"),
        (ADDRESS, "no answer from https://api.openai.com/v1/embeddings"),
        (RAW_MESSAGE, "psycopg.OperationalError"),
        (RAW_MESSAGE, "httpx.ConnectError: [Errno 111]"),
        (RAW_MESSAGE, "ConnectError('All connection attempts failed')"),
        (RAW_MESSAGE, 'FATAL:  password authentication failed for user "app"'),
        (RAW_MESSAGE, "terminating connection due to administrator command"),
        (RAW_MESSAGE, "couldn't get a connection after 3.00 sec"),
        (RAW_MESSAGE, "Server error '503 Service Unavailable' for url 'https://x.example.org'"),
        (RAW_MESSAGE, "connect ECONNREFUSED"),
        (RAW_MESSAGE, "Connection refused"),
        (RAW_MESSAGE, "Error code: 429 - {'error': {}}"),
        (RAW_MESSAGE, "You exceeded your current quota, please check your plan"),
        (RAW_MESSAGE, "status_code: 500, body: {}"),
        (RAW_MESSAGE, "PGRST116"),
        (RAW_MESSAGE, "Database error saving new user"),
        (RAW_MESSAGE, "'NoneType' object has no attribute 'id'"),
        (RAW_MESSAGE, "Cannot read properties of undefined (reading 'id')"),
        (RAW_MESSAGE, "Expecting value: line 1 column 1 (char 0)"),
        (RAW_MESSAGE, "2 validation errors for Answer"),
        (RAW_MESSAGE, "dial tcp: lookup db: no such host"),
    ],
)  # fmt: skip
def test_each_kind_is_found_in_a_text_and_in_json(kind: str, text: str) -> None:
    assert kind in kinds(text)
    assert kind in kinds({"error": {"code": "internal_error", "message": text}})
    assert kind in kinds({"detail": [{"msg": text}]})


@pytest.mark.parametrize(
    "text",
    [
        "Something went wrong on our side.",
        "The database service is unavailable just now. Please try again.",
        "The model did not answer in time; the file was received at 10:30:15.",
        "Please select a file from your computer.",
        "Select a document from the list, then update it or delete it.",
        "Only application/pdf can be uploaded.",
        "A document may have 5242880 bytes at most, and/or 20 pages.",
        "See https://docs.example.org/errors/upload for help.",
        "There is no such job.",
        "password: String should have at least 8 characters",
        "body.sha256: String should match pattern '^[0-9a-f]{64}$'",
        "Input should be 'queued', 'working' or 'done'",
        "JSON decode error",
        "Request failed with error code 429; wait 5 s.",
        "Version 1.10.0.2 is needed.",
        "Your address 203.0.113.5 has made too many requests.",
        "The connection was lost. The service is restarting.",
        "Invalid login credentials",
        "ValidationError",
        "https://api.example.org/documents is the right address",
        "GET /api/upload-pipeline/jobs/{job_id} is not allowed",
        "42",
    ],
)
def test_messages_for_users_disclose_nothing(text: str) -> None:
    assert kinds(text) == ()
    assert kinds({"error": {"code": "internal_error", "message": text}}) == ()


def test_a_sqlstate_is_one_in_a_field_for_codes_alone() -> None:
    assert kinds({"code": "42P01", "message": "x"}) == (SQL,)
    assert kinds({"error": {"sqlstate": "23505"}}) == (SQL,)
    assert kinds({"error": {"code": "40499"}}) == ()  # five digits, and none of PostgreSQL's
    assert kinds({"error": {"reference": "23505"}}) == ()


def test_what_the_client_sent_is_not_disclosed_by_its_echo() -> None:
    name = "../../etc/passwd/x.pdf"
    said = {"message": "The file name ../../etc/passwd/x.pdf is not allowed: /etc/passwd"}
    assert kinds(said) == (PATH,)
    assert kinds(said, sent=json.dumps({"filename": name})) == ()
    assert kinds({"document_title": "/etc/passwd"}) == ()
    assert kinds("nothing at /src/jobs/7", url="https://api.example.org/src/jobs/7") == ()


def test_a_public_address_of_the_deployment_is_no_internal_one() -> None:
    local = public_hosts(descriptor_at("http://127.0.0.1:5100"))
    assert disclosed_by(error("see http://127.0.0.1:5100/start"), local) is None
    assert disclosed_by(error("see http://127.0.0.1:5101/start"), local) is not None
    assert (
        disclosed_by(error("see https://api.corp:8443/start"), public_hosts(descriptor_at("https://api.corp"))) is None
    )


@pytest.mark.parametrize(
    "secret",
    [
        TOKEN,
        "-----BEGIN RSA PRIVATE KEY-----",
        "sk-proj-abcdefghijklmnopqrstuvwx",
        "llx-abcdefghijklmnop1234",
        "postgresql://app:geheim@db/app",
        "registered-secret",
    ],
)
def test_a_secret_is_found_before_it_is_hidden(tmp_path: Path, secret: str) -> None:
    redactor = Redactor()
    redactor.register("registered-secret")
    log = ErrorLog(redactor)
    about: dict[str, Any] = {"method": "GET", "url": "https://a/x", "status": 500, "request_id": "r-1"}
    log.record(**about, body=json.dumps({"message": f"refused: {secret}"}))
    log.record(**about, body="password: String should have 8 characters")
    log.record(**about, body=f"no such word {secret}", sent=f"x={secret}".encode())
    leaked, documented, echoed = log.answers
    found = disclosed_by(leaked)
    assert found is not None and SECRET in found.kinds and "registered-secret" not in found.excerpt
    assert (documented.secret, echoed.secret) == (False, False)


def test_the_same_cause_is_one_finding_with_its_number_and_routes(serve: Serve, client_at: ClientAt) -> None:
    client = client_at(serve(500, {"detail": PYTHON}, {"x-request-id": "r-1"}))

    async def ask() -> None:
        for route in ("user", "jobs", "jobs"):
            await client.call(route, status=500)

    asyncio.run(ask())
    client._journal.answers.append(error("redis:6379 is away", route="", url="https://api.example.org/x", status=503))
    assert [str(one) for one in disclosures(client._journal.answers, client.descriptor)] == [
        "user: expected an error that discloses nothing, observed a stack trace, a file-system path in a body with"
        " status 500, 3 times (also jobs):"
        " 'Traceback (most recent call last): File \"/app/api/main.py\", l'; GET /auth/user, request r-1",
        "GET /x: expected an error that discloses nothing, observed an internal address in a body with status 503:"
        " 'redis:6379 is away'; GET /x, request r-1",
    ]


def test_what_differs_from_one_body_to_the_next_makes_no_second_finding() -> None:
    bodies = [error(f"job {number} is not in /app/data/{number}.json") for number in (17, 18)]
    (finding,) = disclosures(bodies, descriptor_at("https://api.example.org"))
    assert "2 times" in str(finding)


def test_bodies_of_a_load_and_events_of_streams_are_looked_through_too(tmp_path: Path) -> None:
    log = ErrorLog(Redactor())
    (tmp_path / "journal").mkdir()
    log.write_to(tmp_path / "journal" / "errors-1.jsonl")
    about: dict[str, Any] = {"method": "GET", "url": "wss://api.example.org/ws/jobs/7", "request_id": ""}
    log.record(**about, status=1011, body="psycopg.OperationalError", event="WebSocket close")
    log.record(**about, status=200, body="ok")
    log.keep_named("request ")
    (tmp_path / "load-full").mkdir()
    request = {"kind": "request", "user": "u", "scenario": "s", "endpoint": "upload", "at": 1, "sent": 1, "ok": False}
    failed = request | {"failures": ["x"], "status": 500, "body": "no disk at /var/data/up", "request": "r-9"}
    lines = [json.dumps(one) for one in (failed, request | {"ok": True, "failures": [], "status": 200})]
    (tmp_path / "load-full" / "requests.jsonl").write_text("\n".join(lines) + "\n")
    bodies = error_bodies(tmp_path, Redactor())
    assert len(bodies) == 2
    found = [str(one) for one in disclosures(bodies, descriptor_at("https://api.example.org"))]
    assert "a dependency's raw message in WebSocket close with status 1011" in found[0]
    assert "upload: expected" in found[1] and "/var/data/up" in found[1] and "request r-9" in found[1]
    assert not list(error_bodies(tmp_path / "journal", Redactor()))


def outcome(folder: Path, claims: list[str]) -> list[tuple[str, str, int | None]]:
    def wait(check: Any, *, within: float) -> None:
        check.close()
        raise CapabilityMissing("sql")

    observer = SimpleNamespace(
        folder=folder, redactor=Redactor(), wait=wait, descriptor=descriptor_at("https://api.example.org")
    )
    recorder = Recorder(folder / "evidence", "r1", Redactor(), "observer")
    run_closing_checks(cast(Run, observer), recorder, claims)
    recorder.close()
    found = [one for one in read_run(folder)[0].outcomes if "ERR-09" in one.criteria]
    return [(one.status, one.message, one.looks) for one in found]


def test_the_closing_check_judges_a_run_that_claims_it(tmp_path: Path) -> None:
    log = ErrorLog(Redactor())
    (tmp_path / "journal").mkdir()
    log.write_to(tmp_path / "journal" / "errors-1.jsonl")
    log.record(method="GET", url="https://a/x", status=500, body=PYTHON, request_id="r-1")
    assert outcome(tmp_path, ["INT-14"]) == []
    [(status, message, looks)] = outcome(tmp_path, ["ERR-09"])
    assert (status, looks) == ("FAIL", 1) and "a stack trace" in message and "request r-1" in message


def test_a_run_without_any_error_body_verifies_nothing(tmp_path: Path) -> None:
    assert outcome(tmp_path, ["ERR-09"]) == [("FAIL", NOTHING_LOOKED_AT, 0)]


def test_a_fault_is_a_response_and_no_close_code(tmp_path: Path) -> None:
    log = ErrorLog(Redactor())
    log.write_to(tmp_path / "errors-1.jsonl")
    log.record(
        method="GET", url="wss://a/x", status=4401, body="no valid token", request_id="", event="WebSocket close"
    )
    assert list(faults(log.answers)) == [] and len(log.answers) == 1
    assert [one.event for one in recorded_errors(tmp_path)] == []


def test_a_body_with_the_line_ends_of_unicode_is_one_answer(tmp_path: Path) -> None:
    log = ErrorLog(Redactor())
    (tmp_path / "journal").mkdir()
    log.write_to(tmp_path / "journal" / "errors-1.jsonl")
    log.record(method="POST", url="http://x/y", status=422, body="a\u2028b\u0085c", request_id="r1")
    assert [one.body for one in recorded_errors(tmp_path)] == ["a\u2028b\u0085c"]
