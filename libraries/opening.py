"""How keyword libraries reach the run: opened at the first step that needs it, however Robot Framework was started."""

from __future__ import annotations

import atexit
import sys
import time
from pathlib import Path

from acceptance.data import PROJECT
from acceptance.errors import CapabilityMissing, ConfigurationError, Violation
from acceptance.evidence.reading import EVIDENCE, read_evidence
from acceptance.evidence.recorder import Recorder
from acceptance.run import Run, open_run, opened_run
from acceptance.sweeping import sweep
from RedactingListener import REDACTOR
from robot.api import FatalError, logger
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

# A test that needs what the deployment does not offer is skipped, with the capability's name.
CapabilityMissing.ROBOT_SKIP_EXECUTION = True  # type: ignore[attr-defined]
# A violation is shown as any assertion is: by its message alone.
Violation.ROBOT_SUPPRESS_NAME = True  # type: ignore[attr-defined]

# What a run may write into a folder that holds other things too, as the one where somebody works.
OWN = ("output.xml", "log.html", "report.html", "xunit.xml", EVIDENCE, "journal", "browser")

_STARTED = time.time()
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
            Path(variables.get_variable_value("${OUTPUT DIR}")), variables.get_variable_value("${DEPLOYMENT}"), REDACTOR
        )
    except ConfigurationError as error:
        raise FatalError(str(error)) from None
    run.tell = logger.info
    run.show = lambda html: logger.info(html, html=True)
    run.evidence.current_test = _test
    return run


def sweep_at_exit(run: Run) -> None:
    """Clean what this process leaves when its last file is written: it alone knows the secrets that were born in it."""
    atexit.register(_sweep, run.folder, run.identifier)


def _sweep(folder: Path, identifier: str) -> None:
    kept = {path for bundle in read_evidence(folder / EVIDENCE) for path in bundle.artifacts}
    shared = any(place.is_relative_to(folder.resolve()) for place in (PROJECT, Path.cwd()))
    lines = sweep(folder, REDACTOR, keep=kept, within=OWN if shared else (), since=_STARTED)
    if lines:
        recorder = Recorder(folder / EVIDENCE, identifier, REDACTOR, "sweep")
        for line in lines:
            recorder.note(line)
        recorder.close()


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
