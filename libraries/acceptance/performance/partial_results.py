"""Records partial metrics of an interrupted load, marked as such."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ArtilleryLibrary.figures import LOG, Ending, LoadResult, read_result
from ArtilleryLibrary.plan import PLAN

from acceptance.evidence.recorder import Recorder

CRITERIA = tuple(f"PERF-{number:02}" for number in range(1, 7))
RISES = "PERF-08", "PERF-09"
LOADS = {f"load-*/{PLAN}": CRITERIA, f"scaling/repeat-*/{PLAN}": RISES}
UNFINISHED = "_of_an_unfinished_load"


def record_unfinished(folder: Path, recorder: Recorder) -> None:
    """Record, for each load in a run's folder that was interrupted, how far it came and what was measured until then.

    The figures have names of their own, and a check that has failed for a reason of ours stands beside them: no
    criterion is met by them, and none violated. Those of a load in steps are all of the criterion of its capacity.
    """
    found = [(plan, criteria) for pattern, criteria in LOADS.items() for plan in sorted(folder.glob(pattern))]
    for plan, criteria in found:
        name = plan.parent.relative_to(folder).as_posix()
        try:
            result = read_result(plan.parent)
            measured = list(_figures(result))
        except (OSError, ValueError) as error:
            recorder.note(f"{name}: what is left of it cannot be read: {error}")
            continue
        if result.ending is not Ending.INTERRUPTED:
            continue
        log = f"{name}/{LOG}"
        for criterion, figure, value, unit, samples in measured:
            whose = RISES[0] if criteria is RISES else criterion
            recorder.observe(whose, f"{figure}{UNFINISHED}", value, unit, samples=samples)
        arrivals = result.arrivals
        recorder.test(
            name=f"{name}: it came to its end",
            status="FAIL",
            criteria=criteria,
            cause="environment",
            message=f"the load was interrupted after {arrivals.actual} of {arrivals.scheduled} users and"
            f" {len(result.requests)} requests; what was measured of them is in {log}",
        )


def _figures(result: LoadResult) -> Iterator[tuple[str, str, float, str, int]]:
    """Criterion, name, value, unit and samples."""
    figures, arrivals = result.figures(), result.arrivals
    yield "PERF-05", "arrivals", 100 * arrivals.share, "%", arrivals.actual or 1
    yield "PERF-02", "successful_requests", figures.succeeded, "requests", figures.attempted or 1
    if figures.attempted:
        yield "PERF-03", "error_rate", 100 * figures.error_rate, "%", figures.attempted
    if figures.first_byte is not None:
        yield "PERF-01", "mean_first_byte", figures.first_byte.mean, "ms", figures.first_byte.count
