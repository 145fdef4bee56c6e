"""Loads with Artillery: checked before they start, measured per request, told with all that makes them doubtful."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from acceptance.errors import EnvironmentUnavailable, violation
from acceptance.event_loop import LoopThread
from robot.api import logger
from robot.api.deco import keyword, library

from ArtilleryLibrary.fargate import dry_run
from ArtilleryLibrary.figures import Ending, LoadResult, read_result
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.progress import EarlyStop, Progress, progress_lines
from ArtilleryLibrary.report import as_text, figure
from ArtilleryLibrary.script import LoadScript, checked_script

START_SECONDS = 60.0

Figure = Literal["first byte", "total", "requests", "successful requests", "failed requests", "error rate", "users"]


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class ArtilleryLibrary:
    """Applies loads with Artillery (https://artillery.io), and tells what was really applied and measured.

    A load is a plain Artillery script in YAML, which ``artillery run`` takes by itself, too. Before anything starts the
    script is checked, and every mistake is told with its line: what Artillery passes over in silence (variables that
    are not set, misspelt fields, files that are not there, functions that nobody defined), and what would make its
    figures untrue (a pool of connections, skipped arrivals). Arrivals are made even, and every request is logged, so
    that figures are exact: no percentile is of a sketch, no mean of means.

    = Success =
    Artillery calls any answer a success. Here a request states its own, in the syntax of Artillery's expect plugin:
    | - get:
    |     name: read profile
    |     url: /profile
    |     capture: [{json: $.id, as: seen}]
    |     expect:
    |       - statusCode: 200
    |       - hasProperty: email
    |       - equals: ["{{ seen }}", "{{ userId }}"]
    A request fails, too, without an answer, by a missing capture, or when a function of the script's processor fails.

    = First byte and total =
    What Artillery calls response time ends with the *first byte* of the answer. `Get Load Figure` gives that one, and
    the *total* time, from the request's beginning (connecting included) to the last byte.

    = Secrets =
    Variables reach the script by its environment: ``{{ $env.NAME }}``. Neither command line nor any file holds them.

    = Example =
    | Run Load    ${CURDIR}/checkout.yml    target=http://localhost:8080    environment=${VARIABLES}
    | Load Should Have Been Applied
    | ${p95} =    Get Load Figure    first byte    statistic=p95    scenario=Checkout
    | Should Be True    ${p95} < 450
    """

    def __init__(self) -> None:
        self._loop: LoopThread | None = None
        self._result: LoadResult | None = None

    @keyword
    def validate_load_script(
        self,
        path: Path,
        target: str | None = None,
        environment: Mapping[str, Any] | None = None,
        least_requests: int = 0,
        expectations: bool = False,
    ) -> list[str]:
        """Checks a script without starting anything.

        Arguments:
        - ``path``: the script.
        - ``target``: the address that is loaded, instead of the script's own.
        - ``environment``: variables that the script may use; values may be secrets.
        - ``least_requests``: how many requests each scenario has to make at least.
        - ``expectations``: whether each request has to state the status of its success.

        Returns what would be run otherwise than it stands in the file, each with line and reason. Fails with every
        mistake at once.
        """
        script = _checked(path, target, environment, least_requests, expectations)
        return list(script.corrections)

    @keyword
    def run_load(
        self,
        path: Path,
        target: str | None = None,
        environment: Mapping[str, Any] | None = None,
        folder: Path = Path("load"),
        least_requests: int = 0,
        expectations: bool = False,
        stop_at_error_rate: float | None = 0.5,
        stop_at_first_byte_p95: timedelta | None = None,
    ) -> LoadResult:
        """Checks a script, applies its load, and waits for its end; prints progress to the console.

        Arguments:
        - ``path``, ``target``, ``environment``, ``least_requests``, ``expectations``: as of `Validate Load Script`.
        - ``folder``: where the request log is left, below the output folder where it is relative.
        - ``stop_at_error_rate``: stop when more than this share of at least 100 requests failed (0 to 1).
        - ``stop_at_first_byte_p95``: the same for the time that 95 of 100 requests do not exceed.

        Returns the result, of which `Get Load Figure` gives the figures. A test's time-out or Ctrl-C ends Artillery;
        what was measured until then can be got, marked as incomplete. Whether the load is a good one is not judged
        here: see `Load Should Have Been Applied`.
        """
        self._result = None
        script = _checked(path, target, environment, least_requests, expectations)
        for correction in script.corrections:
            logger.info(correction)
        limit = stop_at_first_byte_p95.total_seconds() * 1000 if stop_at_first_byte_p95 else None
        stop = EarlyStop(error_rate=stop_at_error_rate, first_byte_p95=limit)
        self._loop = self._loop or LoopThread()
        folder = _output_folder() / folder
        try:
            running = run_load(script, folder, progress=_console_progress(), early_stop=stop, margin=START_SECONDS)
            self._result = self._loop.wait(running, within=script.duration + 2 * START_SECONDS)
        except BaseException:
            with suppress(OSError, ValueError):
                self._result = read_result(folder)
            raise
        logger.info(as_text(self._result))
        return self._result

    @keyword
    def load_should_have_been_applied(self, arrivals: float = 0.99) -> None:
        """The last load came to its end, with the users that were scheduled, from a generator that kept up.

        Arguments:
        - ``arrivals``: the share of the scheduled virtual users that has to have arrived (0 to 1).

        Fails when the load was stopped early, since the target broke its limits. When our own side is at fault, the
        error is an ``EnvironmentUnavailable``: nothing is known about the target then.
        """
        result = self._last()
        if result.ending is Ending.STOPPED_EARLY:
            raise violation("the load", expected="applied as a whole", observed=f"stopped early: {result.reason}")
        if not result.complete:
            raise EnvironmentUnavailable(f"the load is incomplete ({result.ending}): {result.reason}")
        if result.arrivals.share < arrivals:
            seen = f"{result.arrivals.actual} of {result.arrivals.scheduled} virtual users arrived"
            raise EnvironmentUnavailable(f"{seen}, expected {arrivals:.0%}")
        if result.generator.saturated:
            raise EnvironmentUnavailable(f"the generator did not keep up: {result.generator.why}")

    @keyword
    def get_load_figure(
        self,
        name: Figure,
        statistic: str = "mean",
        scenario: str | None = None,
        endpoint: str | None = None,
        phase: str | None = None,
    ) -> float:
        """A figure of the last load, or of a part of it.

        Arguments:
        - ``name``: ``first byte`` and ``total`` are times in milliseconds, ``error rate`` is from 0 to 1, the others
          count.
        - ``statistic``: of a time: ``mean``, ``median``, ``min``, ``max``, or a percentile such as ``p95``.
        - ``scenario``, ``endpoint``, ``phase``: names as in the script; all without them. An endpoint is a request's
          ``name``, or its method and path as written.

        Fails when there was no load, or nothing was answered whose time could be told.
        """
        return figure(self._last(), name, statistic, scenario=scenario, endpoint=endpoint, phase=phase)

    @keyword
    def get_load_result(self) -> LoadResult:
        """The last load's result, whole or partial: every request, arrivals, and how the generator did."""
        return self._last()

    @keyword
    def compose_fargate_load(
        self, path: Path, workers: int, region: str, environment: Mapping[str, Any] | None = None
    ) -> str:
        """The command that would apply a load from AWS Fargate, shown and not run.

        Arguments:
        - ``path``, ``environment``: as of `Validate Load Script`.
        - ``workers``: how many tasks; each runs the whole script, so that rates are divided by their number.
        - ``region``: of AWS, such as ``eu-west-1``.

        Returns the command. The divided script is logged. Fails when a rate cannot be divided.
        """
        composed = dry_run(_checked(path, None, environment, 0, expectations=False), workers=workers, region=region)
        logger.info(composed.script)
        return str(composed)

    def _last(self) -> LoadResult:
        if self._result is None:
            raise ValueError("no load was run: use 'Run Load' before")
        return self._result


def _checked(
    path: Path, target: str | None, environment: Mapping[str, Any] | None, least_requests: int, expectations: bool
) -> LoadScript:
    plain = {name: str(getattr(value, "value", value)) for name, value in (environment or {}).items()}
    return checked_script(
        path, target=target, environment=plain, least_requests=least_requests, expectations=expectations
    )


def _output_folder() -> Path:
    from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

    try:
        return Path(BuiltIn().get_variable_value("${OUTPUT DIR}", "."))
    except RobotNotRunningError:
        return Path()


def _console_progress() -> Callable[[Progress], None]:
    """Writes progress to the console directly: Robot Framework drops messages of other threads."""
    console = sys.__stdout__

    def write(line: str) -> None:
        if console is not None:
            with suppress(OSError, ValueError):
                console.write(f"\n  load: {line}")
                console.flush()

    return progress_lines(write, console)
