"""The OpenAPI document: what holds for many routes alike, beside what each route declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sandbox.app import edge, errors

OF_BODIES: Final = (408, 413)
REQUEST_ID: Final = {"required": True, "schema": {"type": "string", "pattern": f"^{edge.REQUEST_ID.pattern}$"}}
RETRY_AFTER: Final = {"required": True, "schema": {"type": "integer", "minimum": 1, "description": "seconds"}}


def describe(generate: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The generated document with the errors of bodies and the headers of responses."""
    document = generate()
    for operation in (one for path in document["paths"].values() for one in path.values()):
        answers = operation["responses"]
        if "requestBody" in operation:
            answers |= {str(status): refusal(status) for status in OF_BODIES}
        for status, answer in answers.items():
            answer["headers"] = {"X-Request-Id": REQUEST_ID}
            if status in ("429", "503"):
                answer["headers"]["Retry-After"] = RETRY_AFTER
    return document


def stream_of(*events: str) -> dict[str, Any]:
    """A response of Server-Sent Events with these names, whose data is JSON."""
    fields = {
        "event": {"enum": events},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string", "pattern": "^[0-9]+$"},
    }
    item = {"type": "object", "properties": fields, "required": ["event", "data"]}
    return {"content": {"text/event-stream": {"itemSchema": item}}}


def refusal(status: int) -> dict[str, Any]:
    """A response with an error."""
    [declared] = errors.responses(status).values()
    schema = {"$ref": f"#/components/schemas/{errors.ErrorBody.__name__}"}
    return {"description": declared["description"], "content": {"application/json": {"schema": schema}}}
