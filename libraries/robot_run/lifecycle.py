"""How keyword libraries reach the run: opened at the first step that needs it, however Robot Framework was started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from acceptance.errors import (
    Blocked,
    CapabilityMissing,
    ConfigurationError,
    NotApplicable,
    NotOffered,
    ProjectError,
    SuiteError,
    Unresponsive,
    Violation,
)
from acceptance.run import RUN, Run, open_run, opened_run
from RedactingListener import REDACTOR
from robot.api import FatalError, logger
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from robot_run.log_charts import log_chart

_test = ""
_unavailable: dict[tuple[Path, object], str] = {}  # why a deployment could not be opened: it is not tried twice

# A test is skipped that needs what the deployment does not offer, by its descriptor or its contract, whose criterion
# does not apply, or whose fixture could not be made, but for the first of those. A setup of a suite may catch it.
for kind in (CapabilityMissing, NotOffered, NotApplicable):
    setattr(kind, "ROBOT_SKIP_EXECUTION", property(lambda error: bool(_test)))  # noqa: B010
Blocked.ROBOT_SKIP_EXECUTION = property(lambda error: bool(_test) and not error.first)  # type: ignore[attr-defined]
for named in (NotOffered, NotApplicable, Blocked):  # the gate knows them by their messages
    setattr(named, "ROBOT_SUPPRESS_NAME", True)  # noqa: B010
# A violation is reported as any assertion is: by its message alone.
Violation.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
ProjectError.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
SuiteError.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
# Where nothing answers any more, the tests that are left are not run.
Unresponsive.ROBOT_EXIT_ON_FAILURE = True  # type: ignore[attr-defined]


def begin_test(name: str) -> None:
    """From now on what is recorded is seen in this test, also where the run is not opened yet."""
    global _test
    _test = name
    run = opened_run()
    if run is not None:
        run.evidence.current_test = name


def the_run() -> Run:
    """The run of this process; the first call opens `${DEPLOYMENT}` (else ACCEPTANCE_DEPLOYMENT, else the sandbox)."""
    variables = BuiltIn()
    folder = Path(variables.get_variable_value("${OUTPUT DIR}"))
    deployment = None if RUN in os.environ else variables.get_variable_value("${DEPLOYMENT}")
    if reason := _unavailable.get((folder, deployment)):
        raise FatalError(reason)
    try:
        run = open_run(folder, deployment, REDACTOR)
    except ConfigurationError as error:
        _unavailable[folder, deployment] = str(error)
        raise FatalError(str(error)) from None
    run.log = logger.info
    run.live = lambda line: logger.console(f"  {line}")
    run.show = log_chart
    run.evidence.current_test = _test
    return run


def refuse_debug_file() -> None:
    """End the execution where a debug file is asked for: its lines are written before any listener can clean them."""
    try:
        file = BuiltIn().get_variable_value("${DEBUG FILE}", "NONE")
    except RobotNotRunningError:  # tools that only read the keywords
        return
    if file != "NONE":
        print(
            "--debugfile is refused: its lines cannot be redacted; --loglevel TRACE shows the same", file=sys.__stderr__
        )
        raise SystemExit(3)
