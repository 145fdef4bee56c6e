"""The authentication API (`/auth/v1`), as GoTrue speaks it."""

from __future__ import annotations

import hmac
import json
import re
import uuid
from dataclasses import dataclass
from typing import Any, Final

from psycopg.types.json import Jsonb
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import logs
from sandbox.app import errors
from sandbox.app import tokens as access
from sandbox.app.database import Database, Row, Session
from sandbox.app.errors import ApiError, Unavailable
from sandbox.app.fields import storable
from sandbox.settings import Settings
from sandbox.supabase import passwords, sessions

EMAIL: Final = re.compile(
    r"[^\s@\x00-\x1f\x7f\ud800-\udfff]{1,64}@(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
)
FIND_USER: Final = "select * from auth.users where email = %(email)s"
ADD_USER: Final = """
    insert into auth.users (email, password_hash, app_metadata) values (%(email)s, %(password_hash)s, %(app_metadata)s)
      on conflict (email) do nothing returning *"""
DELETE_USER: Final = "delete from auth.users where id = %(user_id)s returning id"


@dataclass(eq=False)
class AuthError(Exception):
    """A refusal in GoTrue's format."""

    status: int
    code: str
    message: str


def application(settings: Settings, database: Database) -> Starlette:
    """The application that is mounted at `/auth/v1`."""
    service = Service(settings, database)
    routes = [
        Route("/health", service.health, methods=["GET"]),
        Route("/settings", service.settings, methods=["GET"]),
        Route("/signup", service.signup, methods=["POST"]),
        Route("/token", service.token, methods=["POST"]),
        Route("/user", service.user, methods=["GET"]),
        Route("/logout", service.logout, methods=["POST"]),
        Route("/admin/users", service.create_user, methods=["POST"]),
        Route("/admin/users/{user_id}", service.delete_user, methods=["DELETE"]),
    ]
    handlers: dict[Any, Any] = {AuthError: _refuse, Unavailable: _unavailable, HTTPException: _unknown}
    return Starlette(routes=routes, exception_handlers=handlers)


class Service:
    """The endpoints."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database

    async def health(self, _: Request) -> Response:
        await self._database.one("select 1")
        about = {"version": self._settings.version, "name": "GoTrue", "description": "authentication of the sandbox"}
        return JSONResponse({**about, "build": self._settings.build})

    async def settings(self, request: Request) -> Response:
        self._check_key(request, self._settings.anon_key, self._settings.service_role_key)
        return JSONResponse({"external": {"email": True}, "disable_signup": False, "mailer_autoconfirm": True})

    async def signup(self, request: Request) -> Response:
        """Create a user and session; for a known address, return a made-up user after the same work."""
        self._check_key(request, self._settings.anon_key, self._settings.service_role_key)
        email, password = await credentials(request)
        check_strength(password)
        password_hash = await passwords.hash_password(password)

        async def register(session: Session) -> dict[str, Any] | None:
            user = await session.one(ADD_USER, email=email, password_hash=password_hash, app_metadata=Jsonb({}))
            return await sessions.begin(session, user, self._settings) if user else None

        begun = await self._database.transaction(register)
        return JSONResponse(begun or known_address(email))

    async def token(self, request: Request) -> Response:
        self._check_key(request, self._settings.anon_key, self._settings.service_role_key)
        match request.query_params.get("grant_type"):
            case "password":
                return JSONResponse(await self._log_in(*await credentials(request)))
            case "refresh_token":
                return JSONResponse(await self._refresh((await read_object(request)).get("refresh_token")))
        raise AuthError(400, "validation_failed", "unsupported_grant_type")

    async def _log_in(self, email: str, password: str) -> dict[str, Any]:
        user = await self._database.one(FIND_USER, email=email)
        if not await passwords.verify(user["password_hash"] if user else None, password) or user is None:
            raise AuthError(400, "invalid_credentials", "Invalid login credentials")
        return await self._database.transaction(lambda session: sessions.begin(session, user, self._settings))

    async def _refresh(self, refresh_token: object) -> dict[str, Any]:
        if not is_text(refresh_token):
            raise AuthError(400, "validation_failed", "refresh_token required")
        token = str(refresh_token)
        begun = await self._database.transaction(lambda session: sessions.rotate(session, token, self._settings))
        if begun is None:
            raise AuthError(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        return begun

    async def user(self, request: Request) -> Response:
        _, user = await self._identify(request)
        return JSONResponse(sessions.public(user))

    async def logout(self, request: Request) -> Response:
        identity, _ = await self._identify(request)
        scope = request.query_params.get("scope", "global")
        if scope not in ("global", "local"):
            raise AuthError(400, "validation_failed", "Unsupported logout scope")
        await sessions.revoke(self._database, identity.user_id, identity.session_id, scope)
        return Response(status_code=204)

    async def create_user(self, request: Request) -> Response:
        self._check_key(request, self._settings.service_role_key)
        body = await read_object(request)
        email, password = check_credentials(body)
        check_strength(password)
        metadata = body.get("app_metadata") or {}
        text = json.dumps(metadata, ensure_ascii=False)
        if not isinstance(metadata, dict) or "\\u0000" in text or text != storable(text):
            raise AuthError(400, "validation_failed", "app_metadata must be an object")
        hashed = await passwords.hash_password(password)
        user = await self._database.one(ADD_USER, email=email, password_hash=hashed, app_metadata=Jsonb(metadata))
        if user is None:
            raise AuthError(422, "email_exists", "A user with this email address has already been registered")
        return JSONResponse(sessions.public(user))

    async def delete_user(self, request: Request) -> Response:
        """Delete a user; documents, bytes and conversations follow by foreign key."""
        self._check_key(request, self._settings.service_role_key)
        try:
            user_id = uuid.UUID(request.path_params["user_id"])
        except ValueError:
            raise AuthError(404, "validation_failed", "user_id must be an UUID") from None
        if await self._database.one(DELETE_USER, user_id=user_id) is None:
            raise AuthError(404, "user_not_found", "User not found")
        return JSONResponse({})

    async def _identify(self, request: Request) -> tuple[access.Identity, Row]:
        self._check_key(request, self._settings.anon_key, self._settings.service_role_key)
        try:
            identity = access.verify(bearer(request), self._settings.jwt_secret)
        except ApiError:
            raise AuthError(401, "bad_jwt", "invalid JWT") from None
        user = await self._database.one(sessions.ACTIVE_USER, session_id=identity.session_id, user_id=identity.user_id)
        if user is None:
            raise AuthError(401, "session_not_found", "Session from session_id claim in JWT does not exist")
        return identity, user

    def _check_key(self, request: Request, *keys: str) -> None:
        """Refuse calls without a gateway key; administrative calls need the service role's."""
        given = request.headers.get("apikey", "") or bearer(request)
        if not any(hmac.compare_digest(given.encode(), key.encode()) for key in keys):
            raise AuthError(401, "no_authorization", "No API key found in request, or not the right one")


def bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


async def read_object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise AuthError(400, "bad_json", "Could not parse request body as JSON")
    return body


async def credentials(request: Request) -> tuple[str, str]:
    return check_credentials(await read_object(request))


def check_credentials(body: dict[str, Any]) -> tuple[str, str]:
    """E-mail in lower case, and password; refuses malformed ones."""
    email, password = body.get("email"), body.get("password")
    if not isinstance(email, str) or not EMAIL.fullmatch(email.lower()):
        raise AuthError(422, "validation_failed", "Unable to validate email address: invalid format")
    if not is_text(password):
        raise AuthError(422, "weak_password", "Password is required")
    return email.lower(), str(password)


def check_strength(password: str) -> None:
    if not passwords.is_strong(password):
        raise AuthError(422, "weak_password", "Password should be at least 8 characters, with letters and others")


def is_text(value: object) -> bool:
    """Whether a value is text that can be stored: JSON can hold NUL and half of a surrogate pair."""
    return isinstance(value, str) and value == storable(value)


def known_address(email: str) -> dict[str, Any]:
    """The response for a known address: has the fields of a user, but no such user exists."""
    return {"id": str(uuid.uuid4()), "aud": "authenticated", "role": "", "email": email, "identities": []}


async def _refuse(request: Request, error: AuthError) -> Response:
    if request.headers.get("x-supabase-api-version", "") >= "2024-01-01":
        return JSONResponse({"code": error.code, "message": error.message}, error.status)
    return JSONResponse({"code": error.status, "error_code": error.code, "msg": error.message}, error.status)


async def _unavailable(request: Request, error: Unavailable) -> Response:
    logs.log("unavailable", cause=repr(error.__cause__))
    answer = await _refuse(request, AuthError(503, "unexpected_failure", "Database error"))
    answer.headers.update(errors.later(errors.RETRY_AFTER_SECONDS))
    return answer


async def _unknown(request: Request, error: HTTPException) -> Response:
    return await _refuse(request, AuthError(error.status_code, "not_found", error.detail))
