"""The command line: `python -m acceptance run | check | report | compare | detect | baseline | clean-up | rollback`."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from io import TextIOBase, TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any, NoReturn, TextIO

from ArtilleryLibrary.errors import need_working_folder

from acceptance import outlook, recordings
from acceptance.browsers.engines import find_engines, install_missing
from acceptance.checks import baseline
from acceptance.deployment.descriptor import is_local, read_descriptor
from acceptance.deployment.provisioning import OpenDeployment, find_descriptor, is_provisioned, open_deployment
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, ProjectError
from acceptance.evidence.merge import merge
from acceptance.faults.journal import entries, folders
from acceptance.faults.rollback import roll_back
from acceptance.performance.concurrent_journey import record_journey
from acceptance.performance.recording import record_load
from acceptance.report.comparison import lines
from acceptance.report.render import PAGE
from acceptance.run import Run, place_of
from acceptance.runner import runner
from acceptance.runner.cleanup import clean_up
from acceptance.runner.finalize import judge_again
from acceptance.runner.progress import Progress
from acceptance.runner.subprocesses import handling
from acceptance.verdict.criteria import CRITERIA, read_criteria
from acceptance.verdict.criterion_results import UNCLAIMED, UNSOUND
from acceptance.verdict.diff import compare, load_gate
from acceptance.verdict.failures import summary_of
from acceptance.verdict.gate import Gate
from acceptance.yaml_models import PROJECT, read_yaml

COULD_NOT_RUN = 3
HISTORY = "history"  # folder of past gates, among the results
RECORDING_SECONDS = 600.0
PROBING_SECONDS = 90.0
REASON_CHARACTERS = 300  # of the table; gate.json has all of it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 GO or PASS, 1 NO-GO, 2 INCONCLUSIVE, 3 could not run."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["detect"]:  # mutants are this project's own tests, not a part of the installed core
        return subprocess.run(
            [sys.executable, "-m", "tests.detection", *words[1:]], cwd=PROJECT, check=False
        ).returncode
    options = _parser().parse_args(words)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # for terminals without such a character
    try:
        need_working_folder()
        with handling(runner.interrupt), redirect_stdout(_Output(sys.stdout)):
            return int(options.command(options))
    except ConfigurationError as error:
        return complain(error.problems)
    except KeyboardInterrupt:
        return complain(["interrupted"])
    except OSError as error:
        return complain([f"{error.filename or options.results}: {error.strerror or error}"])
    except Exception as error:  # noqa: BLE001 a traceback tells a user nothing, and its status would mean NO-GO
        return complain([str(ProjectError(error))])


def complain(problems: Sequence[str]) -> int:
    """Print why the command cannot run; returns its exit status."""
    with suppress(OSError):
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
    return COULD_NOT_RUN


class _Output(TextIOBase):
    """Standard output, where there is one: what it does not take changes no verdict, and is named once."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def write(self, text: str) -> int:
        stream = self._stream
        if stream is None:
            return len(text)
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # for the interpreter's last flush
            self._stream = None
            complain([f"standard output: {error.strerror}"])
        return len(text)


def _run(options: argparse.Namespace) -> int:
    runner.forget_latest(options.results)
    folder = runner.folder_for(options.name, options.results)
    ending = runner.run(
        runner.RunRequest(options.name, folder, deployment=options.deployment, history=folder.parent / HISTORY)
    )
    runner.point_latest(folder)
    if ending.problems:
        complain(ending.problems)
    else:
        print_gate(ending.gate)
    print(f"\n{ending.gate.line}\n{folder / PAGE}", flush=True)
    for line in ending.broken:  # the last that is read
        print(_plain(line), flush=True)
    return ending.status


def _baseline(options: argparse.Namespace) -> int:
    folder = runner.folder_for("baseline", options.results)
    runner.make_folder(folder)
    with Progress(sys.stdout) as progress:
        progress.doing(f"opening the deployment {options.deployment}")
        with open_deployment(options.deployment, progress=progress.say) as opened:
            run = Run(opened, folder, folder.name)
            run.live = progress.say
            recorded: dict[str, Any] = {}
            try:
                if options.only != "behaviour":
                    progress.doing("recording a concurrent journey")  # first, on an unused deployment
                    visit = run.wait(record_journey(run), within=RECORDING_SECONDS)
                    recorded["visit"] = visit.model_dump(mode="json")
                if options.only != "load":
                    progress.doing("recording its behaviour")
                    recorded |= run.wait(baseline.record(run), within=RECORDING_SECONDS)
                if options.only != "behaviour":
                    progress.doing("recording its load")
                    load = run.wait(record_load(run), within=RECORDING_SECONDS)
                    recorded["load"] = load.model_dump(mode="json")
            except (AssertionError, EnvironmentUnavailable, CapabilityMissing) as error:
                progress.say(f"no baseline: {error}")
                return COULD_NOT_RUN
            finally:
                run.close()
    recorded["local"] = is_local(opened.descriptor.services.api.url)
    recordings.write(recorded, opened.descriptor.name)
    print(f"recorded as '{opened.descriptor.name}' in {recordings.BASELINE}")
    return 0


def _check(options: argparse.Namespace) -> int:
    """Probe the deployment, and print what a run could verify and what it would take; nothing else is sent."""
    criteria = read_criteria(CRITERIA)
    claims = runner.claims_of(options.run, criteria)
    with TemporaryDirectory() as folder, Progress(sys.stdout) as progress:
        progress.doing(f"opening the deployment {options.deployment}")
        with open_deployment(options.deployment, progress=progress.say) as opened:
            progress.doing("probing its services")
            run = Run(opened, Path(folder), "check")
            try:
                seen = run.wait(outlook.look(run, criteria, claims), within=PROBING_SECONDS)
            finally:
                run.close()
    print(f"\n{opened.descriptor.name} ({opened.descriptor.environment}), RUN={options.run}\n")
    print("\n".join(map(_plain, outlook.lines(seen))), flush=True)
    return COULD_NOT_RUN if seen.obstacles else 0


def _report(options: argparse.Namespace) -> int:
    criteria = read_criteria(CRITERIA)
    folder = options.paths[0]
    if len(options.paths) > 1 or options.into:
        folder = options.into or runner.folder_for("report", options.results)
        merge(options.paths, folder)
    gate, edited = judge_again(folder, criteria)
    print_gate(gate)
    for line in edited:
        print(line)
    print(f"\n{gate.line}\n{folder / PAGE}", flush=True)
    return runner.EXIT[gate.verdict]


def _compare(options: argparse.Namespace) -> int:
    criteria = read_criteria(CRITERIA)
    (one, decided), (other, decided_other) = (load_gate(path, criteria) for path in (options.one, options.other))
    print("\n".join(lines(compare(one, other, decided=decided, decided_other=decided_other))), flush=True)
    return 0


def _clean_up(options: argparse.Namespace) -> int:
    if is_provisioned(options.deployment):
        print(f"{options.deployment} is provisioned for each run and ends with it")
        return 0
    with Progress(sys.stdout) as progress:
        progress.doing("removing users of earlier runs")
        with open_deployment(options.deployment, progress=progress.say) as opened:
            removed, left = clean_up(opened, options.results)
    print(f"{removed} users of earlier runs removed")
    for line in left:
        print(f"remains: {line}")
    return COULD_NOT_RUN if left else 0


def _browsers(options: argparse.Namespace) -> int:
    """Name the browser engines that are here; what is missing keeps no run from judging the rest."""
    install_missing(print)
    for engine in find_engines().values():
        print(f"{engine.title}: {engine.executable or 'of Playwright'}, by {engine.driver.value}", flush=True)
    return 0


def _rollback(options: argparse.Namespace) -> int:
    """Undo the faults of ended runs, in all deployments or in one."""
    name, descriptor, wanted = "", None, folders()
    if options.deployment is not None:
        path = find_descriptor(options.deployment)
        if is_provisioned(options.deployment):
            name = str(read_yaml(path).get("name", options.deployment))
            wanted = [folder for folder in wanted if any(one.deployment == name for one in entries(folder))]
        else:
            descriptor = read_descriptor(path)
            wanted = [place_of(OpenDeployment(descriptor, path)).folder]
    found = [asyncio.run(roll_back(folder, descriptor)) for folder in wanted]
    lines_of = {word: [line for one in found for line in getattr(one, word)] for word in ("undone", "owned", "left")}
    if not any(lines_of.values()):
        print("no fault is in effect that a run of this user has injected")
    for line in lines_of["undone"]:
        print(_plain(f"gone: {line}"))
    for line in lines_of["owned"]:
        print(_plain(f"left to the run that is under way: {line}"))
    for line in lines_of["left"]:
        print(_plain(line))
    return COULD_NOT_RUN if lines_of["left"] else 0


def print_gate(gate: Gate) -> None:
    """Print the table of claimed criteria, the number of the others, then invalid and omitted evidence."""
    claimed = [row for row in gate.criteria if row.reason != UNCLAIMED]
    explained = {name for cause in gate.causes for name in cause.criteria}
    print()
    for row in claimed:
        figure = "" if row.figure is None else f"{row.figure:.4g} {row.unit}"
        limit = "" if row.threshold is None else f"({row.must_be} {row.threshold:g})"
        mark = row.status.replace("_", " ")
        print(f"{row.id:9} {mark:14} {figure:>14} {limit:15} {row.title}")
        reason = f"{UNSOUND}: see below" if row.reason.startswith(UNSOUND) else row.reason
        if reason and row.id not in explained:
            print(f"{'':10}{_short(reason)}")
    if len(claimed) < len(gate.criteria):
        others = [row for row in gate.criteria if row.reason == UNCLAIMED]
        required = sum(row.required for row in others)
        rest = len(others) - required
        print(f"{len(others)} more ({required} required, {rest} that do not gate) are not claimed by this run")
    _print_causes(gate)
    for problem in gate.unsound:
        print(f"{UNSOUND}: {problem}")
    for run in gate.left_out:
        print(f"left out: {run}")


def _print_causes(gate: Gate) -> None:
    """Each root cause once: what was expected and observed, and where to look."""
    tests = {test.name: test for row in gate.criteria for test in row.tests}
    for cause in gate.causes:
        first = tests[cause.tests[0]]
        print(f"\nviolates {', '.join(cause.criteria)}:")
        for line in cause.failure.lines:
            text = line.lstrip()
            print(f"{'':8}{line.removesuffix(text)}{_short(text)}")
        more = f", and {len(cause.tests) - 1} more" if len(cause.tests) > 1 else ""
        print(f"{'':10}{'test':9} {first.name}{more}")
        if first.source:
            print(f"{'':10}{'':9} {first.source}, {first.link}")
    for test in gate.beside:
        print(f"\nnames no criterion and did not pass: {test.name}\n{'':10}{_short(summary_of(test.message))}")


def _short(text: str) -> str:
    return _plain(shorten(text, REASON_CHARACTERS, placeholder=" …"))


def _plain(text: str) -> str:
    """Replace control characters, which a deployment's messages may hold."""
    return "".join(character if character.isprintable() else " " for character in text)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit as a run that could not start; argparse's own status means INCONCLUSIVE."""
        self.exit(complain([f"{message}; see {self.prog} --help"]))


def _word(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"expected a name or a path, found {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m acceptance", description="Judges a deployment by the evidence of the suites.")
    common = _Parser(add_help=False)
    common.add_argument(
        "--deployment", default="sandbox", type=_word, help="a name in variables/deployments/, or a descriptor's path"
    )
    common.add_argument("--results", type=Path, default=runner.RESULTS, help="folder of the results (default: results)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", parents=[common], help="run a file of runs/ against a deployment, and judge it")
    run.add_argument("name", help="a file of runs/, without .args")
    run.set_defaults(command=_run)
    record = commands.add_parser("baseline", parents=[common], help="record the baseline of INT-16 and PERF-07")
    record.add_argument(
        "--only", choices=("behaviour", "load"), help="this part (load: a visit too), and keep the other"
    )
    record.set_defaults(command=_baseline)
    check = commands.add_parser(
        "check",
        parents=[common],
        help="what a run could verify of a deployment, and what it would take; only probes it",
    )
    check.add_argument("--run", default="integration", help="a file of runs/, without .args (default: integration)")
    check.set_defaults(command=_check)
    clean = commands.add_parser("clean-up", parents=[common], help="remove users of earlier runs from a deployment")
    clean.set_defaults(command=_clean_up)
    undo = commands.add_parser("rollback", help="undo the faults that runs left in effect when they were killed")
    undo.add_argument(
        "--deployment",
        type=_word,
        help="of this one alone: a name, or a descriptor's path (default: all)",
    )
    undo.set_defaults(command=_rollback, results=runner.RESULTS)
    engines = commands.add_parser("browsers", help="find the browser engines of this machine, and install the others")
    engines.set_defaults(command=_browsers, results=runner.RESULTS)
    again = commands.add_parser("report", parents=[common], help="judge the evidence of one or more runs again")
    again.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="folder of a run")
    again.add_argument("--into", type=Path, help="where several are merged (default: a new folder of the results)")
    again.set_defaults(command=_report)
    comparison = commands.add_parser(
        "compare",
        help="what changed from one run to another",
        description="Lists the changes from one run to another. The exit status is 0 whatever changed; "
        "3 where one of them is not a run.",
    )
    comparison.add_argument("one", type=Path, metavar="A", help="folder of the earlier run, or its gate.json")
    comparison.add_argument("other", type=Path, metavar="B", help="folder of the later run, or its gate.json")
    comparison.set_defaults(command=_compare)
    commands.add_parser(
        "detect", help="check that defects and harness mutants are detected (tests/detection; has options of its own)"
    )
    return parser
