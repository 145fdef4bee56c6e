"""Error responses of the application: one envelope for every failure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from sandbox import logs
from sandbox.app.fields import described

RETRY_AFTER_SECONDS: Final = 2


@dataclass(eq=False)
class ApiError(Exception):
    """A failure with its response. `body` replaces the envelope where the contract has another one."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None


@dataclass(eq=False)
class Unavailable(Exception):
    """A required service is unavailable at present.

    `retry_after`: the seconds that it asks for; 0: none. `lasting` when waiting will not help.
    """

    service: str
    retry_after: float = 0
    lasting: bool = False


class ErrorDetail(BaseModel):
    code: Annotated[str, described(pattern="^[a-z0-9_]+$")]
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every error."""

    error: ErrorDetail


def not_found(what: str) -> ApiError:
    """The same error for a missing object and for one of another user."""
    return ApiError(404, f"{what}_not_found", f"There is no such {what}.")


def unauthorized() -> ApiError:
    """The same error for every invalid token."""
    return ApiError(401, "unauthorized", "A valid access token is needed.", {"www-authenticate": "Bearer"})


def too_many(code: str, message: str, retry_after: float) -> ApiError:
    return ApiError(429, code, message, later(retry_after))


def unavailable(error: Unavailable) -> ApiError:
    message = f"The {error.service} service is unavailable just now. Please try again."
    return ApiError(503, f"{error.service}_unavailable", message, later(error.retry_after or RETRY_AFTER_SECONDS))


def later(seconds: float) -> dict[str, str]:
    return {"retry-after": str(max(1, round(seconds)))}


def asked_delay(headers: Mapping[str, str]) -> float:
    """The delay in seconds that another service asks for; 0: none."""
    try:
        return float(headers.get("retry-after-ms", "")) / 1000
    except ValueError:
        given = headers.get("retry-after", "")
        return float(given) if given.isdecimal() else 0.0


def body_too_large() -> ApiError:
    return ApiError(413, "body_too_large", "The request is too large.")


def malformed_json() -> ApiError:
    return ApiError(422, "malformed_json", "The body is not valid JSON.")


def internal() -> ApiError:
    return ApiError(500, "internal_error", "Something went wrong on our side.")


def invalid(error: RequestValidationError) -> ApiError:
    """Names the invalid field and the reason, and never repeats the input."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return malformed_json()
    where = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    return ApiError(422, "invalid_request", f"{where}: {first['msg']}")


def of_framework(error: HTTPException) -> ApiError:
    """404 and 405 of the router, and 400 for a body that is not JSON."""
    if error.status_code == 400:
        return malformed_json()
    phrase = HTTPStatus(error.status_code).phrase
    return ApiError(error.status_code, phrase.lower().replace(" ", "_"), f"{phrase}.", error.headers)


def render(error: ApiError, connection: HTTPConnection) -> Response:
    """The response; always ASCII, since a message may hold text that cannot be encoded."""
    detail = {"code": error.code, "message": error.message, "request_id": connection.state.request_id}
    return Response(json.dumps(error.body or {"error": detail}), error.status, error.headers, "application/json")


async def handle(request: Request, error: Exception) -> Response:
    """The handler of every exception of a route."""
    if isinstance(error, Unavailable):
        logs.log("unavailable", service=error.service, cause=repr(error.__cause__))
        error = unavailable(error)
    elif isinstance(error, RequestValidationError):
        error = invalid(error)
    elif isinstance(error, HTTPException):
        error = of_framework(error)
    return render(error if isinstance(error, ApiError) else internal(), request)


def install(app: FastAPI) -> None:
    for kind in (ApiError, Unavailable, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the errors that a route declares."""
    return {status: {"model": ErrorBody, "description": HTTPStatus(status).phrase} for status in statuses}


OF_USER: Final = responses(401, 503)
OF_OWNER: Final = responses(401, 404, 422, 503)
