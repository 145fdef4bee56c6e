"""What a descriptor says of scaling, and of the provider's interface that shows it."""

from __future__ import annotations

from typing import Any

import pytest
from acceptance.deployment.descriptor import Descriptor

from tests.unit.conftest import descriptor_at

SCALING = {"service": "api", "min": 1, "max": 4, "target": 60, "up_within": 120, "down_within": 600}
PLATFORM = {"url": "https://api.render.com/v1", "services": {"api": "srv-1"}}


def described(**fields: Any) -> Descriptor:
    whole = descriptor_at("http://127.0.0.1:1").model_dump(mode="json", exclude_defaults=True)
    usual = {"scaling": SCALING, "platform": PLATFORM, "secrets": {"platform_key": "PLATFORM_KEY"}}
    return Descriptor.model_validate({**whole, **usual, "capabilities": ["scale", "platform-api"], **fields})


def test_what_is_left_out_has_a_default() -> None:
    scaling = described().scaling
    assert scaling is not None
    assert (scaling.high, scaling.low, scaling.configure, scaling.instance_header) == (20, 1, False, None)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"scaling": None}, "the capability 'scale' needs scaling"),
        ({"platform": None, "scaling": None, "capabilities": ["platform-api"]}, "'platform-api' needs platform"),
        ({"secrets": {}}, "secrets has no 'platform_key'"),
        ({"scaling": SCALING | {"service": "worker"}}, "platform.services has no 'worker'"),
        ({"scaling": SCALING | {"max": 1}}, "max"),
        ({"scaling": SCALING | {"min": 4}}, r"max \(4\) has to be more than min \(4\)"),
        ({"scaling": SCALING | {"low": 20}}, r"high \(20\) has to be more than low \(20\)"),
        ({"scaling": SCALING | {"target": 0}}, "target"),
        ({"scaling": SCALING | {"up_within": 0}}, "up_within"),
        ({"scaling": SCALING | {"cooldown": 5}}, "cooldown"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        described(**fields)
