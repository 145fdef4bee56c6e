"""Keywords that apply loads with Artillery and return exact figures."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from robot.api import logger
from robot.api.deco import keyword, library

from ArtilleryLibrary.errors import EnvironmentUnavailable
from ArtilleryLibrary.figures import Ending, LoadResult, read_result
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.progress import EarlyStop, progress_lines
from ArtilleryLibrary.report import as_text, figure
from ArtilleryLibrary.script import LoadScript, checked_script

Figure = Literal["first byte", "total", "requests", "successful requests", "failed requests", "error rate", "users"]


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class ArtilleryLibrary:
    """Applies loads with Artillery (https://artillery.io) and returns exact figures.

    A load is a plain Artillery script in YAML, which ``artillery run`` accepts as well. The script is checked before
    the start, and every mistake is reported with its line: mistakes that Artillery ignores (unset variables, misspelt
    fields, missing files, undefined functions), and settings that falsify figures (a pool of connections, skipped
    arrivals). Arrivals are even, and every request is logged: percentiles are exact, not estimated from sketches.

    = Success =
    Artillery counts every response as success. Here a request states its own, in the syntax of Artillery's expect
    plugin:
    | - get:
    |     name: read profile
    |     url: /profile
    |     capture: [{json: $.id, as: seen}]
    |     expect:
    |       - statusCode: 200
    |       - hasProperty: email
    |       - equals: ["{{ seen }}", "{{ userId }}"]
    A request also fails without a response, without a captured value, when a processor function fails, when it sends
    ``undefined``, and when it is redirected though neither the status was expected nor ``followRedirect: true`` stated.

    ``before`` and ``after`` are judged alike, and are no part of the figures. Where ``before`` fails, there is no load.

    = First byte and total =
    Artillery's response time ends with the *first byte* of the response. `Get Load Figure` returns that one, and the
    *total* time, from the request's beginning (connecting included) to the last byte.

    = Secrets =
    Variables reach the script through its environment: ``{{ $env.NAME }}``. No command line and no file holds them.

    = Example =
    | Run Load    ${CURDIR}/checkout.yml    target=http://localhost:8080    environment=${VARIABLES}
    | Load Should Have Been Applied
    | ${p95} =    Get Load Figure    first byte    statistic=p95    scenario=Checkout
    | Should Be True    ${p95} < 450
    """

    def __init__(self) -> None:
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
        """Checks a script without starting it.

        Arguments:
        - ``path``: the script.
        - ``target``: target address, instead of the script's own.
        - ``environment``: variables of the script; values may be secrets.
        - ``least_requests``: least number of requests of each scenario.
        - ``expectations``: require an expected status of each request.

        Returns the corrections: parts that run otherwise than written, each with line and reason. Fails with all
        mistakes at once.

        Example:
        | ${corrections} =    Validate Load Script    ${CURDIR}/checkout.yml    expectations=True
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
        - ``folder``: folder of the request log, relative to the output folder.
        - ``stop_at_error_rate``: stop when more than this share of at least 100 requests failed (0 to 1).
        - ``stop_at_first_byte_p95``: stop when the 95th percentile of the time to first byte is longer.

        Returns the result; `Get Load Figure` returns its figures. A test timeout or Ctrl-C ends Artillery and keeps the
        partial result, marked as incomplete. `Load Should Have Been Applied` judges whether the load is complete.

        Example:
        | Run Load    ${CURDIR}/checkout.yml    target=http://localhost:8080    stop_at_first_byte_p95=2 s
        """
        self._result = None
        script = _checked(path, target, environment, least_requests, expectations)
        for correction in script.corrections:
            logger.info(correction)
        limit = stop_at_first_byte_p95.total_seconds() * 1000 if stop_at_first_byte_p95 else None
        stop = EarlyStop(error_rate=stop_at_error_rate, first_byte_p95=limit)
        folder = _output_folder() / folder
        try:
            progress = progress_lines(_print, sys.__stdout__)
            self._result = asyncio.run(run_load(script, folder, progress=progress, early_stop=stop))
        except BaseException:
            with suppress(OSError, ValueError):
                self._result = read_result(folder)
            raise
        logger.info(as_text(self._result))
        return self._result

    @keyword
    def load_should_have_been_applied(self, arrivals: float = 0.99) -> None:
        """Checks that the last load is complete, with the scheduled users, from a generator that kept up.

        Arguments:
        - ``arrivals``: least share of the scheduled virtual users that arrived (0 to 1).

        Fails when the load was stopped early at an abort threshold. When the generator is at fault, the error is an
        ``EnvironmentUnavailable``: nothing is known about the target then.

        Example:
        | Load Should Have Been Applied    arrivals=0.95
        """
        result = self._last()
        if result.ending is Ending.STOPPED_EARLY:
            raise AssertionError(f"the load: expected applied as a whole, observed stopped early: {result.reason}")
        if result.log.fatal:
            raise AssertionError(f"after the load: expected no failure, observed {result.reason}")
        if not result.complete:
            raise EnvironmentUnavailable(f"the load is incomplete ({result.ending}): {result.reason}")
        if result.arrivals.share < arrivals:
            observed = f"{result.arrivals.actual} of {result.arrivals.scheduled} virtual users arrived"
            raise EnvironmentUnavailable(f"{observed}, expected {arrivals:.0%}")
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
        """Returns a figure of the last load, or of a part of it.

        Arguments:
        - ``name``: ``first byte`` and ``total`` are times in milliseconds, ``error rate`` is from 0 to 1, the others
          are counts.
        - ``statistic``: of a time: ``mean``, ``median``, ``min``, ``max``, or a percentile such as ``p95``.
        - ``scenario``, ``endpoint``, ``phase``: names as in the script; default: all. An endpoint is a request's
          ``name``, or its method and path as written.

        Fails without a load, or without a response to take a time from.

        Example:
        | ${p95} =    Get Load Figure    first byte    statistic=p95    endpoint=read profile
        """
        return figure(self._last(), name, statistic, scenario=scenario, endpoint=endpoint, phase=phase)

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


def _print(line: str) -> None:
    logger.console(f"\n  load: {line}", newline=False)
