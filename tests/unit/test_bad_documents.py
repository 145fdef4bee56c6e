"""What becomes of documents that cannot be read, and that every accepted upload counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.checks.bad_documents import TriedDocument, tried
from acceptance.checks.input_validation import send_negative_inputs
from acceptance.errors import NotOffered, Violation
from acceptance.fixtures.users import User
from acceptance.run import Run
from acceptance.uploads import Payload
from DocumentLibrary import DocumentLibrary

from tests.unit import test_other_applications
from tests.unit.test_other_applications import TOKEN, Application, RunOf

app, run_of = test_other_applications.app, test_other_applications.run_of
UPLOAD = "/api/upload-pipeline/upload"
IDENTIFIER = "00000000-0000-4000-8000-000000000001"
FORM = """
routes:
  limits: absent
  upload: {file: file, body: absent, answer: {signed_url: absent, upload_expires_at: absent}}
  job: {answer: {retry_count: absent, status_pct: absent, total_pct: absent, last_error: absent, updated_at: absent}}
"""
ACCEPTED = {"job_id": IDENTIFIER, "document_id": IDENTIFIER}


def outcome(app: Application, run: Run, user: User, status: int, job: str = "failed_parse") -> TriedDocument:
    """What becomes of a document that the application answers so."""
    app.answers[UPLOAD] = (status, ACCEPTED if status == 200 else {})
    state = {"failed_parse": "deadletter", "complete": "done"}[job]
    app.answers[f"/api/upload-pipeline/jobs/{IDENTIFIER}"] = (200, {**ACCEPTED, "status": job, "state": state})
    [found] = run.wait(tried(run, user, [Payload("a.pdf", b"no PDF")]))
    return found


@pytest.mark.parametrize(("status", "refusal"), [(415, "unsupported_mime"), (422, "invalid_parameter"), (200, "")])
def test_it_is_refused_for_what_is_in_it_or_accepted(
    app: Application, run_of: RunOf, status: int, refusal: str
) -> None:
    found = outcome(app, run_of(FORM), User("a@b.org", "p", access_token=TOKEN), status)
    assert DocumentLibrary().get_refusal(found) == refusal
    assert (found.upload is None) == bool(refusal)
    if refusal:
        with pytest.raises(NotOffered, match=f"refused as {refusal}"):
            DocumentLibrary().need_accepted(found)
    else:
        assert DocumentLibrary().need_accepted(found) is found.upload


def test_any_other_refusal_is_a_violation_of_this_document_alone(app: Application, run_of: RunOf) -> None:
    found = outcome(app, run_of(FORM), User("a@b.org", "p", access_token=TOKEN), 400)
    with pytest.raises(Violation, match=r"upload: expected 200, or 415 for what is in it, or 422 for .*, observed 400"):
        DocumentLibrary().get_refusal(found)


def test_who_has_used_up_the_uploads_of_the_day_sends_none(app: Application, run_of: RunOf) -> None:
    run = run_of(FORM, "limits: {max_uploads_per_day_per_user: 2}")
    user, senders = User("a@b.org", "p", access_token=TOKEN), []

    async def signed_in() -> User:
        senders.append(User("new@b.org", "p", access_token="another"))
        return senders[-1]

    run.users = cast(Any, SimpleNamespace(signed_in=signed_in))
    for _ in range(3):
        outcome(app, run, user, 200)
    assert (user.uploads, [one.uploads for one in senders]) == (2, [1])
    outcome(app, run, senders[0], 415)
    assert senders[0].uploads == 1


def test_what_is_accepted_instead_of_being_refused_counts_too(app: Application, run_of: RunOf) -> None:
    run = run_of("{routes: {limits: absent}, limits: {json_body_bytes: absent}}")
    user = User("a@b.org", "p", access_token=TOKEN)
    data = cast(Any, SimpleNamespace(owner=user, identifiers={}))
    answer = {**ACCEPTED, "signed_url": f"{app.url}/put", "upload_expires_at": "2026-01-01T00:00:00Z"}
    app.answers[UPLOAD] = (200, answer)
    with pytest.raises(AssertionError, match="calls of upload: expected each refused"):
        run.wait(send_negative_inputs(run, "upload", data, None))
    assert user.uploads == len(app.received) == run.client.throttle.counted["documents"]
