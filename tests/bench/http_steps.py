"""The steps of `steps.py` as plain pytest and httpx have them."""

from __future__ import annotations

import base64
import json
import os
import secrets
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

SESSION = ("access_token", "refresh_token", "token_type", "expires_in", "user")


@pytest.fixture(scope="session")
def api() -> Iterator[httpx.Client]:
    with httpx.Client(base_url=os.environ["BENCH_API"], trust_env=False, timeout=10) as client:
        yield client


def session_of(answer: httpx.Response, status: int, email: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.request.url.path
    session: dict[str, Any] = answer.json()
    assert all(name in session for name in SESSION)
    assert session["user"]["email"] == email
    return session


@pytest.mark.parametrize("number", range(int(os.environ.get("BENCH_TESTS", "1"))))
def test_a_session_from_its_beginning_to_its_end(api: httpx.Client, number: int) -> None:
    person = {"email": f"bench+{uuid.uuid4().hex}@example.com", "password": f"Aa1!{secrets.token_urlsafe(18)}"}
    first = session_of(api.post("/auth/signup", json=person), 201, person["email"])
    session = session_of(api.post("/auth/login", json=person), 200, person["email"])
    assert session["user"]["id"] == first["user"]["id"]
    claims = json.loads(base64.urlsafe_b64decode(session["access_token"].split(".")[1] + "=="))
    assert abs(claims["exp"] - claims["iat"] - session["expires_in"]) <= 1
    ended = api.post("/auth/logout", headers={"authorization": f"Bearer {session['access_token']}"})
    assert ended.status_code == 204
