"""Subscribers by this project, with the process that they listen in: `python -m tests.bench.own_subscribers …`."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from acceptance.deployment.contract import CONTRACT, read_contract
from acceptance.performance.subscriber_process import Ended, Job, Ready, Received, SubscriberPlan
from acceptance.performance.subscribers import child

from tests.bench.events import EVENTS, FIRST_JOB, JOB

PATIENCE_SECONDS = 90.0


async def main(address: str, subscribers: int, jobs: int, joins: float) -> None:
    """Listen until each job's end, and print what was received as JSON."""
    each = tuple(Job(job_id=f"{JOB}{FIRST_JOB + number}", token="t" * 200) for number in range(jobs))
    plan = SubscriberPlan(
        address=address,
        contract=read_contract(CONTRACT),
        jobs=each,
        subscribers=subscribers,
        joins_per_second=joins,
        within_seconds=PATIENCE_SECONDS,
    )
    before = _used()
    async with child(plan) as process:
        ready = await process.read(Ready, within=PATIENCE_SECONDS)
        received = [await process.read(Received, within=PATIENCE_SECONDS) for _ in range(ready.asked)]
        await process.read(Ended, within=PATIENCE_SECONDS)
    expected = list(range(1, EVENTS + 1))
    sequences = [[data["sequence"] for _, data in one.frames] for one in received]
    told = {
        "cpu": _used() - before,
        "listening": ready.listening,
        "messages": sum(map(len, sequences)),
        "whole": sum(sequence == expected for sequence in sequences),
        "problems": sorted({one.problem for one in received if one.problem} | set(ready.problems))[:3],
    }
    print(json.dumps(told))


def _used() -> float:
    """Seconds of CPU of this process and of those that it has seen end: what listening adds to a run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
