"""`python -m ArtilleryLibrary`: its status says what is known of a load, and a dry run only shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from acceptance.errors import EnvironmentUnavailable
from ArtilleryLibrary import __main__ as command
from ArtilleryLibrary.figures import LoadResult
from ArtilleryLibrary.plan import Ending

from tests.unit.test_artillery_figures import lines, result

SCRIPT = """\
config:
  target: http://127.0.0.1:1
  phases: [{name: only, duration: 4, arrivalRate: 20, rampTo: 20}]
scenarios:
  - {name: a, flow: [{get: {name: a, url: /a}}]}
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "load.yml"
    path.write_text(SCRIPT)
    return str(path)


def test_a_dry_run_shows_the_divided_script_and_the_command(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([script, "--dry-run", "--workers", "5", "--region", "us-east-1"]) == 0
    divided, shown = capsys.readouterr().out.split("\n\n# ")
    assert json.loads(divided)["config"]["phases"][0]["arrivalRate"] == 4
    assert shown.splitlines()[-1] == "artillery run-fargate --count 5 --region us-east-1 script.json"


def test_a_rate_that_cannot_be_divided_is_told(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([script, "--dry-run", "--workers", "3"]) == 3
    assert "error: phase 'only': 20 users per second cannot be divided by 3 workers" in capsys.readouterr().err


def test_every_mistake_of_a_script_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "load.yml"
    path.write_text(SCRIPT.replace("rampTo", "rampo").replace("url", "ulr"))
    assert command.main([str(path)]) == 3
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[2] for line in told if line.startswith("error")] == ["3", "5"]


@pytest.mark.parametrize(
    ("changes", "allowed", "status"),
    [
        ({}, "0.1", command.APPLIED),
        ({}, "0.01", command.BROKEN),  # a tenth of these requests failed
        ({"ending": Ending.STOPPED_EARLY, "reason": "hopeless"}, "0.1", command.BROKEN),
        ({"ending": Ending.INTERRUPTED, "reason": "the load was interrupted"}, "0.1", command.UNKNOWN),
        ({"health": []}, "0.1", command.UNKNOWN),
        ({"ending": Ending.FAILED, "reason": "after: GET /a", "fatal": "after: GET /a"}, "0.1", command.BROKEN),
    ],
)
def test_the_status_says_what_is_known(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], allowed: str, status: int
) -> None:
    kept = [one for one in lines() if one["kind"] != "health" or "health" not in changes]
    kept += [{"kind": "fatal", "error": changes["fatal"]}] if "fatal" in changes else []
    plan = {name: value for name, value in changes.items() if name not in ("health", "fatal")}
    seen = result(tmp_path, kept, **plan)

    async def run_load(*arguments: Any, **options: Any) -> LoadResult:
        return seen

    monkeypatch.setattr(command, "run_load", run_load)
    assert command.main([script, "--error-rate", allowed]) == status


def test_a_load_that_cannot_start_says_why(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run_load(*arguments: Any, **options: Any) -> LoadResult:
        raise EnvironmentUnavailable("Node 18.0 is too old for Artillery")

    monkeypatch.setattr(command, "run_load", run_load)
    assert command.main([script]) == 3
    assert capsys.readouterr().err.splitlines()[-1] == "error: Node 18.0 is too old for Artillery"
