"""The timeline of an experiment: requests by what they came to, with the moments of the fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from acceptance.evidence.records import Point
from acceptance.experiments.outcomes import Kind, Outcome

BIN_SECONDS = 0.25
FAULT, IN_EFFECT = "fault", "in effect"


def lines(outcomes: Sequence[Outcome], began: float, ended: float) -> dict[str, list[Point]]:
    """Requests that ended in each quarter of a second, by what they came to; x in seconds since the beginning.

    What no request came to has no line, but for those that were served.

    Args:
        began, ended: of the workload, by the monotonic clock.
    """
    bins = max(1, int((ended - began) / BIN_SECONDS) + 1)
    counts = {kind: [0] * bins for kind in Kind}
    for one in outcomes:
        counts[one.kind][min(bins - 1, max(0, int((one.ended - began) / BIN_SECONDS)))] += 1
    return {
        kind.value: [(number * BIN_SECONDS, float(count)) for number, count in enumerate(found)]
        for kind, found in counts.items()
        if kind is Kind.SERVED or any(found)
    }


def marks(moments: Mapping[str, float], began: float) -> dict[str, float]:
    """The moments in seconds since the beginning, rounded to a hundredth.

    A fault begins where it is proven to be in effect (`in effect`, `in effect 2`, …): that it was asked for just
    before would only fill the chart.
    """
    proven = {name.replace(IN_EFFECT, FAULT): at for name, at in moments.items() if name.partition(" ")[0] != FAULT}
    return {name: round(at - began, 2) for name, at in proven.items()}
