"""What editors read names paths, a listener and a deployment that exist."""

from __future__ import annotations

import json
import tomllib
from importlib.util import find_spec

from acceptance.deployment.provisioning import find_descriptor
from acceptance.yaml_models import PROJECT


def test_robotcode_runs_suites_with_the_redacting_listener() -> None:
    settings = tomllib.loads((PROJECT / "robot.toml").read_text())
    assert [path for path in settings["paths"] + settings["python-path"] if not (PROJECT / path).is_dir()] == []
    assert list(settings["listeners"]) == ["RedactingListener"]
    assert find_spec("RedactingListener")
    assert set(settings["default-profiles"]) <= settings["profiles"].keys()
    assert find_descriptor(settings["profiles"]["sandbox"]["variables"]["DEPLOYMENT"]).exists()


def test_the_editor_recommends_robotcode() -> None:
    assert "d-biehl.robotcode" in json.loads((PROJECT / ".vscode" / "extensions.json").read_text())["recommendations"]
    json.loads((PROJECT / ".vscode" / "settings.json").read_text())
