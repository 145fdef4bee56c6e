"""Node or Artillery that are missing, or not those that are needed: told before any load, with what to do."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from acceptance.errors import EnvironmentUnavailable
from ArtilleryLibrary.figures import read_result
from ArtilleryLibrary.node import installation
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.script import checked_script

from tests.unit.test_artillery_command import SCRIPT
from tests.unit.test_artillery_figures import result


def test_a_missing_installation_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentUnavailable, match=r"Artillery is not installed .*: set up with `make`"):
        installation(tmp_path)


def test_another_version_of_artillery_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "node_modules" / "artillery" / "package.json"
    package.parent.mkdir(parents=True)
    package.write_text(json.dumps({"version": "1.7.9"}))
    (tmp_path / "package.json").write_text(json.dumps({"dependencies": {"artillery": "2.0.34"}}))
    with pytest.raises(EnvironmentUnavailable, match=r"Artillery 1\.7\.9 is installed, 2\.0\.34 is needed"):
        installation(tmp_path)


def test_a_missing_node_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnavailable, match=r"Node is not installed: pip install -r requirements\.txt"):
        installation()


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ("echo v20.19.1", "Node 20.19.1 is too old for Artillery: 22.18 is needed"),
        ("echo v22.17.9", "Node 22.17.9 is too old for Artillery: 22.18 is needed"),
        ("echo GLIBC_2.28 not found; exit 1", "Node does not start: "),
        ("echo what", "Node does not start: "),
    ],
)
def test_a_node_that_will_not_do_is_refused(
    told: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = tmp_path / "bin" / "node"
    node.parent.mkdir()
    node.write_text(f"#!/bin/sh\n{told}\n")
    node.chmod(0o755)
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    with pytest.raises(EnvironmentUnavailable, match=problem):
        installation()


def test_an_earlier_load_is_not_taken_for_one_that_could_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result(tmp_path)
    assert read_result(tmp_path).complete
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    script = tmp_path / "load.yml"
    script.write_text(SCRIPT)
    with pytest.raises(EnvironmentUnavailable, match="Node is not installed"):
        asyncio.run(run_load(checked_script(script), tmp_path))
    with pytest.raises(FileNotFoundError):
        read_result(tmp_path)
