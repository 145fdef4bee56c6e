"""The contract client takes nothing for success but what the contract says."""

import asyncio
import contextlib
import gzip
import json
import threading
import uuid
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from acceptance.clients.error_log import ErrorLog
from acceptance.clients.http import ContractClient, RequestTiming, Response, on_request
from acceptance.deployment.contract import Contract, pick, place
from acceptance.errors import SuiteError
from acceptance.redaction.redactor import Redactor

from tests.unit.conftest import Serve, descriptor_at

ClientAt = Callable[[str], ContractClient]
LIMITS = {
    "max_file_size_bytes": 1, "supported_mime_types": ["application/pdf"], "max_concurrent_jobs_per_user": 1,
    "max_uploads_per_day_per_user": 1, "signed_url_ttl_seconds": 1,
}  # fmt: skip


def test_the_documented_answer_is_taken(serve: Serve, client_at: ClientAt) -> None:
    client = client_at(serve(200, LIMITS, {"x-request-id": "r1"}))
    response = asyncio.run(client.call("limits"))
    assert response["max_file_size_bytes"] == 1
    assert response.request_id == "r1"


@pytest.mark.parametrize("status", [201, 204, 301, 401, 404, 405, 500])
def test_any_other_status_is_not(serve: Serve, client_at: ClientAt, status: int) -> None:
    client = client_at(serve(status, b"" if status == 204 else LIMITS))
    with pytest.raises(AssertionError, match=f"limits: expected status 200, observed {status}[ ,].*request "):
        asyncio.run(client.call("limits"))


@pytest.mark.parametrize("missing", sorted(LIMITS))
def test_every_documented_field_is_required(serve: Serve, client_at: ClientAt, missing: str) -> None:
    body = {name: value for name, value in LIMITS.items() if name != missing}
    with pytest.raises(AssertionError, match=f"expected a field '{missing}'"):
        asyncio.run(client_at(serve(200, body)).call("limits"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"not json", "expected JSON"),
        (b"", "expected JSON"),
        (b"[]", 'is not of type "object"'),
        (b"null", 'is not of type "object"'),
        (json.dumps(LIMITS | {"max_file_size_bytes": float("nan")}).encode(), "NaN is no JSON"),
        (json.dumps(LIMITS).encode("utf-16"), "not UTF-8"),
        (b"[" * 200_000, "nested more than 100 deep"),
    ],
)
def test_what_is_not_the_documented_json_is_not_taken(
    serve: Serve, client_at: ClientAt, body: bytes, reason: str
) -> None:
    with pytest.raises(AssertionError, match=f"limits: .*{reason}.*; GET /"):
        asyncio.run(client_at(serve(200, body)).send("limits"))


@pytest.mark.parametrize("value", [True, "5", -1, 0, 1.5, None, [5]])
def test_a_field_holds_what_the_contract_says(serve: Serve, client_at: ClientAt, value: object) -> None:
    client = client_at(serve(200, LIMITS | {"signed_url_ttl_seconds": value}))
    with pytest.raises(AssertionError, match=r"signed_url_ttl_seconds of limits: expected a value as in the contract"):
        asyncio.run(client.send("limits"))


def test_a_redirect_is_not_followed_and_says_where_it_leads(serve: Serve, client_at: ClientAt) -> None:
    client = client_at(serve(307, b"", {"location": "https://elsewhere.example/login"}))
    with pytest.raises(AssertionError, match=r'observed 307, Location: "https://elsewhere.example/login"'):
        asyncio.run(client.call("limits"))


@pytest.mark.parametrize("packed", [False, True])
def test_no_more_of_a_body_is_read_than_the_contract_allows(
    serve: Serve, client_at: ClientAt, contract: Contract, packed: bool
) -> None:
    body = b" " * (contract.limits.response_bytes + 1)
    headers = {"content-encoding": "gzip"} if packed else {}
    client = client_at(serve(200, gzip.compress(body) if packed else body, headers))
    with pytest.raises(AssertionError, match=r"limits: expected an answer, observed a body of more than 16,777,216"):
        asyncio.run(client.call("limits"))


def test_an_encoding_that_was_not_asked_for_is_not_taken(serve: Serve, client_at: ClientAt) -> None:
    for encoding in ("br", "gzip, gzip"):
        client = client_at(serve(200, b"whatever", {"content-encoding": encoding}))
        with pytest.raises(AssertionError, match=f"encoded as '{encoding}', where gzip, deflate was asked for"):
            asyncio.run(client.call("limits"))


async def test_a_whole_answer_has_a_deadline(contract: Contract) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.01)

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        redactor = Redactor()
        client = ContractClient(descriptor_at(address), contract, ErrorLog(redactor), redactor, deadline=0.1)
        with pytest.raises(AssertionError, match="limits: expected an answer, observed no whole answer after"):
            await client.call("limits")
        assert client.unanswered == 1
        await client.close()


def test_a_refusal_by_name_has_the_code_of_the_contract(serve: Serve, client_at: ClientAt) -> None:
    error = {"error": {"code": "weak_password", "message": "m", "request_id": "r1"}}
    client = client_at(serve(422, error, {"x-request-id": "r1"}))
    asyncio.run(client.call("signup", status="weak_password"))
    with pytest.raises(AssertionError, match="expected the error code malformed_email, observed weak_password"):
        asyncio.run(client.call("signup", status="malformed_email"))


def test_no_answer_is_a_violation(client_at: ClientAt) -> None:
    with pytest.raises(AssertionError, match="limits: expected an answer, observed ConnectError"):
        asyncio.run(client_at("http://127.0.0.1:9").call("limits"))


def test_the_first_byte_is_there_while_the_body_is_still_awaited(client_at: ClientAt) -> None:
    body = threading.Event()
    heads: list[RequestTiming] = []

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("content-length", "2")
            self.end_headers()
            body.wait(0.3)
            self.wfile.write(b"{}")

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        response = copy_context().run(_told, heads, client_at(address).send("limits"))
        server.shutdown()
    (seen,) = heads
    assert seen.first_byte == response.first_byte and seen.elapsed == response.elapsed
    assert 0.0 < response.first_byte < response.elapsed - 0.1  # the body took three times as long at least


def test_an_exchange_without_an_answer_is_told_too(client_at: ClientAt) -> None:
    told: list[RequestTiming] = []
    with pytest.raises(AssertionError):
        copy_context().run(_told, told, client_at("http://127.0.0.1:9").call("limits"))
    assert [(one.route, one.status) for one in told] == [("limits", 0)]


def test_error_answers_are_journalled_without_secrets(serve: Serve, client_at: ClientAt) -> None:
    client = client_at(serve(500, {"error": "boom", "access_token": "tok-123456789"}))
    asyncio.run(client.send("job", path={"job_id": "j/../1"}, token="tok-123456789"))
    (kept,) = client._journal.answers
    assert (kept.status, kept.method) == (500, "GET")
    assert "boom" in kept.body and "tok-123456789" not in kept.body
    assert kept.url.endswith("/jobs/j%2F..%2F1")


def test_words_and_paths() -> None:
    assert place({"a": 1, "b": 2}, {"a": "x.y", "b": "x.z"}) == {"x": {"y": 1, "z": 2}}
    assert pick({"w": [{"b": 1}, {"b": 2}]}, "w.*.b") == [1, 2]
    assert pick({"w": [{"b": 1}]}, "w.0.b") == 1


def test_refusals_by_kind_and_by_route(contract: Contract) -> None:
    assert contract.refused("job", "other_user") == 404
    assert contract.refused("upload_bytes", "used") == 403
    with pytest.raises(SuiteError, match="does not say"):
        contract.refused("health", "none")


def test_of_a_signed_address_only_what_is_signed_is_a_secret(serve: Serve, client_at: ClientAt) -> None:
    body = {
        "job_id": str(uuid.uuid4()), "document_id": str(uuid.uuid4()), "upload_expires_at": "2026-11-29T06:00:00Z",
        "signed_url": "http://storage.example/object/1?token=tok-123456789",
    }  # fmt: skip
    client = client_at(serve(200, body))
    asyncio.run(client.call("upload", body={}))
    assert client._redactor.clean("see http://storage.example/ for tok-123456789") == (
        "see http://storage.example/ for <redacted>"
    )


def _told(timings: list[RequestTiming], call: Coroutine[None, None, Response]) -> Response:
    on_request.set(timings.append)
    return asyncio.run(call)
