"""Sessions in the database: begun by a login, continued by rotating refresh tokens, ended by a logout."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from sandbox.app.database import Database, Row, Session
from sandbox.settings import Settings
from sandbox.supabase import tokens

BEGIN: Final = "insert into auth.sessions (user_id) values (%(user_id)s) returning id"
ADD_TOKEN: Final = "insert into auth.refresh_tokens (token_hash, session_id) values (%(hash)s, %(session_id)s)"
USE_TOKEN: Final = """
    update auth.refresh_tokens t set used_at = coalesce(t.used_at, clock_timestamp())
      from auth.sessions s join auth.users u on u.id = s.user_id
      where t.token_hash = %(hash)s and s.id = t.session_id and s.revoked_at is null
        and (t.used_at is null or t.used_at + make_interval(secs => %(reuse_seconds)s) > clock_timestamp())
      returning t.session_id, u.id, u.email, u.app_metadata, u.created_at"""
"""One statement, so that of two who use a token at once only one is its first user."""

REVOKE: Final = "update auth.sessions set revoked_at = now() where id = %(session_id)s and revoked_at is null"
REVOKE_ALL: Final = "update auth.sessions set revoked_at = now() where user_id = %(user_id)s and revoked_at is null"
ACTIVE_USER: Final = """
    select u.* from auth.sessions s join auth.users u on u.id = s.user_id
      where s.id = %(session_id)s and u.id = %(user_id)s and s.revoked_at is null"""


async def begin(session: Session, user: Row, settings: Settings) -> dict[str, Any]:
    """Begin a session of a user, as returned by signup and login."""
    row = await session.one(BEGIN, user_id=user["id"])
    assert row
    return await issue(session, user, row["id"], settings)


async def rotate(session: Session, refresh_token: str, settings: Settings) -> dict[str, Any] | None:
    """Continue the session with a new pair of tokens; None for a token that is used, revoked or unknown."""
    row = await session.one(USE_TOKEN, hash=tokens.digest(refresh_token), reuse_seconds=settings.refresh_reuse_seconds)
    return await issue(session, row, row["session_id"], settings) if row else None


async def issue(session: Session, user: Row, session_id: UUID, settings: Settings) -> dict[str, Any]:
    lifetime = tokens.lifetime(user, settings.access_token_seconds)
    refresh_token = tokens.refresh_token()
    await session.one(ADD_TOKEN, hash=tokens.digest(refresh_token), session_id=session_id)
    return {
        "access_token": tokens.access_token(user, session_id, lifetime, settings.jwt_secret, settings.auth_url),
        "token_type": "bearer",
        "expires_in": lifetime,
        "refresh_token": refresh_token,
        "user": public(user),
    }


async def revoke(database: Database, user_id: UUID, session_id: UUID, scope: str) -> None:
    """End one session (`local`), or all of the user's (`global`)."""
    if scope == "local":
        await database.one(REVOKE, session_id=session_id)
    else:
        await database.one(REVOKE_ALL, user_id=user_id)


def public(user: Row) -> dict[str, Any]:
    """A user as the authentication API renders it."""
    return {
        "id": str(user["id"]),
        "aud": "authenticated",
        "role": "authenticated",
        "email": user["email"],
        "app_metadata": user["app_metadata"],
        "user_metadata": {},
        "created_at": user["created_at"].isoformat(),
    }
