"""Whenever a process that breaks and undoes is killed, a rollback leaves no fault in effect."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from acceptance.yaml_models import PROJECT

from tests.unit.conftest import descriptor_at
from tests.unit.fake_control import TOKEN, FakeControl

KILLS, SEED = 20, 12


def test_no_fault_outlives_a_rollback(tmp_path: Path) -> None:
    control = FakeControl()
    descriptor = tmp_path / "team.yaml"
    whole = descriptor_at(control.url.removesuffix("/v1")).model_dump(mode="json", exclude_defaults=True)
    faults = {"control": {"url": control.url, "token": "fault_token"}}
    descriptor.write_text(
        json.dumps(whole | {"faults": faults, "capabilities": ["faults"], "secrets": {"fault_token": "FAULT_TOKEN"}})
    )
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.self.killed_faults", str(descriptor), str(KILLS), str(SEED)], cwd=PROJECT,
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path), "FAULT_TOKEN": TOKEN}, stdout=subprocess.PIPE,
            check=True, timeout=540,
        )  # fmt: skip
    finally:
        control.shutdown()
        control.server_close()
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    calls = [line for line in lines if line["at"].startswith("call")]
    assert [line["status"] for line in calls] == [-9] * (len(calls) - 1) + [0]
    assert len(calls) > 50
    assert [line["status"] for line in lines[len(calls) :]] == [-9] * KILLS
    assert sum(line["undone"] for line in calls) > 20  # faults were in effect, or about to be, when it died
    wrong = [line for line in lines if line["left"] or line["in_effect"] or line["undone"] != line["journalled"]]
    assert wrong == []
