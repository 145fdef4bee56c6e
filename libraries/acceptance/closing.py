"""Checks of the whole run at its end, when everything that it made has been removed again."""

from __future__ import annotations

from acceptance.errors import violation
from acceptance.run import Run
from acceptance.waiting import wait_until

SETTLE_SECONDS = 30.0


async def consistency(run: Run) -> None:
    """INT-14: nothing is left working, and nothing is left of anything that is gone.

    Raises:
        CapabilityMissing: the descriptor does not list `sql`.
        AssertionError: names every job still under way, or every orphan.
    """
    final = run.contract.jobs.final_states

    async def unfinished() -> list[str]:
        jobs = await run.inspection.rows("jobs")
        return [f"{job['job_id']} is {job['status']}/{job['state']}" for job in jobs if job["state"] not in final]

    await wait_until(unfinished, lambda jobs: not jobs, what="jobs left working", within=SETTLE_SECONDS, every=0.5)
    orphans = [f"{row['kind']} {row['id']}" for row in await run.inspection.rows("orphans")]
    if orphans:
        raise violation(
            "orphans", expected="none", seen=", ".join(orphans), look="named query 'orphans' of the contract"
        )
