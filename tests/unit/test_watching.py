"""A document that is called complete too early, and progress that does not fit, are noticed."""

from __future__ import annotations

import pytest
from acceptance.checks.job_events import Claim, RestSnapshot, early_claims, wrong_progress
from acceptance.deployment.contract import Complete

ALL = frozenset({"a", "b"})
NONE: frozenset[str] = frozenset()
COMPLETE = Complete(status="complete", state="done", total_pct=100)


def views(*steps: tuple[str, float]) -> list[RestSnapshot]:
    return [RestSnapshot(status, "working", 0, total, asked=0, answered=0) for status, total in steps]


def test_a_claim_when_all_was_there_is_right() -> None:
    assert list(early_claims([Claim("REST", ALL, NONE), Claim("realtime", ALL, NONE)], ALL)) == []


@pytest.mark.parametrize(
    "claim", [Claim("REST", ALL, frozenset({"b"})), Claim("REST", frozenset({"a"}), NONE), Claim("REST", NONE, NONE)]
)
def test_a_claim_before_all_was_there_is_named(claim: Claim) -> None:
    (problem,) = early_claims([Claim("realtime", ALL, NONE), claim], ALL)
    assert problem.startswith("REST reported complete")


def test_a_document_without_chunks_is_never_complete() -> None:
    assert list(early_claims([Claim("REST", NONE, NONE)], NONE))


def test_progress_that_rises_to_its_end_is_right() -> None:
    assert (
        list(wrong_progress(views(("uploaded", 5), ("uploaded", 5), ("parsed", 60), ("complete", 100)), COMPLETE)) == []
    )


@pytest.mark.parametrize(
    "steps",
    [
        [("uploaded", 5), ("parsed", 4), ("complete", 100)],
        [("uploaded", 5), ("embeddings_stored", 100), ("complete", 100)],
        [("uploaded", 5), ("complete", 95)],
        [("uploaded", -1), ("complete", 100)],
        [("uploaded", 101)],
        [("uploaded", None)],
    ],
)
def test_progress_that_does_not_is_named(steps: list[tuple[str, float]]) -> None:
    assert list(wrong_progress(views(*steps), COMPLETE))
