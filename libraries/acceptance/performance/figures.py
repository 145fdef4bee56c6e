"""Figures: what a measurement came to, recorded as evidence. The expectation of a figure stands in the suites."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeVar

from acceptance.errors import EnvironmentUnavailable, Violation, violation
from acceptance.evidence.histogram import Distribution
from acceptance.run import Run

Result = TypeVar("Result")


@dataclass(frozen=True)
class Figure:
    """A figure as it was measured.

    Args:
        what: the figure in words, for messages.
        samples: so many the value is of.
        details: what explains the value, such as the slowest endpoints.
        ours: why a value out of its limit is no fault of the deployment; empty where it is.
    """

    what: str
    value: float
    unit: str
    samples: int
    details: str = ""
    ours: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.value:.4g} {self.unit} ({self.samples} samples)"

    def broken(self, expected: str) -> Violation | EnvironmentUnavailable:
        """The exception for a value that is not as expected."""
        observed = f"{self.value:.4g} {self.unit}" + (f": {self.details}" if self.details else "")
        if self.ours:
            return EnvironmentUnavailable(f"{self.what}: expected {expected}, observed {observed}; {self.ours}")
        return violation(self.what, expected=expected, observed=observed)


Make = Callable[[], Figure | Awaitable[Figure]]


async def recorded(run: Run, name: str, make: Make) -> Figure:
    """A figure, measured and recorded where a test first asks for it."""
    known: dict[str, Figure] = run.context.figures
    if name not in known:
        made = make()
        known[name] = await made if inspect.isawaitable(made) else made
    return known[name]


def figure_of_samples(
    run: Run, criterion: str, name: str, samples: Sequence[float], unit: str, statistic: str, what: str, **more: str
) -> Figure:
    """Record samples with the statistic that is judged; without any, nothing, and the figure is infinite."""
    if not samples:
        return Figure(what, float("inf"), unit, 0, **more)
    run.observe(criterion, name, samples, unit, statistic=statistic)
    exact: dict[str, Callable[[Sequence[float]], float]] = {"mean": fmean, "max": max}
    value = exact[statistic](samples) if statistic in exact else Distribution.of(samples).statistic(statistic)
    return Figure(what, value, unit, len(samples), **more)


def note_not_measured(run: Run, criterion: str, name: str, why: str) -> None:
    """Record why a figure has no value, which it may have none of."""
    run.observe(criterion, f"{name}_told", f"not measured: {why}", "text", samples=1)


async def measured_once(run: Run, name: str, measure: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
    """What is measured once in a run, for several tests; its failure is the failure of each.

    Raises:
        EnvironmentUnavailable: it was interrupted by a time limit or a signal, while another test waited for it.
    """
    task = run.begin(name, measure)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if task.cancelled():
            raise EnvironmentUnavailable(f"{name}: interrupted, so nothing is known of it") from None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise
