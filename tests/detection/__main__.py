"""`python -m tests.detection` (and `python -m acceptance detect`): are defects and harness mutants detected?"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from acceptance.cli import complain
from acceptance.errors import ConfigurationError
from acceptance.runner import runner
from acceptance.runner.subprocesses import handling

from sandbox.hostile import NAMES
from tests.detection.detection import Selection, detect
from tests.detection.hostile import SAMPLE, bear


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong use has the status of a run that could not start."""
        self.exit(complain([f"{message}; see {self.prog} --help"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 each was active and detected by what must detect it alone, 1 otherwise, 3 bad input."""
    options = _parser().parse_args(arguments)
    if options.hostile:
        modes = NAMES if options.hostile == "all" else SAMPLE if options.hostile == "sample" else [options.hostile]
        try:
            return bear(modes, runner.folder_for("hostile", options.results))
        except ConfigurationError as error:
            return complain(error.problems)
    selection = Selection(options.defect, options.criterion, options.sample, options.shard)
    try:
        with handling(runner.interrupt):
            return detect(selection, options.deployment, runner.folder_for("detect", options.results))
    except ConfigurationError as error:
        return complain(error.problems)
    except KeyboardInterrupt:
        return complain(["interrupted"])


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected i/n with i from 1 to n, found {text}")
    return int(match[1]), int(match[2])


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m acceptance detect", description=__doc__)
    parser.add_argument("--deployment", default="sandbox", help="one whose descriptor offers defects")
    parser.add_argument("--results", type=Path, default=runner.RESULTS, help="where the files go (default: results)")
    parser.add_argument("--defect", metavar="NAME", help="this one only")
    parser.add_argument("--hostile", metavar="MODE", help="a hostile deployment instead: a mode, sample, or all")
    parser.add_argument("--criterion", metavar="ID", help="the defects that this criterion must detect")
    parser.add_argument("--shard", metavar="I/N", type=_shard, default=(1, 1), help="the i-th of n parts of them")
    parser.add_argument("--sample", metavar="REVISION", help="one of each area, those changed since, all mutants")
    return parser


if __name__ == "__main__":
    sys.exit(main())
