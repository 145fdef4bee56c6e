"""The load of the full profile, by plain Artillery and by this project's library, against a server's own record."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ArtilleryLibrary.node import clean_environment, installation
from ArtilleryLibrary.script import checked_script

from tests.bench.figures import Figure, error, gap_deviation, percentile, ratio, share
from tests.bench.measured import Tell, run_measured
from tests.bench.serving import serving

PHASES = (("warm-up", 60, 5), ("peak", 120, 10), ("cool-down", 60, 5))  # name, seconds, users per second
SCENARIOS = ("Authentication Flow", "Document Upload Flow", "Agent Conversation Flow")
SERVER = "tests.bench.fixed_delay"
FIRST = "/first"  # what each user asks for first
HIGHEST_CPU, SMALLEST_SHARE, UNEVEN = 0.45, 0.99, 0.25
STARTING_SECONDS = 60
PEAK_SECONDS = 20  # the load shape of several workers is seen in a few
EIGHT_CPUS = Path(__file__).with_name("eight-cpus.cjs")


@dataclass(frozen=True)
class Served:
    """The server's own record: when users arrived (monotonic seconds), how long each answer took (ms)."""

    arrivals: tuple[float, ...]
    times: tuple[float, ...]

    @property
    def mean(self) -> float:
        return sum(self.times) / len(self.times)

    @property
    def p99(self) -> float:
        return percentile(self.times, 99)


@dataclass(frozen=True)
class Applied:
    """A load: seconds of CPU, mean and p99 of the first byte as it was told (ms), and the server's record."""

    cpu: float
    mean: float
    p99: float
    served: Served


def measure(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    """Figures of both, one after the other, on the same script."""
    phases = [(name, max(2, round(seconds * scale)), rate) for name, seconds, rate in PHASES]
    lasts = sum(seconds for _, seconds, _ in phases)
    tell(f"plain Artillery, {lasts} s")
    plain = _plain(folder / "plain", phases)
    tell(f"this library, {lasts} s")
    own = _own(folder / "own", phases)
    scheduled = sum(seconds * rate for _, seconds, rate in phases)
    yield ratio("CPU of the load", own.cpu, plain.cpu, "s", at_most=HIGHEST_CPU)
    yield _mean(own, _mean(plain))
    yield _p99(own, _p99(plain))
    yield share("arrivals", len(own.served.arrivals), scheduled, at_least=SMALLEST_SHARE)
    here = [gap_deviation(by_phase(one.served.arrivals, phases)) for one in (own, plain)]
    yield ratio("deviation of the gaps between arrivals, here", here[0], here[1], "ms", at_most=UNEVEN)
    tell(f"plain Artillery that sees eight processors, {PEAK_SECONDS} s")
    peak = [("peak", PEAK_SECONDS, max(rate for _, _, rate in phases))]
    divided = _plain(folder / "eight", peak, "--require", EIGHT_CPUS)
    at_peak = gap_deviation(by_phase(own.served.arrivals, phases)[1:2])
    uneven = gap_deviation(by_phase(divided.served.arrivals, peak))
    yield ratio("the same at the peak, on eight processors", at_peak, uneven, "ms", at_most=UNEVEN)


def by_phase(arrivals: Sequence[float], phases: Sequence[tuple[str, int, int]]) -> list[tuple[float, list[float]]]:
    """The rate of each phase with its arrivals; where all came each phase has its number of them, else its seconds."""
    found, begun, offset = [], 0, 0.0
    whole = len(arrivals) == sum(seconds * rate for _, seconds, rate in phases)
    for _, seconds, rate in phases:
        if whole:
            found.append((float(rate), list(arrivals[begun : begun + seconds * rate])))
            begun += seconds * rate
        else:
            since = arrivals[0] + offset if arrivals else 0.0
            found.append((float(rate), [at for at in arrivals if since <= at < since + seconds]))
            offset += seconds
    return found


def script_text(target: str, phases: Sequence[tuple[str, int, int]]) -> str:
    """Three scenarios of three requests each, which state their success; as plain Artillery has it."""
    stated = [{"name": name, "duration": seconds, "arrivalRate": rate} for name, seconds, rate in phases]
    return json.dumps({"config": {"target": target, "phases": stated}, "scenarios": [*map(_scenario, SCENARIOS)]})


def _scenario(name: str) -> dict[str, Any]:
    expect = [{"statusCode": 200}, {"hasProperty": "id"}, {"hasProperty": "user.id"}]
    login = {
        "url": f"{FIRST}/login", "json": {"email": "ann@example.org", "password": "correct horse battery staple"},
        "capture": [{"json": "$.token", "as": "token"}], "expect": expect,
    }  # fmt: skip
    then = {"headers": {"authorization": "Bearer {{ token }}"}, "expect": expect}
    steps = [{"get": {"url": "/user", **then}}, {"post": {"url": "/ask", "json": {"message": "why?"}, **then}}]
    return {"name": name, "flow": [{"post": login}, *steps]}


def _mean(one: Applied, other: Figure | None = None) -> Figure:
    return error("error of the mean", one.mean, one.served.mean, share=0.01, least_ms=1.0, other=other)


def _p99(one: Applied, other: Figure | None = None) -> Figure:
    return error("error of the p99", one.p99, one.served.p99, share=0.02, least_ms=2.0, other=other)


def _plain(folder: Path, phases: Sequence[tuple[str, int, int]], *flags: str | Path) -> Applied:
    installed, report = installation(), folder / "report.json"
    with serving(SERVER, folder) as (address, record):
        script = folder / "load.yml"
        script.write_text(script_text(address, phases), encoding="utf-8")
        words: list[str | Path] = [installed.node, *flags, installed.launcher, "run", "--output", report, script]
        done = run_measured(words, folder, within=_patience(phases), environment=clean_environment(address, {}))
    summary = json.loads(report.read_text(encoding="utf-8"))["aggregate"]["summaries"]["http.response_time"]
    return Applied(done.cpu, summary["mean"], summary["p99"], read_record(record))


def _own(folder: Path, phases: Sequence[tuple[str, int, int]]) -> Applied:
    with serving(SERVER, folder) as (address, record):
        script = folder / "load.yml"
        script.write_text(script_text(address, phases), encoding="utf-8")
        checked_script(script)  # what is wrong with it is said here, in our own process
        words: list[str | Path] = [sys.executable, "-m", "tests.bench.own_load", script, folder / "left"]
        done = run_measured(words, folder, within=_patience(phases))
    said = json.loads(done.output.splitlines()[-1])
    return Applied(done.cpu, said["mean"], said["p99"], read_record(record))


def _patience(phases: Sequence[tuple[str, int, int]]) -> float:
    return sum(seconds for _, seconds, _ in phases) + STARTING_SECONDS


def read_record(path: Path) -> Served:
    """What the server wrote of itself."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    arrivals = sorted(read for path, read, _ in lines if path.startswith(FIRST))
    return Served(tuple(arrivals), tuple(1000 * (first - read) for _, read, first in lines))
