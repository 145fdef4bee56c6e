"""Applications that differ from the standard contract: whatever differs is data of the descriptor and the contract."""

from __future__ import annotations

import base64
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import DocumentLibrary
import pytest
import UserLibrary
import websockets
import yaml
from acceptance import uploads
from acceptance.chat import ask
from acceptance.checks.auth import empty_password_is_refused
from acceptance.checks.fixtures import create_user_data
from acceptance.checks.input_validation import negative_inputs, send_negative_inputs
from acceptance.checks.job_events import event_fields, expected_statuses, has_ended
from acceptance.checks.webhooks import bad_signatures, message, signed
from acceptance.clients.websocket import RealtimeClient, Subscription, frame_of, frame_shape
from acceptance.deployment.contract import Contract, following, merged, read_contract, standard
from acceptance.deployment.descriptor import read_descriptor
from acceptance.deployment.provisioning import OpenDeployment
from acceptance.errors import ConfigurationError, NotOffered, SuiteError
from acceptance.fixtures import handbook
from acceptance.fixtures.users import User
from acceptance.run import Run
from acceptance.uploads import Payload, Upload

from tests.unit.conftest import descriptor_at

TOKEN = "a-token"


def jwt(**claims: object) -> str:
    """A token with these claims."""
    parts = ({"alg": "none"}, claims, "signature")
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@dataclass
class Received:
    """One request that the application got."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass
class Application:
    """Answers by the path of the request: status and body; keeps what it got."""

    url: str = ""
    answers: dict[str, tuple[int, object]] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    @property
    def last(self) -> Received:
        return self.received[-1]


@pytest.fixture
def app() -> Iterator[Application]:
    """An application whose answers the test gives."""
    application = Application()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts, body = urlsplit(self.path), self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            application.received.append(Received(self.command, parts.path, parse_qs(parts.query), headers, body))
            status, answer = application.answers.get(parts.path, (404, {}))
            content = json.dumps(answer).encode() if status != 204 else b""
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    application.url = f"http://127.0.0.1:{server.server_port}"
    yield application
    server.shutdown()
    server.server_close()


RunOf = Callable[..., Run]


@pytest.fixture
def run_of(app: Application, tmp_path: Path) -> Iterator[RunOf]:
    """A run on the application, with what differs in its contract and its descriptor."""
    runs = []

    def make(contract: str = "{}", descriptor: str = "{}", without: str = "") -> Run:
        data = descriptor_at(app.url).model_dump(mode="json", exclude_unset=True)
        own = yaml.safe_load(descriptor)
        services = data["services"] | own.pop("services", {})
        data |= {"contract": "contract.yaml", **own}
        data["services"] = {name: service for name, service in services.items() if name not in without.split()}
        (tmp_path / "contract.yaml").write_text(contract)
        path = tmp_path / "descriptor.yaml"
        path.write_text(yaml.safe_dump(data))
        runs.append(run := Run(OpenDeployment(read_descriptor(path), path), tmp_path, "run-1"))
        return run

    yield make
    for run in runs:
        run.loop.wait(run.client.close(), within=5)
        run.release()


GATEWAY = """
services: {{frontend: {{url: "{url}/front", headers: {{X-Gateway: gateway}}}}, cache: {{url: "{url}/front/cache"}}}}
secrets: {{gateway: GATEWAY_KEY}}
"""


def test_a_services_headers_go_with_every_call_to_it_and_are_never_logged(
    app: Application, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "the gateway's secret")
    run = run_of(descriptor=GATEWAY.format(url=app.url))
    app.answers["/front/api/edge/probe"] = (418, {"seen": "the gateway's secret"})
    response = run.wait(run.client.send("edge_probe"))
    assert app.last.headers["x-gateway"] == "the gateway's secret"
    assert "the gateway's secret" not in "\n".join([response.excerpt(), repr(response)])
    assert "the gateway's secret" not in "".join(path.read_text() for path in run.folder.rglob("*.jsonl"))
    run.wait(run.client.exchange("GET", f"{app.url}/front/any?page=1", {}, None))
    assert "x-gateway" in app.last.headers
    for other in (f"{app.url}/front/cache/any", f"{app.url}/frontier", app.url):
        run.wait(run.client.fetch(other))
        assert "x-gateway" not in app.last.headers


def test_a_secret_that_is_not_there_is_one_clear_mistake(app: Application, run_of: RunOf) -> None:
    run = run_of(descriptor=GATEWAY.format(url=app.url).replace("GATEWAY_KEY", "NOBODY_SET_THIS"))
    with pytest.raises(ConfigurationError, match="secret 'gateway' is not set: set NOBODY_SET_THIS"):
        run.wait(run.client.call("edge_probe"))
    with pytest.raises(
        ConfigurationError, match=r"descriptor\.yaml:\d+: services\.frontend\.headers\.X-Gateway: secrets has no 'ga"
    ):
        run_of(descriptor=GATEWAY.format(url=app.url).replace("{gateway:", "{gate:"))


def test_what_depends_on_a_service_that_is_left_out_is_not_offered(app: Application, run_of: RunOf) -> None:
    run = run_of(without="frontend worker storage realtime")
    reads: list[Callable[[], object]] = [
        lambda: run.contract.route("edge_probe"), lambda: run.contract.realtime, lambda: run.contract.storage,
        lambda: run.descriptor.service("worker"),
    ]  # fmt: skip
    for read, name in zip(reads, ("frontend", "realtime", "storage", "worker"), strict=True):
        with pytest.raises(NotOffered, match=f"^not offered: services.{name}$"):
            read()
    assert "edge_probe" not in run.contract.routes
    with pytest.raises(SuiteError, match="service 'wroker'"):
        run.descriptor.service("wroker")
    with pytest.raises(ConfigurationError, match=r"services\.frontnd: unknown \(did you mean 'frontend'\?\)"):
        run_of(descriptor=f"services: {{frontnd: {{url: '{app.url}'}}}}", without="frontend")


@pytest.mark.parametrize(
    ("token", "where", "value"),
    [
        ("{in: header, name: Authorization}", "authorization", f"Bearer {TOKEN}"),
        ("{in: header, name: X-Token}", "x-token", TOKEN),
        ("{in: header, name: Authorization, prefix: 'Token '}", "authorization", f"Token {TOKEN}"),
        ("{in: cookie, name: session}", "cookie", f"session={TOKEN}"),
        ("{in: query, name: auth}", "auth", TOKEN),
    ],
)
def test_the_token_travels_where_the_contract_says(
    app: Application, run_of: RunOf, token: str, where: str, value: str
) -> None:
    for contract, route in ((f"token: {token}", "logout"), (f"routes: {{documents: {{token: {token}}}}}", "documents")):
        run = run_of(contract)
        response = run.wait(run.client.send(route, token=TOKEN))
        sent = app.last.query.get(where, [""])[0] or app.last.headers.get(where)
        assert sent == value
        assert TOKEN not in response.url
        other = run.wait(run.client.send("limits"))
        assert (where in app.last.headers, app.last.query, TOKEN in other.url) == (False, {}, False)


SUPABASE = """
routes:
  login:
    {path: /token, at: authentication, constant_query: {grant_type: password}, constant: {options.client: web},
     body: {email: login.email}, refuses: {malformed_json: 400, weak_password: absent}}
errors: {shape: {request_id: absent}}
service_errors: {authentication: {code: error_code, message: msg}}
"""


def test_constants_of_a_route_are_sent_beside_our_words(app: Application, run_of: RunOf) -> None:
    run = run_of(SUPABASE)
    run.wait(run.client.send("login", body={"email": "a@b.org", "password": "p"}))
    assert app.last.query == {"grant_type": ["password"]}
    assert json.loads(app.last.body) == {"login": {"email": "a@b.org"}, "password": "p", "options": {"client": "web"}}


def test_a_service_has_an_error_shape_and_a_route_statuses_of_its_own(app: Application, run_of: RunOf) -> None:
    run = run_of(SUPABASE)
    app.answers["/token"] = (401, {"error_code": "invalid_credentials", "msg": "No."})
    refused = run.wait(run.client.call("login", body={}, status="invalid_credentials"))
    assert run.client.field_of(refused, "code") == "invalid_credentials"
    app.answers["/token"] = (401, {"error_code": "something_else", "msg": "No."})
    with pytest.raises(AssertionError, match="expected the error code invalid_credentials"):
        run.wait(run.client.call("login", body={}, status="invalid_credentials"))
    app.answers["/auth/user"] = (401, {})
    refused = run.wait(run.client.call("user", status=401))
    assert run.client.mistake_of_error(refused) == "the shape {}, the contract says {error: {code, message}}"
    assert run.contract.status_of("login", "malformed_json") == 400
    assert run.contract.status_of("chat", "malformed_json") == 422
    with pytest.raises(NotOffered, match=r"routes\.login\.refuses\.weak_password"):
        run.contract.status_of("login", "weak_password")


def test_an_error_is_searched_for_what_only_a_success_should_have(app: Application, run_of: RunOf) -> None:
    run = run_of("errors: {known_address: 422, shape: absent}")
    body = {"email": "a@b.org", "password": "p"}
    for answer, found in (({"msg": "taken"}, None), ({"access_token": "t", "msg": "taken"}, "t")):
        app.answers["/auth/signup"] = (422, answer)
        refused = run.wait(run.client.call("signup", body=body, status="known_address"))
        assert run.client.field_of(refused, "access_token", optional=True) == found


def test_an_error_whose_shape_is_absent_is_judged_by_its_status(app: Application, run_of: RunOf) -> None:
    run = run_of("errors: {shape: absent, request_id_header: absent}")
    app.answers["/auth/user"] = (401, {"detail": "no"})
    refused = run.wait(run.client.call("user", status=401))
    assert refused.request_id and "x-request-id" not in app.last.headers
    with pytest.raises(NotOffered, match=r"errors\.shape"):
        run.client.field_of(refused, "code")
    with pytest.raises(AssertionError, match="expected status 404"):
        run.wait(run.client.call("user", status=404))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("service_errors: {autentication: {code: c}}", "service_errors.autentication.*has no such service; it has api"),
        ("routes: {chat: {at: chta}}", r"routes\.chat\.at: the descriptor has no such service"),
        ("token: {in: body, name: t}", r"token\.in: Input should be 'header', 'cookie' or 'query'"),
        ("routes: {chat: {token: {in: cookie}}}", r"routes\.chat\.token\.name: missing"),
        (
            "routes: {chat: {example: {mesage: Hi}}}",
            r"routes\.chat\.example\.mesage: no word of its path, query or body",
        ),
    ],
)
def test_a_mistake_names_file_line_and_field(run_of: RunOf, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"contract\.yaml:1: {problem}"):
        run_of(text)


async def test_a_handshake_has_the_services_headers_and_the_token_where_it_travels() -> None:
    seen: list[Any] = []

    async def serve(connection: websockets.ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request)

    async with websockets.serve(serve, "127.0.0.1", 0) as server:
        base = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        content = read_contract().model_dump()
        content["realtime"]["token_parameter"] = "absent"
        client = RealtimeClient(Contract.model_validate(content), base, headers_of=lambda url: {"x-gateway": "g"})
        async with client.job("7", TOKEN):
            pass
    assert (seen[0].headers["x-gateway"], seen[0].headers["authorization"]) == ("g", f"Bearer {TOKEN}")
    assert TOKEN not in seen[0].path


SIGN_IN = """
routes:
  signup: {answer: {access_token: absent, refresh_token: absent, expires_in: absent, user_id: id, email: email}}
  login: {answer: {refresh_token: absent, expires_in: absent, user_id: absent, email: absent}}
  refresh: absent
"""


def test_a_session_has_what_is_offered_of_it(app: Application, run_of: RunOf) -> None:
    run = run_of(SIGN_IN)
    user_id = "00000000-0000-4000-8000-000000000001"
    user = run.users.new_user()
    app.answers["/auth/signup"] = (201, {"id": user_id, "email": user.email, "token_type": "none"})
    app.answers["/auth/login"] = (200, {"access_token": TOKEN, "token_type": "bearer"})
    run.wait(run.users.register(user))
    assert (user.user_id, user.access_token, user.refresh_token) == (user_id, TOKEN, "")
    assert [request.path for request in app.received] == ["/auth/signup", "/auth/login"]
    with pytest.raises(NotOffered, match=r"^not offered: routes\.refresh$"):
        run.wait(run.users.refresh(user))
    app.answers["/auth/signup"] = (201, {"id": user_id, "email": "other@example.com", "token_type": "none"})
    with pytest.raises(AssertionError, match="signup, email of the session"):
        run.wait(run.users.register(run.users.new_user()))


@pytest.mark.parametrize(
    ("token", "answer", "user_id"),
    [(jwt(sub="from-the-token"), {}, "from-the-token"), (TOKEN, {"id": "from-the-route"}, "from-the-route")],
)
def test_who_a_user_is_stands_in_the_token_or_in_their_own_route(
    app: Application, run_of: RunOf, token: str, answer: dict[str, str], user_id: str
) -> None:
    run = run_of(SIGN_IN.replace("user_id: id", "user_id: absent") + "fields: {user_id: {format: any}}")
    user = run.users.new_user()
    app.answers["/auth/signup"] = (201, {"email": user.email, "token_type": "none"})
    app.answers["/auth/login"] = (200, {"access_token": token, "token_type": "bearer"})
    app.answers["/auth/user"] = (200, {"email": user.email, **answer})
    run.wait(run.users.register(user))
    assert user.user_id == user_id
    assert run.ledger.standing("user") == [user_id]


def test_an_address_is_confirmed_and_users_are_removed_where_the_admin_api_is(
    app: Application, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_KEY", "key")
    run = run_of(
        SIGN_IN + "  documents: absent\n  conversations: absent\n  user: absent",
        "{capabilities: [admin-api], secrets: {service_role_key: SERVICE_KEY}, admin: {at: api, path: /people}}",
    )
    user = run.users.new_user()
    user_id = "00000000-0000-4000-8000-000000000001"
    app.answers |= {
        "/auth/signup": (201, {"id": user_id, "email": user.email, "token_type": "none"}),
        "/auth/login": (200, {"access_token": TOKEN, "token_type": "bearer"}),
        f"/people/{user_id}": (200, {}),
    }
    run.wait(run.users.register(user))
    assert run.wait(run.users.remove_all()) == []
    assert [(request.method, request.path) for request in app.received] == [
        ("POST", "/auth/signup"), ("PUT", f"/people/{user_id}"), ("POST", "/auth/login"), ("POST", "/auth/login"),
        ("DELETE", f"/people/{user_id}"),
    ]  # fmt: skip
    assert app.last.headers["apikey"] == "key"


CHAT = """
routes:
  chat:
    answer: {workflow_id: absent, model: absent, processing_time: absent, confidence: absent, timestamp: absent}
"""
ANSWER = {"text": "It is 7.", "conversation_id": "00000000-0000-4000-8000-000000000002"}


@pytest.mark.parametrize(
    ("contract", "sources", "title", "lacking"),
    [
        ("source_words: title\nsources: absent", ["a.pdf"], "a.pdf", "sources.document_id"),
        ("sources: {document_id: absent, chunk: absent, title: name}", [{"name": "a.pdf"}], "a.pdf", "sources.chunk"),
        ("source_words: title", ["a.pdf"], "a.pdf", "sources.chunk"),
    ],
)
def test_sources_may_be_words_or_lack_fields(
    app: Application, run_of: RunOf, contract: str, sources: list[Any], title: str, lacking: str
) -> None:
    run = run_of(f"{CHAT}\n{contract}")
    app.answers["/api/chat"] = (200, ANSWER | {"sources": sources})
    answer = run.wait(ask(run, User("a@b.org", "p", access_token=TOKEN), "How much?"))
    assert ([source.title for source in answer.sources], answer.figures) == ([title], {"7"})
    assert answer.identifiers == {"conversation_id": ANSWER["conversation_id"]}
    assert title in repr(answer.sources) and "It is 7." in repr(answer)
    reads: list[tuple[Callable[[], object], str]] = [
        (lambda: getattr(answer.sources[0], lacking.partition(".")[2]), lacking),
        (lambda: answer.documents, "sources.document_id"),
        (lambda: answer.workflow_id, "routes.chat.answer.workflow_id"),
        (lambda: answer.model, "routes.chat.answer.model"),
    ]
    for read, place in reads:
        with pytest.raises(NotOffered, match=f"^not offered: {place}$"):
            read()


def test_an_answer_without_sources_is_an_answer(app: Application, run_of: RunOf) -> None:
    run = run_of(CHAT.replace("model: absent", "model: absent, sources: absent"))
    app.answers["/api/chat"] = (200, ANSWER)
    answer = run.wait(ask(run, User("a@b.org", "p", access_token=TOKEN), "How much?"))
    assert answer.text == "It is 7."
    with pytest.raises(NotOffered, match=r"routes\.chat\.answer\.sources"):
        _ = answer.sources


UPLOAD = """
routes:
  limits: absent
  upload:
    {path: /files, success: 202, file: document, constant: {kind: manual},
     body: {bytes_len: absent, sha256: checksum, ocr: absent},
     answer: {job_id: id, document_id: id, signed_url: absent, upload_expires_at: absent}}
  job:
    path: "/files/{document_id}"
    answer: {job_id: id, document_id: id, status: status, state: absent, retry_count: absent, status_pct: absent,
             total_pct: absent, last_error: error, updated_at: absent}
jobs:
  statuses: [new, ready]
  failures: [broken]
  failed_in: absent
  complete: {status: ready, state: absent, total_pct: absent}
fields: {last_error: {type: [string, "null"]}}
"""
JOB = {"id": "00000000-0000-4000-8000-000000000003"}


def test_a_document_may_travel_in_the_upload_call_and_its_job_be_known_by_its_status(
    app: Application, run_of: RunOf
) -> None:
    run = run_of(UPLOAD)
    app.answers |= {"/files": (202, JOB), f"/files/{JOB['id']}": (200, JOB | {"status": "ready", "error": None})}
    user, payload = User("a@b.org", "p", access_token=TOKEN), Payload("a b.pdf", b"%PDF bytes")
    upload = run.wait(uploads.sent(run, user, payload))
    assert len(app.received) == 1 and app.last.headers["authorization"] == f"Bearer {TOKEN}"
    media, body = app.last.headers["content-type"], app.last.body
    assert media.startswith("multipart/form-data; boundary=")
    assert b'name="document"; filename="a b.pdf"\r\nContent-Type: application/pdf\r\n\r\n%PDF bytes' in body
    assert body.count(b"Content-Disposition") == 3
    assert f'name="checksum"\r\n\r\n{payload.sha256}'.encode() in body and b'name="kind"\r\n\r\nmanual' in body
    assert run.wait(uploads.complete(run, upload)).sending_seconds
    assert f"{upload!r}" == str(upload)
    for again in (uploads.put_bytes(run, upload, b"other"), uploads.put_bytes(run, upload, status=403)):
        with pytest.raises(NotOffered, match=r"^not offered: routes\.upload_bytes$"):
            run.wait(again)
    app.answers[f"/files/{JOB['id']}"] = (200, JOB | {"status": "broken", "error": "No text."})
    with pytest.raises(AssertionError, match=r"'ready', observed status 'broken', last error No text\."):
        run.wait(uploads.complete(run, upload))


def test_a_question_may_name_the_document_that_it_is_about(app: Application, run_of: RunOf) -> None:
    run = run_of("""
    source_words: title
    routes:
      chat: {path: /ask, body: {document_id: doc, conversation_id: thread}, waits_for_a_model: false, answer: {
        conversation_id: thread, workflow_id: absent, model: absent, processing_time: absent, confidence: absent,
        timestamp: absent}}
    """)
    app.answers["/ask"] = (200, {"text": "12", "thread": JOB["id"], "sources": []})
    user = User("a@b.org", "p", user_id="u", access_token=TOKEN)
    with pytest.raises(NotOffered, match="a user without documents"):
        run.wait(ask(run, user, "What is it?"))
    for number, place in enumerate(("Avonmouth", "Brixham")):
        text = replace(handbook.write("run", "note", 1), place=place)
        payload = Payload(f"{place}.pdf", b"%PDF", handbook=text)
        run.uploaded[user.user_id].append(Upload(user, payload, f"d{number}", "j", "s", 0.0))
    named = []
    for question, thread in (("In Avonmouth?", None), ("And in Brixham?", None), ("Else?", None), ("And?", JOB["id"])):
        run.wait(ask(run, user, question, conversation_id=thread))
        named.append(json.loads(app.last.body)["doc"])
    assert named == ["d0", "d1", "d1", "d1"]


QUESTION_IN_PATH = """
routes:
  chat: {path: "/papers/{document_id}/questions", kind: owner, waits_for_a_model: false,
    body: {message: question, conversation_id: absent, workflow_id: absent},
    answer: {text: answer, conversation_id: absent, workflow_id: absent, sources: absent, model: absent,
             processing_time: absent, confidence: absent, timestamp: absent}}
"""


def test_a_questions_document_may_stand_in_its_path(app: Application, run_of: RunOf) -> None:
    run = run_of(QUESTION_IN_PATH)
    user = User("a@b.org", "p", user_id="u", access_token=TOKEN)
    app.answers |= {f"/papers/d{number}/questions": (200, {"answer": "12"}) for number in range(2)}
    with pytest.raises(NotOffered, match="a user without documents"):
        run.wait(ask(run, user, "What is it?"))
    for number in range(2):
        run.uploaded["u"].append(Upload(user, Payload("a.pdf", b"%PDF"), f"d{number}", "j", "s", 0.0))
    assert run.wait(ask(run, user, "What is it?")).text == "12"
    assert (app.last.path, json.loads(app.last.body)) == ("/papers/d1/questions", {"question": "What is it?"})
    run.wait(ask(run, user, "What is it?", document_id="d0"))
    assert app.last.path == "/papers/d0/questions"
    app.answers["/documents/d1"] = (204, {})
    run.wait(uploads.delete(run, run.uploaded["u"][-1]))
    run.wait(ask(run, user, "What is it?"))
    assert app.last.path == "/papers/d0/questions"


def test_a_field_of_a_session_is_named_by_any_route(run_of: RunOf, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User("a@b.org", "p", user_id="u", access_token=TOKEN)
    monkeypatch.setattr(UserLibrary, "user_named", lambda _: user)

    def field_of(contract: str, name: str) -> object:
        run = run_of(f"routes: {{{contract}}}")
        monkeypatch.setattr(UserLibrary, "the_run", lambda: run)
        return UserLibrary.UserLibrary().get_session_field(name)

    bare = "login: {answer: {user_id: absent, email: absent, refresh_token: absent}}"
    assert (field_of(bare, "user_id"), field_of(bare, "email")) == ("u", "a@b.org")
    for contract, name in ((f"{bare}, signup: absent, user: absent", "user_id"), (bare, "refresh_fingerprint")):
        with pytest.raises(NotOffered, match=r"routes\.login\.answer"):
            field_of(contract, name)


def test_what_a_user_has_needs_no_conversation(app: Application, run_of: RunOf) -> None:
    run = run_of(UPLOAD.replace("routes:", "routes:\n  chat: absent"))
    app.answers |= {"/files": (202, JOB), f"/files/{JOB['id']}": (200, JOB | {"status": "ready", "error": None})}
    user = User("a@b.org", "p", user_id="u", access_token=TOKEN)
    data = run.wait(create_user_data(run, user, seed=1))
    assert data.identifiers == {"document_id": JOB["id"], "job_id": JOB["id"]}
    with pytest.raises(NotOffered, match=r"^not offered: routes\.chat$"):
        _ = data.answer


def test_what_an_answer_made_fills_the_paths_of_a_teams_own_routes(app: Application, run_of: RunOf) -> None:
    run = run_of("""
    routes:
      chat: {answer: {question_id: id, conversation_id: absent, workflow_id: absent, sources: absent, model: absent,
                      processing_time: absent, confidence: absent, timestamp: absent, other: other}}
      question: {method: GET, path: "/questions/{question_id}", kind: owner, success: 200}
    """)
    app.answers["/api/chat"] = (200, {"text": "12", "id": "q1", "other": 7})
    user = User("a@b.org", "p", user_id="u", access_token=TOKEN)
    answer = run.wait(ask(run, user, "What is it?"))
    assert answer.identifiers == {"question_id": "q1"}
    with pytest.raises(SuiteError, match=r"GET /questions/\{question_id\}: no value for \{question_id\}"):
        run.wait(run.client.call("question"))


def test_a_question_names_a_document_only_where_the_contract_says_so(run_of: RunOf) -> None:
    run = run_of()
    with pytest.raises(NotOffered, match=r"routes\.chat of one document"):
        run.wait(ask(run, User("a@b.org", "p", user_id="u"), "What is it?", document_id="d0"))


def test_bytes_may_be_sent_to_a_route_of_their_owner(app: Application, run_of: RunOf) -> None:
    run = run_of("""
    routes:
      limits: absent
      upload: {answer: {signed_url: absent, upload_expires_at: absent}, form: true, body: {ocr: absent, filename: name}}
      upload_bytes: {path: "/files/{document_id}/bytes", kind: owner, method: POST}
    """)
    app.answers["/api/upload-pipeline/upload"] = (200, {"job_id": JOB["id"], "document_id": JOB["id"]})
    app.answers[f"/files/{JOB['id']}/bytes"] = (200, {})
    user = User("a@b.org", "p", access_token=TOKEN)
    upload = run.wait(uploads.sent(run, user, Payload("ä b.pdf", b"%PDF")))
    announced, sent = app.received
    assert parse_qs(announced.body.decode())["name"] == ["ä b.pdf"]
    assert announced.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (sent.method, sent.body, sent.headers["authorization"]) == ("POST", b"%PDF", f"Bearer {TOKEN}")
    with pytest.raises(NotOffered, match="signed_url"):
        _ = upload.signed_url


def test_a_failure_ends_a_job_in_the_stage_that_the_contract_says(run_of: RunOf) -> None:
    own = """{statuses: [new, read, done], complete: {status: done}, stages: {parse: read}, failures: [broken, lost],
        failed_in: {broken: parse}}"""
    contract = run_of(f"jobs: {own}").contract
    assert expected_statuses(contract, "broken", 9) == ["new", "broken"]
    assert expected_statuses(contract, "lost", 3) == ["new", "read", "lost"]
    assert contract.jobs.failure("failed_parse") == "broken"
    with pytest.raises(NotOffered, match=r"jobs\.failed_in"):
        contract.jobs.failure("failed_chunking")


def test_a_webhook_is_made_and_signed_as_the_contract_says(run_of: RunOf) -> None:
    own = "{body: {kind: '{event}', job: ['{parser_job}', 1]}, scheme: 'v1,{hmac_sha256_base64_of_body}'"
    webhook = run_of(f"webhook: {own}, events: {{a.b: X}}}}").contract.webhook
    body = json.loads(message(webhook, "a.b", "job-7"))
    assert (body["kind"], body["job"]) == ("X", ["job-7", 1])
    assert isinstance(body["timestamp"], float) and len(body["event_id"]) == 36
    assert signed(webhook.scheme, b"body", "key") == "v1,UVquEztDXUAAlWcx9orlz164XU8NxqVG0r/NNZXsGuE="
    assert signed("{secret}", b"body", "key") == "key"
    made = [header for _, _, header in bad_signatures("{secret}", b"body", "key")]
    assert "key" not in made and len(made) == 7
    with pytest.raises(ConfigurationError, match=r"webhook\.scheme: expected one or more of \{hmac_sha256_hex"):
        run_of("webhook: {scheme: 'sha256={digest}'}")


REALTIME = """
jobs: {states: [working, over], final_states: [over], complete: {state: over}}
realtime:
  type: event
  job_event_type: job.update
  job_event: {job_id: payload.id, sequence: absent, status: payload.status, state: payload.state, status_pct: absent,
              total_pct: absent, timestamp: absent}
"""
JOB_FRAME = {"event": "job.update", "payload": {"id": "00000000-0000-4000-8000-000000000007", "status": "parsed"}}


def test_frames_may_have_another_shape_and_no_numbers(run_of: RunOf) -> None:
    run = run_of(REALTIME)
    shape = frame_shape(run.contract)
    channel = Subscription("channel", "job", JOB_FRAME["payload"]["id"])  # type: ignore[index]
    for state in ("working", "over"):
        frame = JOB_FRAME | {"payload": JOB_FRAME["payload"] | {"state": state}}  # type: ignore[operator]
        channel.add(frame_of(json.dumps(frame), shape))
        channel.add(frame_of('{"event": "other"}', shape))
    assert not channel.problem
    assert [(frame.type, frame.sequence) for frame in channel.events] == [("job.update", 1), ("job.update", 2)]
    assert has_ended(run, channel) and not has_ended(run, channel, after=2)
    assert event_fields(run, channel, "state") == ["working", "over"]
    for word in ("sequence", "total_pct"):
        with pytest.raises(NotOffered, match=rf"^not offered: realtime\.job_event\.{word}$"):
            event_fields(run, channel, word)
    with pytest.raises(SuiteError, match="have no field 'nonsense'"):
        event_fields(run, channel, "nonsense")


def test_frames_without_a_type_are_a_jobs_events(run_of: RunOf) -> None:
    run = run_of(REALTIME.replace("type: event", "type: absent").replace("job.update", "any"))
    frame = frame_of(json.dumps(JOB_FRAME | {"payload": {}}), frame_shape(run.contract))
    assert frame.type == "any" and "a field" in frame.problem


async def test_a_handshake_may_be_refused_by_its_status() -> None:
    async def serve(_: websockets.ServerConnection) -> None:
        """Never reached."""

    def refuse(connection: websockets.ServerConnection, _: object) -> Any:
        return connection.respond(403, "no")

    async with websockets.serve(serve, "127.0.0.1", 0, process_request=refuse) as server:
        base = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with RealtimeClient(read_contract(), base).job("7", TOKEN) as socket:
            assert await socket.until_refused(within=5) == 403


PARTS = [part for part in standard() if part not in ("routes", "limits")]
ROUTES = [f"routes.{name}" for name in standard()["routes"]]


@pytest.mark.parametrize("place", [*PARTS, *ROUTES, *(f"{route}.body" for route in ROUTES)])
def test_any_part_may_be_absent(place: str) -> None:
    content: Any = "absent"
    for name in reversed(place.split(".")):
        content = {name: content}
    contract = Contract.model_validate(following(content, merged(standard(), content)))
    assert Contract.model_validate_json(contract.model_dump_json()) == contract
    assert not contract.offers(place)
    for route in contract.routes:
        assert negative_inputs().cases(contract, route, {"signed_url": "http://s/p?token=a"}, "run-1")


def test_a_kind_of_file_that_is_accepted_is_no_nonsense(app: Application, run_of: RunOf) -> None:
    run = run_of("routes: {limits: absent}", "limits: {supported_mime_types: [application/pdf, text/plain]}")
    app.answers["/api/upload-pipeline/upload"] = (415, {})
    data = cast(Any, SimpleNamespace(owner=User("a@b.org", "p", access_token=TOKEN), identifiers={}))
    with pytest.raises(AssertionError, match="calls of upload: expected each refused"):
        run.wait(send_negative_inputs(run, "upload", data, None))
    bodies = [json.loads(request.body) for request in app.received if request.body.startswith(b'{"filename"')]
    sent = {str(body["mime"]) for body in bodies if isinstance(body, dict) and "mime" in body}
    assert "image/png" in sent and "text/plain" not in sent


SESSION = {
    "access_token": TOKEN, "refresh_token": "r", "token_type": "bearer", "expires_in": 60,
    "user": {"id": "00000000-0000-4000-8000-000000000001", "email": "a@b.org"},
}  # fmt: skip


@pytest.mark.parametrize("path", ["/auth/signup", "/auth/login"])
def test_what_may_be_taken_is_no_violation_where_it_is(app: Application, run_of: RunOf, path: str) -> None:
    """A null byte in a password: each call has another address, so none of them is refused for a user who was made."""
    route = path.rpartition("/")[2]
    run = run_of()
    data = cast(Any, SimpleNamespace(owner=User("a@b.org", "p", access_token=TOKEN), identifiers={}))
    for status, reported in (({"signup": 201, "login": 401}[route], False), (500, True)):
        app.answers[path] = (status, SESSION if status == 201 else {})
        with pytest.raises(AssertionError, match="password is half a character") as raised:
            run.wait(send_negative_inputs(run, route, data, None))
        assert ("password is a null byte" in str(raised.value)) == reported
        assert bool(run.ledger.standing("user")) == (route == "signup")


def test_a_limit_of_a_list_is_no_parameter_that_everything_ignores(app: Application, run_of: RunOf) -> None:
    run = run_of("{routes: {limits: absent}, fields: absent}")
    data = cast(Any, SimpleNamespace(owner=User("a@b.org", "p", access_token=TOKEN), identifiers={}))
    app.answers["/documents"] = (200, {"documents": []})
    assert run.wait(send_negative_inputs(run, "documents", data, None)) == 1
    assert "nonsense" in app.last.query and "limit" not in app.last.query


@pytest.mark.parametrize(("status", "refused"), [(401, True), (422, True), (200, False), (404, False), (500, False)])
def test_no_password_is_refused_as_a_wrong_one_or_as_a_field(
    app: Application, run_of: RunOf, status: int, refused: bool
) -> None:
    run = run_of()
    app.answers["/auth/login"] = (status, SESSION if status == 200 else {"error": {"code": "invalid_credentials"}})
    if refused:
        assert run.wait(empty_password_is_refused(run, User("a@b.org", "p"))).status == status
        return
    with pytest.raises(AssertionError, match=r"login: expected status 401"):
        run.wait(empty_password_is_refused(run, User("a@b.org", "p")))


TITLED = "routes: {upload: {file: file, body: {title: title}, example: {title: A title}}}"


def test_a_word_that_only_the_example_fills_is_sent_with_every_upload(app: Application, run_of: RunOf) -> None:
    payload = Payload("a.pdf", b"%PDF")
    run = run_of(TITLED)
    run.wait(run.client.send("upload", **uploads.announcing(run, payload)))
    assert b'name="title"\r\n\r\nA title\r\n' in app.last.body
    assert uploads.announcing(run, payload, title="Another")["body"]["title"] == "Another"
    run = run_of("routes: {signup: {body: {name: display_name}, example: {name: Ann}}}")
    app.answers["/auth/signup"] = (201, SESSION)
    with suppress(AssertionError):
        run.wait(run.users.register(run.users.new_user()))
    assert json.loads(app.received[1].body)["display_name"] == "Ann"


PASSWORD_CHANGE = """
routes:
  change:
    {method: PUT, path: /password, kind: user, success: 204, body: {current: old, new: new},
     example: {current: wrong, new: other}, example_answer: 403}
"""


def test_an_example_that_cannot_be_right_has_the_status_that_answers_it(run_of: RunOf) -> None:
    contract = run_of(PASSWORD_CHANGE).contract
    case = negative_inputs().sound_case(contract, "change", "run-1", {})
    assert case is not None and (case.status, case.body) == (403, {"current": "wrong", "new": "other"})
    with pytest.raises(ConfigurationError, match=r"routes\.change\.example_answer: there is no example"):
        run_of(PASSWORD_CHANGE.replace("example: {current: wrong, new: other}", "example: {}"))


def test_the_same_at_once_is_not_sent_where_no_duplicate_is_refused(
    app: Application, run_of: RunOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of("errors: {duplicate_document: absent}")
    monkeypatch.setattr(DocumentLibrary, "the_run", lambda: run)
    user = User("a@b.org", "p", access_token=TOKEN)
    upload = cast(Any, inspect.unwrap(DocumentLibrary.DocumentLibrary.upload_concurrently))
    with pytest.raises(NotOffered, match=r"errors\.duplicate_document"):
        run.wait(upload(DocumentLibrary.DocumentLibrary(), Payload("a.pdf", b"%PDF"), user=user))
    assert app.received == []
