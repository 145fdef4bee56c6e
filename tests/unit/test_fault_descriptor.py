"""What a descriptor says of faults: the interfaces that inject them, and what may be injected by them."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.deployment.descriptor import Descriptor

from tests.unit.conftest import descriptor_at

CONTROL = {"control": {"url": "http://127.0.0.1:1/v1/", "token": "fault_token"}}
DATABASE = {"database": {"host": "db", "port": 5432, "name": "app", "user": "operator", "password": "fault_password"}}
SECRETS = {"fault_token": "FAULT_TOKEN", "fault_password": "FAULT_PASSWORD", "platform_key": "PLATFORM_KEY"}
PLATFORM = {"url": "https://api.render.com/v1", "services": {"api": "srv-1", "worker": "srv-2"}}


def described(faults: dict[str, Any], **fields: Any) -> Descriptor:
    whole = descriptor_at("http://127.0.0.1:1").model_dump(mode="json", exclude_defaults=True)
    return Descriptor.model_validate(
        {**whole, "faults": faults, "capabilities": ["faults"], "secrets": SECRETS, "platform": PLATFORM, **fields}
    )


@pytest.mark.parametrize(
    "faults", [CONTROL, DATABASE, {"platform": ["worker"]}, CONTROL | DATABASE | {"lasting": True}]
)
def test_one_interface_is_enough(faults: dict[str, Any]) -> None:
    assert described(faults).faults.any


def test_the_address_is_a_base_for_paths() -> None:
    control = described(CONTROL).faults.control
    assert control is not None
    assert control.url == "http://127.0.0.1:1/v1"


def test_without_faults_there_is_the_own_path_alone() -> None:
    descriptor = described({}, capabilities=[])
    assert not descriptor.faults.any
    assert not descriptor.faults.lasting


@pytest.mark.parametrize(
    ("faults", "fields", "problem"),
    [
        ({}, {}, "the capability 'faults' needs faults.control, faults.database or faults.platform"),
        ({"lasting": True}, {}, "the capability 'faults' needs faults.control, faults.database or faults.platform"),
        (CONTROL, {"secrets": {}}, "secrets has no 'fault_token'"),
        (DATABASE, {"secrets": {}}, "secrets has no 'fault_password'"),
        ({"platform": ["worker"]}, {"secrets": {}}, "secrets has no 'platform_key'"),
        ({"platform": ["cron"]}, {}, "platform.services has no 'cron'"),
        ({"platform": ["api"]}, {"platform": None}, "platform.services has no 'api'"),
        (CONTROL | {"lasting": True}, {"environment": "production"}, "on production every fault must heal by itself"),
        (CONTROL | {"lasting": True}, {"environment": " PROD "}, "on production every fault must heal by itself"),
        ({"control": {"url": "127.0.0.1:1", "token": "fault_token"}}, {}, "expected an address such as"),
    ],
)
def test_what_lacks_something_is_refused(faults: dict[str, Any], fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        described(faults, **fields)
