"""A fixed set of requests (`variables/requests.yaml`), and how a deployment answers each: status and error code."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from acceptance.checks.fixtures import signed_in
from acceptance.clients.http import Response
from acceptance.deployment.contract import pick
from acceptance.errors import NotOffered
from acceptance.fixtures.users import User
from acceptance.polling import together
from acceptance.recordings import RequestOutcome
from acceptance.run import Run
from acceptance.yaml_models import PROJECT, Data, read_model

REQUESTS = PROJECT / "variables" / "requests.yaml"
AT_ONCE = 4
GARBAGE = "garbage"


class RecordedRequest(Data):
    """One call by the contract; braces in its values are filled in from what was processed before."""

    route: str
    sender: Literal["owner", "other", "nobody", "garbage"] = Field("owner", alias="as")
    path: dict[str, str] = {}
    body: dict[str, Any] | None = None
    query: dict[str, Any] = {}
    text: str | None = None
    repeat: Annotated[int, Field(ge=1)] = 1


class Requests(RootModel[dict[str, RecordedRequest]]):
    """Requests by name."""


def read_requests(path: Path = REQUESTS) -> dict[str, RecordedRequest]:
    """The requests in a file; raises ConfigurationError with every mistake at once."""
    return read_model(path, Requests).root


async def answered(run: Run, owner: User, known: Mapping[str, str]) -> dict[str, RequestOutcome]:
    """How each request that the contract offers is answered.

    Args:
        owner: who owns what `known` names.
        known: what stands for the braces, by their words.
    """
    tokens = {"owner": owner.access_token, "other": (await signed_in(run)).access_token, "garbage": GARBAGE}
    words = {"unknown": str(uuid.uuid4()), "unknown_sha256": "0" * 64, "email": owner.email} | dict(known)
    requests = read_requests()

    async def outcome(request: RecordedRequest) -> RequestOutcome | None:
        try:
            response = await run.client.send(
                request.route,
                path={name: fill(value, words) for name, value in request.path.items()},
                body=fill(request.body, words),
                query=request.query,
                token=tokens.get(request.sender),
                content=None if request.text is None else request.text.encode() * request.repeat,
                headers={"content-type": "application/json"} if request.text is not None else None,
            )
        except NotOffered:
            return None
        return RequestOutcome(status=response.status, code=code_of(run, response))

    outcomes = await together(*map(outcome, requests.values()), at_once=AT_ONCE)
    return {name: one for name, one in zip(requests, outcomes, strict=True) if one}


def fill(value: Any, words: Mapping[str, str]) -> Any:
    """The value with its braces filled in, in every text within it."""
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
        return value
    if isinstance(value, dict):
        return {name: fill(inner, words) for name, inner in value.items()}
    return value


def code_of(run: Run, response: Response) -> str | None:
    """The code of an error, or the type of a duplicate; nothing where there is none."""
    if response.status < 400:
        return None
    places = ("errors.shape.code", "duplicate.error_type")
    paths = [run.contract.value(place) for place in places if run.contract.offers(place)]
    return next((code for path in paths if isinstance(code := pick(response.json(), path), str)), None)
