"""Results as text: one figure by its name, or a table of all."""

from __future__ import annotations

from collections.abc import Iterator

from ArtilleryLibrary.figures import Figures, LoadResult

TIMES = ("first byte", "total")
COUNTS = {
    "requests": lambda one: one.attempted,
    "successful requests": lambda one: one.succeeded,
    "failed requests": lambda one: one.failed,
    "error rate": lambda one: one.error_rate,
}
LISTED_ERRORS = 10


def figure(
    result: LoadResult,
    name: str,
    statistic: str = "mean",
    *,
    scenario: str | None = None,
    endpoint: str | None = None,
    phase: str | None = None,
) -> float:
    """One figure of a load or of a part of it: times in milliseconds, rates from 0 to 1, else a count.

    Raises:
        KeyError: the script has no such scenario, endpoint or phase.
        ValueError: there is no such figure or statistic, or no response to take a time from.
    """
    everything = scenario is endpoint is phase is None
    selected = result.requests if everything else result.select(scenario, endpoint, phase)
    if name == "users":
        return float(len(result.log.users if everything else {one.user for one in selected}))
    figures = result.figures(scenario, endpoint, phase)
    if name in COUNTS:
        return float(COUNTS[name](figures))
    if name not in TIMES:
        raise ValueError(f"unknown figure '{name}' (known: {', '.join((*TIMES, *COUNTS, 'users'))})")
    times = figures.first_byte if name == "first byte" else figures.total
    if times is None:
        raise ValueError(f"no {name}: none of {figures.attempted} requests got a response")
    return times.statistic(statistic)


def as_text(result: LoadResult) -> str:
    """The summary of a load: ending, users, generator, a line for each endpoint and phase, errors."""
    return "\n".join(_lines(result))


def _lines(result: LoadResult) -> Iterator[str]:
    arrivals, generator = result.arrivals, result.generator
    yield f"{result.ending}: {result.reason}"
    yield f"{arrivals.actual} of {arrivals.scheduled} virtual users, gaps off by {arrivals.gap_deviation:.1f} ms"
    kept_up = f"did not keep up: {generator.why}" if generator.saturated else "kept up"
    yield f"the generator {kept_up} (CPU {generator.cpu_share:.0%} of a core, loop lag p99 {generator.lag_p99:.1f} ms)"
    yield _row("", "requests", "failed", "first byte, ms: mean", "p95", "p99", "total: mean")
    yield _line("all", result.figures())
    for phase in result.phases:
        yield _line(f"phase {phase}", result.figures(phase=phase))
    for endpoint in result.endpoints:
        yield _line(endpoint, result.figures(endpoint=endpoint))
    if followed := sum(one.sent > 1 for one in result.requests):
        times = "their first byte is that of the final answer, their total includes each redirect"
        yield f"{followed:6} requests followed redirects: {times}"
    errors = result.figures().errors | result.log.step_errors
    for reason, count in sorted(errors.items(), key=lambda each: -each[1])[:LISTED_ERRORS]:
        yield f"{count:6} times {reason}"
    if len(errors) > LISTED_ERRORS:
        yield f"and {len(errors) - LISTED_ERRORS} more reasons"


def _line(name: str, one: Figures) -> str:
    first = [f"{one.first_byte.statistic(name):.1f}" for name in ("mean", "p95", "p99")] if one.first_byte else [""] * 3
    total = f"{one.total.mean:.1f}" if one.total else ""
    return _row(name, str(one.attempted), str(one.failed), *first, total)


def _row(name: str, *cells: str) -> str:
    widths = (9, 7, 21, 7, 7, 12)
    return f"{name[:40]:40}" + "".join(f" {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
