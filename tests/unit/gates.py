"""A small set of criteria, and the evidence of a run in which all of them are met; tests change one thing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from acceptance.evidence.reader import Bundle
from acceptance.evidence.records import Observation, Outcome, Plan, Scope, moment
from acceptance.evidence.seal import Seal
from acceptance.verdict import gate
from acceptance.verdict.criteria import Criteria
from acceptance.verdict.criterion_results import CLOSING, Row
from acceptance.verdict.gate import Gate

LIMIT = {"figure": "speed", "must_be": "under", "threshold": 30, "unit": "s", "least_samples": 5}
ALL = ("AA-01", "AA-02", "BB-01", "BB-02")
CRITERIA = Criteria.model_validate(
    {
        "evidence": {"counts_for_hours": 24},
        "areas": {"AA": {"title": "a", "source": "s"}, "BB": {"title": "b", "source": "s"}},
        "criteria": {
            "AA-01": {"title": "plain", "required": "R", "rule": "r"},
            "AA-02": {"title": "limited", "required": "R", "rule": "r", "limits": [LIMIT]},
            "BB-01": {"title": "closing", "required": "R", "rule": "r", "judged_by": "closing", "needs": ["sql"]},
            "BB-02": {"title": "observed", "required": "O", "rule": "r"},
        },
    }
)
TESTS = {"AA-01": ("one", "two"), "AA-02": ("fast",), "BB-01": (f"{CLOSING}BB-01",), "BB-02": ("look",)}


def evidence(**changes: Any) -> Bundle:
    """Evidence of a run that claims everything and in which everything went well."""
    whole = Bundle(
        run="r",
        scopes=[Scope(name="full", claims=ALL, deployment="d", build="b", capabilities=("sql",))],
        plans=[Plan(tests=TESTS)],
        outcomes=[passed(test, name) for name, tests in TESTS.items() for test in tests],
        observations=[speed(29.9)],
        seal=Seal(run="r", time=moment(), chains={}, artifacts={}, violated=()),
    )
    return replace(whole, **changes)


judge_runs = gate.judge


def judge(*bundles: Bundle) -> Gate:
    return judge_runs(bundles, CRITERIA)


def passed(test: str, *criteria: str) -> Outcome:
    return Outcome(test=test, criteria=criteria, status="PASS")


def speed(value: float | str, *, samples: int = 5, unit: str = "s") -> Observation:
    return Observation(
        criterion="AA-02", name="speed", value=value, unit="text" if value == "quick" else unit, samples=samples
    )


def with_outcome(**outcome: Any) -> Bundle:
    """The good evidence, but the test `one` of AA-01 ended so."""
    others = [one for one in evidence().outcomes if one.test != "one"]
    return evidence(outcomes=[*others, Outcome(test="one", criteria=("AA-01",), **outcome)])


def with_scope(**changes: Any) -> Bundle:
    return evidence(scopes=[evidence().scopes[0].model_copy(update=changes)])


def row(gate: Gate, name: str) -> Row:
    return next(one for one in gate.criteria if one.id == name)
