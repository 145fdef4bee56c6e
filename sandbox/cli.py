"""The command line: `python -m sandbox up | down | status | defects`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from sandbox import dialects, processes, reaper, state
from sandbox.console import complain, say
from sandbox.errors import StartError, in_a_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 done, 3 could not start, 1 ended by force."""
    options = _parser().parse_args(arguments)
    try:
        return {
            "up": lambda: reaper.up(
                options.defect, options.descriptor, options.detach, options.hostile, options.dialect, options.tls
            ),
            "down": lambda: down(options.descriptor),
            "status": lambda: status(options.json),
            "defects": lambda: defects(options.json, options.criterion, options.word, options.dialect),
        }[options.command]()
    except (StartError, OSError) as error:
        complain(in_a_line(error))
        return reaper.STATUS_CANNOT_START
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def down(descriptor: Path | None) -> int:
    """End the detached sandboxes of this user, or the one with this descriptor."""
    wanted = descriptor and str(descriptor.absolute())
    ending = [one for one in state.alive() if one.detached and wanted in (None, one.descriptor)]
    if descriptor and not ending:
        raise StartError(f"no detached sandbox with the descriptor {descriptor} runs; `status` lists those that do")
    for sandbox in ending:
        deadline = time.monotonic() + 2 * reaper.PATIENCE_SECONDS
        _send(sandbox, signal.SIGTERM)
        while sandbox.alive:
            if time.monotonic() > deadline:
                _send(sandbox, signal.SIGKILL)
            time.sleep(0.05)
        sandbox.remove()
        say(f"ended {sandbox.directory}")
    return 0


def status(as_json: bool) -> int:
    """Print the sandboxes of this user."""
    reports = [sandbox.report() for sandbox in state.alive()]
    if as_json:
        say(json.dumps(reports, indent=2))
        return 0
    for report in reports:
        how = "detached" if report["detached"] else "in the foreground"
        say(f"{report['directory']}  {'ready' if report['ready'] else 'starting'}, {how}")
        say(f"  descriptor  {report['descriptor']}")
        if report["defect"]:
            say(f"  defect      {report['defect']}, {'active' if report['defect_active'] else 'not active yet'}")
        for name, service in report["services"].items():
            say(f"  {name:<11} process {service['pid'] or 'none'}, starts {service['starts']}")
    if not reports:
        say("no sandbox runs")
    return 0


def defects(as_json: bool, criterion: str | None, word: str, dialect: str | None) -> int:
    """List the planted defects: all, those of a dialect or criterion, those with a word in name or description."""
    from sandbox import defects as registry

    lines = [one for one in registry.matching(criterion, word) if dialect in (None, one.dialect)]
    say(json.dumps([one.as_data() for one in lines], indent=2) if as_json else "\n".join(map(str, lines)) or "none")
    return 0


def _send(sandbox: state.Sandbox, number: signal.Signals) -> None:
    """Signal the reaper, or the supervisor when only that is left."""
    pairs = ((sandbox.reaper, sandbox.reaper_started), (sandbox.supervisor, sandbox.supervisor_started))
    for pid, started in pairs:
        if started is not None and processes.start_time(pid) == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if number != signal.SIGKILL:
                return


def _mode(name: str) -> str:
    from sandbox import hostile

    if name not in hostile.NAMES:
        known = ", ".join(hostile.MODES)
        raise argparse.ArgumentTypeError(f"no mode '{name}'; there are {known}, each alone or with {hostile.BEHIND}")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The deployment, on free loopback ports.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start, and stay until Ctrl-C or the end of the parent process")
    up.add_argument("--dialect", choices=dialects.NAMES, help="the same application as another team builds it")
    up.add_argument("--tls", action="store_true", help="clients call over TLS, with a certificate by its own authority")
    wrong = up.add_mutually_exclusive_group()
    wrong.add_argument("--defect", metavar="NAME", help="start with one thing wrong; `defects` lists them")
    wrong.add_argument(
        "--hostile", metavar="MODE", type=_mode, help="one server in place of everything, that answers in a hostile way"
    )
    up.add_argument(
        "--descriptor", metavar="PATH", type=Path, help="write the descriptor here, and the secrets beside it, as .env"
    )
    up.add_argument("--detach", action="store_true", help="return when it is ready; `down` ends it")
    end = commands.add_parser("down", help="end the detached sandboxes of this user")
    end.add_argument("--descriptor", metavar="PATH", type=Path, help="only the one with this descriptor")
    shown = commands.add_parser("status", help="show the sandboxes of this user, and whether a defect took effect")
    listed = commands.add_parser("defects", help="list the planted defects")
    listed.add_argument("word", nargs="?", default="", help="only those with this in their name or description")
    listed.add_argument("--criterion", metavar="ID", help="only those that violate this criterion")
    listed.add_argument("--dialect", choices=dialects.NAMES, help="only those of this dialect")
    for command in (shown, listed):
        command.add_argument("--json", action="store_true")
    return parser
