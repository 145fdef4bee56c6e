"""The verdict of a plain `robot` call, made by its last test."""

from __future__ import annotations

from collections.abc import Sequence

from acceptance.deployment.contract import differences
from acceptance.evidence.records import Plan, Scope
from acceptance.run import Run
from acceptance.runner.finalize import conclude
from acceptance.runner.self_checks import CLOSING_CHECKS, REPORT_CHECKS, run_closing_checks
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import Gate


def conclude_inline(run: Run, *, name: str, claims: Sequence[str], plan: Plan) -> tuple[Gate, list[str]]:
    """Run the closing checks, seal the evidence of this process, judge and report it; nothing is recorded afterwards.

    Args:
        name: of the run, for the report.
        claims: criteria, or areas of them.
        plan: the declared tests, executed or not.

    Returns:
        The gate, and problems of the report.

    Raises:
        ConfigurationError: a claim matches no criterion.
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
            contract=differences(descriptor.contract) if descriptor.contract else (),
            core_absent=run.contract.core_absent,
        )
    )
    run.evidence.write(plan)
    run.evidence.write(Plan(tests=CLOSING_CHECKS | REPORT_CHECKS))
    run_closing_checks(run, run.evidence, criteria.of(claims), broken=[str(left) for left in run.faults.left])
    run.note_rate_limits()
    return conclude(run.folder, run.evidence, criteria)
