"""`make bench`: what this project costs and how exact it is, as ratios in one run, kept in `docs/benchmarks.md`.

It ends with 1 where a limit is not kept or a part could not be measured. A whole run takes about 12 minutes, in which
the machine should do nothing else. `--scale 0.1` tries it out, and keeps nothing unless `--into` says where.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from acceptance.yaml_models import PROJECT

from tests.bench import load, log, sandbox, steps, subscribers
from tests.bench.figures import Figure
from tests.bench.measured import Tell
from tests.bench.page import Part, page, summary
from tests.bench.surroundings import surroundings

PAGE = PROJECT / "docs" / "benchmarks.md"
Measure = Callable[[Path, float, Tell], Iterator[Figure]]
PARTS: Mapping[str, Measure] = {
    "sandbox": sandbox.measure,
    "steps": steps.measure,
    "subscribers": subscribers.measure,
    "load": load.measure,
    "log": log.measure,
}


def main(words: list[str] | None = None, parts: Mapping[str, Measure] = PARTS) -> int:
    """Measure, print and keep; gives the status."""
    asked = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    asked.add_argument("--only", action="append", choices=list(parts), help="a part; may be given several times")
    asked.add_argument("--scale", type=float, default=1.0, help="of the whole, more than 0 and up to 1")
    asked.add_argument("--into", type=Path, help=f"where the page is written; a whole run: {PAGE.relative_to(PROJECT)}")
    given = asked.parse_args(words)
    if not 0 < given.scale <= 1:
        asked.error("--scale: more than 0 and up to 1")
    whole = given.only is None and given.scale == 1
    into, about = given.into or (PAGE if whole else None), surroundings()
    done = [measured(name, parts[name], given.scale) for name in given.only or parts]
    if into is not None:
        into.write_text(page(done, about, datetime.now(UTC), whole=whole), encoding="utf-8")
        print(f"kept in {into}")
    print("", *(line for part in done for line in part.lines), sep="\n")
    print(summary(done))
    return 1 if any(part.wrong for part in done) else 0


def measured(name: str, measure: Measure, scale: float) -> Part:
    """A part with the figures that it gave until it ended or failed; the next one is measured all the same."""
    figures: list[Figure] = []
    begin = time.monotonic()

    def tell(line: str) -> None:
        print(f"{name}: {line}", flush=True)

    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            for figure in measure(Path(folder) / name, scale, tell):
                figures.append(figure)
                print(figure, flush=True)
        except Exception as error:  # noqa: BLE001  # a part that fails must not lose the others
            traceback.print_exc()
            return Part(name, tuple(figures), f"{type(error).__name__}: {error}")
    tell(f"{time.monotonic() - begin:.0f} s")
    return Part(name, tuple(figures))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended, too
    sys.exit(main())
