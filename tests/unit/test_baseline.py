"""A recording is kept and read again, every difference from it is named, and all routes are asked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from acceptance.checks import baseline
from acceptance.checks.baseline import compare
from acceptance.checks.baseline_requests import fill, read_requests
from acceptance.checks.fixtures import OfferedCatalogue
from acceptance.deployment.contract import Contract
from acceptance.fixtures.documents import catalogue
from acceptance.recordings import BASELINE, Baseline, Recording, Tolerance, write
from acceptance.yaml_models import read_model
from pydantic import ValidationError

WAY = ["uploaded", "parsed", "complete"]


def recording(**changes: Any) -> Recording:
    content: dict[str, Any] = {
        "at": "2026-01-01T00:00:00+00:00",
        "build": "1",
        "providers": {},
        "documents": {
            "long": {"statuses": WAY, "state": "done", "chunks": 40},
            "short": {"statuses": WAY, "state": "done", "chunks": 3},
            "locked": {"statuses": ["uploaded", "failed_parse"], "state": "deadletter", "code": "encrypted"},
            "large": {"refused": {"status": 413, "code": "too_large"}},
        },
        "requests": {"jobs": {"status": 200}, "upload without a token": {"status": 401, "code": "unauthorized"}},
    }
    for path, value in changes.items():
        kind, name, field = path.split("__")
        if value is None:
            del content[kind][name]
        else:
            content[kind][name] = content[kind].get(name, {}) | {field: value}
    return Recording.model_validate(content)


def differences(seen: Recording) -> list[str]:
    found = compare(recording(), seen, Tolerance(chunks=0.05))
    return [f"{one.kind} '{one.name}': {one.difference}" for one in found if one.difference]


def test_the_same_behaviour_of_another_build_is_no_difference() -> None:
    assert differences(recording().model_copy(update={"build": "2", "at": "later"})) == []


def test_chunks_may_differ_by_the_tolerance() -> None:
    assert differences(recording(documents__long__chunks=42)) == []
    assert differences(recording(documents__long__chunks=38)) == []


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"documents__long__chunks": 43}, "document 'long': chunks 43, recorded 40"),
        ({"documents__short__chunks": 2}, "document 'short': chunks 2, recorded 3"),
        ({"documents__short__statuses": WAY[1:]}, f"document 'short': statuses {WAY[1:]}, recorded {WAY}"),
        ({"documents__short__state": "working"}, "document 'short': state working, recorded done"),
        ({"documents__locked__code": "damaged"}, "document 'locked': code damaged, recorded encrypted"),
        ({"documents__locked__any": None}, "document 'locked': not made any more"),
        ({"requests__new__status": 200}, "request 'new': not in the recording"),
        (
            {"requests__upload without a token__status": 403},
            "request 'upload without a token': upload: expected status 401, observed 403",
        ),
        (
            {"requests__upload without a token__code": "forbidden"},
            "request 'upload without a token': code forbidden, recorded unauthorized",
        ),
        ({"requests__jobs__any": None}, "request 'jobs': not made any more"),
    ],
)
def test_every_difference_is_named(changes: dict[str, Any], difference: str) -> None:
    assert differences(recording(**changes)) == [difference]


def test_a_document_that_a_team_added_is_no_difference_and_says_what_to_do() -> None:
    seen = recording(documents__added__state="done")
    assert differences(seen) == []
    notes = {one.name: one.note for one in compare(recording(), seen, Tolerance(chunks=0.05)) if one.note}
    assert notes == {"added": "not in the recording yet: make baseline"}
    assert differences(recording(documents__added__state="done", documents__short__chunks=2)) != []


async def test_what_was_compared_is_counted_and_what_was_added_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: dict[str, tuple[Any, int]] = {}
    run = Mock()
    run.observe.side_effect = lambda _, name, value, unit, samples: figures.update({name: (value, samples)})
    seen = recording(documents__added__state="done", documents__short__chunks=2)
    recorded = recording(documents__kept_out__state="done")
    monkeypatch.setattr(baseline, "reference", lambda *_: ("unit", recorded))
    monkeypatch.setattr(baseline, "observe", AsyncMock(return_value=seen))
    offered = AsyncMock(return_value=OfferedCatalogue([], left_out={"kept_out": "limits.max_file_size_bytes of 5"}))
    monkeypatch.setattr(baseline, "offered_catalogue", offered)
    assert len(await baseline.outcomes(run)) == 7
    assert figures == {
        "differences_from_baseline": (1, 6),
        "documents_added": ("added: not in the recording yet: make baseline", 1),
    }


@pytest.mark.parametrize("kind", ["documents", "requests"])
def test_a_recording_of_nothing_is_none(kind: str) -> None:
    with pytest.raises(ValidationError):
        Recording.model_validate(recording().model_dump() | {kind: {}})


def test_another_refusal_is_named() -> None:
    (difference,) = differences(recording(documents__large__refused={"status": 422, "code": "too_large"}))
    assert difference.startswith("document 'large': refused ")


def test_a_recording_is_kept_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    shutil.copy(BASELINE, path)
    before = read_model(path, Baseline)
    write(recording().model_dump(mode="json", exclude_defaults=True), "unit", path)
    after = read_model(path, Baseline)
    assert after.recordings["unit"] == recording()
    assert (after.local, after.tolerance) == (before.local, before.tolerance)
    assert after.recordings.keys() == before.recordings.keys() | {"unit"}


def test_what_is_recorded_is_what_is_asked_today() -> None:
    names, today = catalogue().names(), list(read_requests())
    recordings = read_model(BASELINE, Baseline).recordings
    for name, recorded in recordings.items():
        assert set(recorded.documents) <= set(names), name  # a team may have added some
        offered = [request for request in today if request in recorded.requests]
        assert list(recorded.requests) == offered, name  # a contract may offer some of them alone
    assert list(recordings["sandbox"].requests) == today


def test_every_route_is_asked_by_words_that_the_contract_has(contract: Contract) -> None:
    requests = read_requests()
    assert {request.route for request in requests.values()} == set(contract.routes)
    for name, request in requests.items():
        assert set(request.body or {}) <= set(contract.route(request.route).body), name
        assert set(request.query) <= set(contract.route(request.route).query), name


def test_braces_are_filled_in_wherever_they_stand() -> None:
    assert fill({"a": "x {word} y", "b": 1, "c": None}, {"word": "z"}) == {"a": "x z y", "b": 1, "c": None}
