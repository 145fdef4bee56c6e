"""What clients call takes TLS, where the sandbox is asked for it, with a certificate by an authority of its own."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from sandbox import tls
from sandbox.descriptor import describe
from sandbox.errors import StartError
from sandbox.settings import LISTENERS, OVER_TLS
from tests.sandbox.conftest import placed
from tests.sandbox.made import settings


def test_the_descriptor_names_the_authority_where_there_is_tls(tmp_path: Path) -> None:
    without, within = describe(settings(tmp_path)), describe(settings(tmp_path, caddy="/usr/bin/caddy"))
    assert "ca_file" not in without
    assert within["ca_file"] == str(tls.authority(settings(tmp_path)))
    assert without["services"]["realtime"]["url"].startswith("ws://")
    assert within["services"]["realtime"]["url"].startswith("wss://")


def test_a_missing_caddy_ends_the_start_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    with pytest.raises(StartError, match=r"install requirements.txt, or start without --tls"):
        tls.find()


@pytest.fixture(scope="module")
def descriptor() -> Iterator[dict[str, Any]]:
    with placed() as place:
        place.start("--tls")
        yield yaml.safe_load(Path(place.report()["descriptor"]).read_text())


def test_what_clients_call_is_trusted_by_its_authority_and_by_no_other(descriptor: dict[str, Any]) -> None:
    services = descriptor["services"]
    trusting = ssl.create_default_context(cafile=descriptor["ca_file"])
    for name in ("frontend", "api", "authentication", "storage"):
        address = services[name]["url"] + services[name]["probe"]
        assert address.startswith("https://")
        assert httpx.get(address, verify=trusting).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(address)


def test_websockets_are_opened_and_closed_over_it(descriptor: dict[str, Any]) -> None:
    address = f"{descriptor['services']['realtime']['url']}/ws/jobs/{uuid.uuid4()}?access_token=none"
    trusting = ssl.create_default_context(cafile=descriptor["ca_file"])
    with connect(address, ssl=trusting, proxy=None) as channel, pytest.raises(ConnectionClosedError) as closed:
        channel.recv(timeout=10)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 4401  # the contract's, for a bad token


def test_every_listener_over_tls_is_before_one_without() -> None:
    assert set(OVER_TLS) | set(OVER_TLS.values()) <= set(LISTENERS)
