"""The verdict of a plain `robot` call: nobody owns that run from outside, so its last test concludes it."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.evidence.records import Plan, Scope
from acceptance.run import Run
from acceptance.runner.finalize import conclude
from acceptance.runner.self_checks import CLOSING_CHECKS, REPORT_CHECKS, run_closing_checks
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import Gate


def conclude_inline(run: Run, *, name: str, claims: Sequence[str], plan: Plan) -> tuple[Gate, list[str]]:
    """Look at what is left, seal what this process recorded, judge it and report it; nothing is recorded afterwards.

    Args:
        name: of the run, for whoever reads the verdict.
        claims: criteria, or areas of them.
        plan: the tests that are declared, whichever of them ran.

    Returns:
        The gate, and what went wrong with the report about it.

    Raises:
        ConfigurationError: a claim stands for nothing.
    """
    criteria, descriptor = read_criteria(CRITERIA), run.descriptor
    run.evidence.current_test = ""
    run.evidence.write(
        Scope(
            name=name,
            claims=criteria.of(claims),
            criteria=criteria.digest,
            deployment=descriptor.name,
            build=descriptor.build,
            sibling_of=descriptor.sibling_of,
            capabilities=tuple(sorted(descriptor.capabilities)),
            thresholds=descriptor.thresholds,
        )
    )
    run.evidence.write(plan)
    run.evidence.write(Plan(tests=CLOSING_CHECKS | REPORT_CHECKS))
    run_closing_checks(run, run.evidence)
    return conclude(run.folder, run.evidence, criteria)
