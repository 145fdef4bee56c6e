"""Nonsense covers the whole contract, says exactly one thing wrong at a time, and names what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from acceptance.checks.input_validation import NONSENSE
from acceptance.checks.negative_inputs import Case, Nonsense, expanded, read_nonsense
from acceptance.deployment.contract import Contract
from acceptance.errors import ConfigurationError
from acceptance.yaml_models import read_yaml

PATH = {
    "job_id": "the-job",
    "document_id": "the-document",
    "conversation_id": "the-conversation",
    "workflow_id": "the-workflow",
    "signed_url": "http://storage/put/path?token=abc",
}


@pytest.fixture(scope="module")
def nonsense() -> Nonsense:
    return read_nonsense(NONSENSE)


def _cases(nonsense: Nonsense, contract: Contract, route: str) -> dict[str, Case]:
    cases = nonsense.cases(contract, route, PATH, "run-1")
    named = {case.what: case for case in cases}
    assert len(named) == len(cases), "two cases have one name"
    return named


def test_every_route_has_cases_and_each_its_status(nonsense: Nonsense, contract: Contract) -> None:
    for name, route in contract.routes.items():
        cases = _cases(nonsense, contract, name)
        assert cases
        ignores = list(cases) == ["what no parameter takes"]
        assert all(case.status == route.success if ignores else 400 <= case.status < 500 for case in cases.values())


def test_one_thing_is_wrong_at_a_time(nonsense: Nonsense, contract: Contract) -> None:
    sound = nonsense.sound_case(contract, "upload", "run-1").body
    assert sound is not None
    for case in _cases(nonsense, contract, "upload").values():
        if case.body is not None:
            # by representation, since NaN is not itself and 1 is True
            differing = [word for word in sound if repr(case.body.get(word, "none")) != repr(sound[word])]
            assert len(differing) == 1, case.what


def test_types_signs_sizes_and_encodings_are_tried(nonsense: Nonsense, contract: Contract) -> None:
    cases = _cases(nonsense, contract, "upload")
    bodies = {what: case.body["bytes_len"] for what, case in cases.items() if case.body and "bytes_len" in case.body}
    assert [bodies[f"bytes_len is {what}"] for what in ("zero", "a text", "a truth value")] == [0, "nonsense", True]
    assert "bytes_len is a number" not in cases
    assert "ocr is null" not in cases and "ocr is missing" not in cases
    assert "\ud800" in bodies_of(cases, "filename is half a character", "filename")
    oversized = cases["the body is one byte over the limit"]
    assert oversized.content is not None and len(oversized.content) == contract.limits.json_body_bytes + 1
    assert cases["mime is a program"].status == contract.errors.unsupported_mime


def bodies_of(cases: dict[str, Case], what: str, word: str) -> Any:
    body = cases[what].body
    assert body is not None
    return body[word]


def test_identifiers_in_paths_are_malformed_or_unknown(nonsense: Nonsense, contract: Contract) -> None:
    cases = _cases(nonsense, contract, "job")
    assert cases["job_id is unknown"].status == contract.errors.unknown_identifier
    assert cases["job_id is a word"].status == contract.errors.malformed_identifier
    assert cases["job_id is bytes that are no text"].path == {"job_id": b"\xff"}
    asked_wrongly = _cases(nonsense, contract, "job_events")["after is a negative number"]
    assert (asked_wrongly.path, asked_wrongly.query) == ({"job_id": "the-job"}, {"after": "-1"})


def test_a_signed_address_stays_one(nonsense: Nonsense, contract: Contract) -> None:
    cases = _cases(nonsense, contract, "upload_bytes")
    assert cases["signed_url is a null byte"].path == {"signed_url": "http://storage/put/path?token=%00"}


def test_what_is_sound_is_of_the_run(nonsense: Nonsense, contract: Contract) -> None:
    case = nonsense.sound_case(contract, "signup", "run-1")
    assert case.status == contract.route("signup").success
    assert case.body is not None and "run-1" in case.body["email"]


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        (lambda data: data["parameters"].pop("chat"), "parameters.chat: missing"),
        (lambda data: data["parameters"]["jobs"]["query"].pop("state"), "parameters.jobs.query.state: missing"),
        (
            lambda data: data["parameters"]["upload"]["body"].update({"filenam": "filename"}),
            "parameters.upload.body.filenam: not in the contract (did you mean 'filename'?)",
        ),
        (lambda data: data["kinds"].pop("email"), "parameters.signup: there is no kind 'email'"),
        (lambda data: data["sound"].pop("chat"), "sound.chat: missing"),
        (lambda data: data["sound"]["chat"].update(answer="fine"), "sound.chat: the contract has no status 'fine'"),
        (
            lambda data: data["kinds"]["mime"].update(refused_with="codes"),
            "kinds.mime: the contract has no refusal 'codes'",
        ),
    ],
)
def test_what_is_left_out_is_named(contract: Contract, change: Callable[[dict[str, Any]], object], gap: str) -> None:
    data = read_yaml(NONSENSE)
    change(data)
    changed = Nonsense.model_validate(data)
    assert gap in changed.gaps(contract)
    with pytest.raises(ConfigurationError, match=r"nonsense\.yaml: "):
        changed.cases(contract, "health", PATH, "run-1")


def test_repetitions_are_written_out() -> None:
    assert expanded({"repeat": "ab", "times": 2}) == "abab"
    assert expanded({"repeat": "ab"}) == {"repeat": "ab"}
