"""Issues access tokens (signed, short-lived) and refresh tokens (random, kept as hashes only)."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from typing import Any, Final
from uuid import UUID

import jwt

ALGORITHM: Final = "HS256"


def access_token(user: dict[str, Any], session_id: UUID, lifetime: int, secret: str, issuer: str) -> str:
    """A token that the application can verify without the service."""
    now = int(time.time())
    claims = {
        "iss": issuer,
        "aud": "authenticated",
        "role": "authenticated",
        "jti": uuid.uuid4().hex,
        "sub": str(user["id"]),
        "email": user["email"],
        "session_id": str(session_id),
        "iat": now,
        "exp": now + lifetime,
    }
    return jwt.encode(claims, secret, ALGORITHM)


def lifetime(user: dict[str, Any], usual: int) -> int:
    """Lifetime of this user's access tokens: the default, or the one set by the administrator."""
    chosen = user["app_metadata"].get("access_token_seconds")
    return chosen if type(chosen) is int and 0 < chosen <= usual else usual


def refresh_token() -> str:
    return secrets.token_urlsafe(32)


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
