"""A refusal of the same content is taken for one only when it is exactly the contract's, and speaks of its time."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from acceptance.checks.upload_integrity import duplicate_of, is_about
from acceptance.clients.http import Response
from acceptance.deployment.contract import Contract

BODY = {
    "error_type": "duplicate_document",
    "message": "You have it.",
    "document_title": "a.pdf",
    "last_uploaded": "2026-01-01T12:00:00Z",
}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _answer(body: object) -> Response:
    return Response("upload", "POST", "http://deployment/upload", 409, {}, json.dumps(body).encode(), "r-1", 0.1)


def test_the_flat_body_is_taken(contract: Contract) -> None:
    assert duplicate_of(contract, _answer(BODY)).document_title == "a.pdf"


@pytest.mark.parametrize(
    "body",
    [
        {"error": BODY},
        BODY | {"detail": "more"},
        BODY | {"message": ""},
        BODY | {"document_title": None},
        {word: value for word, value in BODY.items() if word != "last_uploaded"},
        [BODY],
        None,
    ],
)
def test_any_other_body_is_not(contract: Contract, body: object) -> None:
    with pytest.raises(AssertionError, match="exactly error_type, message, document_title, last_uploaded"):
        duplicate_of(contract, _answer(body))


def test_another_type_of_error_is_not(contract: Contract) -> None:
    with pytest.raises(AssertionError, match="error_type: expected duplicate_document, observed conflict"):
        duplicate_of(contract, _answer(BODY | {"error_type": "conflict"}))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("2026-01-01T12:00:30+00:00", True),
        ("2026-01-01T13:00:00+01:00", True),
        ("2026-01-01T12:00:00", False),
        ("2026-01-01T12:02:00Z", False),
        ("2025-01-01T12:00:00Z", False),
        ("yesterday", False),
    ],
)
def test_a_time_has_its_zone_and_is_right(text: str, right: bool) -> None:
    assert is_about(text, NOON) is right
