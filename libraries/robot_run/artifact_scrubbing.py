"""What this process leaves behind is swept: it alone knows the secrets that were born in it.

That is done twice: before the run is sealed, where this process seals it, and when Robot Framework wrote its last file.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from acceptance.evidence.reader import EVIDENCE, recorded_artifacts
from acceptance.evidence.recorder import Recorder
from acceptance.redaction.scrub import scrub
from acceptance.run import Run
from acceptance.yaml_models import PROJECT
from RedactingListener import REDACTOR
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

# What a run may write into a folder that holds other things too, such as the working folder.
OWN = ("output.xml", "log.html", "report.html", "xunit.xml", EVIDENCE, "journal", "browser")

_since = time.time()
_sealed = False


@contextmanager
def sealing(run: Run) -> Iterator[None]:
    """What is there is swept before the run is sealed inside; what is written later, when the process ends."""
    global _since, _sealed
    for line in _sweep(run.folder, leave=_being_written()):
        run.evidence.note(line)
    yield
    _since, _sealed = time.time(), True


def _being_written() -> list[str]:
    try:
        return [Path(BuiltIn().get_variable_value("${OUTPUT FILE}")).name]
    except RobotNotRunningError:  # the execution has ended
        return [path.name for path in Path().glob(OWN[0])] or [OWN[0]]


def sweep_at_exit(run: Run) -> None:
    """Have what this process leaves swept when it ends."""
    atexit.register(_end, run.folder, run.identifier)


def _end(folder: Path, identifier: str) -> None:
    lines = _sweep(folder)
    if _sealed:
        print(*lines, sep="\n", end="\n" if lines else "", file=sys.__stderr__)
    elif lines:
        recorder = Recorder(folder / EVIDENCE, identifier, REDACTOR, "sweep")
        for line in lines:
            recorder.note(line)
        recorder.close()


def _sweep(folder: Path, leave: Collection[str] = ()) -> list[str]:
    shared = any(place.is_relative_to(folder.resolve()) for place in (PROJECT, Path.cwd()))
    return scrub(
        folder,
        REDACTOR,
        keep=recorded_artifacts(folder),
        within=OWN if shared else (),
        leave=leave,
        since=_since,
    )
