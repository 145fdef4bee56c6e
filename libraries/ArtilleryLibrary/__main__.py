"""Apply a load without suites: `python -m ArtilleryLibrary SCRIPT`; with `--dry-run`, only print the command.

Variables of `$env` come from the environment. Exit status: 0 the whole load was applied within the error rate; 1 it was
stopped early, too many requests failed, or what the script does after the load failed; 2 unknown: the load is
incomplete or its generator did not keep up; 3 it could not start, or what the script does before the load failed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ArtilleryLibrary.errors import ConfigurationError, EnvironmentUnavailable, need_working_folder
from ArtilleryLibrary.fargate import dry_run
from ArtilleryLibrary.figures import Ending, LoadResult, read_result
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.progress import EarlyStop, progress_lines
from ArtilleryLibrary.report import as_text
from ArtilleryLibrary.script import LoadScript, checked_script

APPLIED, BROKEN, UNKNOWN, COULD_NOT_START = range(4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a script and apply it, or print the command."""
    options = _parser().parse_args(arguments)
    try:
        need_working_folder()
        script = checked_script(options.script, target=options.target, expectations=options.expectations)
        for correction in script.corrections:
            print(f"corrected: {correction}", file=sys.stderr)
        return _dry_run(script, options) if options.dry_run else _apply(script, options)
    except ConfigurationError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
    except EnvironmentUnavailable as error:
        print(f"error: {error}", file=sys.stderr)
    return COULD_NOT_START


def _dry_run(script: LoadScript, options: argparse.Namespace) -> int:
    composed = dry_run(script, workers=options.workers, region=options.region)
    print(f"{composed.script}\n\n# the script above as script.json, and then:\n{composed}")
    return APPLIED


def _apply(script: LoadScript, options: argparse.Namespace) -> int:
    stop = EarlyStop(error_rate=options.stop_at_error_rate)
    try:
        progress = progress_lines(_print, sys.stderr)
        result = asyncio.run(run_load(script, options.folder, progress=progress, early_stop=stop))
    except KeyboardInterrupt:
        with suppress(OSError, ValueError):  # no load had begun
            print(as_text(read_result(options.folder)))
        return UNKNOWN
    print(as_text(result))
    return _status(result, options.error_rate)


def _status(result: LoadResult, most: float) -> int:
    if result.ending is Ending.STOPPED_EARLY or result.log.fatal:
        return BROKEN
    if not result.complete or result.generator.saturated:
        return UNKNOWN
    return BROKEN if result.figures().error_rate > most else APPLIED


def _print(line: str) -> None:
    print(f"load: {line}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ArtilleryLibrary", description=__doc__.splitlines()[0])
    parser.add_argument("script", type=Path, help="a plain Artillery script")
    parser.add_argument("--target", metavar="URL", help="target address, instead of the script's own")
    parser.add_argument("--folder", type=Path, default=Path("load"), help="folder of the request log (load)")
    parser.add_argument("--expectations", action="store_true", help="require an expected status of each request")
    parser.add_argument("--error-rate", type=float, default=0.01, help="highest share of failures, 0 to 1 (0.01)")
    parser.add_argument(
        "--stop-at-error-rate", type=float, default=0.5, help="share of failures that stops the load (0.5)"
    )
    cloud = parser.add_argument_group("AWS Fargate, composed, not run")
    cloud.add_argument("--dry-run", action="store_true", help="print the command, and the script with divided rates")
    cloud.add_argument("--workers", type=int, default=1, metavar="N", help="tasks that share the rates (1)")
    cloud.add_argument("--region", default="eu-west-1", help="of AWS (eu-west-1)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
