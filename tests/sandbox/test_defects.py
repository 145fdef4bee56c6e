"""The defects as a set: enough for every criterion, each activated without an error."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from pathlib import Path

import pytest
import yaml

from sandbox import defects
from sandbox.errors import StartError

CRITERIA = Path(__file__).parents[2] / "variables" / "criteria.yaml"
KNOWN = defects.load()
OURS = {"PERF-05": "whether the load was applied depends on our generator: tests/unit/test_load.py"}


def covered() -> list[str]:
    """The mission's required criteria that a deployment of the sandbox can violate, and whose suites exist.

    Criteria about the files of a run are violated in tests/unit/test_validate.py. Whether the load was applied
    (PERF-05) depends on the generator: tests/unit/test_load.py violates it.
    """
    content = yaml.safe_load(CRITERIA.read_text(encoding="utf-8"))
    return [
        name
        for name, entry in content["criteria"].items()
        if content["areas"][name.partition("-")[0]]["source"].startswith("phase ")
        and entry["required"] == "R"
        and entry.get("status") != "planned"
        and entry.get("judged_by") != "report"
        and name not in OURS
    ]


def test_every_criterion_has_two_defects_and_one_of_its_own() -> None:
    musts = Counter(criterion for found in KNOWN.values() for criterion in found.must)
    alone = {found.must[0] for found in KNOWN.values() if len(found.must) == 1}
    assert covered()
    assert [criterion for criterion in covered() if musts[criterion] < 2] == []
    assert [criterion for criterion in covered() if criterion not in alone] == []


def test_defects_are_found_by_criterion_and_word() -> None:
    of_criterion = defects.matching("INT-05", "")
    assert {found.name for found in of_criterion} == {name for name, found in KNOWN.items() if "INT-05" in found.must}
    assert [found.name for found in defects.matching("INT-05", "CUT to forty")] == ["long-names-are-cut"]
    with pytest.raises(StartError, match="no defect violates a criterion 'INT-99'; those with"):
        defects.matching("INT-99", "")
    assert len(defects.matching(None, "")) == len(KNOWN)


def test_what_must_be_violated_is_not_what_may() -> None:
    assert [found.name for found in KNOWN.values() if set(found.must) & set(found.may)] == []


@pytest.mark.parametrize("name", KNOWN)
def test_every_seam_is_there(name: str, tmp_path: Path) -> None:
    """Activated in a forked process, as by the supervisor, since a defect cannot be removed."""
    planted = multiprocessing.get_context("fork").Process(
        target=defects.activate, args=(name, tmp_path, KNOWN[name].dialect)
    )
    planted.start()
    planted.join(60)
    assert planted.exitcode == 0
