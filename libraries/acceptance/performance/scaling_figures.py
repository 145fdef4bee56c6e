"""What the rising load showed, recorded for PERF-08 and PERF-09."""

from __future__ import annotations

from collections.abc import Callable

from acceptance.evidence.records import Point
from acceptance.performance.capacity import Step
from acceptance.performance.scaling import Scaling, scaled
from acceptance.run import Run


async def steps_are_shown(run: Run, scale: str) -> None:
    """PERF-08: throughput, first byte and errors of each step, a line for each repeat."""
    seen = await scaled(run, scale)
    for name, unit, take in (
        ("requests answered", "1/s", lambda step: step.achieved),
        ("first byte p95", "ms", lambda step: _percentile(step, "p95")),
        ("first byte p99", "ms", lambda step: _percentile(step, "p99")),
        ("error rate", "%", lambda step: step.error_rate),
    ):
        lines = _lines(seen, take)
        if name == "requests answered":
            lines["offered"] = list(
                dict.fromkeys((float(s.rate), s.offered) for one in seen.repeats for s in one.steps)
            )
        run.observe_series("PERF-08", seen.name(name), lines, unit, x_unit="users/s")


async def capacity_is_stated(run: Run, scale: str) -> None:
    """PERF-08: the last step within limits, in how many repeats, and how the next one went."""
    seen = await scaled(run, scale)
    steps = sum(len(one.steps) for one in seen.repeats)
    run.observe("PERF-08", seen.name("capacity"), seen.capacity.rate, "users/s", samples=steps)
    run.observe("PERF-08", seen.name("capacity_told"), str(seen.capacity), "text", samples=steps)
    run.observe("PERF-08", seen.name("limits_broke"), "; ".join(seen.capacity.broke), "text", samples=len(seen.repeats))


def _lines(seen: Scaling, take: Callable[[Step], float | None]) -> dict[str, list[Point]]:
    return {
        f"repeat {number}": [(float(step.rate), value) for step in repeat.steps if (value := take(step)) is not None]
        for number, repeat in enumerate(seen.repeats, 1)
    }


def _percentile(step: Step, name: str) -> float | None:
    return None if step.first_byte is None else step.first_byte.statistic(name)
