"""Messages of tests are taken apart, and one root cause reads as one failure."""

from __future__ import annotations

import pytest
from acceptance.errors import ProjectError, SuiteError, Violation, raise_each, violation
from acceptance.verdict.failures import Failure, failures_in, root_causes, summary_of

SIGNUP = "signup: expected status 201, observed 500 Internal Server Error; POST /auth/signup, request {}"


def several(*texts: str) -> str:
    return "Several failures occurred:\n\n" + "\n\n".join(f"{n}) {text}" for n, text in enumerate(texts, start=1))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            "job: expected status 200, observed 500 Oops; GET /jobs/1, request a",
            "job: expected no fault, observed 500 43 times; GET /jobs/2, request b; jobs: expected no fault",
            True,
        ),
        (
            "job: expected status 404, observed 200 {1}",
            "protection: expected 1, observed 1 others: job with x: job: expected status 404, observed 200 {2}",
            True,
        ),
        ("job: expected status 404, observed 200 {}", "jobs: expected status 404, observed 200 {}", False),
        ("job: expected status 404, observed 200 {}", "job: expected status 401, observed 200 {}", False),
        ("job: expected status 200, observed 422 a is bad", "job: expected status 200, observed 422 b is bad", False),
    ],
)
def test_the_same_answer_of_a_route_is_one_cause_whichever_test_met_it(one: str, other: str, same: bool) -> None:
    assert (Failure(text=one).key == Failure(text=other).key) is same


def test_a_violation_is_taken_apart() -> None:
    failure = Failure(
        text=str(
            violation("job, status", expected="done", observed="queued, working", look="GET /jobs/1, request ab-1")
        )
    )
    assert (failure.what, failure.expected, failure.observed) == ("job, status", "done", "queued, working")
    assert failure.look == "GET /jobs/1, request ab-1"


def test_what_is_no_violation_of_ours_is_its_whole_text() -> None:
    failure = Failure(text="Lengths are different: 9 != 10")
    assert (failure.what, failure.expected, failure.look) == ("Lengths are different: 9 != 10", "", "")


@pytest.mark.parametrize(
    "message",
    [
        several("a is wrong", "b is wrong"),
        f"Parent suite setup failed:\n{several('a is wrong', 'b is wrong')}",
        "a is wrong\n\nAlso teardown failed:\nb is wrong",
        f"{several('a is wrong')}\n\nAlso teardown failed:\n{several('b is wrong', 'a is wrong')}",
    ],
)
def test_each_failure_of_a_message_is_found_once(message: str) -> None:
    assert [one.text for one in failures_in(message)] == ["a is wrong", "b is wrong"]
    assert summary_of(message) == "a is wrong (and 1 other failure)"


@pytest.mark.parametrize(
    "follows",
    [
        "Variable '${TRACE}' not found. Did you mean:\n    ${True}",
        "Resolving variable '${TRACE.x}' failed: Variable '${TRACE}' not found.",
        "Keyword 'Run Keyword If Test Failed' can only be used in test teardown.",
        str(SuiteError("argument 'upload': expected a value of type Upload, found none")),
        str(ProjectError(KeyError("x"))),
    ],
)
def test_what_follows_from_a_failure_is_none_of_its_own(follows: str) -> None:
    assert [one.text for one in failures_in(several("a is wrong", follows))] == ["a is wrong"]
    assert [one.is_ours for one in failures_in(follows)] == [True]


def test_failures_that_differ_in_identifiers_alone_have_one_cause() -> None:
    failed = [
        ("INT-01", "one", SIGNUP.format("0b24491f64b94be0a413673af1dbe143")),
        ("INT-02", "two", several(SIGNUP.format("883dca8bcb854e9784e2c30995d98ea1"), "Variable '${X}' not found.")),
        ("INT-03", "two", several(SIGNUP.format("883dca8bcb854e9784e2c30995d98ea1"), "Variable '${X}' not found.")),
        ("INT-03", "three", SIGNUP.replace("500", "409").format("1")),
    ]
    first, second = root_causes(failed)
    assert (first.criteria, first.tests) == (("INT-01", "INT-02", "INT-03"), ("one", "two"))
    assert (second.criteria, second.tests) == (("INT-03",), ("three",))


def test_several_violations_of_one_step_are_failures_of_their_own() -> None:
    one, two = Violation("upload", "status 202", "422"), Violation("job 7", "to end within 30 s", "'parsing'")
    raise_each([])
    with pytest.raises(Violation, match=r"^upload: expected"):
        raise_each([one])
    with pytest.raises(AssertionError) as raised:
        raise_each([one, two])
    assert [failure.text for failure in failures_in(str(raised.value))] == [str(one), str(two)]


def test_what_we_lack_is_told_apart_by_its_name() -> None:
    said = "CapabilityMissing: needs the capability '{}', which the deployment's descriptor does not list"
    failed = [("INT-02", "one", said.format("short-lived-tokens")), ("INT-06", "two", said.format("sql"))]
    assert [cause.tests for cause in root_causes(failed)] == [("one",), ("two",)]


def test_unexpected_successes_and_faults_are_read_first() -> None:
    messages = [
        "x: expected status 404, observed 401 no",
        "y: expected status 201, observed 503 no",
        "z: expected status 401, observed 200 {}",
    ]
    causes = root_causes(("INT-01", message, message) for message in messages)
    assert [cause.failure.what for cause in causes] == ["z", "y", "x"]


def test_a_status_that_differs_from_the_recording_is_the_cause_that_other_checks_report() -> None:
    isolation = "isolation: document_status: expected status 404, observed 200 {}; GET /documents/1, request abcdef0123"
    recording = "request 'document of somebody else': document_status: expected status 404, observed 200"
    (cause,) = root_causes([("INT-04", "Isolation", isolation), ("INT-16", "Baseline", recording)])
    assert cause.criteria == ("INT-04", "INT-16")


def test_different_promises_are_not_one_cause_only_since_their_words_are_alike() -> None:
    said = "figures in the answer to '{}': expected none, observed 57364; POST /chat, request abcdef0123"
    failed = [
        ("INT-04", "Isolation", said.format("a question")),
        ("INT-07", "Not made up", said.format("How many ships?")),
        ("INT-07", "Right document", said.format("How many bees?")),
        ("INT-14", "Deleted", said.format("How many ships?")),
    ]
    causes = root_causes(failed)
    assert [cause.tests for cause in causes] == [("Not made up", "Right document", "Deleted"), ("Isolation",)]


def test_other_routes_and_statuses_in_one_message_are_causes_of_their_own() -> None:
    nonsense = "{}: expected status 422, observed {} no; POST /x, request abcdef0123"
    message = several(
        nonsense.format("signup", 201), several(nonsense.format("notes", 500), "x: expected 1, observed 2")
    )
    assert [cause.failure.what for cause in root_causes([("INT-12", "Negative", message)])] == ["signup", "notes"]


def test_a_route_without_protection_is_one_cause() -> None:
    open_job, other = "job: expected status {}, observed 200 {{}}", "jobs: expected status 404, observed 200 {}"
    failed = [
        ("INT-03", "other user", open_job.format(404)),
        ("INT-03", "no token", open_job.format(401)),
        ("INT-04", "isolation", open_job.format(404)),
        ("INT-04", "list", other),
        ("INT-14", "deleted", open_job.format(404)),
    ]
    causes = root_causes(failed)
    assert [cause.tests for cause in causes] == [("other user", "no token", "isolation"), ("list",), ("deleted",)]


def test_an_unprotected_route_that_differs_from_the_recording_is_one_cause() -> None:
    unsigned = "protection: unsigned: webhook: expected status 401, observed 200 {}; POST /hooks/1, request abcdef0123"
    recording = "request 'unsigned webhook': webhook: expected status 401, observed 200"
    (cause,) = root_causes([("INT-03", "Protection", unsigned), ("INT-16", "Baseline", recording)])
    assert cause.criteria == ("INT-03", "INT-16")


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_request_that_ended_in_a_fault_is_one_cause_whichever_test_names_it(is_reversed: bool) -> None:
    closing = "chat: expected no fault, observed 503; POST /api/chat, request 97eb"
    workload = "workload: expected documented answers, observed chat: refused; POST /api/chat, request 97eb, as a@b.c"
    other = "workload: expected documented answers, observed chat: refused; POST /api/chat, request 1234, as a@b.c"
    failed = [("INT-12", "closing", closing), ("ERR-03", "An Outage", workload), ("ERR-04", "A Path", other)]
    causes = root_causes(reversed(failed) if is_reversed else failed)
    assert {frozenset(cause.criteria) for cause in causes} == {frozenset({"INT-12", "ERR-03"}), frozenset({"ERR-04"})}
