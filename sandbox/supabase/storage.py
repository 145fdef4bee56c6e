"""The storage API (`/storage/v1`), as Supabase speaks it: private objects, signed uploads, bytes in the database."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any, Final

import jwt
import psycopg
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.app import edge, errors
from sandbox.app import tokens as access
from sandbox.app.database import Database, Row, Session
from sandbox.app.errors import ApiError, Unavailable
from sandbox.settings import Settings
from sandbox.supabase.auth import bearer

SIGNED_UPLOAD: Final = "/object/upload/sign/"
STORE: Final = """
    insert into storage.objects (path, owner, content_type, length, sha256, content)
      values (%(path)s, %(owner)s, %(content_type)s, %(length)s, %(sha256)s, %(content)s)
      on conflict (path) do update set content = excluded.content, created_at = now()"""
FETCH: Final = "select owner, content_type, content from storage.objects where path = %(path)s"
REMOVE: Final = "delete from storage.objects where path = %(path)s"
LOCK: Final = "select pg_advisory_xact_lock(hashtextextended(%(path)s, 1))"
IS_USED: Final = "select from storage.objects where path = %(path)s"
CLAIMS: Final = ["url", "owner", "length", "sha256", "content_type", "exp"]
RECEIVE_SECONDS: Final = 60.0


@dataclass(eq=False)
class StorageError(Exception):
    """A refusal in Supabase's format: sent as 400, with the real status in the body."""

    status: int
    error: str
    message: str


def application(settings: Settings, database: Database) -> Starlette:
    """The application that is mounted at `/storage/v1`."""
    service = Service(settings, database)
    routes = [
        Route("/status", service.status, methods=["GET"]),
        Route(SIGNED_UPLOAD + "{path:path}", service.sign, methods=["POST"]),
        Route(SIGNED_UPLOAD + "{path:path}", service.put, methods=["PUT"]),
        Route("/object/authenticated/{path:path}", service.get, methods=["GET"]),
        Route("/object/{path:path}", service.delete, methods=["DELETE"]),
    ]
    handlers: dict[Any, Any] = dict.fromkeys((Unavailable, ApiError), errors.handle)
    return Starlette(routes=routes, exception_handlers=handlers | {StorageError: _refuse, HTTPException: _unknown})


class Service:
    """The endpoints. A path is `bucket/key`."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings, self._database = settings, database

    async def status(self, _: Request) -> Response:
        await self._database.one("select 1")
        return JSONResponse({"version": self._settings.version, "build": self._settings.build})

    async def sign(self, request: Request) -> Response:
        """A signed address for one upload; the signature covers the announcement."""
        self._check_service(request)
        try:
            body = json.loads(await request.body())
            claims = {name: body[name] for name in CLAIMS if name in body}
            claims |= {"url": request.path_params["path"], "exp": float(body["expires_at"])}
        except (ValueError, TypeError, KeyError, RecursionError):
            raise StorageError(
                400, "InvalidRequest", "The body must have owner, length, sha256, content_type, expires_at"
            ) from None
        token = jwt.encode(claims, self._settings.jwt_secret, "HS256")
        return JSONResponse({"url": f"{SIGNED_UPLOAD}{claims['url']}?token={token}", "token": token})

    async def put(self, request: Request) -> Response:
        """Receive the bytes of a signed upload; errors follow the contract, since the user's browser receives them."""
        path = request.path_params["path"]
        try:
            claims = verify(request.query_params.get("token", ""), path, self._settings.jwt_secret)
            if await is_used(self._database, path):
                raise forbidden()
            content = await receive(request, claims["length"])
        except ApiError as error:
            return edge.Refusal(errors.render(error, request))
        check_length(content, claims["length"])
        check_hash(content, claims["sha256"])
        await self._store(path, claims, content)
        return JSONResponse({"Key": path})

    async def _store(self, path: str, claims: dict[str, Any], content: bytes) -> None:
        async def store(session: Session) -> None:
            await session.one(LOCK, path=path)
            if await is_used(session, path):
                raise forbidden()
            described = {name: claims[name] for name in ("owner", "content_type", "length", "sha256")}
            await session.one(STORE, path=key(path), content=content, **described)

        try:
            await self._database.transaction(store)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ForeignKeyViolation):
            raise forbidden() from None

    async def get(self, request: Request) -> Response:
        """Stored bytes, for their owner or the service role."""
        path = request.path_params["path"]
        row = await self._database.one(FETCH, path=key(path))
        if row is None or not self._may_read(request, row):
            raise StorageError(404, "not_found", "Object not found")
        return Response(row["content"], media_type=row["content_type"])

    async def delete(self, request: Request) -> Response:
        self._check_service(request)
        await self._database.one(REMOVE, path=key(request.path_params["path"]))
        return JSONResponse({"message": "Successfully deleted"})

    def _may_read(self, request: Request, row: Row) -> bool:
        if self._is_service(request):
            return True
        try:
            return bool(access.verify(bearer(request), self._settings.jwt_secret).user_id == row["owner"])
        except ApiError:
            return False

    def _is_service(self, request: Request) -> bool:
        return hmac.compare_digest(bearer(request).encode(), self._settings.service_role_key.encode())

    def _check_service(self, request: Request) -> None:
        if not self._is_service(request):
            raise StorageError(403, "Unauthorized", "Only the service role may do this")


def verify(token: str, path: str, secret: str) -> dict[str, Any]:
    """The signed claims for this path; refuses every other token."""
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], options={"require": CLAIMS})
    except (jwt.InvalidTokenError, ValueError):
        raise forbidden() from None
    if claims["url"] != path:
        raise forbidden()
    return claims


async def is_used(database: Database | Session, path: str) -> bool:
    """Whether the object exists already."""
    return await database.one(IS_USED, path=key(path)) is not None


async def receive(request: Request, length: int) -> bytes:
    """Read the body; refuses it as soon as its length, or the declared length, exceeds the announced one."""
    if int(request.headers.get("content-length", 0)) > length:
        raise wrong_length(length)
    content = bytearray()
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            async for piece in request.stream():
                content += piece
                if len(content) > length:
                    raise wrong_length(length)
    except (TimeoutError, ClientDisconnect):
        raise ApiError(408, "upload_interrupted", "The bytes did not arrive in time.") from None
    return bytes(content)


def check_length(content: bytes, length: int) -> None:
    if len(content) != length:
        raise wrong_length(length)


def check_hash(content: bytes, sha256: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ApiError(422, "wrong_hash", "These are not the bytes that were announced.")


def wrong_length(length: int) -> ApiError:
    return ApiError(422, "wrong_length", f"Exactly {length} bytes were announced.")


def forbidden() -> ApiError:
    return ApiError(403, "upload_not_allowed", "This address is not valid, has been used, or has expired.")


def key(path: str) -> str:
    """A path without its bucket."""
    return path.partition("/")[2].replace("\0", "")


async def _refuse(_: Request, error: StorageError) -> Response:
    return JSONResponse({"statusCode": str(error.status), "error": error.error, "message": error.message}, 400)


async def _unknown(request: Request, error: HTTPException) -> Response:
    return await _refuse(request, StorageError(error.status_code, error.detail, error.detail))
