"""What stands beside the contract is found: absent routes that answer, and routes that only OpenAPI names."""

import pytest
from acceptance.checks.limits_enforced import jobs_at_once, uploads_a_day
from acceptance.checks.undescribed_routes import undescribed
from acceptance.deployment.contract import Contract
from acceptance.fixtures.users import User

from tests.unit.test_other_applications import Application, RunOf, app, run_of

__all__ = ["app", "run_of"]

PATHS: dict[str, dict[str, object]] = {
    "/documents": {"get": {}},
    "/documents/{id}/status": {"get": {}},
    "/auth/logout": {"post": {}},
}
USER = User("a@example.com", "", access_token="tok-123456789")
ABSENT = "routes: {documents: absent, logout: absent, conversations: absent}"


def found_in(run_of: RunOf, contract: str = "{}") -> list[str]:
    run = run_of(contract)
    return run.wait(undescribed(run, USER))


def test_routes_of_the_contract_and_an_application_without_openapi_are_no_finding(
    app: Application, run_of: RunOf
) -> None:
    assert found_in(run_of, ABSENT) == []
    app.answers["/openapi.json"] = (200, {"paths": PATHS})
    assert found_in(run_of) == []


def test_an_absent_route_that_answers_or_stands_in_openapi_is_one(app: Application, run_of: RunOf) -> None:
    app.answers |= {"/openapi.json": (200, {"paths": PATHS}), "/documents": (200, {"documents": []})}
    app.answers["/conversations"] = (200, {"conversations": []})
    assert found_in(run_of, ABSENT) == [
        "GET /documents: the contract marks routes.documents absent, the OpenAPI document has it, it answers 200"
        " without a token",
        "POST /auth/logout: the contract marks routes.logout absent, the OpenAPI document has it",
        "GET /conversations: the contract marks routes.conversations absent, it answers 200 without a token",
    ]


def test_a_route_that_only_openapi_names_is_one(app: Application, run_of: RunOf) -> None:
    app.answers |= {"/openapi.json": (200, {"paths": PATHS | {"/debug": {"get": {}, "parameters": []}}})}
    assert found_in(run_of) == ["GET /debug: the contract does not describe it, the OpenAPI document has it"]
    app.answers["/debug"] = (200, [])
    [found] = found_in(run_of)
    assert found.endswith("it answers 200 without a token")
    assert found_in(run_of, "openapi: absent") == []


LIMITS = {
    "max_file_size_bytes": 5000000, "supported_mime_types": ["application/pdf"], "max_concurrent_jobs_per_user": 2,
    "max_uploads_per_day_per_user": 3, "signed_url_ttl_seconds": 1,
}  # fmt: skip
UPLOAD, JOBS = "/api/upload-pipeline/upload", "/api/upload-pipeline/jobs"
ID = "00000000-0000-4000-8000-000000000001"


def test_limits_that_nothing_enforces_are_found(app: Application, run_of: RunOf) -> None:
    app.answers[f"{UPLOAD}/limits"] = (200, LIMITS)
    job = {
        "job_id": ID, "document_id": ID, "retry_count": 0, "last_error": None, "updated_at": "2026-11-29T06:00:00Z",
        "progress": {"status_pct": 100, "total_pct": 100},
    }  # fmt: skip
    app.answers[f"{JOBS}/{ID}"] = (200, job | {"status": "parsed", "state": "working"})
    upload = {
        "job_id": ID,
        "document_id": ID,
        "signed_url": f"{app.url}/bytes",
        "upload_expires_at": "2026-11-29T06:00:00Z",
    }
    app.answers |= {UPLOAD: (200, upload), "/bytes": (200, {})}
    run = run_of()
    with pytest.raises(AssertionError, match="3 uploads at once, max_concurrent_jobs_per_user: expected 2 accepted"):
        run.wait(jobs_at_once(run, USER))
    app.answers[f"{JOBS}/{ID}"] = (200, job | {"status": "complete", "state": "done"})
    with pytest.raises(
        AssertionError, match="upload 4 of a user in a day, max_uploads_per_day_per_user is 3: expected a refusal"
    ):
        run.wait(uploads_a_day(run, User("b@example.com", "", access_token="tok-123456789")))
    app.answers[UPLOAD] = (429, {})
    with pytest.raises(AssertionError, match="expected 2 accepted, as advertised, observed 0"):
        run.wait(jobs_at_once(run, USER))


@pytest.mark.parametrize(
    ("status", "state", "wanted"),
    [
        ("complete", "done", ""),
        ("failed_parse", "deadletter", ""),
        ("failed_parse", "done", "complete with the state 'done'"),
        ("complete", "deadletter", "failed_parse or failed_chunking or failed_embedding with the state 'deadletter'"),
        ("complete", None, ""),
    ],
)
def test_a_final_status_and_a_final_state_agree(contract: Contract, status: str, state: str, wanted: str) -> None:
    assert contract.jobs.contradiction({"status": status, "state": state}) == wanted
