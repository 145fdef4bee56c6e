"""Whether the suites and the verdict notice what they should.

One run per defect that a deployment can be planted with; harness mutants share good runs.
"""

from __future__ import annotations

import difflib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import shorten

from acceptance.deployment.provisioning import Defects, OpenDeployment
from acceptance.errors import ConfigurationError
from acceptance.runner import runner
from acceptance.runner.progress import Progress
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.gate import Gate
from acceptance.yaml_models import PROJECT, Data

from tests.detection.defects import Defect, is_active, listed, provided_by
from tests.detection.experiment_mutants import EXPERIMENT_MUTANTS
from tests.detection.load_mutants import LOAD_MUTANTS
from tests.detection.mutant_runner import Attempt, HarnessMutants
from tests.detection.mutants import AREA, HARNESS_MUTANTS

SHORT = ("--variable", "SCALE:detection")  # load that is long enough to notice a defect, and that no gate accepts
IN_GOOD_TIME = ("--variable", "RECOVERED_WITHIN:30 s")  # what does not recover in this time never does
LISTED = 160  # characters of a message; detection.json has all of it
LOAD_AREA, LOAD_FILE = (
    "PERF",
    "tests/detection/load_mutants.py",
)  # selected as defects are: each takes long
BY_NAME = {mutant.name: mutant for mutant in (*HARNESS_MUTANTS, *LOAD_MUTANTS, *EXPERIMENT_MUTANTS)}
BROWSERS = "BRW"
EXPERIMENTS, EXPERIMENTS_FILE = "ERR", "tests/detection/experiment_mutants.py"
THE_GATE = "the gate"
THE_REPORT = "the report"


class Finding(Data):
    """What was made of one defect; `test` and `message` are those of the first failure that had to come.

    Of a harness mutant, `test` says what noticed it, and `message` how.
    """

    name: str
    must: tuple[str, ...]
    may: tuple[str, ...]
    violated: tuple[str, ...]
    active: bool
    detected: bool
    test: str
    message: str
    seconds: float


class Detection(Data):
    """All findings; what `detection.json` holds."""

    build: str | None
    date: str
    defects: tuple[Finding, ...]


@dataclass(frozen=True)
class Selection:
    """Which defects: those that pass all of these.

    Args:
        defect: the name.
        criterion: one that must notice it.
        sample: a git revision: the first defect of each area, those whose file changed since, and all harness mutants.
        shard: `(i, n)`: the i-th of n parts, counted from 1.
    """

    defect: str | None = None
    criterion: str | None = None
    sample: str | None = None
    shard: tuple[int, int] = (1, 1)

    def of(self, defects: Sequence[Defect]) -> list[Defect]:
        """The selected ones; raises ConfigurationError when there is none."""
        chosen = [one for one in defects if self.defect in (None, one.name)]
        if self.criterion is not None:
            chosen = [one for one in chosen if one.area != AREA and self.criterion in one.must]
        if not chosen:
            raise ConfigurationError([self._nothing(defects)])
        if self.sample is not None:
            changed = _changed_since(self.sample)
            firsts = {one.area: one.name for one in reversed(chosen)}.values()
            chosen = [one for one in chosen if one.name in firsts or one.file in changed or one.area == AREA]
        part, parts = self.shard
        return chosen[part - 1 :: parts]

    def _nothing(self, defects: Sequence[Defect]) -> str:
        names = [one.name for one in defects]
        if self.defect is None or self.defect in names:
            return f"no defect must be noticed by {self.criterion}" if self.criterion else "there are no defects"
        near = difflib.get_close_matches(self.defect, names, n=3, cutoff=0.4)
        advice = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
        return f"DEFECT {self.defect}: unknown; {advice}"


def detect(selection: Selection, deployment: str, folder: Path) -> int:
    """Run the suites against the deployment with each selected defect, and judge a good run with each harness mutant.

    What was found is in `detection.json` in `folder` after each.

    Returns:
        0 when each was active and noticed by what must notice it, and by nothing else; else 1.

    Raises:
        ConfigurationError: none is selected, or the deployment cannot be planted with any defect.
    """
    provided = None if selection.defect in BY_NAME else provided_by(deployment)
    defects = selection.of([*(listed(provided) if provided else ()), *_mutants()])
    runner.make_folder(folder)
    mutants = HarnessMutants(deployment, folder)
    build: str | None = None
    findings: list[Finding] = []
    with Progress(sys.stdout) as progress:
        for number, defect in enumerate(defects, start=1):
            count = f"[{number:{len(str(len(defects)))}}/{len(defects)}]"
            progress.doing(f"{count} {defect.name}")
            ending: runner.Ending | Attempt
            if provided is None or defect.name in BY_NAME:
                finding, ending = _mutant(defect, mutants)
            else:
                finding, ending = _try(defect, provided, deployment, folder / defect.name, f"{folder.name}-{number}")
            if ending.interrupted:
                break
            build = build or ending.gate.build
            findings.append(finding)
            _write(folder, Detection(build=build, date=_now(), defects=tuple(findings)))
            progress.say(f"{count} {_told(finding)}")
    undetected = len(defects) - sum(finding.detected for finding in findings)
    print(f"{len(defects) - undetected} of {len(defects)} detected\n{folder / 'detection.json'}", flush=True)
    return 1 if undetected else 0


def _try(
    defect: Defect, provided: Defects, deployment: str, folder: Path, identifier: str
) -> tuple[Finding, runner.Ending]:
    active = False

    def look(opened: OpenDeployment) -> None:
        nonlocal active
        active = is_active(provided, opened)

    begin = time.monotonic()
    request = runner.RunRequest(
        name=_run_for(defect),
        folder=folder,
        identifier=identifier,
        deployment=deployment,
        plant=defect.name,
        options=(*SHORT, *_options(defect)),
        console=False,
        before_end=look,
    )
    ending = runner.run(request)
    violated = set(ending.gate.named("violated")) | _found_wrong(defect, ending.gate)
    test, message = _noticed(defect, ending.gate)
    finding = Finding(
        name=defect.name,
        must=defect.must,
        may=tuple(defect.may),
        violated=tuple(sorted(violated)),
        active=active,
        detected=active and set(defect.must) <= violated <= {*defect.must, *defect.may},
        test=test,
        message=message or "; ".join(ending.problems),
        seconds=round(time.monotonic() - begin, 1),
    )
    return finding, ending


def _options(defect: Defect) -> tuple[str, ...]:
    """Without slow tests of other criteria; of experiments and browsers, which take long, those of `must`.

    Where these are judged at the end of a run, as ERR-09 is, those that may notice it are the run.
    """
    if defect.area == BROWSERS:
        return ("--include", _tags(defect.must))
    if defect.area != EXPERIMENTS:
        return ("--exclude", f"slow NOT {_tags((*defect.must, *defect.may))}")
    criteria = read_criteria(CRITERIA).criteria
    tested = [name for name in defect.must if criteria[name].judged_by == "test"]
    first = ("--exitonfailure",) if len(tested) == 1 else ()  # the rows after it would be of another criterion
    return (*IN_GOOD_TIME, *first, "--include", _tags(tested or [*defect.may]))


def _tags(criteria: Sequence[str]) -> str:
    """A pattern of the tests of any of these criteria."""
    return " OR ".join(f"criterion:{name}" for name in criteria)


def _mutants() -> Iterator[Defect]:
    """Listed as the defects of a deployment are."""
    for one in HARNESS_MUTANTS:
        yield Defect(name=one.name, area=AREA, must=one.must, may={}, description=one.description, file="")
    long = ((LOAD_AREA, LOAD_FILE, LOAD_MUTANTS), (EXPERIMENTS, EXPERIMENTS_FILE, EXPERIMENT_MUTANTS))
    for area, file, mutants in long:
        for one in mutants:
            yield Defect(name=one.name, area=area, must=one.must, may={}, description=one.description, file=file)


def _mutant(defect: Defect, mutants: HarnessMutants) -> tuple[Finding, Attempt]:
    begin = time.monotonic()
    attempt = mutants.attempt(BY_NAME[defect.name])
    finding = Finding(
        name=defect.name,
        must=defect.must,
        may=(),
        violated=tuple(sorted(attempt.gate.named("violated"))),
        active=attempt.active,
        detected=attempt.active and attempt.noticed,
        test=(THE_REPORT if BY_NAME[defect.name].edits else THE_GATE) if attempt.noticed else "",
        message=attempt.message,
        seconds=round(time.monotonic() - begin, 1),
    )
    return finding, attempt


def _run_for(defect: Defect) -> str:
    """The run that claims least, among those that claim all that must notice the defect."""
    criteria = read_criteria(CRITERIA)
    claims = {path.stem: set(runner.claims_of(path.stem, criteria)) for path in runner.RUNS.glob("*.args")}
    fitting = [name for name, claimed in claims.items() if claimed.issuperset(defect.must)]
    if not fitting:
        raise ConfigurationError([f"defect {defect.name}: no run claims {', '.join(defect.must)}"])
    return min(fitting, key=lambda name: (len(claims[name]), name))


def _noticed(defect: Defect, gate: Gate) -> tuple[str, str]:
    """The first failure of a test of a criterion that must notice the defect; else the gate's own reason."""
    rows = [row for row in gate.criteria if row.id in defect.must]
    failed = [test for row in rows for test in row.tests if test.status == "FAIL" and test.cause != "environment"]
    if failed:
        return failed[0].name, failed[0].message
    return "", next((row.reason for row in rows if row.status == "violated"), "")


def _found_wrong(defect: Defect, gate: Gate) -> set[str]:
    """Criteria that do not gate and must notice the defect: what is wrong is a finding there, and no violation."""
    return {row.id for row in gate.criteria if row.id in defect.must and row.status == "observed" and row.reason}


def _told(finding: Finding) -> str:
    if finding.detected:
        return (
            f"detected {finding.name} ({finding.seconds:.0f} s) by {finding.test}: {shorten(finding.message, LISTED)}"
        )
    judged = finding.name not in BY_NAME
    missed = sorted(set(finding.must) - set(finding.violated)) if judged else []
    beside = sorted(set(finding.violated) - {*finding.must, *finding.may}) if judged else []
    reasons = [] if finding.active else ["it was never active"]
    reasons += [f"{', '.join(missed)} did not notice"] if missed else []
    reasons += [f"{', '.join(beside)} should not be violated"] if beside else []
    reasons += [shorten(finding.message, 2 * LISTED)] if finding.message else []
    return f"NOT DETECTED {finding.name} ({finding.seconds:.0f} s): {'; '.join(reasons)}"


def _changed_since(revision: str) -> set[str]:
    """Files of the project that are not as they were at a git revision."""
    files: set[str] = set()
    for words in (("diff", "--name-only", revision), ("ls-files", "--others", "--exclude-standard")):
        answer = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise ConfigurationError([f"git {' '.join(words)}: {answer.stderr.strip()}"])
        files.update(answer.stdout.splitlines())
    return files


def _write(folder: Path, detection: Detection) -> None:
    """In one step, so that whoever reads it finds a whole one."""
    draft = folder / ".detection.json"
    draft.write_text(detection.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(folder / "detection.json")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
