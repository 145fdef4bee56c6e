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
    """Who a valid token speaks for, and until when (Unix seconds)."""

    user_id: UUID
    email: str
    session_id: UUID
    expires_at: float


def verify(token: str, secret: str) -> Identity:
    """The token's identity; raises ApiError 401 for a token that is bad in whatever way."""
    try:
        claims = decode(token, secret)
        return Identity(UUID(claims["sub"]), str(claims["email"]), UUID(claims["session_id"]), float(claims["exp"]))
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise errors.unauthorized() from None


def decode(token: str, secret: str) -> dict[str, Any]:
    """The claims of a token whose signature, audience and lifetime are right."""
    return jwt.decode(token, secret, algorithms=ALGORITHMS, audience=AUDIENCE, options=OPTIONS)  # type: ignore[arg-type]
