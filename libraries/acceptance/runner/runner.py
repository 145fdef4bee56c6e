"""One run from start to end: provision, preflight, suites, closing checks, judgement, clean-up."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from acceptance.deployment.contract import differences
from acceptance.deployment.descriptor import Descriptor, contract_of
from acceptance.deployment.provisioning import OpenDeployment, open_deployment
from acceptance.errors import ConfigurationError, ProjectError
from acceptance.evidence.reader import EVIDENCE, recorded_artifacts
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Plan, Scope, moment
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.scrub import scrub
from acceptance.report.render import PAGE
from acceptance.run import DEPLOYMENT, PROVISIONED, ROLLBACK_SECONDS, RUN, Run
from acceptance.runner.finalize import conclude
from acceptance.runner.progress import Progress
from acceptance.runner.self_checks import PREFLIGHT, SELF_CHECKS, record, run_closing_checks, run_preflight
from acceptance.runner.subprocesses import run_subprocess
from acceptance.verdict.criteria import CRITERIA, Criteria, read_criteria
from acceptance.verdict.gate import Gate
from acceptance.yaml_models import PROJECT

RUNS = PROJECT / "runs"
RESULTS = PROJECT / "results"
TRACEBACK = "traceback.txt"  # of an exception of ours, in the run's folder
CLAIMS = "--metadata Claims:"
EXIT = {"GO": 0, "PASS": 0, "NO-GO": 1, "INCONCLUSIVE": 2}
NOT_RUN = (251, 252, 255)  # exit status of robot: help or version, bad options or data, unexpected error
FOREIGN_OPTIONS = ("ROBOT_OPTIONS", "REBOT_OPTIONS")  # options for other runs of robot


@dataclass(frozen=True)
class RunRequest:
    """Arguments of a run.

    Args:
        name: a file of `runs/`, without `.args`.
        folder: folder of the run's files; it is created.
        identifier: name of the run, part of every name that it creates; default: the folder's name.
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        plant: name of a defect of the deployment.
        options: further options for robot.
        history: folder of past gates; none: no trends.
        console: whether the console shows progress.
        before_end: called before the deployment ends.
    """

    name: str
    folder: Path
    identifier: str = ""
    deployment: str = "sandbox"
    plant: str | None = None
    options: tuple[str, ...] = ()
    history: Path | None = None
    console: bool = True
    before_end: Callable[[OpenDeployment], None] = lambda deployment: None


@dataclass(frozen=True)
class Ending:
    """The end of a run; `problems` are the reasons why it could not run, `broken` the faults that it left in effect."""

    gate: Gate
    problems: tuple[str, ...]
    interrupted: bool
    broken: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """Exit status: 0 GO or PASS, 1 NO-GO, 2 INCONCLUSIVE, 3 could not run."""
        return 3 if self.problems else EXIT[self.gate.verdict]


def folder_for(name: str, results: Path) -> Path:
    """The folder of a run that starts now; its name is the run's identifier."""
    return results.resolve() / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{uuid.uuid4().hex[:4]}"


def make_folder(folder: Path) -> None:
    """Create the folder; raises ConfigurationError when that fails."""
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigurationError([f"{folder.parent}: cannot be written: {error.strerror}"]) from None


def forget_latest(results: Path) -> None:
    """Remove the link `latest`, so that it never shows an old verdict as the new one."""
    with suppress(OSError):  # creating the run's folder reports the reason
        (results / "latest").unlink()


def point_latest(folder: Path) -> None:
    """Point the link `latest` beside a run's folder to it."""
    link = folder.with_name(f".latest-{folder.name}")
    link.symlink_to(folder.name)
    link.replace(folder.with_name("latest"))


def claims_of(name: str, criteria: Criteria) -> tuple[str, ...]:
    """The criteria that a run claims, by the line `--metadata Claims:…` of its argument file.

    Raises:
        ConfigurationError: the run, or a criterion that it claims, does not exist.
    """
    path = RUNS / f"{name}.args"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        known = ", ".join(sorted(file.stem for file in RUNS.glob("*.args")))
        raise ConfigurationError([f"RUN {name}: unknown; known are {known}"]) from None
    claims = [word for line in lines if line.startswith(CLAIMS) for word in line.removeprefix(CLAIMS).split()]
    return criteria.of(claims)


def run(request: RunRequest) -> Ending:
    """Run the suites against the deployment, and judge the evidence.

    Raises:
        ConfigurationError: the run does not exist, the criteria have mistakes, or the folder cannot be created. The
            gate holds any other reason that keeps the run from starting.
    """
    criteria = read_criteria(CRITERIA)
    run_id = request.identifier or request.folder.name
    scope = Scope(
        name=request.name,
        claims=claims_of(request.name, criteria),
        criteria=criteria.digest,
        deployment=request.deployment,
        started=False,
    )
    make_folder(request.folder)
    redactor = Redactor()
    recorder = Recorder(request.folder / EVIDENCE, run_id, redactor, "runner")
    recorder.write(scope)
    recorder.write(Plan(tests=SELF_CHECKS))
    problems: Sequence[str] = ()
    broken: tuple[str, ...] = ()
    interrupted = False
    with Progress(sys.stdout if request.console else None) as progress:
        try:
            progress.doing(f"opening the deployment {request.deployment}")
            with open_deployment(request.deployment, progress=progress.say, plant=request.plant) as opened:
                scope = _scope_of(scope, opened.descriptor)
                recorder.write(scope)
                criteria.with_thresholds(scope.thresholds)  # reports mistakes before anything starts
                with _observer(opened, request.folder, run_id, redactor, recorder, progress) as observer:
                    if left := _roll_back(observer, recorder, progress):
                        raise ConfigurationError(left)
                    progress.doing("running the preflight")
                    problems = run_preflight(observer, recorder)
                    if not problems:
                        scope = scope.model_copy(update={"started": True, "time": moment()})
                        recorder.write(scope)
                        progress.doing("")
                        try:
                            _run_suites(opened, request, run_id, recorder, progress)
                        finally:
                            broken = tuple(_roll_back(observer, recorder, progress))
                        progress.doing("running the closing checks")
                        run_closing_checks(observer, recorder, scope.claims, broken=broken)
                request.before_end(opened)
                progress.doing("ending the deployment")
        except ConfigurationError as error:
            problems = error.problems
            record(recorder, f"{PREFLIGHT}PRE-02", "PRE-02", problems, cause="environment")
        except KeyboardInterrupt:
            interrupted = True
            _note(recorder, progress, "interrupted: the evidence up to then is judged")
            problems = () if scope.started else ["interrupted before the suites started"]
        except Exception as error:  # noqa: BLE001 a run ends in a gate, whatever breaks
            problems = _broke(error, scope, request.folder, recorder)
        progress.doing("judging the evidence")
        for line in scrub(request.folder, redactor, keep=recorded_artifacts(request.folder)):
            recorder.note(line)
        gate, wrong = conclude(request.folder, recorder, criteria, history=request.history)
        for line in wrong:
            progress.say(line)
    return Ending(gate, tuple(redactor.clean(problem) for problem in problems), interrupted, broken)


def _broke(error: Exception, scope: Scope, folder: Path, recorder: Recorder) -> Sequence[str]:
    """An exception of ours: what was claimed is not verified by it; the traceback is kept in the run's folder."""
    text = recorder.redactor.clean("".join(traceback.format_exception(error)))
    (folder / TRACEBACK).write_text(text, encoding="utf-8", errors="backslashreplace")
    what = f"{ProjectError(error)} ({TRACEBACK})"
    recorder.test(name="the run itself", status="FAIL", cause="environment", criteria=scope.claims, message=what)
    return () if scope.started else [what]


def interrupt(number: int, frame: object) -> None:
    """Signal handler that interrupts a run."""
    raise KeyboardInterrupt


def _scope_of(scope: Scope, descriptor: Descriptor) -> Scope:
    return scope.model_copy(
        update={
            "deployment": descriptor.name,
            "build": descriptor.build,
            "sibling_of": descriptor.sibling_of,
            "time": moment(),
            "capabilities": tuple(sorted(descriptor.capabilities)),
            "thresholds": descriptor.thresholds,
            "contract": differences(descriptor.contract) if descriptor.contract else (),
            "core_absent": contract_of(descriptor).core_absent,
        }
    )


@contextmanager
def _observer(
    opened: OpenDeployment, folder: Path, name: str, redactor: Redactor, recorder: Recorder, progress: Progress
) -> Iterator[Run]:
    observer = Run(opened, folder, name, redactor, role="observer")
    try:
        yield observer
    finally:
        for left in observer.close():
            _note(recorder, progress, f"not removed: {left}")


def _roll_back(observer: Run, recorder: Recorder, progress: Progress) -> list[str]:
    """Undo the faults of processes that have ended; returns a line for each that is still in effect."""
    progress.doing("undoing faults that were left in effect")
    outcome = observer.wait(observer.roll_back(), within=ROLLBACK_SECONDS)
    progress.doing("")
    for line in outcome.undone:
        _note(recorder, progress, f"a fault of a process that has ended: {line}")
    for line in outcome.left:
        recorder.note(line)
    return outcome.left


def _run_suites(opened: OpenDeployment, request: RunRequest, name: str, recorder: Recorder, progress: Progress) -> None:
    command = [
        *(sys.executable, "-m", "robot", "--pythonpath", str(PROJECT / "libraries")),
        *("--outputdir", str(request.folder), "--variable", f"DEPLOYMENT:{opened.path}"),
        *("--console", "AcceptanceConsole" if request.console else "none"),
        *("--metadata", f"Gate:[{PAGE}|{PAGE}]"),
        *("--listener", "RedactingListener", "--prerunmodifier", f"AcceptancePlan:{request.folder / EVIDENCE}"),
        *request.options,
        *("--argumentfile", str(RUNS / f"{request.name}.args")),
    ]
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN_OPTIONS}
    environment = own | {DEPLOYMENT: str(opened.path), RUN: name, PROVISIONED: str(int(opened.provisioned))}
    status = run_subprocess(command, folder=str(PROJECT), environment=environment)
    if status < 0:
        died = f"robot died of {signal.Signals(-status).name}: tests that had not ended are not verified"
        _note(recorder, progress, died)
    elif status in NOT_RUN:
        raise ConfigurationError(
            [f"robot could not run {RUNS / request.name}.args (status {status}): see its message above"]
        )
    if not list((request.folder / EVIDENCE).glob("records-plan-*")):
        claims = claims_of(request.name, read_criteria(CRITERIA))
        nothing = "robot ended before it knew which tests are declared"
        recorder.test(name="suites", status="FAIL", cause="environment", criteria=claims, message=nothing)


def _note(recorder: Recorder, progress: Progress, text: str) -> None:
    recorder.note(text)
    progress.say(text)
