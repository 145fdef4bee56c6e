"""The criteria as data: all of them, and every mistake in their file named at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from acceptance.deployment.descriptor import Threshold
from acceptance.errors import ConfigurationError
from acceptance.verdict import criteria as criteria_module
from acceptance.verdict.criteria import MISSION, Criteria, Limit, read_criteria

from tests.evidence import ALL, of_the_mission


@pytest.fixture(scope="module")
def criteria() -> Criteria:
    return ALL


def test_all_criteria_are_there(criteria: Criteria) -> None:
    assert (len(criteria.criteria), len(criteria.required)) == (61, 49)
    assert len(criteria.of(["PRE", "INT"])) == 19


def test_what_the_mission_requires_is_what_the_file_requires() -> None:
    assert ALL.required == MISSION
    assert ALL.demoted == ()
    assert [name for name, one in ALL.criteria.items() if not one.siblings] == ["PRE-01", "PRE-02", "PRE-03", "INT-15"]


def test_what_the_file_demotes_or_lacks_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "criteria.yaml"
    content = yaml.safe_load(criteria_module.CRITERIA.read_text())
    content["criteria"]["INT-01"]["required"] = "O"
    del content["criteria"]["INT-02"]
    path.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(criteria_module, "CRITERIA", path)
    assert read_criteria(path).demoted == ("INT-01", "INT-02")


def test_what_a_team_adds_is_not_counted() -> None:
    limits = ALL.criteria["INT-13"]
    own = ALL.areas | {"OWN": ALL.areas["INT"].model_copy(update={"source": "our team"})}
    added = ALL.model_copy(update={"areas": own, "criteria": ALL.criteria | {"OWN-01": limits}})
    assert added.of(["OWN"]) == ("OWN-01",)
    assert of_the_mission(added) == ALL


def test_what_is_judged_now_is_not_planned(criteria: Criteria) -> None:
    assert not [name for name in criteria.of(["PRE", "INT"]) if criteria.criteria[name].status]


def test_every_mistake_is_named_by_entry_and_field(tmp_path: Path) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_text(
        """
areas: {INT: {title: t, source: s}}
criteria:
  INT-01: {titel: t, required: R, rule: r}
  INT-02: {title: t, required: maybe, rule: r, needs: [sqll]}
  int-3: {title: t, required: R, rule: r}
  INT-04: {title: t, required: R, rule: r, limits: [{figure: f, unit: s, least_samples: 0}]}
"""
    )
    with pytest.raises(ConfigurationError) as raised:
        read_criteria(path)
    told = "\n".join(raised.value.problems)
    for expected in (
        "criteria.INT-01.title: missing",
        "criteria.INT-01.titel: unknown field (did you mean 'title'?)",
        "criteria.INT-02.required",
        "criteria.INT-02.needs.0: no capability of this name",
        "criteria.int-3",
        "criteria.INT-04.limits.0.least_samples",
    ):
        assert expected in told
    assert all(problem.startswith(f"{path}:") for problem in raised.value.problems)
    assert f"{path}:4: criteria.INT-01.titel" in told
    assert f"{path}:7: criteria.INT-04.limits.0.least_samples" in told


def test_a_criterion_that_stands_there_twice_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_text("evidence: {}\ncriteria:\n  INT-01: {required: R}\n  INT-02: {}\n  INT-01: {required: O}\n")
    with pytest.raises(ConfigurationError) as raised:
        read_criteria(path)
    assert raised.value.problems == (f"{path}:5: INT-01: stands there twice",)


def test_a_criterion_of_no_area_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "criteria.yaml"
    path.write_text(
        "evidence: {counts_for_hours: 1}\nareas: {}\ncriteria: {INT-01: {title: t, required: R, rule: r}}\n"
    )
    with pytest.raises(ConfigurationError, match="INT-01: of no known area"):
        read_criteria(path)


@pytest.mark.parametrize(
    ("must_be", "kept", "broken"),
    [("at most", [9, 10], [10.1]), ("under", [9.9], [10]), ("at least", [10, 11], [9.9]), ("over", [10.1], [10])],
)
def test_limits_compare_as_they_say(must_be: str, kept: list[float], broken: list[float]) -> None:
    limit = Limit.model_validate({"figure": "f", "unit": "s", "least_samples": 1, "must_be": must_be, "threshold": 10})
    assert all(limit.kept_by(value) for value in kept)
    assert not any(limit.kept_by(value) for value in broken)
    assert not limit.kept_by(float("nan"))


def test_a_stricter_threshold_is_free_and_a_looser_one_needs_a_reason(criteria: Criteria) -> None:
    stricter, relaxed = criteria.with_thresholds({"INT-13.slowest_processing": Threshold(value=20)})
    assert stricter.criteria["INT-13"].limits[1].threshold == 20
    assert relaxed == []
    with pytest.raises(ConfigurationError, match="needs a reason"):
        criteria.with_thresholds({"INT-13.slowest_processing": Threshold(value=60)})
    _, relaxed = criteria.with_thresholds({"INT-08": Threshold(value=2, reason="one region away")})
    assert relaxed == ["INT-08 at most 2 s instead of at most 1 s: one region away"]


def test_a_threshold_of_nothing_is_a_mistake(criteria: Criteria) -> None:
    with pytest.raises(ConfigurationError) as raised:
        criteria.with_thresholds({"INT-99": Threshold(value=1), "INT-13.speed": Threshold(value=1)})
    assert len(raised.value.problems) == 2
