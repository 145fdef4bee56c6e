"""What a run against a hostile deployment must not do is found out."""

from __future__ import annotations

from pathlib import Path

import pytest
from acceptance.errors import ConfigurationError

from sandbox.hostile import BEHIND, MODES, NAMES
from tests.detection.hostile import REASONS, SAMPLE, TRACEBACK, _problems, bear

GOOD = (10.0, 150.0, 1, "NO-GO", ["signup: expected JSON, observed NaN is no JSON: 201"], "all well")


def found(folder: Path, *outcome: object) -> list[str]:
    return list(_problems(f"nan{BEHIND}", *outcome, folder))  # type: ignore[call-arg, arg-type]


def test_every_mode_has_a_reason_to_be_named_and_the_sample_has_modes() -> None:
    assert REASONS.keys() == MODES.keys()
    assert set(SAMPLE) <= set(NAMES)


def test_a_run_that_bears_it_has_no_problem(tmp_path: Path) -> None:
    assert found(tmp_path, *GOOD) == []


@pytest.mark.parametrize(
    ("place", "instead", "problem"),
    [
        (0, 200.0, "took 200 s"),
        (1, 700.0, "used 700 MB"),
        (2, 0, "status 0 does not fit"),
        (2, 2, "status 2 does not fit the verdict NO-GO"),
        (3, "PASS", "the verdict is PASS"),
        (3, "no gate", "the verdict is no gate"),
        (4, ["signup: expected status 201, observed 500"], "no violation names NaN is no JSON"),
        (4, [], "no violation names"),
        (5, f"… {TRACEBACK}\n  File", "a traceback"),
    ],
)
def test_what_is_not_borne_is_a_problem(tmp_path: Path, place: int, instead: object, problem: str) -> None:
    outcome = [*GOOD[:place], instead, *GOOD[place + 1 :]]
    assert any(problem in line for line in found(tmp_path, *outcome))


def test_a_mode_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="HOSTILE melt: unknown; there are all, drip"):
        bear(["melt"], tmp_path)
