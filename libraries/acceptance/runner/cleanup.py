"""Removes users that earlier runs left on a deployment."""

from __future__ import annotations

import tempfile
from pathlib import Path

from acceptance.deployment.provisioning import OpenDeployment
from acceptance.fixtures.resource_ledger import NAME, ResourceLedger
from acceptance.run import Run

WITHIN_SECONDS = 600.0


def clean_up(opened: OpenDeployment, results: Path) -> tuple[int, list[str]]:
    """Remove the users in the resource ledgers under `results`, with their data; active runs are skipped.

    Returns:
        The number of removed users, and a line for each thing that remains.
    """
    removed, left = 0, []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(opened, Path(folder), "clean-up")
        own = run.ledger
        try:
            for path in sorted(results.rglob(str(NAME))):
                run.ledger = ResourceLedger(path.parents[1], opened.descriptor.name)
                if not run.ledger.under_way():
                    before = len(run.ledger.standing("user"))
                    left += run.wait(run.users.remove_all(), within=WITHIN_SECONDS)
                    removed += before - len(run.ledger.standing("user"))
                run.ledger.close()
        finally:
            run.ledger = own
            run.close()
    return removed, left
