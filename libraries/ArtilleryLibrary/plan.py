"""The plan of a load, its ending, and the completeness of its request log."""

from __future__ import annotations

from enum import StrEnum

from ArtilleryLibrary.flows import Scenario
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.requestlog import RequestLog
from ArtilleryLibrary.yaml_document import Data

PLAN = "load.json"


class Ending(StrEnum):
    """How a load ended; only a complete one has figures of the whole load."""

    COMPLETE = "complete"
    STOPPED_EARLY = "stopped early"
    DEADLINE = "deadline"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    TRUNCATED = "truncated"


class LoadPlan(Data):
    """The load to apply, and its ending; kept beside the request log."""

    script: str
    target: str
    phases: tuple[Phase, ...]
    scenarios: tuple[Scenario, ...]
    corrections: tuple[str, ...]
    node: str
    artillery: str
    ending: Ending = Ending.INTERRUPTED
    reason: str = "the load was ended from outside, without a recorded reason"


def lost(plan: LoadPlan, log: RequestLog) -> list[str]:
    """What the log lacks of the load that Artillery counted."""
    lacking = []
    if log.half:
        lacking.append("the request log ends in half a line")
    if log.unreadable:
        lacking.append(
            f"{len(log.unreadable)} lines of the request log cannot be read, the first is {log.unreadable[0]}"
        )
    if log.counters is None:
        return [*lacking, "the request log has no end"]
    users, requests = log.counters.get("vusers.created", 0), log.counters.get("http.requests", 0)
    logged = sum(one.sent for one in log.requests)
    if len(log.users) < users:
        lacking.append(f"the request log holds {len(log.users)} of {users} virtual users")
    if logged < requests:
        lacking.append(f"the request log holds {logged} of {requests} requests")
    explained = len({one.user for one in log.requests if not one.ok}) + sum(log.step_errors.values())
    if (failed := log.counters.get("vusers.failed", 0)) > explained:
        lacking.append(f"the request log says of {explained} of {failed} virtual users why they failed")
    missing = [phase.name for phase in plan.phases if phase.index not in log.phases]
    if missing:
        lacking.append(f"phases that never began: {', '.join(missing)}")
    return lacking
