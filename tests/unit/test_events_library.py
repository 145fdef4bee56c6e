"""Mistakes in suites that wait for events are named at once, with what could be written instead."""

from __future__ import annotations

import time
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import EventsLibrary
import pytest
from acceptance.clients.websocket import Frame, Subscription
from acceptance.deployment.contract import Contract
from acceptance.errors import SuiteError
from acceptance.fixtures.users import User
from acceptance.uploads import Payload, Upload
from robot_run import keywords

from tests.unit.promises import of_run

JOB_EVENT = {"type": "job_status", "sequence": 3, "status": "complete", "progress": {"total_pct": 100}}


@pytest.fixture
def library(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> EventsLibrary.EventsLibrary:
    run = of_run(contract=contract)
    for module in (EventsLibrary, keywords):
        monkeypatch.setattr(module, "the_run", lambda: run)
    return EventsLibrary.EventsLibrary()


def channel(**data: Any) -> Subscription:
    return Subscription("WebSocket of a job", "job", "j1", frames=[Frame(JOB_EVENT | data, at=0)])


@pytest.mark.parametrize(
    "fields", [{}, {"status": "complete"}, {"sequence": "3"}, {"sequence": 3, "total_pct": "100"}], ids=str
)
def test_an_event_is_found_by_its_fields(library: EventsLibrary.EventsLibrary, fields: dict[str, Any]) -> None:
    assert library.wait_for_event(channel(), timeout=0.1, **fields).data == JOB_EVENT


def test_an_event_with_other_values_is_waited_for(library: EventsLibrary.EventsLibrary) -> None:
    with pytest.raises(AssertionError, match=r"an event with .*expected within 0.1 s"):
        library.wait_for_event(channel(), timeout=0.1, sequence="4")


def test_a_field_that_events_do_not_have_is_named_at_once(library: EventsLibrary.EventsLibrary) -> None:
    message = "events of a job have no field 'stat'; they have type, sequence, job_id, status, state"
    with pytest.raises(SuiteError, match=message):
        library.wait_for_event(channel(), stat="complete")
    with pytest.raises(SuiteError, match="events of a job have no field 'progres'"):
        library.get_events(Subscription("WebSocket", "job", "j1"), "progres")


def test_a_status_that_jobs_do_not_have_is_named(library: EventsLibrary.EventsLibrary) -> None:
    with pytest.raises(SuiteError, match="no status of a job is called 'completed'; there are uploaded, "):
        library.get_expected_statuses("completed")


def test_a_whole_upload_is_no_identifier(library: EventsLibrary.EventsLibrary) -> None:
    upload = Upload(User("a@example.com", "p"), Payload("note.pdf", b""), "d1", "j1", "", 0.0)
    with pytest.raises(SuiteError, match=r"expected an identifier such as \$\{upload.job_id\}, found 'note.pdf'"):
        library.open_event_channel("job", upload)


def test_an_unknown_user_may_be_another_session(library: EventsLibrary.EventsLibrary) -> None:
    keywords.know_user("Bob", User("b@example.com", "p"))
    with pytest.raises(SuiteError, match=r"no user 'Bob's phone' .* 'Sign In    Bob    session=Bob's phone'"):
        keywords.user_named("Bob's phone")


@pytest.mark.parametrize(
    ("later", "problem", "says"),
    [(0.0, "", "stays"), (60.0, "", "expected no frame in 0.05 s"), (0.0, "a frame of no JSON", "a frame of no JSON")],
)
def test_what_disturbs_an_idle_channel_is_named_at_once(
    library: EventsLibrary.EventsLibrary, later: float, problem: str, says: str
) -> None:
    disturbed = channel()
    disturbed.frames[0] = Frame(JOB_EVENT, at=time.time() + later)  # as far ahead as frames will still restart the wait
    disturbed.problem = problem
    with pytest.raises(AssertionError, match=says) if says != "stays" else nullcontext():
        assert library.wait_until_idle(disturbed, timedelta(seconds=0.05)) >= 0.05
