"""Access tokens, verified here without asking the authentication service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import jwt

from sandbox.app import errors

ALGORITHMS: Final = ["HS256"]
AUDIENCE: Final = "authenticated"
CLAIMS: Final = ["sub", "email", "session_id", "iat", "exp", "aud"]
OPTIONS: Final[dict[str, Any]] = {"require": CLAIMS, "verify_signature": True, "verify_exp": True}


@dataclass(frozen=True)
class Identity:
    """The user and session of a valid token, and its expiry (Unix seconds)."""

    user_id: UUID
    email: str
    session_id: UUID
    expires_at: float


def verify(token: str, secret: str) -> Identity:
    """The token's identity; raises ApiError 401 for any invalid token."""
    try:
        claims = decode(token, secret)
        return Identity(UUID(claims["sub"]), str(claims["email"]), UUID(claims["session_id"]), float(claims["exp"]))
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise errors.unauthorized() from None


def decode(token: str, secret: str) -> dict[str, Any]:
    """The claims of a token with valid signature, audience and lifetime."""
    return jwt.decode(token, secret, algorithms=ALGORITHMS, audience=AUDIENCE, options=OPTIONS)  # type: ignore[arg-type]
