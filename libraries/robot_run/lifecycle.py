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

# A test that needs what the deployment does not offer is skipped, with the capability's name.
CapabilityMissing.ROBOT_SKIP_EXECUTION = True  # type: ignore[attr-defined]
# So is one that needs what the application does not offer by its contract.
NotOffered.ROBOT_SKIP_EXECUTION = True  # type: ignore[attr-defined]
NotOffered.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
# So is one whose fixture could not be made, but for the first.
Blocked.ROBOT_SKIP_EXECUTION = property(lambda error: not error.first)  # type: ignore[attr-defined]
Blocked.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
# So is one whose criterion does not apply; the gate knows it by its message.
NotApplicable.ROBOT_SKIP_EXECUTION = True  # type: ignore[attr-defined]
NotApplicable.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
# A violation is reported as any assertion is: by its message alone.
Violation.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
ProjectError.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
SuiteError.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]
# Where nothing answers any more, the tests that are left are not run.
Unresponsive.ROBOT_EXIT_ON_FAILURE = True  # type: ignore[attr-defined]


_test = ""


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
    try:
        run = open_run(
            Path(variables.get_variable_value("${OUTPUT DIR}")),
            None if RUN in os.environ else variables.get_variable_value("${DEPLOYMENT}"),
            REDACTOR,
        )
    except ConfigurationError as error:
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
