"""Clean-up removes what killed runs noted, tells what stays, and leaves alone who is under way."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.cli import main
from acceptance.deployment import descriptor as descriptors
from acceptance.deployment.provisioning import OpenDeployment
from acceptance.fixtures.resource_ledger import ResourceLedger
from acceptance.runner.cleanup import clean_up

from tests.unit.conftest import Serve, descriptor_at


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """What two killed runs left: three users, of whom one is gone already."""
    for run, users in {"first": ("u1", "u2"), "second": ("u3",)}.items():
        made = ResourceLedger(tmp_path / "results" / run, "test")
        for user in users:
            made.note("user", user)
        made.close()
    made = ResourceLedger(tmp_path / "results" / "first", "test")
    made.note("user", "u1", gone=True)
    made.close()
    return tmp_path / "results"


def _opened(
    address: str, monkeypatch: pytest.MonkeyPatch, capabilities: tuple[str, ...] = ("admin-api",)
) -> OpenDeployment:
    monkeypatch.setenv("TEST_SERVICE_ROLE_KEY", "a-key-of-the-test")
    secrets = {"service_role_key": "TEST_SERVICE_ROLE_KEY"}
    fields = descriptor_at(address).model_dump() | {"capabilities": frozenset(capabilities), "secrets": secrets}
    return OpenDeployment(descriptors.Descriptor.model_validate(fields), Path("deployment.yaml"))


@pytest.mark.parametrize("status", [200, 204, 404])
def test_noted_users_are_removed_once(
    status: int, serve: Serve, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _opened(serve(status, b""), monkeypatch)
    assert clean_up(opened, results) == (2, [])
    assert clean_up(opened, results) == (0, [])


def test_who_cannot_be_removed_is_named_and_tried_again(
    serve: Serve, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _opened(serve(500, b"broken"), monkeypatch)
    for _ in range(2):
        removed, left = clean_up(opened, results)
        assert removed == 0
        assert ["u2 stays" in left[0], "u3 stays" in left[1]] == [True, True]


def test_without_an_admin_api_everybody_stays(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = ResourceLedger(results / "first", "test")
    first.note("user", "u4")
    first.close()
    removed, left = clean_up(_opened("http://127.0.0.1:9", monkeypatch, ()), results)
    assert removed == 0
    assert [line.partition(": needs the capability 'admin-api'")[0] for line in left] == [
        "2 users stay, u2 first", "user u3 stays",
    ]  # fmt: skip


def test_a_run_under_way_is_left_alone(serve: Serve, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = ResourceLedger(results / "first", "test")
    assert clean_up(_opened(serve(204, b""), monkeypatch), results) == (1, [])
    assert under_way.standing("user") == ["u2"]
    under_way.close()


def test_nothing_is_brought_up_to_be_cleaned(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["clean-up", "--deployment", "sandbox", "--results", str(results)]) == 0
    assert "ends with it" in capsys.readouterr().out
