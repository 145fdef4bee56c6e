"""Of many users at once, each must have been given what is their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from acceptance.chat import Answer, Source
from acceptance.checks.concurrency import ConcurrentUser, what_is_wrong
from acceptance.clients.http import Response
from acceptance.fixtures.handbook import write
from acceptance.fixtures.users import User
from acceptance.uploads import Payload, Upload

NOBODY = User("somebody@example.com", "password")


def _visit(number: int) -> ConcurrentUser:
    handbook = write("run", "note", number, topics=3)
    payload = Payload("note.pdf", b"")
    visit = ConcurrentUser(
        NOBODY, handbook, payload, upload=Upload(NOBODY, payload, f"d{number}", f"j{number}", "", 0.0)
    )
    visit.listed = [f"d{number}"]
    response = Response("chat", "POST", "http://deployment/api/chat", 200, {}, b"", "r-1", 0.1)
    own = Answer(
        visit.fact.question, visit.fact.sentence, f"c{number}", "w", [Source(f"d{number}", "note", "k")], "m", response
    )
    visit.answers = [own, replace(own, text="The documents do not say.", conversation_id=f"c{number}+", sources=[])]
    return visit


OTHER = _visit(2)


def test_who_got_their_own_is_right() -> None:
    assert list(what_is_wrong(_visit(1), [OTHER])) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda visit: visit.listed.append("d2"), "the list shows ['d1', 'd2']"),
        (lambda visit: visit.listed.clear(), "the list shows []"),
        (lambda visit: _reply(visit, 0, text="The documents do not say."), f"expected {_visit(1).fact.figure}"),
        (lambda visit: _reply(visit, 0, sources=[]), "names no source"),
        (lambda visit: _reply(visit, 0, text=f"{visit.fact.sentence} {OTHER.fact.sentence}"), OTHER.fact.figure),
        (lambda visit: _reply(visit, 1, text=OTHER.fact.sentence), f"another's {OTHER.fact.figure}"),
        (lambda visit: _reply(visit, 1, sources=[Source("d2", "note", "k")]), "another's document d2"),
        (lambda visit: _reply(visit, 0, conversation_id="c2"), "another's conversation c2"),
    ],
)
def test_whatever_is_not_their_own_is_named(change: Callable[[ConcurrentUser], object], said: str) -> None:
    visit = _visit(1)
    change(visit)
    assert said in "; ".join(what_is_wrong(visit, [OTHER]))


def _reply(visit: ConcurrentUser, number: int, **changed: object) -> None:
    visit.answers[number] = replace(visit.answers[number], **changed)  # type: ignore[arg-type]
