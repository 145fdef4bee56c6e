"""The gate: what each kind of evidence decides, and that testing less never makes a verdict better."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from acceptance.deployment.descriptor import Threshold
from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Cause, Observation, Outcome, Plan, Scope
from acceptance.verdict.criteria import CRITERIA as OF_THE_PROJECT
from acceptance.verdict.criteria import read_criteria
from acceptance.verdict.criterion_results import Group, row_of
from acceptance.verdict.gate import Gate
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gates import (
    ALL,
    CRITERIA,
    TESTS,
    evidence,
    judge,
    judge_runs,
    passed,
    row,
    speed,
    with_outcome,
    with_scope,
)


def test_everything_met_is_go() -> None:
    gate = judge(evidence())
    assert (gate.verdict, gate.scope, gate.line) == ("GO", "full", "GO (full: 3 of 3 required)")
    assert [one.status for one in gate.criteria] == ["met", "met", "met", "observed"]
    assert (row(gate, "AA-02").figure, row(gate, "AA-02").threshold) == (29.9, 30)


def test_claiming_less_says_so() -> None:
    gate = judge(with_scope(name="small", claims=("AA-01",)))
    assert (gate.verdict, gate.scope, gate.line) == ("PASS", "partial", "PASS (small: 1 of 3 required)")
    assert row(gate, "AA-02").status == "not_verified"


@pytest.mark.parametrize("cause", ["product", None])
def test_a_wrong_deployment_violates(cause: str | None) -> None:
    gate = judge(with_outcome(status="FAIL", cause=cause, message="expected 1, observed 2"))
    assert (gate.verdict, row(gate, "AA-01").status) == ("NO-GO", "violated")
    assert "one: expected 1, observed 2" in row(gate, "AA-01").reason
    assert gate.line == "NO-GO (full: violated: AA-01)"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ({"status": "FAIL", "cause": "environment", "message": "no browser"}, "we failed to look: one: no browser"),
        ({"status": "SKIP", "message": "later"}, "we failed to look: one: skipped: later"),
        ({"status": "SKIP", "cause": "capability", "message": "needs sql"}, "cannot be known here: one: needs sql"),
    ],
)
def test_what_was_not_seen_is_not_verified(outcome: dict[str, str], reason: str) -> None:
    gate = judge(with_outcome(**outcome))
    assert (gate.verdict, row(gate, "AA-01").status, row(gate, "AA-01").reason) == (
        "INCONCLUSIVE",
        "not_verified",
        reason,
    )
    assert gate.line == f"INCONCLUSIVE (full: {reason.partition(': ')[0]}: AA-01)"


@pytest.mark.parametrize(
    ("observations", "status", "reason"),
    [
        ([speed(30)], "violated", "speed is 30 s, must be under 30 s"),
        ([speed(10), speed(31)], "violated", "speed is 31 s"),
        ([speed(30.0001)], "violated", "speed is 30.0001 s, must be under 30 s"),
        ([speed(10, samples=4)], "not_verified", "4 samples, at least 5 needed"),
        ([speed(10, samples=2), speed(12, samples=3)], "met", ""),
        ([], "not_verified", "no observation of speed"),
        ([speed(10, unit="ms")], "not_verified", "not a number in s"),
        ([speed("quick")], "not_verified", "not a number in s"),
    ],
)
def test_a_figure_is_held_against_its_limit(observations: list[Observation], status: str, reason: str) -> None:
    limited = row(judge(evidence(observations=observations)), "AA-02")
    assert limited.status == status
    assert reason in limited.reason


def test_what_its_tests_ask_for_themselves_is_decided_by_them() -> None:
    message = "needs the capability 'short-lived-tokens', which the deployment's descriptor does not list"
    for name in ("INT-01", "INT-02", "INT-09"):
        by_tests = read_criteria(OF_THE_PROJECT).criteria[name].model_copy(update={"limits": ()})
        assert (by_tests.needs, by_tests.asks) == ((), ("short-lived-tokens",))
        by_list = by_tests.model_copy(update={"needs": ("short-lived-tokens",)})
        ended = {
            "skipped": Outcome(test="ends", criteria=(name,), status="SKIP", cause="capability", message=message),
            "waited": Outcome(test="ends", criteria=(name,), status="PASS"),
        }
        found = {
            how: [row_of(name, one, _group(name, outcome), []) for one in (by_list, by_tests)]
            for how, outcome in ended.items()
        }
        assert [one.status for one in found["skipped"]] == ["not_verified", "not_verified"]
        assert all(one.reason.startswith("cannot be known here: ") for one in found["skipped"])
        assert all("needs the capability 'short-lived-tokens'" in one.reason for one in found["skipped"])
        assert [one.status for one in found["waited"]] == ["not_verified", "met"]


def test_providers_that_are_not_declared_are_not_offered_whatever_else_is_missing() -> None:
    criterion = read_criteria(OF_THE_PROJECT).criteria["INT-15"]
    outcome = Outcome(test="parser", criteria=("INT-15",), status="SKIP", cause="not_offered")
    undeclared = outcome.model_copy(update={"message": "not offered: providers.parser"})
    unknown = outcome.model_copy(update={"cause": "capability", "message": "needs the capability 'sql'"})
    scope, plan = Scope(name="full", claims=("INT-15",), deployment="d", build="b"), Plan(tests={"INT-15": ("parser",)})
    found = [
        row_of("INT-15", criterion, Group("d", [evidence(scopes=[scope], plans=[plan], outcomes=[one])], {}), [])
        for one in (undeclared, unknown)
    ]
    assert [one.status for one in found] == ["not_verified"] * 2
    assert found[0].reason == "not offered: providers.parser"
    assert found[1].reason == "cannot be known here: parser: needs the capability 'sql'"


def _group(name: str, *outcomes: Outcome) -> Group:
    """A run without capabilities, of these tests of a criterion and one that passed."""
    scope = Scope(name="full", claims=(name,), deployment="d", build="b")
    tests = (*outcomes, passed("works", name))
    plan = Plan(tests={name: tuple(one.test for one in tests)})
    return Group("d", [evidence(scopes=[scope], plans=[plan], outcomes=list(tests), observations=[])], {})


def test_a_declared_test_that_did_not_run_counts() -> None:
    gate = judge(evidence(outcomes=[one for one in evidence().outcomes if one.test != "two"]))
    assert (gate.verdict, row(gate, "AA-01").reason) == (
        "INCONCLUSIVE",
        "we failed to look: declared but did not run: two",
    )


def test_a_criterion_without_tests_is_not_verified() -> None:
    gate = judge(evidence(plans=[Plan(tests={name: tests for name, tests in TESTS.items() if name != "AA-01"})]))
    assert row(gate, "AA-01").reason == "we failed to look: no test is declared for it"


def test_a_closing_criterion_needs_the_closing_check() -> None:
    tests = TESTS | {"BB-01": ("a test",)}
    outcomes = [*evidence().outcomes[:3], passed("a test", "BB-01")]
    gate = judge(evidence(plans=[Plan(tests=tests)], outcomes=outcomes))
    assert "the closing check did not run" in row(gate, "BB-01").reason


def test_a_missing_capability_cannot_be_known_here() -> None:
    gate = judge(with_scope(capabilities=()))
    assert row(gate, "BB-01").reason == "cannot be known here: needs the capability 'sql'"


def test_planned_is_not_verified_in_a_full_run() -> None:
    planned = CRITERIA.criteria["AA-01"].model_copy(update={"status": "planned"})
    criteria = CRITERIA.model_copy(update={"criteria": CRITERIA.criteria | {"AA-01": planned}})
    assert judge_runs([evidence()], criteria).line == "INCONCLUSIVE (full: planned, no suite yet: AA-01)"


def test_a_run_that_did_not_start_has_seen_nothing() -> None:
    outcomes = [Outcome(test="one", criteria=("AA-01",), status="FAIL", message="no secret")]
    gate = judge(evidence(scopes=[evidence().scopes[0].model_copy(update={"started": False})], outcomes=outcomes))
    assert gate.verdict == "NO-GO"
    assert row(gate, "AA-02").reason == "we failed to look: the run could not start"


def test_observed_criteria_do_not_gate() -> None:
    failed = Outcome(test="look", criteria=("BB-02",), status="FAIL", message="ugly")
    gate = judge(evidence(outcomes=[*evidence().outcomes[:-1], failed]))
    assert (gate.verdict, row(gate, "BB-02").status, row(gate, "BB-02").reason) == ("GO", "observed", "look: ugly")


@pytest.mark.parametrize("cause", ["environment", "capability"])
def test_an_observed_criterion_that_could_not_be_looked_at_is_not_verified(cause: Cause) -> None:
    failed = Outcome(test="look", criteria=("BB-02",), status="FAIL", cause=cause, message="no tool")
    gate = judge(evidence(outcomes=[*evidence().outcomes[:-1], failed]))
    assert (gate.verdict, row(gate, "BB-02").status) == ("GO", "not_verified")
    assert "no tool" in row(gate, "BB-02").reason


def test_a_violation_counts_though_it_is_not_claimed() -> None:
    failed = Outcome(test="one", criteria=("AA-01",), status="FAIL", message="wrong")
    scope = evidence().scopes[0].model_copy(update={"claims": ("AA-02",)})
    assert judge(evidence(scopes=[scope], outcomes=[*evidence().outcomes, failed])).verdict == "NO-GO"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"damage": ["records-x.jsonl:3: half a line"]}, "damaged evidence: records-x.jsonl:3: half a line"),
        ({"seal": None}, "the run r is not sealed: it did not come to its end, or its seal is gone"),
        ({"plans": [Plan(tests=TESTS | {"AA-77": ("t",)})]}, "unknown criteria are named: AA-77"),
    ],
)
def test_unsound_evidence_is_inconclusive(changes: dict[str, Any], why: str) -> None:
    assert judge(evidence(**changes)).line == f"INCONCLUSIVE (full: {why})"


def test_a_broken_figure_is_told_beside_another_failure_and_one_fault_once() -> None:
    moment = evidence().outcomes[0].time
    before = [one.model_copy(update={"time": moment}) for one in evidence().outcomes]  # none ended after another
    failed = [
        Outcome(test=test, criteria=("AA-02",), status="FAIL", message=message, time=moment)
        for test, message in (("fast", "expected 1: seen 2"), ("check: fast", "expected 1: seen 2"), ("mute", ""))
    ]
    reason = row(judge(evidence(outcomes=[*before, *failed], observations=[speed(31)])), "AA-02").reason
    assert reason.split("; ") == [
        "check: fast: expected 1: seen 2 (and 1 more test)",
        "mute: ",
        "speed is 31 s, must be under 30 s",
    ]


def test_claiming_nothing_is_inconclusive() -> None:
    assert judge(with_scope(claims=())).verdict == "INCONCLUSIVE"


def test_relaxed_thresholds_are_never_a_plain_go() -> None:
    gate = judge(with_scope(thresholds={"AA-02": Threshold(value=60, reason="far away")}))
    assert (
        gate.line
        == "GO (full: 3 of 3 required), against relaxed thresholds: AA-02 under 60 s instead of under 30 s: far away"
    )


ENDINGS = st.sampled_from(
    [("PASS", None), ("FAIL", "product"), ("FAIL", "environment"), ("SKIP", "capability"), ("SKIP", None)]
)


@st.composite
def runs(draw: st.DrawFn) -> Bundle:
    """Evidence of any run of the declared tests, each of which may not have run."""
    outcomes, observations = [], []
    for name, tests in TESTS.items():
        for test in draw(st.sets(st.sampled_from(tests))):
            status, cause = draw(ENDINGS)
            ending = {"test": test, "criteria": (name,), "status": status, "cause": cause}
            outcomes.append(Outcome.model_validate(ending))
            if name == "AA-02":
                seen = speed(draw(st.floats(0, 60)), samples=draw(st.integers(1, 10)))
                observations.append(seen.model_copy(update={"test": test}))
    claims = tuple(draw(st.sets(st.sampled_from(ALL))))
    scope = evidence().scopes[0].model_copy(update={"claims": claims})
    return evidence(scopes=[scope], outcomes=outcomes, observations=observations)


def good(gate: Gate) -> bool:
    return gate.verdict in ("GO", "PASS")


@given(runs(), st.sets(st.sampled_from(sum(TESTS.values(), ()))))
def test_running_fewer_tests_never_makes_a_verdict_good(run: Bundle, left_out: set[str]) -> None:
    less = replace(
        run,
        outcomes=[one for one in run.outcomes if one.test not in left_out],
        observations=[one for one in run.observations if one.test not in left_out],
    )
    if good(judge(less)):
        assert good(judge(run))


@given(runs(), st.sets(st.sampled_from(ALL)))
def test_claiming_less_never_gives_go_and_never_hides_a_violation(run: Bundle, dropped: set[str]) -> None:
    scope = run.scopes[0]
    claims = tuple(name for name in scope.claims if name not in dropped)
    before = judge(run).verdict
    after = judge(replace(run, scopes=[scope.model_copy(update={"claims": claims})])).verdict
    assert (after == "GO") <= (before == "GO")
    assert (after == "NO-GO") == (before == "NO-GO")


def test_a_criterion_without_what_is_not_offered_is_met_in_part_and_the_verdict_is_pass() -> None:
    gate = judge(with_outcome(status="SKIP", cause="not_offered", message="not offered: routes.refresh"))
    one = row(gate, "AA-01")
    assert (one.status, one.without) == ("met", ("routes.refresh",))
    assert gate.line == "PASS (full: 3 of 3 claimed, 3 required; in part: AA-01)"


def test_a_criterion_of_which_nothing_is_offered_counts_as_not_claimed() -> None:
    absent = [
        Outcome(test=test, criteria=("AA-01",), status="SKIP", cause="not_offered", message="not offered: realtime")
        for test in TESTS["AA-01"]
    ]
    others = [one for one in evidence().outcomes if "AA-01" not in one.criteria]
    gate = judge(evidence(outcomes=[*others, *absent]))
    assert (row(gate, "AA-01").status, row(gate, "AA-01").reason) == ("not_verified", "not offered: realtime")
    assert gate.line == "PASS (full: 2 of 3 claimed, 3 required; not offered: AA-01)"


def test_what_is_not_offered_is_named_once_and_as_a_whole() -> None:
    named = "not offered: realtime.job, routes.job, realtime.job"
    one = row(judge(with_outcome(status="SKIP", cause="not_offered", message=named, without=("realtime",))), "AA-01")
    assert one.without == ("realtime", "routes.job")


def test_what_is_not_offered_hides_neither_a_failure_nor_what_did_not_run() -> None:
    absent = Outcome(test="one", criteria=("AA-01",), status="SKIP", cause="not_offered", message="not offered: x")
    wrong = Outcome(test="two", criteria=("AA-01",), status="FAIL", cause="product", message="wrong")
    others = [one for one in evidence().outcomes if "AA-01" not in one.criteria]
    assert judge(evidence(outcomes=[*others, absent, wrong])).verdict == "NO-GO"
    assert judge(evidence(outcomes=[*others, absent])).verdict == "INCONCLUSIVE"


def test_where_nothing_is_offered_there_is_no_pass() -> None:
    absent = [
        Outcome(test=one.test, criteria=one.criteria, status="SKIP", cause="not_offered", message="not offered: x")
        for one in evidence().outcomes
    ]
    assert judge(evidence(outcomes=absent, observations=[])).verdict == "INCONCLUSIVE"


def test_a_figure_with_too_few_samples_is_not_excused_by_what_is_not_offered() -> None:
    absent = Outcome(test="more", criteria=("AA-02",), status="SKIP", cause="not_offered", message="not offered: x")
    gate = judge(evidence(outcomes=[*evidence().outcomes, absent], observations=[speed(1, samples=1)]))
    assert row(gate, "AA-02").status == "not_verified"


def test_what_a_broken_fixture_blocks_is_not_verified_and_the_fixture_violates_its_own_criterion() -> None:
    blocked = "blocked by 'user' (signup: expected status 201, observed 500)"
    gate = judge(with_outcome(status="FAIL", cause="blocked", message=blocked))
    assert (gate.verdict, row(gate, "AA-01").status, row(gate, "AA-01").reason) == (
        "INCONCLUSIVE",
        "not_verified",
        blocked,
    )
    assert "blocked by" in gate.line
    broken = Outcome(test="fixture: user", criteria=("AA-02",), status="FAIL", cause="product", message="observed 500")
    others = with_outcome(status="SKIP", cause="blocked", message=blocked).outcomes
    gate = judge(evidence(outcomes=[*others, broken]))
    assert (gate.verdict, gate.line) == ("NO-GO", "NO-GO (full: violated: AA-02; 1 not verified)")
    assert [cause.tests for cause in gate.causes] == [("fixture: user",)]


def test_a_test_that_left_out_what_is_not_offered_keeps_the_verdict_from_go() -> None:
    gate = judge(with_outcome(status="PASS", without=("routes.logout",)))
    assert (gate.verdict, row(gate, "AA-01").status) == ("PASS", "met")
    assert row(gate, "AA-01").without == ("routes.logout",)


def test_without_what_the_application_consists_of_there_is_no_pass() -> None:
    skipped = with_outcome(status="SKIP", cause="not_offered", message="not offered: services.storage")
    scope = skipped.scopes[0].model_copy(update={"core_absent": ("routes.chat",)})
    gate = judge(replace(skipped, scopes=[scope]))
    assert gate.line == "INCONCLUSIVE (full: not offered, though the application consists of it: routes.chat)"


def test_what_was_demoted_is_missing_from_go() -> None:
    gate = judge_runs([evidence()], CRITERIA.model_copy(update={"demoted": ("AA-03",)}))
    assert (gate.verdict, gate.line) == ("PASS", "PASS (full: 3 of 3 required), demoted: AA-03")


def test_a_sibling_does_not_prove_what_is_of_this_deployment() -> None:
    here = with_scope(capabilities=())
    scope = evidence().scopes[0].model_copy(update={"deployment": "other", "sibling_of": "d"})
    there = evidence(run="s", scopes=[scope])
    assert row(judge(here, there), "BB-01").status == "met"
    own = CRITERIA.criteria["BB-01"].model_copy(update={"siblings": False})
    gate = judge_runs([here, there], CRITERIA.model_copy(update={"criteria": CRITERIA.criteria | {"BB-01": own}}))
    assert row(gate, "BB-01").reason == "cannot be known here: needs the capability 'sql'"
