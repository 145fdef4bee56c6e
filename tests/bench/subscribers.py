"""A thousand subscribers of fifty jobs, by Artillery's WebSocket engine and by this project's listening process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ArtilleryLibrary.node import clean_environment, installation

from tests.bench.events import EVENTS, FIRST_JOB, JOB
from tests.bench.figures import Figure, none_lost, ratio
from tests.bench.measured import BenchError, Tell, run_measured
from tests.bench.serving import serving

SUBSCRIBERS, JOBS, JOINS_PER_SECOND = 1000, 50, 100
HIGHEST_CPU = 0.25
WITHIN_SECONDS = 120.0
LOST_SECONDS = 20  # after which a message that a step of Artillery waits for has not come


def measure(folder: Path, scale: float, tell: Tell) -> Iterator[Figure]:
    """Figures of both, one after the other, against the same server."""
    wanted = max(JOBS, round(SUBSCRIBERS * scale))
    tell(f"{wanted} subscribers by Artillery's WebSocket engine")
    other_cpu, other_received, other_sent = _artillery(folder / "artillery", wanted)
    tell(f"{wanted} subscribers by this project")
    cpu, received, sent = _own(folder / "own", wanted)
    if sent != wanted * EVENTS:
        raise BenchError(f"the server sent {sent} messages, {wanted * EVENTS} were to be")
    lost = none_lost(f"messages to {wanted} subscribers, lost", sent - received, sent)
    yield Figure(lost.name, lost.ours, f"{other_sent - other_received} of {other_sent}", "", lost.limit, lost.kept)
    yield ratio(f"CPU of {wanted} subscribers", cpu, other_cpu, "s", at_most=HIGHEST_CPU)


def script(address: str, wanted: int) -> dict[str, Any]:
    """Subscribers who take every message of their job: the engine counts none that no step waits for."""
    phase = {"duration": max(1, wanted // JOINS_PER_SECOND), "arrivalRate": min(wanted, JOINS_PER_SECOND)}
    number = f"{{{{ $randomNumber({FIRST_JOB}, {FIRST_JOB + JOBS - 1}) }}}}"
    connect = f"{address}/ws/jobs/{JOB}{number}?access_token={'t' * 200}&after=0"
    wait = {"wait": {"capture": {"json": "$.sequence", "as": "sequence"}}}
    flow = [{"connect": {"target": connect}}, {"loop": [wait], "count": EVENTS}]
    return {
        "config": {"target": address, "timeout": LOST_SECONDS, "phases": [phase]},
        "scenarios": [{"engine": "ws", "flow": flow}],
    }


def _artillery(folder: Path, wanted: int) -> tuple[float, int, int]:
    """Seconds of CPU, messages received, messages that the server sent."""
    installed, report, plan = installation(), folder / "report.json", folder / "load.yml"
    with serving("tests.bench.events", folder, str(wanted)) as (address, record):
        plan.write_text(json.dumps(script(address, wanted)), encoding="utf-8")
        words: list[str | Path] = [installed.node, installed.launcher, "run", "--output", report, plan]
        environment = clean_environment(address, {})
        done = run_measured(words, folder, within=WITHIN_SECONDS, environment=environment)
    counters = json.loads(report.read_text(encoding="utf-8"))["aggregate"]["counters"]
    return done.cpu, counters.get("websocket.messages_received", 0), _sent(record)


def _own(folder: Path, wanted: int) -> tuple[float, int, int]:
    with serving("tests.bench.events", folder, str(wanted)) as (address, record):
        words = [sys.executable, "-m", "tests.bench.own_subscribers", address]
        done = run_measured([*words, str(wanted), str(JOBS), str(JOINS_PER_SECOND)], folder, within=WITHIN_SECONDS)
    said = json.loads(done.output.splitlines()[-1])
    if said["listening"] != wanted or said["problems"]:
        raise BenchError(f"{said['listening']} of {wanted} subscribers listened: {'; '.join(said['problems'])}")
    return float(said["cpu"]), said["whole"] * EVENTS, _sent(record)


def _sent(record: Path) -> int:
    return int(json.loads(record.read_text(encoding="utf-8"))["messages"])
