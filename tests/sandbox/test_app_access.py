"""Access to the sandbox's application: tokens, passwords, signatures, and validation of requests."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
import uuid
from typing import Any

import jwt
import pytest
from starlette.datastructures import Headers

from sandbox.app import edge, tokens, webhook
from sandbox.app.errors import ApiError
from sandbox.supabase import auth, passwords, storage
from sandbox.supabase import tokens as issuing

SECRET = "s" * 40
USER: dict[str, Any] = {"id": uuid.uuid4(), "email": "ada@example.com", "app_metadata": {}}


def token(lifetime: int = 60) -> str:
    return issuing.access_token(USER, uuid.uuid4(), lifetime, SECRET, "issuer")


def forged(**changes: Any) -> str:
    claims = jwt.decode(token(), options={"verify_signature": False})
    return jwt.encode({name: value for name, value in {**claims, **changes}.items() if value is not None}, SECRET)


def test_an_issued_token_says_who_it_is_for() -> None:
    identity = tokens.verify(token(), SECRET)
    assert (identity.user_id, identity.email) == (USER["id"], USER["email"])
    assert identity.expires_at == pytest.approx(time.time() + 60, abs=2)


@pytest.mark.parametrize(
    "bad",
    ["", "garbage", "a.b.c", "é", token(-1), jwt.encode({"sub": "x"}, SECRET), jwt.encode({"sub": "x"}, "", "none"),
     forged(sub="nobody"), forged(sub=5), forged(aud="other"), forged(session_id=None), forged(exp="soon")],
)  # fmt: skip
def test_every_bad_token_is_refused_alike(bad: str) -> None:
    with pytest.raises(ApiError) as refused:
        tokens.verify(bad, SECRET)
    assert (refused.value.status, refused.value.code) == (401, "unauthorized")


def test_a_token_of_another_secret_is_refused() -> None:
    with pytest.raises(ApiError):
        tokens.verify(token(), "t" * 40)


@pytest.mark.parametrize(
    ("chosen", "lives"), [(2, 2), (3600, 3600), (3601, 3600), (0, 3600), ("2", 3600), (True, 3600)]
)
def test_the_administrator_may_shorten_a_lifetime(chosen: object, lives: int) -> None:
    assert issuing.lifetime({"app_metadata": {"access_token_seconds": chosen}}, 3600) == lives


def test_passwords_are_right_wrong_or_nobodys() -> None:
    async def results() -> tuple[bool, bool, bool]:
        hashed = await passwords.hash_password("Aa1!correct")
        verify = passwords.verify
        return await verify(hashed, "Aa1!correct"), await verify(hashed, "Aa1!wrong"), await verify(None, "Aa1!correct")

    assert asyncio.run(results()) == (True, False, False)


@pytest.mark.parametrize("weak", ["", "a1", "abcdefgh", "12345678", "password1", "Passw1!"])
def test_weak_passwords(weak: str) -> None:
    assert not passwords.is_strong(weak)


@pytest.mark.parametrize(
    "bad", ["x", "a@b", "@b.de", "a@.de", "a b@c.de", "a@b..de", "a@b.de\n", "a\x00@b.de", f"{'a' * 65}@b.de"]
)
def test_malformed_addresses(bad: str) -> None:
    with pytest.raises(auth.AuthError) as refused:
        auth.check_credentials({"email": bad, "password": "Aa1!correct"})
    assert (refused.value.status, refused.value.code) == (422, "validation_failed")


def test_addresses_are_kept_in_small_letters() -> None:
    assert auth.check_credentials({"email": "Ada+1@Example.com", "password": "p"})[0] == "ada+1@example.com"


def test_a_webhook_needs_the_signature_of_its_very_body() -> None:
    signature = f"sha256={hmac.new(SECRET.encode(), b'{}', hashlib.sha256).hexdigest()}"
    webhook.verify(signature, b"{}", SECRET)
    for wrong, body in [("", b"{}"), (signature, b"{} "), (signature.upper(), b"{}"), ("é", b"{}")]:
        with pytest.raises(ApiError) as refused:
            webhook.verify(wrong, body, SECRET)
        assert refused.value.status == 401


def test_a_signed_upload_is_for_one_path_until_it_expires() -> None:
    claims = {"url": "documents/a", "owner": "o", "length": 1, "sha256": "0", "content_type": "application/pdf"}
    good = jwt.encode({**claims, "exp": time.time() + 60}, SECRET)
    assert storage.verify(good, "documents/a", SECRET)["length"] == 1
    late = jwt.encode({**claims, "exp": time.time() - 1}, SECRET)
    for bad, path in [(good, "documents/b"), (late, "documents/a"), (token(), "documents/a"), ("", "documents/a")]:
        with pytest.raises(ApiError) as refused:
            storage.verify(bad, path, SECRET)
        assert refused.value.status == 403


def test_a_well_formed_request_identifier_is_kept() -> None:
    assert edge.identify(Headers({"x-request-id": "abc-123_4.5"})) == "abc-123_4.5"
    for bad in ("", "short", "with space", "x" * 65, "line\nbreak"):
        assert edge.identify(Headers({"x-request-id": bad})) != bad
