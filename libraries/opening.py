"""How keyword libraries reach the run: opened at the first step that needs it, in whatever form Robot Framework was started."""

from __future__ import annotations

from pathlib import Path

from acceptance.errors import CapabilityMissing, ConfigurationError
from acceptance.run import Run, open_run
from RedactingListener import REDACTOR
from robot.api import FatalError
from robot.libraries.BuiltIn import BuiltIn

# A test that needs what the deployment does not offer is skipped, with the capability's name.
CapabilityMissing.ROBOT_SKIP_EXECUTION = True  # type: ignore[attr-defined]


def the_run() -> Run:
    """The run of this process; the first call opens `${DEPLOYMENT}` (else ACCEPTANCE_DEPLOYMENT, else the sandbox)."""
    variables = BuiltIn()
    try:
        return open_run(
            Path(variables.get_variable_value("${OUTPUT DIR}")), variables.get_variable_value("${DEPLOYMENT}"), REDACTOR
        )
    except ConfigurationError as error:
        raise FatalError(str(error)) from None


def refuse_debug_file() -> None:
    """Lines that start a step are written to a debug file before any listener can clean them."""
    if BuiltIn().get_variable_value("${DEBUG FILE}", "NONE") != "NONE":
        raise FatalError("--debugfile is refused: its lines cannot be redacted; the log at TRACE level holds the same")
