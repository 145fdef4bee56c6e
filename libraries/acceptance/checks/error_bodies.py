"""What the errors of a whole run were like (INT-12): none is a fault, and all have the contract's shape."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from acceptance.clients.error_log import ErrorResponse


def faults(errors: Iterable[ErrorResponse]) -> Iterator[str]:
    """One line for each route that answered with a status of 500 or above: how often, and the first request.

    While the run itself disturbs the deployment, such answers are judged by what it broke (ERR-01…08).
    """
    found: dict[tuple[str, int], list[ErrorResponse]] = defaultdict(list)
    for error in errors:
        if error.status >= 500 and not error.event and not error.in_fault_window:
            found[error.name, error.status].append(error)
    for (name, status), same in found.items():
        times = f" {len(same)} times" if len(same) > 1 else ""
        yield f"{name}: expected no fault, observed {status}{times}; {same[0].look}"


def misshapen(errors: Iterable[ErrorResponse]) -> Iterator[str]:
    """One line for each way in which bodies of refusals are not as the contract says, with their routes."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for error in errors:
        if error.mistake:
            found[error.mistake][error.name] = None
    yield from (f"error bodies have {mistake} ({', '.join(routes)})" for mistake, routes in found.items())
