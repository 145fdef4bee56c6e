"""Experiments: outcomes, workload, ledger, steady state and recovery, against a small application."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from acceptance import uploads
from acceptance.chat import AnswerStream, answer_stream, until_stream_ended, until_streamed
from acceptance.checks import auth
from acceptance.clients.http import Response, unlogged
from acceptance.clients.websocket import Frame
from acceptance.errors import EnvironmentUnavailable, Violation
from acceptance.experiments import ledger, recovery, steady_state, timeline, workload
from acceptance.experiments.ledger import End, event_problems, row_problems
from acceptance.experiments.outcomes import Answers, Kind, Lost, Outcome, Span, attempt, counted, must_be_documented
from acceptance.experiments.steady_state import SteadyState
from acceptance.experiments.workload import LedgerEntry, Workload, WorkloadUser
from acceptance.fixtures.handbook import write
from acceptance.fixtures.users import User
from acceptance.run import Run
from acceptance.uploads import Payload, Upload

from tests.unit.test_other_applications import Application, RunOf, app, run_of

__all__ = ["app", "run_of"]  # fixtures
NOW = "2026-01-01T00:00:00Z"
ALICE = User("alice@example.com", "password", "6d1a4c0e-8f1f-4d7b-9a43-0d6d7e6a1f00", "token")
JOB, DOCUMENT = "0b0f9f5e-50d4-4c0e-9b53-5a1c4f9a1b01", "0b0f9f5e-50d4-4c0e-9b53-5a1c4f9a1b02"
UNAVAILABLE = {"error": {"code": "database_unavailable", "message": "Please try again.", "request_id": "1"}}
FEW = "routes: {conversations: absent, documents: absent, jobs: absent, limits: absent}"


@pytest.fixture
def run(app: Application, run_of: RunOf) -> Run:
    """A run on an application whose health and profile are well."""
    app.answers |= {"/health": (200, health()), "/auth/user": (200, {"id": ALICE.user_id, "email": ALICE.email})}
    return run_of(FEW)


def health(status: str = "healthy", **services: str) -> dict[str, Any]:
    names = ("database", "authentication", "storage", "parser", "model", "worker")
    return {
        "status": status, "environment": "test", "version": "1", "build": "b", "timestamp": now(),
        "services": {name: services.get(name, "healthy") for name in names},
    }  # fmt: skip


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def outcome(kind: Kind, began: float = 10.0, seconds: float = 0.1, status: int = 200, problem: str = "") -> Outcome:
    return Outcome("user", status, began, began + seconds, kind, problem, "GET /auth/user, request 1")


SERVED, REFUSED = outcome(Kind.SERVED), outcome(Kind.REFUSED, status=503)
LOST, WRONG = outcome(Kind.LOST, status=0, problem="no answer"), outcome(Kind.WRONG, status=500, problem="a 500")
FAULT = [Span(9.5, 9.8, 12.0)]


@pytest.mark.parametrize(
    ("answers", "lost", "outcomes"),
    [
        (Answers.SUCCESS, Lost.NONE, [SERVED]),
        (Answers.UNAVAILABLE, Lost.NONE, [SERVED, REFUSED]),
        (Answers.EITHER, Lost.NONE, [SERVED]),
        (Answers.EITHER, Lost.NONE, [REFUSED]),
        (Answers.EITHER, Lost.ANY, [LOST]),
        (Answers.EITHER, Lost.ANY, [replace(SERVED, ended=99.0)]),  # in the client's own path
        (Answers.EITHER, Lost.IN_FLIGHT, [outcome(Kind.LOST, 9.4, 0.2)]),
        (Answers.EITHER, Lost.IN_FLIGHT, [outcome(Kind.LOST, 9.7, 1.2)]),
        (Answers.SUCCESS, Lost.IN_FLIGHT, [outcome(Kind.REFUSED, 9.7, 1.2, 503)]),
    ],
)
def test_what_is_documented_may_be(answers: Answers, lost: Lost, outcomes: list[Outcome]) -> None:
    must_be_documented(outcomes, FAULT, answers, lost, 5.0)


@pytest.mark.parametrize(
    ("answers", "lost", "outcomes", "message"),
    [
        (Answers.SUCCESS, Lost.NONE, [REFUSED], "refused with 503 although the fault should not be felt"),
        (Answers.UNAVAILABLE, Lost.NONE, [SERVED], "expected some refused as unavailable, observed 1 requests"),
        (Answers.UNAVAILABLE, Lost.NONE, [REFUSED, outcome(Kind.REFUSED, 20.0)], "while no fault was in effect"),
        (Answers.EITHER, Lost.NONE, [LOST, LOST], r"user: no answer \(2 times\)"),
        (Answers.EITHER, Lost.IN_FLIGHT, [LOST], "user: no answer"),
        (Answers.SUCCESS, Lost.IN_FLIGHT, [REFUSED], "although the fault should not be felt"),
        (Answers.EITHER, Lost.ANY, [SERVED, outcome(Kind.LOST, 20.0, problem="no answer")], "user: no answer"),
        (Answers.EITHER, Lost.ANY, [WRONG], "user: a 500"),
        (Answers.EITHER, Lost.NONE, [outcome(Kind.SERVED, 10.0, 5.5)], "answered after 5.5 s"),
        (Answers.EITHER, Lost.NONE, [], "expected requests during the fault, observed none"),
        (Answers.EITHER, Lost.NONE, [outcome(Kind.SERVED, 1.0)], "expected requests during the fault, observed none"),
    ],
)
def test_what_is_not_documented_is_a_violation(
    answers: Answers, lost: Lost, outcomes: list[Outcome], message: str
) -> None:
    with pytest.raises(Violation, match=message):
        must_be_documented(outcomes, FAULT, answers, lost, 5.0)


def test_outcomes_are_counted_by_route() -> None:
    assert counted([SERVED, SERVED, REFUSED, LOST]) == "user: 1 lost, 1 refused 503, 2 served 200"


@pytest.mark.parametrize(
    ("answer", "kind", "problem"),
    [
        ((200, {"id": ALICE.user_id, "email": ALICE.email}), Kind.SERVED, ""),
        ((200, {"id": ALICE.user_id}), Kind.WRONG, "email"),
        ((500, UNAVAILABLE), Kind.WRONG, "expected 200 or 503, observed 500"),
        ((401, UNAVAILABLE), Kind.WRONG, "expected 200 or 503, observed 401"),
        ((503, UNAVAILABLE), Kind.WRONG, "expected Retry-After with whole seconds"),
    ],
)
def test_a_response_is_judged_by_the_contract(
    app: Application, run: Run, answer: tuple[int, object], kind: Kind, problem: str
) -> None:
    app.answers["/auth/user"] = answer
    seen, _ = run.wait(attempt(run, "user", token="token"))
    assert seen.kind is kind
    assert problem in seen.problem


def test_a_refusal_for_now_has_to_be_readable(serve: Any, run_of: RunOf) -> None:
    for body, kind in ((UNAVAILABLE, Kind.REFUSED), ({"oops": 1}, Kind.WRONG), ("<html>", Kind.WRONG)):
        address = serve(503, body, {"retry-after": "2", "x-request-id": "1"})
        run = run_of(descriptor=f"services: {{api: {{url: '{address}'}}}}")
        seen, _ = run.wait(attempt(run, "user", token="token"))
        assert seen.kind is kind, seen


def test_a_success_with_what_it_should_not_hold_is_wrong(run: Run) -> None:
    seen, _ = run.wait(attempt(run, "user", token="token", right=lambda response: "another user"))
    assert (seen.kind, "expected another user, observed 200" in seen.problem) == (Kind.WRONG, True)


def test_a_request_without_a_response_is_lost(app: Application, run_of: RunOf) -> None:
    run = run_of(descriptor="services: {api: {url: 'http://127.0.0.1:1'}}")
    seen, response = run.wait(attempt(run, "user", token="token"))
    assert (seen.kind, seen.status, response) == (Kind.LOST, 0, None)


# steady state

STEADY = SteadyState(ALICE, {"health": (5.0, 6.0, 5.0, 6.0, 5.0, 6.0), "user": (9.0, 8.0, 9.0, 8.0, 9.0, 8.0)})


def test_the_steady_state_calls_each_quick_route_so_often(run: Run, app: Application) -> None:
    seen = run.wait(steady_state.measure(run, ALICE, rounds=5))
    assert {route: len(times) for route, times in seen.samples.items()} == {"health": 5, "user": 5}
    assert {one.path for one in app.received} == {"/health", "/auth/user"}


def test_what_is_unwell_has_no_steady_state(run: Run, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady_state, "HEALTHY_SECONDS", 0.2)
    app.answers["/health"] = (200, health("degraded", parser="unavailable"))
    with pytest.raises(Violation, match="parser is unavailable"):
        run.wait(steady_state.measure(run, ALICE))


def slower(by: float) -> SteadyState:
    return SteadyState(ALICE, {route: tuple(one + by for one in times) for route, times in STEADY.samples.items()})


def test_a_steady_state_holds_within_the_margin() -> None:
    assert len(steady_state.must_hold(STEADY, slower(40.0))) == 2


def test_a_steady_state_that_is_worse_is_a_violation() -> None:
    with pytest.raises(Violation, match="user: mean response time 68"):
        steady_state.must_hold(STEADY, slower(60.0))


def test_a_steady_state_of_few_samples_is_not_compared() -> None:
    few = SteadyState(ALICE, {route: times[:3] for route, times in STEADY.samples.items()})
    with pytest.raises(EnvironmentUnavailable, match="fewer than 5 samples of health, user"):
        steady_state.must_hold(STEADY, few)
    with pytest.raises(EnvironmentUnavailable, match="every route"):
        steady_state.must_hold(SteadyState(ALICE, {}), SteadyState(ALICE, {}))


# health and recovery


def test_health_has_to_report_the_service_and_the_whole(run: Run, app: Application) -> None:
    app.answers["/health"] = (200, health("healthy", parser="unavailable"))
    with pytest.raises(Violation, match=r"'parser' and the whole .* observed parser 'unavailable', status 'healthy'"):
        run.wait(steady_state.until_reported(run, "parser", 0.2))
    app.answers["/health"] = (200, health("degraded", parser="unavailable"))
    run.wait(steady_state.until_reported(run, "parser", 5))
    run.wait(steady_state.until_reported(run, "model", 5, healthy=True))
    with pytest.raises(Violation, match="observed model 'healthy', status 'degraded'; GET /health, request "):
        run.wait(steady_state.until_reported(run, "model", 0.2))


def test_health_has_to_come_in_time_whatever_is_down(
    run: Run, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.answers["/health"] = (200, health("degraded", parser="unavailable"))
    monkeypatch.setitem(run.contract.health.__dict__, "within_seconds", 0.0)
    with pytest.raises(Violation, match=r"the health document: expected within 0 s, .* observed 0.0 s; GET /health"):
        run.wait(steady_state.until_reported(run, "parser", 5))


def test_recovered_is_when_every_probe_is_answered(run: Run, app: Application) -> None:
    app.answers["/auth/login"] = (503, {})
    begin = time.monotonic()
    with pytest.raises(Violation, match="login: expected status 200, observed 503"):
        run.wait(recovery.until_recovered(run, ALICE, begin, 0.3))
    session = {"access_token": "t", "refresh_token": "r", "token_type": "bearer", "expires_in": 60}
    app.answers["/auth/login"] = (200, {**session, "user": {"id": ALICE.user_id, "email": ALICE.email}})
    run.wait(recovery.until_recovered(run, ALICE, begin, 30))
    app.answers["/api/chat"] = (503, {})  # as behind a circuit breaker that is still open
    with pytest.raises(Violation, match="chat: expected status 200, observed 503"):
        run.wait(recovery.until_recovered(run, ALICE, time.monotonic(), 0.3, "How many?"))
    app.answers["/health"] = (200, health("degraded", worker="unavailable"))
    with pytest.raises(Violation, match="worker is unavailable"):
        run.wait(recovery.until_recovered(run, ALICE, time.monotonic(), 0.3))


# ledger


def upload(number: int = 0) -> Upload:
    payload = Payload(f"note-{number}.pdf", b"%PDF", handbook=write("run", "note", number, topics=3))
    return Upload(ALICE, payload, f"d{number}", f"j{number}", "", 0.0)


def rows(number: int = 0, chunks: int = 2, status: str = "complete") -> tuple[list[Any], list[Any], list[Any]]:
    own = [{"chunk_id": f"c{number}-{one}", "document_id": f"d{number}", "ordinal": one} for one in range(chunks)]
    job = {"job_id": f"j{number}", "document_id": f"d{number}", "status": status}
    return [job], own, [{"chunk_id": one["chunk_id"]} for one in own]


def problems(jobs: list[Any], chunks: list[Any], vectors: list[Any]) -> str:
    return "; ".join(row_problems([LedgerEntry(upload(), 0.0)], jobs, chunks, vectors, "complete"))


def test_a_document_that_stands_once_has_no_problem() -> None:
    assert problems(*rows()) == ""
    assert problems(*rows(chunks=0, status="failed_parse")) == ""


def test_a_document_that_stands_not_exactly_once_is_named() -> None:
    jobs, chunks, vectors = rows()
    assert "has 0 jobs in the database" in problems([], chunks, vectors)
    assert "has 2 jobs in the database" in problems([*jobs, {**jobs[0], "job_id": "other"}], chunks, vectors)
    twice = problems(jobs, [*chunks, *chunks], vectors)
    assert "has more than one set of chunks: [0, 0, 1, 1]" in twice and "has the chunks" not in twice
    assert "has the chunks []" in problems(jobs, [], [])
    assert "has the chunks [0, 2]" in problems(jobs, [chunks[0], {**chunks[1], "ordinal": 2}], vectors)
    assert "1 of 2 chunks have no vector, or more than one" in problems(jobs, chunks, vectors[1:])
    assert "1 of 2 chunks have no vector, or more than one" in problems(jobs, chunks, [*vectors, vectors[0]])


def test_a_status_that_was_reached_twice_is_named() -> None:
    def events(*statuses: str) -> str:
        seen = [{"job_id": "j0", "status": status} for status in statuses]
        return "; ".join(event_problems([LedgerEntry(upload(), 0.0)], seen, ["failed_parse"]))

    assert events("uploaded", "parsed", "complete") == events() == ""
    assert "has reached parsed, complete more than once" in events("uploaded", *("parsed", "complete") * 2)
    assert events("uploaded", "failed_parse", "uploaded", "parsed") == ""  # tried again by its user


def job(status: str = "complete", state: str = "done", error: object = None) -> dict[str, Any]:
    return {
        "job_id": JOB, "document_id": DOCUMENT, "status": status, "state": state, "retry_count": 0,
        "progress": {"status_pct": 100, "total_pct": 100}, "last_error": error, "updated_at": now(),
    }  # fmt: skip


def judge(run: Run, end: End = End.COMPLETE, following: Any = None) -> None:
    entry = LedgerEntry(replace(upload(), job_id=JOB, document_id=DOCUMENT), 0.0)

    async def check() -> None:
        if following is not None:
            entry.following = asyncio.ensure_future(following())
        await ledger.must_be_complete(run, [entry], end, 0.5)

    run.wait(check())


REASON = {"code": "damaged_document", "message": "This document is damaged.", "timestamp": NOW}


def test_a_ledger_ends_by_the_jobs_of_its_documents(run: Run, app: Application) -> None:
    place = f"/api/upload-pipeline/jobs/{JOB}"
    app.answers[place] = (200, job())
    judge(run)
    app.answers[place] = (200, job("failed_parse", "deadletter", REASON))
    judge(run, End.ENDED)
    with pytest.raises(Violation, match="observed status 'failed_parse'"):
        judge(run)
    app.answers[place] = (200, job("failed_parse", "deadletter"))
    with pytest.raises(Violation, match="has failed without a readable reason"):
        judge(run, End.ENDED)
    app.answers[place] = (200, job("parsed", "working"))
    with pytest.raises(Violation, match="status 'parsed', state 'working'"):
        judge(run)
    app.answers[place] = (404, {})
    with pytest.raises(Violation, match="observed 404"):
        judge(run, End.ENDED)


def test_a_ledger_without_a_document_says_nothing(run: Run) -> None:
    with pytest.raises(EnvironmentUnavailable, match="no document was accepted"):
        run.wait(ledger.must_be_complete(run, [], End.ENDED, 1))


def frames(run: Run, *left_out: int) -> list[Frame]:
    statuses = run.contract.jobs.statuses
    return [
        Frame({"type": "job_status", "job_id": JOB, "sequence": number, "status": status,
               "state": "done" if status == "complete" else "working", "timestamp": NOW,
               "progress": {"status_pct": 1, "total_pct": 1}}, 0.0)
        for number, status in enumerate(statuses, 1) if number not in left_out
    ]  # fmt: skip


def test_events_that_reconnecting_clients_missed_are_named(run: Run, app: Application) -> None:
    app.answers[f"/api/upload-pipeline/jobs/{JOB}"] = (200, job())

    async def all_of_them() -> list[Frame]:
        return frames(run)

    async def without_one() -> list[Frame]:
        return frames(run, 4)

    judge(run, following=all_of_them)
    with pytest.raises(Violation, match=r"events of 'note-0.pdf'.*#5 chunking"):
        judge(run, following=without_one)


def test_a_document_listed_twice_is_named(app: Application, run_of: RunOf) -> None:
    run = run_of("routes: {jobs: absent}")
    app.answers[f"/api/upload-pipeline/jobs/{JOB}"] = (200, job())
    listed = {"document_id": DOCUMENT, "filename": "note-0.pdf", "status": "complete"}
    for times, message in ((2, "is 2 times in the list"), (1, "")):
        app.answers["/documents"] = (200, {"documents": [listed] * times})
        if message:
            with pytest.raises(Violation, match=message):
                judge(run)
        else:
            judge(run)


# workload and timeline


@pytest.fixture
def working(run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workload]:
    """A workload of one user who reads the own profile."""
    monkeypatch.setattr(workload, "_ACTIONS", {"user": ("profile", Workload.profile)})
    monkeypatch.setattr(workload, "PAUSE_SECONDS", (0.0, 0.01))
    yield Workload(run, [WorkloadUser(0, ALICE, upload(), upload().handbook.facts[0])])


def test_a_workload_keeps_what_its_requests_came_to(run: Run, app: Application, working: Workload) -> None:
    async def use() -> None:
        async with working:
            await working.under_way()
            working.mark("fault")
            working.mark("in effect")
            app.answers["/auth/user"] = (500, {})
            await working.meets(working.moments("fault")[0], 0.05, 10, Kind.WRONG)
            working.mark("recovered")
            await working.stop()

    run.wait(use())
    assert {one.kind for one in working.outcomes} == {Kind.SERVED, Kind.WRONG}
    assert working.faults() == [Span(*(working.marks[name] for name in ("fault", "in effect", "recovered")))]


def test_a_workload_that_is_never_served_is_a_violation(run: Run, app: Application, working: Workload) -> None:
    app.answers["/auth/user"] = (500, {})

    async def use() -> None:
        async with working:
            await working.under_way(within=0.3)

    with pytest.raises(Violation, match=r"every action of each user is served.*user 0: profile; user: expected 200"):
        run.wait(use())


def test_recovered_is_when_nothing_has_failed_since_by_any_action(
    run: Run, app: Application, working: Workload
) -> None:
    async def use() -> tuple[float, float, float]:
        async with working:
            await working.under_way()
            well, app.answers["/auth/user"] = app.answers["/auth/user"], (503, {})  # as one of several instances
            begin = time.monotonic()
            with pytest.raises(Violation, match=r"each user is served once more.*: profile; "):
                await working.recovered(begin, within=0.5)
            app.answers["/auth/user"] = well
            failed = await working.recovered(begin, within=20)
            await working.stop()
            return begin, failed, max(one.ended for one in working.outcomes if one.kind is not Kind.SERVED)

    begin, failed, last = run.wait(use())
    assert begin < failed == last


def test_recovered_is_at_once_where_nothing_fails(run: Run, working: Workload) -> None:
    async def use() -> tuple[float, float]:
        async with working:
            await working.under_way()
            begin = time.monotonic()
            return begin, await working.recovered(begin, within=20)

    begin, recovered = run.wait(use())
    assert begin == recovered <= working.users[0].served["profile"]


def test_a_fault_that_no_request_meets_is_a_violation(run: Run, working: Workload) -> None:
    async def use() -> None:
        async with working:
            await working.under_way()
            await working.meets(time.monotonic(), 0.0, 0.3, Kind.REFUSED, "refuse of storage")

    expected = (
        r"during refuse of storage: \d requests that begin and end, one of them refused: .* observed \d+ served; "
    )
    with pytest.raises(Violation, match=expected):
        run.wait(use())


def test_what_ends_the_work_of_a_user_is_raised(run: Run, working: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(workload: Workload, user: WorkloadUser) -> bool:
        raise LookupError("ours")

    monkeypatch.setattr(workload, "_ACTIONS", {"user": ("profile", broken)})

    async def use() -> None:
        async with working:
            await working.under_way()

    with pytest.raises(LookupError, match="ours"):
        run.wait(use())


def test_moments_of_one_name_are_numbered(run: Run) -> None:
    marked = Workload(run, [])
    for name in ("fault", "undone", "fault", "recovered", "fault"):
        marked.mark(name)
    assert list(marked.marks) == ["fault", "undone", "fault 2", "recovered", "fault 3"]
    marked.ended = marked.began + 1000
    spans = marked.faults()
    assert [span.ended for span in spans] == [marked.marks["recovered"]] * 2 + [marked.ended]


def test_a_ledger_with_a_gap_verifies_nothing(run: Run) -> None:
    used = Workload(run, [])
    used.outcomes = [replace(outcome(kind), route="upload_bytes") for kind in (Kind.SERVED, Kind.LOST, Kind.SERVED)]
    used.add(upload())
    with pytest.raises(EnvironmentUnavailable, match="ledger: 1 of 2 documents that were accepted"):
        used.ledger_must_have_no_gap()
    used.add(upload())
    used.ledger_must_have_no_gap()


def test_the_timeline_counts_requests_in_quarters_of_a_second() -> None:
    seen = [outcome(Kind.SERVED, at, 0.0) for at in (10.0, 10.1, 10.3)] + [outcome(Kind.REFUSED, 10.6, 0.0)]
    lines = timeline.lines(seen, 10.0, 10.7)
    assert lines == {"served": [(0.0, 2.0), (0.25, 1.0), (0.5, 0.0)], "refused": [(0.0, 0.0), (0.25, 0.0), (0.5, 1.0)]}
    moments = {"fault": 10.0, "in effect": 10.123, "undone": 12.0, "fault 2": 12.0, "in effect 2": 12.5}
    assert timeline.marks(moments, 10.0) == {"fault": 0.12, "undone": 2.0, "fault 2": 2.5}


def test_bytes_are_sent_again_until_they_are_accepted(
    run: Run, working: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = iter([(Kind.REFUSED, 503), (Kind.LOST, 0), (Kind.SERVED, 403)])
    accepted: list[Any] = []

    async def answered(*_: Any, also: list[int], **__: Any) -> tuple[Outcome, Response | None]:
        accepted.append(also)
        kind, status = next(sent)
        return outcome(kind, status=status), None

    monkeypatch.setattr(workload, "attempt", answered)
    one = replace(upload(), signed_url="http://127.0.0.1:1/x")
    assert run.wait(working._bytes_accepted(working.users[0], one))
    assert accepted == [[], [], [403]]  # used: only where an earlier attempt may have arrived


# what the rows need beside a workload


def test_an_interrupted_upload_sends_some_of_its_bytes(run: Run) -> None:
    taken: list[bytes] = []

    async def use() -> None:
        got = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while part := await reader.read(65536):
                    taken.append(part)
            writer.close()
            got.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            one = replace(upload(), payload=Payload("a.pdf", b"x" * 500), signed_url=f"http://127.0.0.1:{port}/put")
            await uploads.interrupt(run, one, 100)
            await got.wait()

    run.wait(use())
    head, _, body = b"".join(taken).partition(b"\r\n\r\n")
    assert b"PUT /put HTTP/1.1" in head
    assert b"Content-Length: 500" in head
    assert len(body) <= 100


def test_an_upload_that_nobody_takes_is_a_violation(run: Run) -> None:
    with pytest.raises(Violation, match="expected 100 bytes to be taken"):
        run.wait(uploads.interrupt(run, replace(upload(), signed_url="http://127.0.0.1:1/put"), 100))


def test_a_token_has_to_expire_when_its_time_is_over(
    run: Run, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "GRACE_SECONDS", 0.2)
    user = replace(ALICE, expires_in=0.1, asked_at=time.time())
    with pytest.raises(Violation, match=r"the access token of alice@example.com expires \(status 401\)"):
        run.wait(auth.until_expired(run, user))
    app.answers["/auth/user"] = (401, {})
    assert run.wait(auth.until_expired(run, user)).status == 401


def streamed(run: Run, events: int, within: float = 5.0) -> AnswerStream:
    async def use() -> AnswerStream:
        async with answer_stream(run, ALICE, "How many?") as stream:
            await until_streamed(stream, events, within)
            await until_stream_ended(stream, within)
            return stream

    return run.wait(use())


def test_a_streamed_answer_keeps_its_events_and_how_it_ended(serve: Any, run_of: RunOf) -> None:
    body = b'event: delta\ndata: {"text": "12"}\n\nevent: done\ndata: {}\n\n'
    address = serve(200, body, {"content-type": "text/event-stream"})
    run = run_of(descriptor=f"services: {{api: {{url: '{address}'}}}}")
    stream = streamed(run, 2)
    assert (stream.events, stream.ended) == (["delta", "done"], "status 200")
    with pytest.raises(Violation, match="expected 3 events"):
        streamed(run, 3)
    cut_off = run_of(descriptor="services: {api: {url: 'http://127.0.0.1:1'}}")
    assert streamed(cut_off, 0).ended.startswith("cut off: ")


def test_a_stream_that_does_not_end_is_a_violation(run: Run) -> None:
    with pytest.raises(Violation, match="the end of a streamed answer"):
        run.wait(until_stream_ended(AnswerStream("How many?", "event: delta\n\n"), 0.1))


def test_only_logged_calls_are_counted(run: Run) -> None:
    seen: list[str] = []
    run.log = seen.append

    async def use() -> None:
        unlogged.set(True)
        await run.client.call("health")

    run.wait(use())
    assert seen == []
    run.wait(run.client.call("health"))
    assert len(seen) == 1
