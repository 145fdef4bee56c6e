"""Answers of the interfaces beside the application: its platform, and its control of faults."""

from __future__ import annotations

from typing import TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from acceptance.errors import EnvironmentUnavailable

Answer = TypeVar("Answer")


def read_answer(model: TypeAdapter[Answer], response: httpx.Response, what: str) -> Answer:
    """The JSON of a response, by its model.

    Args:
        what: the interface and what it was asked, for the message.

    Raises:
        EnvironmentUnavailable: it is no JSON, or of another form; names the first place.
    """
    try:
        return model.validate_json(response.content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the answer"
        raise EnvironmentUnavailable(f"{what}: not the form that it has: {where}: {first['msg']}") from None
