"""Nonsense covers the whole contract, says exactly one thing wrong at a time, and names what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from acceptance.checks.input_validation import NONSENSE
from acceptance.checks.negative_inputs import Case, Nonsense, expanded, read_nonsense
from acceptance.deployment.contract import Absent, Contract, read_contract
from acceptance.errors import ConfigurationError

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
        assert all(
            case.status == route.success if ignores else 400 <= int(case.status) < 500 for case in cases.values()
        )


def test_one_thing_is_wrong_at_a_time(nonsense: Nonsense, contract: Contract) -> None:
    case = nonsense.sound_case(contract, "upload", "run-1", {})
    assert case is not None and case.body is not None
    sound = case.body
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
    case = nonsense.sound_case(contract, "signup", "run-1", {})
    assert case is not None and case.status == contract.route("signup").success
    assert case.body is not None and "run-1" in case.body["email"]


@pytest.mark.parametrize(
    ("change", "gap"),
    [
        (lambda data: data["kinds"].pop("email"), "words: there is no kind 'email'"),
        (lambda data: data["sound"]["chat"].update(answer="fine"), "sound.chat: the contract has no status 'fine'"),
        (
            lambda data: data["kinds"]["mime"].update(refused_with="codes"),
            "kinds.mime: the contract has no refusal 'codes'",
        ),
    ],
)
def test_a_name_that_means_nothing_is_a_mistake(
    contract: Contract, change: Callable[[dict[str, Any]], object], gap: str
) -> None:
    data = yaml.safe_load(NONSENSE.read_text())
    change(data)
    changed = Nonsense.model_validate(data)
    assert gap in changed.gaps()
    with pytest.raises(ConfigurationError, match=r"nonsense\.yaml: "):
        changed.cases(contract, "health", PATH, "run-1")


def test_repetitions_are_written_out() -> None:
    assert expanded({"repeat": "ab", "times": 2}) == "abab"
    assert expanded({"repeat": "ab"}) == {"repeat": "ab"}


OWN = """
routes:
  notes: {method: POST, path: "/documents/{document_id}/notes/{number}", kind: owner, success: 201,
          query: {draft: draft}, body: {text: text, rating: rating, author: author, hidden: hidden, about: about},
          example: {text: "Well written, {run}", rating: 5, number: 3}, answer: {note_id: id}}
  bare: {method: POST, path: /bare, kind: user, success: 200, body: {text: text}}
  start: {method: POST, path: /start, kind: user, success: 200}
  upload: {file: file, body: absent}
  login: {form: true}
errors: {oversized_json: absent}
fields:
  document_id: {type: integer, format: absent}
  rating: {type: integer}
  number: {type: integer}
  draft: {enum: ["yes", "no"]}
  author: {type: string, format: email}
  hidden: {type: boolean}
"""


@pytest.fixture
def own(tmp_path: Path) -> Contract:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    return read_contract(path)


def test_nonsense_of_a_teams_own_route_follows_from_its_fields_and_its_example(
    nonsense: Nonsense, own: Contract
) -> None:
    cases = {case.what: case for case in nonsense.cases(own, "notes", {"document_id": "7"}, "run-1")}
    sound = {"text": "Well written, run-1", "rating": 5}
    assert cases["rating is a text"].body == sound | {"rating": "nonsense"}
    assert {tuple(case.path) for case in cases.values()} == {("document_id", "number")}  # each path is filled
    assert cases["rating is a text"].path == {"document_id": "7", "number": 3}
    assert cases["document_id is a word"].status == 422 and "document_id is a small number" not in cases
    assert cases["document_id is unknown"].path["document_id"] == "999999999"
    assert cases["draft is two at once"].query == {"draft": "done,queued"}
    assert {"author is no at sign", "hidden is a text", "the body is a list"} < cases.keys()
    assert "rating is missing" not in cases and "about is a number" not in cases
    assert {str(case.status) for case in cases.values() if isinstance(case.status, Absent)} == {
        "fields.about", "errors.oversized_json",
    }  # fmt: skip
    case = nonsense.sound_case(own, "notes", "run-1", {"document_id": "7", "job_id": "8"})
    whole = {"document_id": "7", "number": 3}
    assert case is not None and (case.status, case.body, case.path) == (201, sound, whole)
    case = nonsense.sound_case(own, "notes", "run-1", {})
    assert case is not None and str(case.status) == "routes.notes.example.document_id"


def test_what_the_contract_lacks_for_nonsense_is_named(nonsense: Nonsense, own: Contract) -> None:
    bare = nonsense.cases(own, "bare", {}, "run-1")
    assert {str(case.status) for case in bare} == {"422", "routes.bare.example"}
    assert nonsense.sound_case(own, "bare", "run-1", {}) is None
    assert [str(case.status) for case in nonsense.cases(own, "start", {}, "run-1")] == ["routes.start.example"]
    assert nonsense.sound_case(own, "upload", "run-1", {}) is None


def test_a_question_about_a_document_names_it_in_its_path_and_its_body(nonsense: Nonsense, tmp_path: Path) -> None:
    path, real = tmp_path / "own.yaml", {"document_id": "7", "conversation_id": "8"}
    path.write_text("routes: {chat: {path: '/papers/{document_id}/questions', kind: owner, body: {document_id: of}}}")
    contract = read_contract(path)
    sound = {"message": "What is the annual deductible?", "document_id": "7"}
    case = nonsense.sound_case(contract, "chat", "run-1", real)
    assert case is not None and (case.status, case.path, case.body) == (200, {"document_id": "7"}, sound)
    cases = {case.what: case for case in nonsense.cases(contract, "chat", real, "run-1")}
    assert cases["message is nothing"].body == sound | {"message": ""}
    assert cases["message is nothing"].path == {"document_id": "7"}


def test_parameters_of_a_list_are_what_fields_says(nonsense: Nonsense, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("""
    routes: {documents: {query: {search: q, sort: sort, tag: tag}}}
    fields: {search: {type: string, maxLength: 100}, sort: {enum: [newest, oldest]}, tag: {type: string}}
    """)
    contract = read_contract(path)
    assert contract.search_words("documents") == ["search", "tag"] and contract.search_words("jobs") == []
    cases = {case.what: case for case in nonsense.cases(contract, "documents", {}, "run-1")}
    assert cases["search is 5,000 characters"].query == {"search": "a" * 5000}
    assert {"sort is a word", "sort is SQL", "sort is nothing"} < cases.keys()
    assert all(case.status == 422 for what, case in cases.items() if not what.startswith("tag"))
    path.write_text("routes: {documents: {query: {search: q}}}")
    with pytest.raises(ConfigurationError, match="nothing fills this word in"):
        read_contract(path)


def test_a_form_gets_texts_alone(nonsense: Nonsense, own: Contract) -> None:
    cases = nonsense.cases(own, "login", {}, "run-1")
    assert cases and all(case.content is None and case.body is not None for case in cases)
    for case in cases:
        assert case.body is not None
        for value in case.body.values():
            assert isinstance(value, str) and value.encode() is not None


def test_a_media_type_is_wrong_where_it_is_refused_as_one(nonsense: Nonsense, contract: Contract) -> None:
    cases = _cases(nonsense, contract, "upload")
    assert cases["mime is plain text"].wrong_mime == "text/plain"
    assert cases["mime is a number"].wrong_mime == cases["filename is nothing"].wrong_mime == ""


def test_what_no_parser_gets_through_may_have_a_status_of_its_own(nonsense: Nonsense, tmp_path: Path) -> None:
    def statuses(differences: str, route: str = "chat") -> list[object]:
        (tmp_path / "own.yaml").write_text(differences)
        cases = _cases(nonsense, read_contract(tmp_path / "own.yaml"), route)
        return [cases[f"the body is {what}"].status for what in ("half an object", "bytes that are no text")]

    assert statuses("errors: {malformed_json: 400}") == [400, 400]
    assert statuses("errors: {unreadable_body: 400}") == [422, 400]
    assert statuses("{errors: {unreadable_body: 400}, routes: {chat: {refuses: {malformed_json: 415}}}}") == [415, 415]
    assert statuses("errors: {unreadable_body: absent}") == [422, "errors.unreadable_body"]


def test_a_null_byte_in_a_password_may_be_taken(nonsense: Nonsense, contract: Contract) -> None:
    login, signup = (_cases(nonsense, contract, route) for route in ("login", "signup"))
    null = "password is a null byte"
    assert (login[null].status, login[null].or_taken) == (422, 401)
    assert (signup[null].status, signup[null].or_taken) == (422, 201)
    assert signup["password is half a character"].or_taken is None


def test_each_call_of_a_sign_up_has_an_address_of_its_own(nonsense: Nonsense, contract: Contract) -> None:
    cases = _cases(nonsense, contract, "signup")
    bodies = [case.body for what, case in cases.items() if case.body and what.startswith("password is")]
    addresses = {str(body["email"]) for body in bodies}
    assert len(addresses) == len(bodies) > 5 and not any("{" in one for one in addresses)
    content = cases["the body is said to be text/plain"].content
    assert content is not None and b"{case}" not in content and b"@" in content
    oversized = cases["the body is one byte over the limit"].content
    assert oversized is not None and len(oversized) == contract.limits.json_body_bytes + 1
