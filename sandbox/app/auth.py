"""Sign-up, sign-in and sign-out: translates responses of the authentication service into the contract's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import httpx
from fastapi import APIRouter
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import JSONResponse, Response

from sandbox.app import errors
from sandbox.app.access import Bearer, Services, User, Uses
from sandbox.app.database import bounded
from sandbox.app.errors import ApiError, Unavailable
from sandbox.app.fields import AtLeastOne, Body, Email, Text, described

T = TypeVar("T", bound=BaseModel)

CALL_SECONDS: Final = 6.0
REFUSALS: Final = {
    "validation_failed": (422, "malformed_email", "This is not an e-mail address."),
    "weak_password": (
        422,
        "weak_password",
        "A password needs eight characters at least, letters and others, and must not be a common one.",
    ),
    "invalid_credentials": (401, "invalid_credentials", "E-mail or password is wrong."),
    "refresh_token_not_found": (401, "invalid_refresh_token", "This session has ended. Please log in again."),
}
"""Error code of the authentication service -> error of the API."""

NO_SESSION: Final = ("bad_jwt", "session_not_found")

OPEN: Final = errors.responses(422, 503)

router: Final = APIRouter(prefix="/auth", tags=["authentication"])


class Credentials(Body):
    email: Email
    password: Annotated[Text, Field(max_length=256)]


class Registration(Credentials):
    password: Annotated[Text, Field(max_length=256), described(minLength=8)]


class RefreshToken(Body):
    refresh_token: Annotated[Text, Field(max_length=256)]


class Account(BaseModel):
    id: UUID
    email: Annotated[str, described(format="email")]


class Session(BaseModel):
    access_token: str
    refresh_token: str
    token_type: Annotated[str, described(enum=["bearer"])]
    expires_in: AtLeastOne
    user: Account


class Registered(BaseModel):
    """The response for a known address: a made-up user without a session."""

    user: Account


@router.post("/signup", status_code=201, response_model=Session, responses={200: {"model": Registered}, **OPEN})
async def signup(credentials: Registration, services: Uses) -> Response:
    """Register and log in. A known address gets 200 and no session."""
    answer = await ask(services, "/signup", credentials.model_dump())
    if "access_token" not in answer:
        return JSONResponse(Registered(user=read(Account, answer)).model_dump(mode="json"))
    return JSONResponse(read(Session, answer).model_dump(mode="json"), 201)


@router.post("/login", responses=errors.responses(401, 422, 503))
async def login(credentials: Credentials, services: Uses) -> Session:
    """Log in with e-mail and password."""
    return read(Session, await ask(services, "/token?grant_type=password", credentials.model_dump()))


@router.post("/refresh", responses=errors.responses(401, 422, 503))
async def refresh(token: RefreshToken, services: Uses) -> Session:
    """Exchange a refresh token for a new pair; each can be used once."""
    return read(Session, await ask(services, "/token?grant_type=refresh_token", token.model_dump()))


@router.post("/logout", status_code=204, responses=errors.OF_USER)
async def logout(user: User, bearer: Bearer, services: Uses) -> None:
    """End this session with all its tokens; other sessions of the user continue."""
    token = bearer.credentials if bearer else ""
    await ask(services, "/logout?scope=local", headers={"authorization": f"Bearer {token}"})


@router.get("/user", responses=errors.OF_USER)
async def user(user: User) -> Account:
    """The signed-in user."""
    return Account(id=user.user_id, email=user.email)


async def ask(services: Services, path: str, body: object = None, headers: Mapping[str, str] = {}) -> dict[str, Any]:
    """One call to the authentication service."""
    settings = services.settings
    call = services.http.post(settings.auth_link + path, json=body, headers={"apikey": settings.anon_key, **headers})
    try:
        answer = await bounded(call, CALL_SECONDS)
        document = dict(answer.json() if answer.content else {})
    except (httpx.HTTPError, TimeoutError, ValueError, TypeError) as error:
        raise Unavailable("authentication") from error
    if answer.is_success:
        return document
    raise refusal(answer.status_code, document.get("error_code"))


def read(model: type[T], answer: Mapping[str, Any]) -> T:
    """What the service has answered; anything else is not from the service."""
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        raise Unavailable("authentication") from error


def refusal(status: int, code: str | None) -> Exception:
    """The error for a refusal; a fault of the service is never reported as a refusal."""
    if code in REFUSALS and status < 500:
        return ApiError(*REFUSALS[code])
    if code in NO_SESSION and status == 401:
        return errors.unauthorized()
    return Unavailable("authentication")
