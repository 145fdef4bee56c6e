"""The dialect `plain`: each route as another team would have it, and each of its defects."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import psycopg.rows
import pytest
import yaml
from acceptance.deployment.contract import CONTRACT

from sandbox import defects
from sandbox.dialects import plain
from tests.sandbox.conftest import placed
from tests.sandbox.made import pdf
from tests.sandbox.place import Place, until

PASSWORD = "Fourteen berths 1912"
JSON = {"content-type": "application/json"}
NAMES = [name for name, found in defects.load().items() if found.dialect == "plain"]


class Deployment:
    """A sandbox in this dialect, as its descriptor says how to call it."""

    def __init__(self, place: Place, *arguments: str) -> None:
        place.start("--dialect", "plain", *arguments)
        self.place = place
        path = Path(place.report()["descriptor"])
        self.descriptor = yaml.safe_load(path.read_text())
        lines = path.with_name(self.descriptor["secrets_file"]).read_text().splitlines()
        values = dict(line.split("=", 1) for line in lines)
        self.secrets = {name: values[variable] for name, variable in self.descriptor["secrets"].items()}
        self.api, self.auth, self.frontend = map(self.client, ("api", "authentication", "frontend"))

    def client(self, service: str) -> httpx.Client:
        about = self.descriptor["services"][service]
        headers = {name: self.secrets[secret] for name, secret in about.get("headers", {}).items()}
        return httpx.Client(base_url=about["url"], headers=headers, timeout=30, trust_env=False)

    def user(self) -> dict[str, str]:
        """The header of a new user."""
        account = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
        return {"authorization": f"Bearer {self.auth.post('/signup', json=account).json()['access_token']}"}

    def upload(self, user: dict[str, str], content: bytes, **changes: Any) -> httpx.Response:
        file = (changes.get("name", "a.pdf"), content, changes.get("type", "application/pdf"))
        return self.api.post("/api/documents", files={"file": file}, headers=user)

    def ended(self, user: dict[str, str], job: str) -> dict[str, Any]:
        """The job at its end."""

        def look() -> dict[str, Any] | None:
            found: dict[str, Any] = self.api.get(f"/api/jobs/{job}", headers=user).json()
            return found if found["state"] in ("finished", "failed") else None

        return dict(until(look, "the job has ended"))

    def webhook(self, job: str, signature: str = "") -> httpx.Response:
        return self.api.post(f"/hooks/parser/{job}", content=b"{}", headers={**JSON, "LC-Signature": signature})

    @property
    def defect_is_active(self) -> bool:
        return bool(self.place.report()["defect_active"])


@contextmanager
def up(*arguments: str) -> Iterator[Deployment]:
    with placed() as place:
        yield Deployment(place, *arguments)


@pytest.fixture(scope="module")
def there() -> Iterator[Deployment]:
    with up() as deployment:
        yield deployment


def test_a_document_is_read_and_questions_are_answered_from_it(there: Deployment) -> None:
    user, other = there.user(), there.user()
    content = pdf("The lighthouse has 217 steps. It was built in 1884.")
    taken = there.upload(user, content, name="Leuchtturm ü%2e.pdf")
    assert taken.status_code == 202
    document, job = taken.json()["id"], taken.json()["job"]["id"]
    assert taken.json() == {"id": document, "job": {"id": job}}

    complete = {"stage": "READY", "state": "finished", "percent": 100, "error": None}
    assert there.ended(user, job) == {"id": job, "document": document, **complete}
    assert there.api.get("/api/jobs", headers=user).json() == {
        "items": [{"id": job, "document": document, **complete}], "limit": 20, "offset": 0, "total": 1
    }  # fmt: skip
    assert there.api.get(f"/api/documents/{document}", headers=user).json() == {
        "id": document, "name": "Leuchtturm ü%2e.pdf", "size": len(content), "type": "application/pdf",
        "stage": "READY", "state": "finished",
    }  # fmt: skip

    answer = there.api.post("/api/ask", json={"question": "How many steps are there?"}, headers=user).json()
    assert "217" in answer["answer"]
    assert answer["sources"] == ["Leuchtturm ü%2e.pdf"]
    thread = answer["thread"]
    assert set(answer) == {"answer", "thread", "sources", "model"}
    again = {"question": "When was it built?", "thread": thread}
    assert there.api.post("/api/ask", json=again, headers=user).json()["thread"] == thread
    assert [one["id"] for one in there.api.get("/api/threads", headers=user).json()["threads"]] == [thread]

    repeated = there.upload(user, content)
    assert (repeated.status_code, set(repeated.json())) == (409, {"detail"})
    for path in (f"/api/jobs/{job}", f"/api/documents/{document}"):
        assert there.api.get(path, headers=other).status_code == 404
    assert there.api.post("/api/ask", json=again, headers=other).json() == {"detail": "There is no such conversation."}
    assert there.api.delete(f"/api/threads/{thread}", headers=other).status_code == 404
    assert there.api.delete(f"/api/threads/{thread}", headers=user).status_code == 204


def test_a_text_file_is_known_by_its_ending_and_read(there: Deployment) -> None:
    user, content = there.user(), "\ufeffThe lighthouse has 217 steps.\r\n".encode()
    taken = there.upload(user, content, name="a.TXT").json()
    assert there.ended(user, taken["job"]["id"])["state"] == "finished"
    found = there.api.get(f"/api/documents/{taken['id']}", headers=user).json()
    assert (found["type"], found["size"]) == ("text/plain", len(content))


def test_the_parser_calls_where_it_was_told(there: Deployment) -> None:
    user = there.user()
    job = there.upload(user, pdf("Read by a parser that calls back.")).json()["job"]["id"]
    there.ended(user, job)
    logs = Path(there.place.report()["directory"], "logs")
    assert any(f"/hooks/parser/{job}" in log.read_text() for log in logs.glob("api-*.log"))
    signature = f"sha256={hmac.new(there.secrets['webhook_secret'].encode(), b'{}', hashlib.sha256).hexdigest()}"
    assert there.webhook(job, signature).json() == {"received": True}
    assert (there.webhook(job).status_code, there.webhook(job, "sha256=0").status_code) == (401, 401)
    assert there.webhook("nonsense", signature).status_code == 422
    assert there.webhook(str(uuid.uuid4()), signature).status_code == 404


def test_a_document_that_cannot_be_read_says_why(there: Deployment) -> None:
    user = there.user()
    job = there.ended(user, there.upload(user, b"%PDF-1.4 nothing more").json()["job"]["id"])
    assert (job["stage"], job["state"]) == ("PARSING_FAILED", "failed")
    assert job["error"]["message"]


def test_three_uploads_a_day_of_which_two_are_processed_at_once(there: Deployment) -> None:
    user = there.user()
    assert there.api.get("/api/limits").json() == {
        "file_bytes": 5_242_880, "file_types": [".pdf", ".txt"], "jobs_at_once": 2, "uploads_a_day": 3
    }  # fmt: skip
    for number in range(3):
        taken = there.upload(user, pdf(f"Number {number}."))
        assert taken.status_code == 202
        there.ended(user, taken.json()["job"]["id"])
    refused = there.upload(user, pdf("Number 3."))
    assert (refused.status_code, refused.json()) == (429, {"detail": "You have reached today's number of uploads."})
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": "a.png"}, 415),
        ({"name": "a.txt", "content": b"no text\0"}, 415),
        ({"content": b"x" * 5_242_881}, 413),
        ({"content": b"x" * 6_000_000}, 413),
        ({"content": b""}, 422),
        ({"name": "../a.pdf"}, 422),
        ({"name": "a.pdf\nX: y"}, 422),
        ({"name": "..\\a.pdf"}, 422),
        ({"name": "a\0.pdf"}, 422),
    ],
)
def test_a_bad_upload_is_refused_and_counts_for_nothing(
    there: Deployment, changes: dict[str, Any], status: int
) -> None:
    user = there.user()
    refused = there.upload(user, **({"content": b"%PDF-"} | changes))
    assert refused.status_code == status
    assert isinstance(refused.json()["detail"], list if status == 422 else str)
    assert there.api.get("/api/jobs", headers=user).json()["total"] == 0


@pytest.mark.parametrize("body", [b"", b"{}", b"--x\r\n\r\nno end", b"--x--", b"--x\r\nname: file\r\n\r\n\r\n--x--"])
def test_a_form_without_its_file_is_refused(there: Deployment, body: bytes) -> None:
    headers = there.user() | {"content-type": "multipart/form-data; boundary=x"}
    refused = there.api.post("/api/documents", content=body, headers=headers)
    assert refused.status_code == 422
    assert refused.json() == {"detail": [{"type": "missing", "loc": ["body", "file"], "msg": "Field required"}]}


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'form-data; name="file"; filename="a \\"b\\".pdf"', 'a "b".pdf'),
        (b'form-data; filename="a %22b%22 %2e.pdf"; name="file"', 'a "b" %2e.pdf'),
        ('form-data; name="file"; filename="ä.pdf"'.encode(), "ä.pdf"),
    ],
)
def test_a_file_keeps_its_name_and_bytes(head: bytes, name: str) -> None:
    content = b"--y\r\n\r\n\n--x\0"
    part = b"Content-Disposition: " + head + b"\r\nContent-Type: application/pdf\r\n\r\n" + content
    other = b'Content-Disposition: form-data; name="other"\r\n\r\n1'
    body = b"--x\r\n" + other + b"\r\n--x\r\n" + part + b"\r\n--x--\r\n"
    assert plain.file_of("multipart/form-data; boundary=x", body) == (name, content)


def test_invalid_requests_get_fastapis_list_without_their_input(there: Deployment) -> None:
    user = there.user()
    for sent, status in {b"{": 422, b"[" * 100_000: 422, b'{"question": ""}': 422, b" " * 1_048_577: 413}.items():
        refused = there.api.post("/api/ask", content=sent, headers=user | JSON)
        assert refused.status_code == status
        detail = refused.json()["detail"]
        assert all(set(one) == {"type", "loc", "msg"} for one in detail) if status == 422 else isinstance(detail, str)
    assert there.api.get("/api/jobs/nonsense", headers=user).json()["detail"][0]["loc"] == ["path", "job_id"]
    unknown = there.api.get("/api/nowhere", headers=user)
    assert (unknown.status_code, unknown.json()) == (404, {"detail": "Not Found"})


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic eDp5"])
def test_without_a_token_nothing_is_shown(there: Deployment, token: str) -> None:
    headers = {"authorization": token} if token else {}
    for path in ("/api/jobs", f"/api/jobs/{uuid.uuid4()}", f"/api/documents/{uuid.uuid4()}", "/api/threads"):
        refused = there.api.get(path, headers=headers)
        assert (refused.status_code, refused.json()) == (401, {"detail": "A valid access token is needed."})
        assert refused.headers["www-authenticate"] == "Bearer"
    assert there.upload(headers, b"%PDF-").status_code == 401
    assert there.api.post("/api/ask", json={"question": "x"}, headers=headers).status_code == 401


def test_what_this_dialect_does_not_offer_is_not_there(there: Deployment) -> None:
    user, some = there.user(), uuid.uuid4()
    absent = ["/documents", f"/documents/{some}/content", f"/api/upload-pipeline/jobs/{some}/events", "/auth/user",
              f"/api/workflow/{some}/status/stream", "/ws/health", "/conversations", "/docs"]  # fmt: skip
    assert [there.api.get(path, headers=user).status_code for path in absent] == [404] * len(absent)
    assert there.api.delete(f"/api/documents/{some}", headers=user).status_code == 405
    assert there.api.get("/api/documents", headers=user).status_code == 405
    socket = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13",
              "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
    assert there.api.get(f"/ws/jobs/{some}", headers=socket).status_code == 403
    document = there.api.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/health", "/api/limits", "/api/documents", "/api/documents/{document_id}", "/api/jobs", "/api/jobs/{job_id}",
        "/api/ask", "/api/threads", "/api/threads/{thread}", "/hooks/parser/{job_id}",
    }  # fmt: skip
    assert document["paths"]["/api/ask"]["post"]["security"]


def test_health_is_objects_without_build_and_workers(there: Deployment) -> None:
    health = there.api.get("/health").json()
    assert health == {
        "status": "ok", "env": "sandbox", "version": "1.0.0",
        "checks": {name: {"ok": True} for name in ("database", "auth", "files", "parser", "model")},
    }  # fmt: skip


def test_users_sign_in_at_supabase(there: Deployment) -> None:
    account = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    session = there.auth.post("/signup", json=account)
    assert session.status_code == 200
    assert {"access_token", "token_type", "expires_in", "user"} == set(session.json())
    assert "access_token" not in there.auth.post("/signup", json=account).json()
    signed_in = there.auth.post("/token?grant_type=password", json=account)
    token = {"authorization": f"Bearer {signed_in.json()['access_token']}"}
    assert signed_in.json()["user"]["id"] == session.json()["user"]["id"]
    assert there.auth.get("/user", headers=token).json()["email"] == account["email"]
    assert there.api.get("/api/jobs", headers=token).status_code == 200
    for path in ("/token?grant_type=refresh_token", "/logout"):
        assert there.auth.post(path, json={"refresh_token": "x"}, headers=token).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/token?grant_type=password", {"email": "a@example.com", "password": PASSWORD}, 400, "invalid_credentials"),
        ("/signup", {"email": "b@example.com", "password": "a1"}, 422, "weak_password"),
        ("/signup", {"email": "nobody", "password": PASSWORD}, 422, "validation_failed"),
        ("/signup", [], 400, "bad_json"),
    ],
)
def test_supabase_refuses_in_its_own_form(there: Deployment, path: str, body: object, status: int, code: str) -> None:
    refused = there.auth.post(path, json=body)
    assert refused.status_code == status
    assert (refused.json()["code"], refused.json()["error_code"]) == (status, code)
    assert refused.json()["msg"]


def test_supabase_wants_its_key_and_a_good_token(there: Deployment) -> None:
    missing = httpx.get(f"{there.auth.base_url}user", trust_env=False)
    assert (missing.status_code, missing.json()) == (401, {"message": "No API key found in request"})
    wrong = there.auth.get("/health", headers={"apikey": "nonsense"})
    assert (wrong.status_code, wrong.json()) == (401, {"message": "Invalid API key"})
    assert there.auth.get("/health").status_code == 200
    assert (there.auth.get("/user").status_code, there.auth.get("/user").json()["code"]) == (401, 401)
    assert there.auth.get("/user", headers={"authorization": "Bearer nonsense"}).status_code == 403
    long = there.auth.post("/signup", content=b" " * 1_048_577)
    assert (long.status_code, long.json()) == (413, {"message": "The request is too large."})


def test_the_administrator_makes_users_with_short_lived_tokens(there: Deployment) -> None:
    account = {"email": f"{uuid.uuid4().hex}@example.com", "password": PASSWORD}
    admin = {"apikey": there.secrets["service_role_key"]}
    asked = {**account, "app_metadata": {"access_token_seconds": 2}}
    made = there.auth.post("/admin/users", json=asked, headers=admin).json()
    assert there.auth.post("/token?grant_type=password", json=account).json()["expires_in"] == 2
    assert there.auth.delete(f"/admin/users/{made['id']}", headers=admin).status_code == 200


def test_a_gateway_stands_before_the_front_end(there: Deployment) -> None:
    assert there.frontend.get("/").headers["x-version"] == "1.0.0"
    assert there.frontend.get("/api/limits").status_code == 200
    assert there.frontend.get("/api/edge/probe").status_code == 404
    for key in ({}, {"x-gateway-key": "nonsense"}):
        refused = httpx.get(str(there.frontend.base_url), headers=key, trust_env=False)
        assert (refused.status_code, set(refused.json())) == (401, {"message"})


def test_the_descriptor_names_what_there_is(there: Deployment) -> None:
    described = there.descriptor
    assert described["name"] == "plain"
    assert "build" not in described
    assert Path(described["contract"]) == plain.CONTRACT
    assert plain.CONTRACT.is_file()
    assert set(described["services"]) == {"frontend", "api", "authentication", "database"}
    assert not any("build" in service for service in described["services"].values())
    assert there.secrets["gateway_key"]


def test_its_contract_says_what_it_answers(there: Deployment) -> None:
    standard, differences = (yaml.safe_load(path.read_text()) for path in (CONTRACT, plain.CONTRACT))
    paths = there.api.get("/openapi.json").json()["paths"]
    served = {
        (method.upper(), re.sub("{.*?}", "{}", path), min(operation["responses"]))
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    routes = [
        standard["routes"][name] | differences["routes"].get(name, {})
        for name in standard["routes"]
        if differences["routes"].get(name) != "absent"
    ]
    named = {
        (route["method"], re.sub("{.*?}", "{}", route["path"]), str(route["success"]))
        for route in routes
        if route.get("at") != "authentication"
    }
    assert named == served

    jobs = differences["jobs"]
    assert [*jobs["statuses"], *jobs["failures"]] == list(plain.STAGES.values())
    assert jobs["states"] == list(plain.STATES.values())


def test_the_queries_of_its_contract_speak_its_words(there: Deployment) -> None:
    user = there.user()
    job = there.upload(user, pdf("Looked at in the database.")).json()["job"]["id"]
    there.ended(user, job)
    queries = yaml.safe_load(plain.CONTRACT.read_text())["queries"]
    texts = re.findall(r"'({.*?})'::jsonb", "".join(queries.values()), re.DOTALL)
    assert [json.loads(text) for text in texts] == [plain.STAGES, plain.STATES, plain.STAGES]
    where = there.descriptor["services"]["database"]
    with psycopg.connect(
        host=where["host"], port=where["port"], dbname=where["name"], user=where["user"],
        password=there.secrets["database_password"], row_factory=psycopg.rows.dict_row,
    ) as connection:  # fmt: skip
        rows = {
            name: connection.execute(f"select * from ({text}) as named where job_id = %s", [job]).fetchall()
            for name, text in queries.items()
        }
    assert [(row["status"], row["state"]) for row in rows["jobs"]] == [("READY", "finished")]
    assert {row["status"] for row in rows["job_events"]} == set(list(plain.STAGES.values())[:10])


def test_its_defects_need_it(place: Place) -> None:
    assert len(NAMES) == 5
    ended = place.command("up", "--defect", NAMES[0])
    assert ended.returncode == 3
    assert ended.stderr == f"sandbox: the defect '{NAMES[0]}' is one of another dialect; add --dialect plain\n"


def test_an_unknown_dialect_is_refused_with_those_that_there_are(place: Place) -> None:
    ended = place.command("up", "--dialect", "nonsense")
    assert ended.returncode == 2
    assert "argument --dialect: invalid choice: 'nonsense'" in ended.stderr
    assert "plain" in ended.stderr.splitlines()[-1]


def test_a_job_that_cannot_be_shown(place: Place) -> None:
    there = Deployment(place, "--defect", "plain-job-status-500")
    user = there.user()
    job = there.upload(user, pdf("Never shown as complete.")).json()["job"]["id"]
    until(lambda: there.api.get(f"/api/jobs/{job}", headers=user).status_code == 500, "the job cannot be shown")
    assert there.api.get(f"/api/jobs/{job}", headers=there.user()).status_code == 404
    assert there.defect_is_active


def test_a_debug_route_that_is_open(place: Place) -> None:
    there = Deployment(place, "--defect", "plain-debug-route-open")
    document = there.upload(there.user(), pdf("For its owner alone.")).json()["id"]
    operation = there.api.get("/openapi.json").json()["paths"]["/debug/documents"]["get"]
    assert "security" not in operation
    assert [one["id"] for one in there.api.get("/debug/documents").json()] == [document]
    assert there.defect_is_active


def test_an_identifier_of_somebody_else(place: Place) -> None:
    there = Deployment(place, "--defect", "plain-foreign-identifier-accepted")
    document = there.upload(there.user(), pdf("For its owner alone.")).json()["id"]
    assert there.api.get(f"/api/documents/{document}", headers=there.user()).json()["id"] == document
    assert there.defect_is_active


def test_a_webhook_without_a_signature(place: Place) -> None:
    there = Deployment(place, "--defect", "plain-webhook-unsigned")
    job = there.upload(there.user(), pdf("Called by anybody.")).json()["job"]["id"]
    assert there.webhook(job).status_code == 200
    assert there.defect_is_active


def test_a_limit_of_which_nothing_comes(place: Place) -> None:
    there = Deployment(place, "--defect", "plain-limit-not-enforced")
    user = there.user()
    for number in range(4):
        taken = there.upload(user, pdf(f"Number {number}."))
        assert taken.status_code == 202
        there.ended(user, taken.json()["job"]["id"])
    assert there.defect_is_active
