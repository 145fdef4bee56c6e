"""Defects of accounts and sessions."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sandbox.app import auth as app_auth
from sandbox.app.database import Database
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.supabase import auth, passwords, sessions, tokens


@defect("unknown-user-answered-at-once", "INT", must=["INT-01"])
def unknown_user_answered_at_once() -> None:
    """No password is hashed for an unknown user, so the time of a refusal reveals who is registered."""
    verify = passwords.verify

    async def hasty(hashed: str | None, password: str) -> bool:
        if hashed is None:
            mark_active()
            return False
        return await verify(hashed, password)

    patch(passwords, "verify", hasty)


@defect("signup-reveals-users", "INT", must=["INT-01"], may={"INT-16": "the baseline knows the answer"})
def signup_reveals_users() -> None:
    """Signing up with a known address reveals that it is registered."""
    app_auth.REFUSALS["user_already_exists"] = (409, "user_already_exists", "This address is registered already.")

    def reveal(email: str) -> dict[str, Any]:
        mark_active()
        raise auth.AuthError(422, "user_already_exists", "User already registered")

    patch(auth, "known_address", reveal)


@defect(
    "any-password-is-strong",
    "INT",
    must=["INT-01"],
    may={"INT-16": "the baseline knows the refusal", "INT-12": "so does nonsense"},
)
def any_password_is_strong() -> None:
    """The strength of passwords is not checked."""
    is_strong = passwords.is_strong

    def lax(password: str) -> bool:
        if not is_strong(password):
            mark_active()
        return True

    patch(passwords, "is_strong", lax)


@defect(
    "sessions-outlive-their-word",
    "INT",
    must=["INT-01", "INT-02", "INT-03"],
    may={"INT-09": "an expired token opens a WebSocket"},
)
def sessions_outlive_their_word() -> None:
    """The response states when a session ends; its token expires an hour later."""
    issue = tokens.access_token

    def lasting(user: dict[str, Any], session_id: UUID, lifetime: int, secret: str, issuer: str) -> str:
        if lifetime < 3600:
            mark_active()
        return issue(user, session_id, lifetime + 3600, secret, issuer)

    patch(tokens, "access_token", lasting)


@defect("used-refresh-token-works", "INT", must=["INT-02"])
def used_refresh_token_works() -> None:
    """A refresh token can be used repeatedly."""
    patch_query(sessions, "USE_TOKEN", "(t.used_at is null or", "(true or")


@defect("logout-leaves-refresh-token", "INT", must=["INT-02"])
def logout_leaves_refresh_token() -> None:
    """After a logout the refresh token still gives a session: only access tokens are revoked."""
    patch_query(sessions, "USE_TOKEN", "and s.revoked_at is null", "")


@defect("logout-ends-every-session", "INT", must=["INT-02"], may={"INT-12": "nonsense ends with a logout there"})
def logout_ends_every_session() -> None:
    """Logging out on one device logs the user out everywhere."""
    revoke = sessions.revoke

    async def everywhere(database: Database, user_id: UUID, session_id: UUID, scope: str) -> None:
        mark_active()
        await revoke(database, user_id, session_id, "global")

    patch(sessions, "revoke", everywhere)
