"""A deployment with an authority of its own is trusted by every client of the run, and by none after it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import httpx
import pytest
from acceptance.deployment.descriptor import Descriptor, read_descriptor
from acceptance.deployment.trust import VARIABLES, trusted
from acceptance.errors import ConfigurationError

from tests.unit.conftest import descriptor_at


def with_authority(file: Path) -> Descriptor:
    return descriptor_at("https://127.0.0.1:1").model_copy(update={"ca_file": file})


def test_clients_of_the_run_trust_the_authority_and_those_after_it_do_not(
    secure: tuple[str, Path],
) -> None:
    address, certificate = secure
    with trusted(with_authority(certificate)):
        assert {os.environ[name] for name in VARIABLES} == {str(certificate)}
        assert httpx.get(address).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(address)


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_file_without_certificates_is_a_mistake_in_the_descriptor(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with (
        pytest.raises(ConfigurationError, match=r"ca_file .*ca\.pem: no certificates could be read"),
        trusted(with_authority(file)),
    ):
        pass


def test_the_file_is_beside_the_descriptor(tmp_path: Path) -> None:
    file = tmp_path / "deployment.yaml"
    fields = descriptor_at("https://127.0.0.1:1").model_dump(mode="json", exclude_defaults=True)
    file.write_text(json.dumps({**fields, "ca_file": "ca.pem"}))
    assert read_descriptor(file).ca_file == tmp_path / "ca.pem"
