"""A refused duplicate has exactly the contract's body; a reported time has a zone and its distance is measured."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from acceptance.checks.upload_integrity import clock_difference
from acceptance.clients.http import ContractClient, Response
from acceptance.deployment.contract import Contract
from acceptance.fixtures.users import User
from acceptance.uploads import Payload, Upload, throughput

ClientAt = Callable[[str], ContractClient]
BODY = {
    "error_type": "duplicate_document",
    "message": "You have it.",
    "document_title": "a.pdf",
    "last_uploaded": "2026-01-01T12:00:00Z",
}


def _response(body: object, status: int = 409) -> Response:
    return Response("upload", "POST", "http://deployment/upload", status, {}, json.dumps(body).encode(), "r-1", 0.1)


def _upload(seconds_ago: float = 0.0) -> Upload:
    return Upload(User("a@example.com", ""), Payload("a.pdf", b"1234"), "d", "j", "", time.monotonic() - seconds_ago)


def test_the_flat_body_is_accepted(client_at: ClientAt, contract: Contract) -> None:
    client = client_at("http://deployment")
    assert client.field_of(client.check(_response(BODY), "duplicate_document"), "document_title") == "a.pdf"
    assert client.mistake_of_error(_response(BODY)) == ""


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
def test_any_other_body_is_a_mistake_and_no_other_status(client_at: ClientAt, body: object) -> None:
    client = client_at("http://deployment")
    assert client.check(_response(body), "duplicate_document")
    mistake = client.mistake_of_error(_response(body))
    assert (
        "the contract says {error_type, message, document_title, last_uploaded}" in mistake or "no text in" in mistake
    )


def test_another_type_of_error_is_a_mistake(client_at: ClientAt) -> None:
    mistake = client_at("http://deployment").mistake_of_error(_response(BODY | {"error_type": "conflict"}))
    assert mistake == "the type \"conflict\", the contract says 'duplicate_document'"


def test_another_status_is_a_violation(client_at: ClientAt) -> None:
    with pytest.raises(AssertionError, match="expected status 409, observed 400"):
        client_at("http://deployment").check(_response(BODY, 400), "duplicate_document")


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=1))])
def test_the_clock_difference_counts_from_the_announcement(zone: timezone) -> None:
    announced = (datetime.now(UTC) - timedelta(seconds=50)).astimezone(zone)
    assert clock_difference(_upload(50), announced.isoformat()) == pytest.approx(0, abs=5)
    assert clock_difference(_upload(0), announced.isoformat()) == pytest.approx(50, abs=5)
    assert clock_difference(_upload(100), announced.isoformat()) == pytest.approx(50, abs=5)


@pytest.mark.parametrize("text", ["2026-01-01T12:00:00", "yesterday", ""])
def test_a_time_without_zone_is_a_violation(text: str) -> None:
    with pytest.raises(AssertionError, match="expected a time with time zone"):
        clock_difference(_upload(), text)


def test_throughput_is_all_bytes_by_all_seconds() -> None:
    one, other = _upload(), _upload()
    one.sending_seconds, other.sending_seconds = 1.0, 3.0
    assert throughput([one, other]) == 8 / 1_000_000 / 4
    with pytest.raises(ValueError, match="have to be sent"):
        throughput([one, _upload()])
    with pytest.raises(ValueError, match="have to be sent"):
        throughput([])
