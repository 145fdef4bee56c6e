"""Authentication of callers, and the services of a route."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, cast
from uuid import UUID

import httpx
from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import HTTPConnection

from sandbox import logs
from sandbox.app import errors, tokens
from sandbox.app.database import Database
from sandbox.app.hub import Hub
from sandbox.app.model import Model
from sandbox.app.objects import ObjectStorage
from sandbox.app.tokens import Identity
from sandbox.settings import Settings

SESSION_IS_ACTIVE: Final = (
    "select from auth.sessions where id = %(session_id)s and user_id = %(user_id)s and revoked_at is null"
)


@dataclass(frozen=True)
class Services:
    """The resources of one API instance."""

    settings: Settings
    database: Database
    model: Model
    hub: Hub
    objects: ObjectStorage
    http: httpx.AsyncClient


def services(connection: HTTPConnection) -> Services:
    return cast(Services, connection.app.state.services)


async def identify(token: str, services: Services) -> Identity:
    """The identity of a token that verifies and whose session has not been ended; raises ApiError 401."""
    identity = tokens.verify(token, services.settings.jwt_secret)
    if not await session_is_active(services.database, identity.session_id, identity.user_id):
        raise errors.unauthorized()
    logs.bind(user_id=str(identity.user_id))
    return identity


async def session_is_active(database: Database, session_id: UUID, user_id: UUID) -> bool:
    """Whether the session was not logged out and its user still exists."""
    return await database.one(SESSION_IS_ACTIVE, session_id=session_id, user_id=user_id) is not None


Uses = Annotated[Services, Depends(services)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(bearerFormat="JWT", auto_error=False))]


async def _user(bearer: Bearer, services: Uses) -> Identity:
    return await identify(bearer.credentials if bearer else "", services)


User = Annotated[Identity, Depends(_user)]
