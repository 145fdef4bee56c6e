"""What is left after a run must belong together, and nothing of what was removed may be left."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from acceptance.checks import consistency
from acceptance.checks.consistency import LedgerEntries, Rows, contradictions
from acceptance.errors import NotOffered
from acceptance.evidence.reader import read_run
from acceptance.evidence.recorder import Recorder
from acceptance.redaction.redactor import Redactor
from acceptance.run import Run
from acceptance.runner.self_checks import run_closing_checks

NOTED = LedgerEntries(
    frozenset({"u1"}), frozenset({"d1", "d2"}), frozenset({"j1", "j2"}), frozenset({"d2", "j2", "u2"})
)
SOUND = Rows(
    documents=[{"document_id": "d1", "user_id": "u1"}],
    jobs=[{"job_id": "j1", "document_id": "d1", "status": "complete", "state": "done"}],
    job_events=[
        {"job_id": "j1", "sequence": 1, "status": "uploaded"},
        {"job_id": "j1", "sequence": 2, "status": "complete"},
    ],
    chunks=[{"chunk_id": "c1", "document_id": "d1"}, {"chunk_id": "c2", "document_id": "d1"}],
    vectors=[{"chunk_id": "c1"}, {"chunk_id": "c2"}],
)


def _with(change: Callable[[Rows], object]) -> list[str]:
    rows = copy.deepcopy(SOUND)
    change(rows)
    return list(contradictions(rows, NOTED, "complete"))


def test_what_belongs_together_is_no_contradiction() -> None:
    assert _with(lambda rows: None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.orphans.append({"kind": "message without conversation", "id": "7"}), "conversation 7"),
        (lambda rows: rows.documents.clear(), "job j1 is without its document"),
        (lambda rows: rows.jobs.clear(), "document d1 has 0 jobs"),
        (lambda rows: rows.jobs.append(rows.jobs[0] | {"job_id": "j9"}), "document d1 has 2 jobs"),
        (lambda rows: rows.documents.append({"document_id": "d2", "user_id": "u1"}), "d2 of user u1 is there, though"),
        (lambda rows: rows.documents.append({"document_id": "d8", "user_id": "u2"}), "d8 of user u2 is there, though"),
        (lambda rows: rows.jobs.append(rows.jobs[0] | {"job_id": "j2"}), "job j2 is there, though"),
        (lambda rows: rows.job_events.pop(0), "events of job j1 are numbered [2]"),
        (lambda rows: rows.job_events.pop(), "its last event 'uploaded'"),
        (lambda rows: rows.job_events.clear(), "its last event 'none'"),
        (lambda rows: rows.job_events.append(rows.job_events[1]), "numbered [1, 2, 2]"),
        (lambda rows: rows.job_events.append({"job_id": "j9", "sequence": 1, "status": "x"}), "j9 are without"),
        (lambda rows: rows.vectors.pop(), "chunk c2 of document d1 has 0 vectors"),
        (lambda rows: rows.vectors.append({"chunk_id": "c2"}), "chunk c2 of document d1 has 2 vectors"),
        (lambda rows: rows.vectors.append({"chunk_id": "c9"}), "vector of chunk c9, which is gone"),
        (lambda rows: rows.chunks.append({"chunk_id": "c9", "document_id": "d9"}), "of document d9, which is gone"),
        (lambda rows: (rows.chunks.clear(), rows.vectors.clear()), "document d1 is complete and has no chunk"),
    ],
)
def test_each_contradiction_is_named(change: Callable[[Rows], object], said: str) -> None:
    assert said in "; ".join(_with(change))


def test_a_job_that_failed_may_have_chunks_without_vectors() -> None:
    def fail(rows: Rows) -> None:
        rows.jobs[0]["status"] = rows.job_events[1]["status"] = "failed_embedding"
        rows.vectors.clear()

    assert _with(fail) == []


def test_a_row_concerns_the_run_by_what_its_identifier_holds() -> None:
    assert NOTED.concerns("bucket/u1/d7") and NOTED.concerns("j1")
    assert not NOTED.concerns("bucket/u9/d9")


def test_a_closing_check_that_needs_what_is_not_offered_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wait(check: object, *, within: float) -> None:
        raise NotOffered("jobs.final_states")

    monkeypatch.setattr(consistency, "check", lambda observer: None)
    recorder = Recorder(tmp_path / "evidence", "r1", Redactor(), "observer")
    run_closing_checks(cast(Run, SimpleNamespace(wait=wait)), recorder, ["INT-14"])
    recorder.close()
    [outcome] = read_run(tmp_path)[0].outcomes
    assert (outcome.status, outcome.cause, outcome.message) == (
        "SKIP", "not_offered", "not offered: jobs.final_states"
    )  # fmt: skip
