"""A deployment's own contract: what differs from the standard one, and what is not offered."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from acceptance.clients.database import Connection, DatabaseInspector
from acceptance.deployment.contract import MISSING, Contract, differences, read_contract
from acceptance.errors import CapabilityMissing, ConfigurationError, NotOffered, SuiteError

from tests.unit.conftest import descriptor_at

OWN = """
routes:
  login: {path: /token, answer: {access_token: token, refresh_token: absent}}
  refresh: absent
  debug: {method: GET, path: /debug, kind: public, success: 200}
errors: {duplicate_document: absent, malformed_json: 400, shape: {code: absent}}
realtime: absent
listed_document: absent
refusals: {user: {alg_none: absent}}
jobs: {statuses: [new, over], stages: {parse: absent}, complete: {status: over}}
"""


@pytest.fixture
def own(tmp_path: Path) -> Contract:
    """The contract of a team that has no realtime and no refresh."""
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    return read_contract(path)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("routes.login.path", "/token"),
        ("routes.login.answer.access_token", "token"),
        ("routes.login.answer.user_id", "user.id"),
        ("routes.debug.path", "/debug"),
        ("errors.malformed_json", 400),
        ("errors.invalid_parameter", 422),
        ("jobs.statuses.1", "over"),
        ("jobs.statuses.2", MISSING),
        ("jobs.nonsense", MISSING),
    ],
)
def test_what_differs_replaces_the_standard_and_the_rest_stays(own: Contract, place: str, value: object) -> None:
    assert own.value(place) == value
    assert own.offers(place) is (value is not MISSING)


@pytest.mark.parametrize(
    ("read", "place"),
    [
        (lambda own: own.route("refresh"), "routes.refresh"),
        (lambda own: own.routes["login"].answer["refresh_token"], "routes.login.answer.refresh_token"),
        (lambda own: own.realtime.close.unknown, "realtime"),
        (lambda own: own.errors.duplicate_document, "errors.duplicate_document"),
        (lambda own: own.status_of("upload", "duplicate_document"), "errors.duplicate_document"),
        (lambda own: own.refused("user", "alg_none"), "refusals.user.alg_none"),
        (lambda own: own.jobs.stages.parse, "jobs.stages.parse"),
        (lambda own: own.value("realtime.close.unknown"), "realtime"),
    ],
)
def test_what_is_absent_is_not_offered(own: Contract, read: object, place: str) -> None:
    with pytest.raises(NotOffered, match=f"^not offered: {place}$"):
        read(own)  # type: ignore[operator]
    assert not own.offers(place)


async def test_a_query_that_is_absent_means_that_we_cannot_look(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("queries: {chunks: absent}")
    database = DatabaseInspector(descriptor_at("http://127.0.0.1:1"), read_contract(path))
    with pytest.raises(CapabilityMissing, match="'sql', whose query 'chunks' the contract marks absent"):
        await database.rows_over(cast(Connection, None), "chunks")


@pytest.mark.parametrize(
    ("text", "left_out", "absent"),
    [
        ("routes: {refresh: absent}", (), ()),
        ("routes: {chat: absent}", (), ("routes.chat", "routes.chat.body.message", "routes.chat.answer.text")),
        ("routes: {chat: {answer: {text: absent}}}", (), ("routes.chat.answer.text",)),
        ("routes: {job: {at: worker}}", ("worker",), ("routes.job",)),
        ("jobs: absent", (), ("jobs.complete",)),
    ],
)
def test_what_the_application_consists_of_is_missed_however_it_is_left_out(
    tmp_path: Path, text: str, left_out: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    assert read_contract(path, None, left_out).core_absent == absent


def test_what_differs_is_listed_for_the_gate(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("routes: {login: {path: /token, success: 200}, own: {method: GET}}\nrealtime: absent\n")
    assert differences(path) == (
        'routes.login.path: "/token", not "/auth/login"',
        'routes.own.method: "GET"',
        "realtime: absent",
    )


def test_what_is_absent_is_in_no_list(own: Contract) -> None:
    assert "refresh" not in own.routes
    assert list(own.routes["login"].answer) == ["access_token", "token_type", "expires_in", "user_id", "email"]
    assert list(own.errors.shape) == ["message", "request_id"]


def test_a_list_whose_entries_are_not_described_is_a_list(own: Contract) -> None:
    schema = own.schema_of(own.routes["documents"].answer, "documents")
    assert schema["properties"]["documents"] == {"type": "array"}


def test_an_unknown_route_is_a_mistake_and_not_absent(own: Contract) -> None:
    with pytest.raises(SuiteError, match="no route 'refersh' in the contract"):
        own.route("refersh")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: {user: {kind: public}}", "own.yaml:1: routes.user.kind: user in the standard contract"),
        ("routes: {job: {kind: user}}", "routes.job.kind: owner in the standard contract"),
        ("jobs: {complete: {status: uploaded}}", "jobs.complete.status: expected the last of two or more statuses"),
        ("jobs: {statuses: [over], complete: {status: over}}", "jobs.complete.status: expected the last of two"),
        ("jobs: {final_states: [queued]}", "jobs.complete.state: expected one of the final states: queued"),
        ("jobs: {complete: {total_pct: 0}}", "jobs.complete.total_pct: expected 100"),
        ("routes: {login: {sucess: 200}}", r"own\.yaml:1: routes\.login\.sucess: unknown field .*'success'"),
        ("errors: {malformed_json: true}", r"own\.yaml:1: errors\.malformed_json: expected a number \(found True\)"),
        ("refusals: {user: {none: true}}", r"own\.yaml:1: refusals\.user\.none: .*integer"),
        ("routes: absent", r"own\.yaml:1: routes: cannot be absent: at least one is judged"),
        ("limits: absent", r"own\.yaml:1: limits: cannot be absent: response_bytes bounds what is read"),
        ("routes: {logn: absent}", r"routes\.logn: absent, though the .* has no such route \(did you mean 'login'\?\)"),
        ('routes: {job: {path: "/{nonsense}"}}', r"own\.yaml:1: routes\.job\.path: nothing fills in \{nonsense\}"),
        ('routes: {job: {path: "/{}"}}', r"own\.yaml:1: routes\.job\.path: nothing fills in \{\}"),
        ('routes: {job: {path: "/{job_id"}}', r"own\.yaml:1: routes\.job: expected '\}'"),
        ('realtime: {job: "{nonsense}"}', r"own\.yaml:1: realtime\.job: nothing fills in .*; known are job_id"),
        ('storage: {closed: ["/{y}"]}', r"own\.yaml:1: storage\.closed\.0: nothing fills in \{y\}; known are object"),
        ("\nroutes: {chat: {waits_for_a_model: absent}}", r"own\.yaml:2: .*\.waits_for_a_model: .* write false"),
        ("routes: {job: {success: absent}}", r"routes\.job\.success: cannot be absent: write"),
        ("routes: {chat: {body: {mesage: m}}}", r"routes\.chat\.body\.mesage: .* \(did you mean 'message'\?\)"),
        ("routes: {jobs: {query: {page: p}}}", r"routes\.jobs\.query\.page: nothing fills .* into `constant_query`"),
        ("errors: {malformed_json: maybe}", r"own\.yaml:1: errors\.malformed_json: .*integer"),
        ("fields: {nobodys: {type: string}}", r"fields\.nobodys: nothing that is sent or received has"),
    ],
)  # fmt: skip
def test_a_mistake_in_what_differs_is_found_where_it_stands(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=problem):
        read_contract(path)


def test_words_that_are_filled_may_be_sent(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "routes: {chat: {body: {document_id: d, language: lang, tone: t}, constant: {lang: en}, example: {tone: calm}}}"
    )
    assert read_contract(path).routes["chat"].body["tone"] == "t"
