"""One run from start to end: provision, look before starting, run the suites, look once more, judge, clean up."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from acceptance.deployment.descriptor import Descriptor
from acceptance.deployment.provisioning import OpenDeployment, open_deployment
from acceptance.errors import ConfigurationError
from acceptance.evidence.reader import EVIDENCE, recorded_artifacts
from acceptance.evidence.recorder import Recorder
from acceptance.evidence.records import Plan, Scope, moment
from acceptance.redaction.redactor import Redactor
from acceptance.redaction.scrub import scrub
from acceptance.run import DEPLOYMENT, RUN, Run
from acceptance.runner.finalize import conclude
from acceptance.runner.progress import Progress
from acceptance.runner.self_checks import SELF_CHECKS, record, run_closing_checks, run_preflight
from acceptance.runner.subprocesses import run_subprocess
from acceptance.verdict.criteria import CRITERIA, Criteria, read_criteria
from acceptance.verdict.gate import Gate
from acceptance.yaml_models import PROJECT

RUNS = PROJECT / "runs"
RESULTS = PROJECT / "results"
CLAIMS = "--metadata Claims:"
EXIT = {"GO": 0, "PASS": 0, "NO-GO": 1, "INCONCLUSIVE": 2}
NOT_RUN = (251, 252, 255)  # exit status of robot: help or version asked for, bad options or data, unexpected error
NOT_OURS = ("ROBOT_OPTIONS", "REBOT_OPTIONS")  # what somebody set for another robot changes no run of ours


@dataclass(frozen=True)
class RunRequest:
    """What is asked for.

    Args:
        name: a file of `runs/`, without `.args`.
        folder: where the run leaves its files; it is made.
        identifier: name of the run, carried by all that it makes; default is the folder's name.
        deployment: a name in `variables/deployments/`, or the path of a descriptor.
        plant: name of a defect to plant into the deployment.
        options: further options for robot.
        history: folder of past gates; without one there is no trend.
        shown: whether the console shows how the run goes.
        before_end: called while the deployment is still there.
    """

    name: str
    folder: Path
    identifier: str = ""
    deployment: str = "sandbox"
    plant: str | None = None
    options: tuple[str, ...] = ()
    history: Path | None = None
    shown: bool = True
    before_end: Callable[[OpenDeployment], None] = lambda deployment: None


@dataclass(frozen=True)
class Ending:
    """How a run ended: `problems` is empty unless it could not run."""

    gate: Gate
    problems: tuple[str, ...]
    interrupted: bool

    @property
    def status(self) -> int:
        """Exit status: 0 GO or PASS, 1 NO-GO, 2 INCONCLUSIVE, 3 could not run."""
        return 3 if self.problems else EXIT[self.gate.verdict]


def folder_for(name: str, results: Path) -> Path:
    """Where a run that starts now leaves its files; its name is the run's identifier."""
    return results / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{uuid.uuid4().hex[:4]}"


def make_folder(folder: Path) -> None:
    """Raises ConfigurationError when the folder cannot be made."""
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ConfigurationError([f"{folder.parent}: cannot be written: {error.strerror}"]) from None


def forget_latest(results: Path) -> None:
    """`latest` points to nothing until a run has something to show: an old verdict is nobody's new one."""
    with suppress(OSError):  # what cannot be written is told when the run makes its folder
        (results / "latest").unlink()


def point_latest(folder: Path) -> None:
    """`latest` beside a run's folder points to it from now on."""
    link = folder.with_name(f".latest-{folder.name}")
    link.symlink_to(folder.name)
    link.replace(folder.with_name("latest"))


def claims_of(name: str, criteria: Criteria) -> tuple[str, ...]:
    """The criteria that a named run claims, by the line `--metadata Claims:…` of its argument file.

    Raises:
        ConfigurationError: there is no such run, or it claims what does not exist.
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
    """Run the suites against the deployment, and judge what was seen.

    Raises:
        ConfigurationError: there is no such run, the criteria have mistakes, or the folder cannot be made. Whatever
            else keeps the run from starting is in its gate.
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
    interrupted = False
    with Progress(sys.stdout if request.shown else None) as progress:
        try:
            progress.doing(f"opening the deployment {request.deployment}")
            with open_deployment(request.deployment, progress=progress.say, plant=request.plant) as opened:
                scope = _scope_of(scope, opened.descriptor)
                recorder.write(scope)
                criteria.with_thresholds(scope.thresholds)  # its mistakes are told before anything starts
                with _observer(opened, request.folder, run_id, redactor, recorder, progress) as observer:
                    progress.doing("looking whether the deployment is ready")
                    problems = run_preflight(observer, recorder)
                    if not problems:
                        scope = scope.model_copy(update={"started": True, "time": moment()})
                        recorder.write(scope)
                        progress.doing("")
                        _run_suites(opened, request, run_id, recorder, progress)
                        progress.doing("looking at what is left")
                        run_closing_checks(observer, recorder)
                request.before_end(opened)
                progress.doing("ending the deployment")
        except ConfigurationError as error:
            problems = error.problems
            record(recorder, "preflight: PRE-02", "PRE-02", problems)
        except KeyboardInterrupt:
            interrupted = True
            _note(recorder, progress, "interrupted: what was seen until then is judged")
            problems = () if scope.started else ["interrupted before the suites started"]
        progress.doing("judging what was seen")
        for line in scrub(request.folder, redactor, keep=recorded_artifacts(request.folder)):
            recorder.note(line)
        gate, told = conclude(request.folder, recorder, criteria, history=request.history)
        for line in told:
            progress.say(line)
    return Ending(gate, tuple(redactor.clean(problem) for problem in problems), interrupted)


def interrupt(number: int, frame: object) -> None:
    """What SIGINT and SIGTERM do to a run."""
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


def _run_suites(opened: OpenDeployment, request: RunRequest, name: str, recorder: Recorder, progress: Progress) -> None:
    command = [
        *(sys.executable, "-m", "robot", "--pythonpath", str(PROJECT / "libraries")),
        *("--outputdir", str(request.folder), "--variable", f"DEPLOYMENT:{opened.path}"),
        *("--console", "AcceptanceConsole" if request.shown else "none"),
        *("--listener", "RedactingListener", "--prerunmodifier", f"AcceptancePlan:{request.folder / EVIDENCE}"),
        *request.options,
        *("--argumentfile", str(RUNS / f"{request.name}.args")),
    ]
    own = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
    environment = own | {DEPLOYMENT: str(opened.path), RUN: name}
    status = run_subprocess(command, folder=str(PROJECT), environment=environment)
    if status < 0:
        died = f"robot died of {signal.Signals(-status).name}: what had not ended by then is not verified"
        _note(recorder, progress, died)
    elif status in NOT_RUN:
        raise ConfigurationError(
            [f"robot could not run {RUNS / request.name}.args (status {status}): it says why above"]
        )
    if not list((request.folder / EVIDENCE).glob("records-plan-*")):
        claims = claims_of(request.name, read_criteria(CRITERIA))
        nothing = "robot ended before it knew which tests are declared"
        recorder.test(name="suites", status="FAIL", cause="environment", criteria=claims, message=nothing)


def _note(recorder: Recorder, progress: Progress, text: str) -> None:
    recorder.note(text)
    progress.say(text)
