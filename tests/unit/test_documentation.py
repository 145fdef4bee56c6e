"""Descriptors that the documentation shows are descriptors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from acceptance.deployment.descriptor import read_descriptor
from acceptance.errors import ConfigurationError
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.yaml_models import PROJECT

PAGE = (PROJECT / "docs" / "deployments.md").read_text(encoding="utf-8")
[DESCRIPTOR] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_descriptor_is_read_and_its_thresholds_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(DESCRIPTOR, encoding="utf-8")
    descriptor = read_descriptor(tmp_path / "staging.yaml")
    assert len(descriptor.thresholds) == 2
    _, relaxed = read_criteria(CRITERIA).with_thresholds(descriptor.thresholds)
    assert relaxed == ["INT-08.realtime_lag at most 2 s instead of at most 1 s: one region away"]


def test_every_line_of_the_descriptor_counts(tmp_path: Path) -> None:
    (tmp_path / "staging.yaml").write_text(DESCRIPTOR.replace("users: admin-api", "users: pool"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="users: Input should be 'signup' or 'admin-api'"):
        read_descriptor(tmp_path / "staging.yaml")


def test_what_the_page_says_of_capabilities_is_known() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE)
    assert set(rows) <= set(re.findall(r"[\w-]+", DESCRIPTOR)) | {"short-lived-tokens", "destructive"}
