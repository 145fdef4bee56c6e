"""What kind of evidence counts, and how several tries and several measurements are taken together."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from acceptance.errors import NOT_APPLICABLE
from acceptance.evidence.histogram import Distribution
from acceptance.evidence.records import Observation, Outcome, moment
from acceptance.evidence.seal import Seal

from tests.unit.gates import (
    CRITERIA,
    TESTS,
    evidence,
    judge,
    judge_runs,
    row,
    speed,
    with_outcome,
)


def test_a_test_that_passed_on_a_second_try_is_flaky_and_violates() -> None:
    first = Outcome(test="one", criteria=("AA-01",), status="FAIL", cause="product", message="late")
    tried = evidence(outcomes=[first.model_copy(update={"time": "2026-01-01T00:00:00.000Z"}), *evidence().outcomes])
    gate = judge(replace(tried, seal=None))
    assert row(gate, "AA-01").status == "violated"
    assert row(gate, "AA-01").reason == "one: flaky: passed on try 2, after: late"
    [test] = [test for test in row(gate, "AA-01").tests if test.name == "one"]
    assert (test.flaky, test.tries, test.status) == (True, 2, "PASS")


def test_a_criterion_may_allow_it_and_it_is_still_shown() -> None:
    first = Outcome(test="one", criteria=("AA-01",), status="FAIL", cause="product", message="late")
    allowed = CRITERIA.criteria["AA-01"].model_copy(update={"flaky_allowed": "a real network is between"})
    criteria = CRITERIA.model_copy(update={"criteria": CRITERIA.criteria | {"AA-01": allowed}})
    again = [one.model_copy(update={"time": moment(later=timedelta(seconds=1))}) for one in evidence().outcomes]
    gate = judge_runs([evidence(outcomes=[first, *again])], criteria)
    assert (gate.verdict, row(gate, "AA-01").tests[0].flaky) == ("GO", True)


def test_a_test_that_fails_on_a_second_try_is_no_flake() -> None:
    later = moment(later=timedelta(seconds=1))
    failed = Outcome(test="one", criteria=("AA-01",), status="FAIL", message="wrong", time=later)
    assert row(judge(evidence(outcomes=[*evidence().outcomes, failed])), "AA-01").reason == "one: wrong"


def test_a_criterion_may_not_apply_by_its_own_rule() -> None:
    outcomes = [one for one in evidence().outcomes if one.criteria != ("AA-01",)]
    message = f"{NOT_APPLICABLE}this deployment is the local baseline"
    by_rule = [Outcome(test=test, criteria=("AA-01",), status="SKIP", message=message) for test in TESTS["AA-01"]]
    may = CRITERIA.criteria["AA-01"].model_copy(update={"may_not_apply": True})
    criteria = CRITERIA.model_copy(update={"criteria": CRITERIA.criteria | {"AA-01": may}})
    gate = judge_runs([evidence(outcomes=[*outcomes, *by_rule])], criteria)
    assert (gate.verdict, row(gate, "AA-01").status) == ("GO", "not_applicable")
    one = judge_runs([evidence(outcomes=[*outcomes, by_rule[0]])], criteria)
    assert row(one, "AA-01").status == "not_verified"
    assert row(judge(evidence(outcomes=[*outcomes, *by_rule])), "AA-01").status == "not_verified"


def sampled(values: list[float], statistic: str = "mean") -> Observation:
    kept = Distribution.of(values)
    return speed(kept.statistic(statistic), samples=kept.count).model_copy(
        update={"statistic": statistic, "distribution": kept}
    )


def test_a_statistic_of_several_observations_is_that_of_all_samples() -> None:
    limited = row(judge(evidence(observations=[sampled([10.0]), sampled([40.0, 40.0, 40.0, 40.0])])), "AA-02")
    assert (limited.figure, limited.status) == (34.0, "violated")  # the average of the averages is 25


def test_what_kept_no_samples_is_judged_by_its_worst() -> None:
    assert row(judge(evidence(observations=[sampled([10.0] * 5), speed(31)])), "AA-02").figure == 31


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"time": "2020-01-01T00:00:00.000Z"}, "is of 2020-01-01: evidence counts for 24 hours"),
        ({"time": "2999-01-01T00:00:00.000Z"}, "is of the future: 2999-01-01"),
        ({"deployment": "elsewhere"}, "observations of another deployment: elsewhere (build None)"),
        ({"deployment": "d", "build": "old"}, "observations of another deployment: d (build old)"),
    ],
)
def test_evidence_of_another_time_or_place_does_not_count(change: dict[str, str], why: str) -> None:
    gate = judge(evidence(observations=[speed(20).model_copy(update=change)]))
    assert gate.verdict == "INCONCLUSIVE"
    assert why in gate.line
    assert row(gate, "AA-01").reason.startswith("its evidence does not count: the run r ")


def test_what_unsound_evidence_shows_bad_still_counts() -> None:
    assert judge(replace(with_outcome(status="FAIL", message="wrong"), seal=None)).verdict == "NO-GO"


def test_what_was_violated_when_it_was_sealed_stays_violated() -> None:
    seal = Seal(run="r", time=moment(), chains={}, artifacts={}, violated=("AA-01",))
    gate = judge(evidence(seal=seal))
    assert (gate.verdict, row(gate, "AA-01").status) == ("NO-GO", "violated")
    assert "the records that say why are gone" in row(gate, "AA-01").reason


def test_nothing_that_says_what_was_to_be_judged_is_inconclusive() -> None:
    gate = judge(evidence(scopes=[]))
    assert (gate.verdict, gate.deployment) == ("INCONCLUSIVE", "unknown")
    assert "nothing says what the run r was to judge" in gate.line
