"""A running sandbox refuses requests with text that no database stores, and completes documents of any text."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from sandbox.app.fields import storable
from tests.sandbox.made import pdf, processed

UNSTORABLE = ["\x00", "a\x00b", "\ud800", "\udfffb", "\ude00\ud83d"]
ANNOUNCED: dict[str, Any] = {"filename": "a.pdf", "bytes_len": 9, "mime": "application/pdf", "sha256": "0" * 64}
CREDENTIALS = {"email": "bob@example.com", "password": "Fourteen berths 1912"}
BODIES = [
    ("/auth/signup", CREDENTIALS, "email"),
    ("/auth/signup", CREDENTIALS, "password"),
    ("/auth/login", CREDENTIALS, "email"),
    ("/auth/login", CREDENTIALS, "password"),
    ("/auth/refresh", {"refresh_token": "x"}, "refresh_token"),
    ("/api/upload-pipeline/upload", ANNOUNCED, "filename"),
    ("/api/upload-pipeline/upload", ANNOUNCED, "mime"),
    ("/api/upload-pipeline/upload", ANNOUNCED, "sha256"),
    ("/api/chat", {"message": "Why?"}, "message"),
    ("/api/chat", {"message": "Why?"}, "conversation_id"),
    ("/api/chat", {"message": "Why?"}, "workflow_id"),
]


@pytest.mark.parametrize("bad", UNSTORABLE, ids=ascii)
@pytest.mark.parametrize(("path", "body", "field"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_field_with_it_is_refused(api: httpx.Client, path: str, body: dict[str, Any], field: str, bad: str) -> None:
    answer = post(api, path, {**body, field: bad})
    assert (answer.status_code, answer.json()["error"]["code"]) in [(422, "invalid_request"), (422, "malformed_json")]


@pytest.mark.parametrize("bad", UNSTORABLE, ids=ascii)
def test_a_name_with_it_that_no_field_has_is_ignored_or_refused(api: httpx.Client, bad: str) -> None:
    assert post(api, "/api/chat", {"message": "Why?", bad: bad}).status_code in (200, 422)


@pytest.mark.parametrize("bad", ["%00", "a%00", "%ED%A0%80", "%FF"])
def test_an_address_with_it_is_refused(api: httpx.Client, bad: str) -> None:
    for path in (
        f"/documents/{bad}/status",
        f"/api/upload-pipeline/jobs/{bad}",
        f"/api/upload-pipeline/jobs?state={bad}",
    ):
        assert api.get(path).status_code == 422, path
    assert api.delete(f"/conversations/{bad}").status_code == 422
    assert api.get("/auth/user", headers={"authorization": f"Bearer {bad}"}).status_code == 401


DOCUMENTS = {
    "unstorable": pdf("Fourteen\x00berths are \ud800 in the harbour of Lindmar."),
    "chinese": pdf("港口在一九一二年开放有十四个泊位灯塔管理员每月工资四百一十二元"),
    "figures": pdf("1912 1913 1914"),
    "html behind the end": pdf("The harbour has berths.") + b"<!-- page generated in 0.02 s -->\n" * 100,
    "bytes behind the end": pdf("The harbour has 14 berths.") + bytes(4096),
}


@pytest.mark.parametrize("content", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_document_of_any_text_is_completed(api: httpx.Client, content: bytes) -> None:
    seen = processed(api, content)
    assert (seen["status"], seen["last_error"]) == ("complete", None)
    assert api.post("/api/chat", json={"message": "港口在一九一二年"}).status_code == 200


@pytest.mark.parametrize(("given", "clean"), [("a\x00b", "ab"), ("a\ud800b", "a?b"), ("é港😀", "é港😀"), ("", "")])
def test_text_of_a_provider_is_cleaned(given: str, clean: str) -> None:
    assert storable(given) == clean


def post(api: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response:
    """JSON in ASCII, since half of a surrogate pair has no UTF-8."""
    return api.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
