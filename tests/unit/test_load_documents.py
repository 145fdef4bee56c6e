"""The documents of the load: what is lost, changed or there twice is named, in the lists and in the database."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from acceptance.deployment.contract import CONTRACT, read_contract
from acceptance.performance import load_documents as documents
from ArtilleryLibrary.figures import Ending, LoadPlan, LoadResult
from ArtilleryLibrary.requestlog import LoggedRequest, RequestLog

STATUSES = read_contract(CONTRACT).jobs.statuses
FLOW = "Document Upload Flow"
PLAN = LoadPlan(script="s", target="t", phases=(), scenarios=(), corrections=(), node="24", artillery="2")
Rows = list[dict[str, Any]]


def request(number: int, endpoint: str, *, ok: bool = True) -> LoggedRequest:
    values = {
        "owner_id": f"u{number}",
        "document_id": f"d{number}",
        "job_id": f"j{number}",
        "sha256": f"h{number}",
        "bytes_len": 800 + number,
    }
    return LoggedRequest(f"v{number}", FLOW, endpoint, 0.0, ok, failures=() if ok else ("500",), values=values)


SENT = documents.sent(
    [request(number, endpoint) for number in (1, 2) for endpoint in ("upload", "upload_bytes", "job")]
)


def test_what_was_taken_is_known_by_its_requests() -> None:
    assert [(one.document_id, one.stored) for one in SENT] == [("d1", True), ("d2", True)]
    half = documents.sent([request(1, "upload"), request(1, "upload_bytes", ok=False), request(2, "upload", ok=False)])
    assert [(one.document_id, one.stored) for one in half] == [("d1", False)]


def listed(number: int, status: str = "complete", job: str = "") -> dict[str, str]:
    return {"document_id": f"d{number}", "job_id": job or f"j{number}", "status": status, "state": "done"}


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"u1": [listed(1)], "u2": [listed(2), listed(9)]}, []),
        ({"u1": [listed(1)]}, ["is lost: its owner's list does not have it"]),
        ({"u1": [listed(1), listed(2)], "u2": []}, ["is lost: its owner's list does not have it"]),
        ({"u1": [listed(1), listed(1, job="j9")], "u2": [listed(2)]}, ["is there 2 times"]),
        ({"u1": [listed(1, "chunking")], "u2": [listed(2)]}, ["ended as 'chunking' of job j1"]),
        ({"u1": [listed(1, job="j2")], "u2": [listed(2)]}, ["ended as 'complete' of job j2"]),
    ],
)
def test_every_document_has_to_be_in_its_owners_list(lists: dict[str, Rows], expected: list[str]) -> None:
    assert list(documents.wrong_ends(SENT, lists, "complete").values()) == expected


def rows() -> dict[str, Rows]:
    """The database as it should be: both documents, and one that was there before."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return {
        "documents": [
            {"document_id": f"d{n}", "user_id": f"u{n}", "sha256": f"h{n}", "bytes_len": 800 + n} for n in (0, 1, 2)
        ],
        "jobs": [{"job_id": f"j{n}", "document_id": f"d{n}", "status": "complete"} for n in (0, 1, 2)],
        "events": [
            {"job_id": f"j{n}", "sequence": at, "status": status, "at": began + timedelta(seconds=at)}
            for n in (1, 2)
            for at, status in enumerate(STATUSES, 1)
        ],
        "chunks": [{"document_id": f"d{n}", "ordinal": ordinal} for n in (1, 2) for ordinal in (0, 1)],
    }


def problems(database: dict[str, Rows], *, unanswered: int = 0) -> str:
    return "; ".join(
        [
            *documents.wrong_rows(SENT, database["documents"], frozenset({"d0"}), unanswered),
            *documents.wrong_jobs(SENT, database["jobs"], "complete"),
            *documents.wrong_events(SENT, database["events"], STATUSES),
            *documents.wrong_chunks(SENT, database["chunks"]),
        ]
    )


def test_a_database_as_it_should_be_has_no_problem() -> None:
    assert problems(rows()) == ""
    assert documents.processing_seconds(rows()["events"]) == [len(STATUSES) - 1] * 2


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: data["documents"].pop(), "document d2 (job j2) is lost"),
        (lambda data: data["documents"][1].update(sha256="h2"), "d1 (job j1) is 801 bytes of user u1 with hash h2"),
        (lambda data: data["documents"][1].update(user_id="u2"), "of user u2 with hash h1, not as sent"),
        (lambda data: data["documents"][1].update(bytes_len=0), "is 0 bytes"),
        (lambda data: data["documents"].append({**data["documents"][1], "document_id": "d7"}), "2 documents of"),
        (lambda data: data["documents"].append({**data["documents"][1], "document_id": "d7", "sha256": "h7"}),
         "1 documents more than were sent, the first: d7"),
        (lambda data: data["jobs"].pop(), "document d2 (job j2) has the jobs none"),
        (lambda data: data["jobs"].append({**data["jobs"][1], "job_id": "j7"}), "jobs [('j1', 'complete'), ('j7'"),
        (lambda data: data["jobs"][1].update(status="failed_parse"), "has the jobs [('j1', 'failed_parse')]"),
        (lambda data: data["events"].pop(3), "document d1 (job j1) went through"),
        (lambda data: data["events"].append({**data["events"][3], "sequence": 99}), "d1 (job j1) went through"),
        (lambda data: data["chunks"].append(data["chunks"][0]), "document d1 (job j1) has the chunks [0, 0, 1]"),
        (lambda data: data["chunks"].clear(), "has the chunks none"),
    ],
)  # fmt: skip
def test_whatever_differs_from_what_was_sent_is_named(
    change: Callable[[dict[str, Rows]], object], expected: str
) -> None:
    database = rows()
    change(database)
    assert expected in problems(database)


def test_what_became_of_an_upload_without_an_answer_only_the_deployment_knows() -> None:
    database = rows()
    database["documents"].append({"document_id": "d7", "user_id": "u1", "sha256": "h7", "bytes_len": 7})
    assert problems(database, unanswered=1) == ""


@pytest.mark.parametrize(("ending", "number"), [(Ending.COMPLETE, 1), (Ending.TRUNCATED, math.inf)])
def test_what_a_log_lacks_is_not_held_against_the_deployment(ending: Ending, number: float) -> None:
    log = RequestLog(requests=[request(1, "upload"), request(2, "upload", ok=False), request(3, "job", ok=False)])
    assert documents.unanswered(LoadResult(PLAN, log, ending, "")) == number
