"""Descriptors and contracts that the documentation shows are descriptors and contracts."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from acceptance.checks.preflight import not_described
from acceptance.clients.network_path import NetworkPath
from acceptance.deployment.contract import Absent, read_contract
from acceptance.deployment.descriptor import read_descriptor
from acceptance.deployment.provisioning import DEPLOYMENTS
from acceptance.errors import ConfigurationError, NotOffered
from acceptance.estimate import prospects, read_estimate
from acceptance.faults.drivers import drivers_of
from acceptance.runner import runner
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.yaml_models import PROJECT

PAGE = (PROJECT / "docs" / "deployments.md").read_text(encoding="utf-8")
FIRST, DIFFERENCES, DESCRIPTOR, EDGE, FAULTS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def written(folder: Path) -> Path:
    """The first descriptor of the page, with its contract beside it."""
    (folder / "app.contract.yaml").write_text(DIFFERENCES, encoding="utf-8")
    (folder / "app.yaml").write_text(FIRST, encoding="utf-8")
    return folder / "app.yaml"


def test_the_first_descriptor_and_its_contract_are_read(tmp_path: Path) -> None:
    descriptor = read_descriptor(written(tmp_path))
    assert descriptor.contract is not None
    contract = read_contract(descriptor.contract)
    assert contract.route("login").at == "authentication"
    assert not contract.offers("realtime.job")
    assert contract.offers("routes.job.answer.status")
    assert not_described(descriptor)[:3] == ["services.worker", "services.storage", "services.realtime"]
    assert contract.health.services == {"database": "checks.db.up"}
    with pytest.raises(NotOffered, match=r"providers\.parser"):
        _ = descriptor.providers.parser
    with pytest.raises(NotOffered, match=r"sessions\.refresh_reuse_seconds"):
        _ = descriptor.sessions.refresh_reuse_seconds


def test_by_the_first_contract_documents_are_followed_and_questions_asked(tmp_path: Path) -> None:
    descriptor = read_descriptor(written(tmp_path)).model_copy(update={"capabilities": frozenset({"sql"})})
    assert descriptor.contract is not None
    claims = runner.claims_of("integration", read_criteria(CRITERIA))
    rows = prospects(read_criteria(CRITERIA), claims, read_estimate(), descriptor, read_contract(descriptor.contract))
    verifiable = {row.criterion for row in rows if row.verified in ("yes", "in part")}
    assert {"PRE-01", "INT-05", "INT-07", "INT-12", "INT-13"} <= verifiable
    assert {row.criterion for row in rows if row.verified == "no"} >= {"INT-08"}


def test_the_descriptor_is_read_and_its_thresholds_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(DESCRIPTOR, encoding="utf-8")
    descriptor = read_descriptor(tmp_path / "staging.yaml")
    assert len(descriptor.thresholds) == 2
    _, relaxed = read_criteria(CRITERIA).with_thresholds(descriptor.thresholds)
    assert relaxed == ["INT-08.realtime_lag at most 2 s instead of at most 1 s: one region away"]


def test_the_descriptor_of_faults_is_read_and_offers_what_the_table_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "staging.yaml").write_text(FAULTS, encoding="utf-8")
    descriptor = read_descriptor(tmp_path / "staging.yaml")
    for variable in descriptor.secrets.values():
        monkeypatch.setenv(variable, "a-secret-of-this-test")
    drivers = drivers_of(descriptor, NetworkPath())
    kinds = [asyncio.run(one.kinds()) for one in drivers if one.name != "control"]  # that one would be asked
    table = PAGE.partition("| interface | faults |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)`", "".join(line.split("|")[2] for line in table.splitlines()[2:])))
    assert {one.name for one in drivers} == {"client_path", "control", "database", "platform"}
    assert {kind for one in kinds for offered in one.values() for kind in offered} == named - {"database"}


def test_the_descriptor_of_the_edge_is_read_in_full(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(EDGE, encoding="utf-8")
    edge = read_descriptor(tmp_path / "staging.yaml").edge_network
    assert [name for name, value in edge if isinstance(value, Absent)] == []
    (tmp_path / "staging.yaml").write_text(EDGE.replace("{origin_token: STAGING_ORIGIN_TOKEN, ", "{"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"edge\.origin_requests\.token: secrets has no 'origin_token'"):
        read_descriptor(tmp_path / "staging.yaml")


def test_the_descriptor_of_a_cloud_is_read() -> None:
    cloud = read_descriptor(DEPLOYMENTS / "cloud.yaml")
    assert cloud.edge_network.deployments.project
    lines = (DEPLOYMENTS / "cloud.yaml").read_text(encoding="utf-8").splitlines()
    assert "#" in lines[0]


def test_every_line_of_the_descriptor_counts(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(DESCRIPTOR.replace("users: admin-api", "users: pool"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="users: Input should be 'signup' or 'admin-api'"):
        read_descriptor(tmp_path / "staging.yaml")


def test_what_the_page_says_of_capabilities_is_known() -> None:
    table = PAGE.partition("| capability |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)
    assert set(rows) <= set(re.findall(r"[\w-]+", DESCRIPTOR + FAULTS)) | {"short-lived-tokens", "destructive"}
