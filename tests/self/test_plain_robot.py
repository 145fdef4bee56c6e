"""Plain `robot`: the same evidence, and a last test that fails unless what was seen is good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from acceptance.evidence.reader import read_run
from acceptance.yaml_models import PROJECT
from robot.api import ExecutionResult

from tests.unit.conftest import descriptor_at

PREFLIGHT = PROJECT / "suites" / "integration" / "01__preflight.robot"
VERDICT = "The Verdict Is GO Or PASS"


def robot(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robot", "--outputdir", str(folder), *options, str(PREFLIGHT)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ACCEPTANCE_")}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def gate(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "gate.json").read_text())
    return content


def last_test(folder: Path) -> Any:
    return list(ExecutionResult(folder / "output.xml").suite.all_tests)[-1]


def test_what_was_seen_is_judged_by_a_test_named_for_it(tmp_path: Path) -> None:
    assert robot(tmp_path).returncode == 0
    assert (last_test(tmp_path).name, last_test(tmp_path).status) == (VERDICT, "PASS")
    assert gate(tmp_path)["line"] == "PASS (Preflight: 3 of 49 required)"
    assert read_run(tmp_path)[0].damage == []


def test_a_test_that_is_left_out_is_missed(tmp_path: Path) -> None:
    assert robot(tmp_path, "--test", "Configuration And Secrets*").returncode == 1
    assert last_test(tmp_path).message.startswith("INCONCLUSIVE (Preflight: we failed to look: PRE-02)")
    assert "declared but did not run: Integration.Preflight.The Plan Allows" in last_test(tmp_path).message


def test_a_criterion_is_selected_by_its_tag_and_judged(tmp_path: Path) -> None:
    assert robot(tmp_path, "--include", "criterion:PRE-02").returncode == 0
    assert gate(tmp_path)["line"] == "PASS (Preflight: 1 of 49 required)"
    assert len(list(ExecutionResult(tmp_path / "output.xml").suite.all_tests)) == 3


def test_a_deployment_that_is_not_there_fails_it_and_an_earlier_run_is_kept(tmp_path: Path) -> None:
    descriptor = descriptor_at("http://127.0.0.1:9").model_dump(mode="json", exclude_none=True)
    (tmp_path / "nobody.yaml").write_text(yaml.safe_dump(descriptor))
    folder = tmp_path / "out"
    for _ in range(2):
        ended = robot(folder, "--variable", f"DEPLOYMENT:{tmp_path / 'nobody.yaml'}")
    assert "WARN" not in ended.stderr
    assert last_test(folder).status == "FAIL"
    assert last_test(folder).message.startswith("NO-GO (Preflight: violated: PRE-01")
    assert "PRE-01: " in last_test(folder).message
    assert gate(folder)["verdict"] == "NO-GO"
    assert {"gate.json", "gate.html", "summary.md", "xunit.xml"} < {path.name for path in folder.glob("evidence-1/*")}
    assert not list(folder.glob("*.edited"))
    assert len(read_run(folder)) == 1


def test_nothing_is_judged_in_a_dry_run(tmp_path: Path) -> None:
    assert robot(tmp_path, "--dryrun").returncode == 0
    assert not (tmp_path / "gate.json").exists()
    assert last_test(tmp_path).name != VERDICT
