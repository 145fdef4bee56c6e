"""The examples of docs/: each suite passes on the sandbox, and the first one of writing-suites.md fails on its defect.

The load of PERF-01 is applied by suites/performance; here its example is checked in a dry run.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from acceptance.deployment.provisioning import open_deployment
from acceptance.yaml_models import PROJECT
from robot import running
from robot.api import ExecutionResult

from tests.loadable import load_server

DOCS = PROJECT / "docs"
PAGE, EVIDENCE, LOAD = (
    (DOCS / name).read_text(encoding="utf-8") for name in ("writing-suites.md", "evidence.md", "load.md")
)


def suites_of(page: str) -> list[str]:
    """The suites on a page."""
    return re.findall(r"```robotframework\n(.*?)```", page, re.DOTALL)


SUITES = [*suites_of(PAGE), *suites_of(EVIDENCE)]
CRITERION = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0])
FIRST, OWN = SUITES[0], next(suite for suite in SUITES if "OWN-01" in suite)
SECONDS = 180


@pytest.fixture(scope="module")
def deployment() -> Iterator[Path]:
    """The descriptor of a sandbox for all examples."""
    with open_deployment("sandbox") as opened:
        yield opened.path


@pytest.fixture
def broken() -> Iterator[Path]:
    """The descriptor of a sandbox with the defect that the page names."""
    defect = re.findall(r"--defect ([\w-]+)", PAGE)[0]
    with open_deployment("sandbox", plant=defect) as opened:
        yield opened.path


def robot(project: Path, name: str, suite: str, folder: Path, deployment: Path, *options: str) -> ExecutionResult:
    """The result of a suite that stands where the page has it written: in `trials/`, or in `suites/own/`."""
    path = project / ("suites/own" if "../../" in suite else "trials") / f"{name}.robot"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(suite, encoding="utf-8")
    words = ["--outputdir", str(folder), "--variable", f"DEPLOYMENT:{deployment}", *options, str(path)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ACCEPTANCE_")}
    environment["PYTHONPATH"] = str(project / "libraries")
    subprocess.run([sys.executable, "-m", "robot", *words], cwd=project, env=environment, check=False, timeout=SECONDS)
    return ExecutionResult(folder / "output.xml")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what suites need, so that nothing is written into this checkout."""
    copy = tmp_path_factory.mktemp("project")
    for folder in ("libraries", "resources", "suites", "variables"):
        shutil.copytree(PROJECT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("node_modules", "package.json"):
        (copy / name).symlink_to(PROJECT / name)
    return copy


def test_there_are_examples() -> None:
    assert len(suites_of(PAGE)) >= 7
    assert len(suites_of(EVIDENCE)) == 1
    assert len(suites_of(LOAD)) == 2


@pytest.mark.parametrize(
    "suite", [one for one in SUITES if one != OWN], ids=lambda suite: suite.split("\n***")[-1][:40]
)
def test_an_example_passes(suite: str, project: Path, deployment: Path, tmp_path: Path) -> None:
    result = robot(project, "example", suite, tmp_path, deployment)
    assert [test.message for test in result.suite.all_tests if test.status != "PASS"] == []
    assert result.suite.test_count == running.TestSuite.from_string(suite).test_count > 0


def test_the_first_example_fails_on_its_defect(project: Path, broken: Path, tmp_path: Path) -> None:
    [test] = robot(project, "first", FIRST, tmp_path, broken).suite.all_tests
    assert test.status == "FAIL"
    assert "filename in the document list: expected contains" in test.message


def test_an_own_criterion_is_in_the_gate(project: Path, deployment: Path, tmp_path: Path) -> None:
    path = project / "variables" / "criteria.yaml"
    criteria = yaml.safe_load(path.read_text(encoding="utf-8"))
    for part, entries in CRITERION.items():
        criteria[part] |= entries
    path.write_text(yaml.safe_dump(criteria, sort_keys=False), encoding="utf-8")
    result = robot(project, "own", OWN, tmp_path, deployment)
    assert [test.message for test in result.suite.all_tests if test.status != "PASS"] == []
    rows = {row["id"]: row["status"] for row in json.loads((tmp_path / "gate.json").read_text())["criteria"]}
    assert rows["OWN-01"] == "met"


def test_the_load_of_a_criterion_is_written_right(project: Path, deployment: Path, tmp_path: Path) -> None:
    result = robot(project, "load", suites_of(LOAD)[0], tmp_path, deployment, "--dryrun")
    assert [(test.status, test.message) for test in result.suite.all_tests] == [("PASS", "")]


def test_a_load_of_ones_own_is_applied(project: Path, deployment: Path, tmp_path: Path) -> None:
    [script] = re.findall(r"```yaml\n(.*?)```", LOAD, re.DOTALL)
    (project / "trials").mkdir(exist_ok=True)
    (project / "trials" / "my_load.yml").write_text(script.replace("/products", "/quick"), encoding="utf-8")
    with load_server() as server:
        suite = suites_of(LOAD)[1].replace("http://localhost:8080", server.url)
        result = robot(project, "own_load", suite, tmp_path, deployment)
    assert server.of("/quick")
    [test] = result.suite.all_tests
    ours = "EnvironmentUnavailable: the generator did not keep up"  # on a busy machine
    assert test.status == "PASS" or test.message.startswith(ours), test.message


def test_the_command_of_a_load_is_written_right(tmp_path: Path) -> None:
    [script] = re.findall(r"```yaml\n(.*?)```", LOAD, re.DOTALL)
    (tmp_path / "my_load.yml").write_text(script, encoding="utf-8")
    [line] = re.findall(r"^\.venv/bin/python (-m ArtilleryLibrary .*--dry-run[^#\n]*)", LOAD, re.MULTILINE)
    words = [sys.executable, *shlex.split(line), "--target", "http://localhost:8080"]
    ended = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert (ended.returncode, "fargate" in ended.stdout) == (0, True), ended.stderr
