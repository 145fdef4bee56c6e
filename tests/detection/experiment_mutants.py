"""Harness mutants of an experiment: its fault is not there, stays, or its ledger has gaps.

They are tried on one row, whose test passes where nothing is done.
"""

from __future__ import annotations

from tests.detection.meddling import FaultNotInEffect, LedgerIncomplete, RollbackLost
from tests.detection.mutants import Good, HarnessMutant

AN_EXPERIMENT = Good(
    "an-experiment", "errors", "INCONCLUSIVE", ("--suite", "Authentication Outage", "--test", "An Outage")
)
CRITERION = "ERR-06"


def _by(listener: type) -> tuple[str, ...]:
    """The option for robot that has a listener break the harness."""
    return ("--listener", f"{listener.__module__}.{listener.__qualname__}")


EXPERIMENT_MUTANTS = (
    HarnessMutant(
        "fault-not-in-effect",
        "A fault is asked for, and nothing is broken.",
        "INCONCLUSIVE",
        "the fault is not in effect",
        must=(CRITERION,),
        options=_by(FaultNotInEffect),
        good=AN_EXPERIMENT,
    ),
    HarnessMutant(
        "rollback-lost",
        "A fault is undone, and stays in effect.",
        "INCONCLUSIVE",
        "it is still in effect",
        must=(CRITERION,),
        options=_by(RollbackLost),
        good=AN_EXPERIMENT,
    ),
    HarnessMutant(
        "ledger-incomplete",
        "Documents that were accepted during an experiment are missing in its ledger.",
        "INCONCLUSIVE",
        "documents that were accepted",
        must=(CRITERION,),
        options=_by(LedgerIncomplete),
        good=AN_EXPERIMENT,
    ),
)
