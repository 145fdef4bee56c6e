"""How keyword libraries reach the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.errors import ConfigurationError
from robot.api import FatalError
from robot_run import lifecycle


class Variables:
    """Robot Framework's variables, by a table."""

    def __init__(self, output: Path) -> None:
        self._values = {"${OUTPUT DIR}": str(output), "${DEPLOYMENT}": "busy"}

    def get_variable_value(self, name: str) -> str:
        return self._values[name]


def test_a_deployment_that_could_not_be_opened_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[object] = []

    def open_run(_: Path, deployment: object, __: object) -> None:
        tried.append(deployment)
        raise ConfigurationError(["busy: not ready after 60 s"])

    monkeypatch.setattr(lifecycle, "BuiltIn", lambda: Variables(tmp_path))
    monkeypatch.setattr(lifecycle, "open_run", open_run)
    monkeypatch.setattr(lifecycle, "_unavailable", {})
    for _ in range(2):
        with pytest.raises(FatalError, match="busy: not ready after 60 s"):
            lifecycle.the_run()
    assert tried == ["busy"]
