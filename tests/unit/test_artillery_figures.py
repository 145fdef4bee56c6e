"""Figures of a load are exact, and a log that lacks something is never a whole load."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from ArtilleryLibrary.figures import LOG, LoadResult, Samples, read_result
from ArtilleryLibrary.flows import Scenario
from ArtilleryLibrary.phases import Phase
from ArtilleryLibrary.plan import PLAN, Ending, LoadPlan
from ArtilleryLibrary.progress import EarlyStop, Progress
from ArtilleryLibrary.report import as_text, figure
from ArtilleryLibrary.requestlog import LogReader

BEGIN = 1_000_000.0  # seconds since the epoch
GAP = 0.1
PHASES = (
    Phase(index=0, name="warm up", duration=2, rate=10, ramp_to=10),
    Phase(index=1, name="steady", duration=2, rate=10, ramp_to=10),
)
SCENARIOS = (
    Scenario(name="reading", weight=1, requests=1, endpoints=("read",)),
    Scenario(name="writing", weight=1, requests=1, endpoints=("write",)),
)


def plan(**changes: Any) -> LoadPlan:
    return LoadPlan(
        script="load.yml", target="http://127.0.0.1:1", phases=PHASES, scenarios=SCENARIOS, corrections=(),
        node="24.0.0", artillery="2.0.34", **{"ending": Ending.COMPLETE, "reason": "all was applied", **changes},
    )  # fmt: skip


def lines() -> list[dict[str, Any]]:
    """Forty users at even gaps, reading and writing in turn, each a millisecond slower; every tenth fails."""
    told: list[dict[str, Any]] = [
        {"kind": "phase", "index": 0, "at": BEGIN * 1000},
        {"kind": "phase", "index": 1, "at": (BEGIN + 2) * 1000},
    ]
    for number in range(40):
        at = (BEGIN + (number + 1) * GAP - 0.001) * 1000
        reading, failed = number % 2 == 0, number % 10 == 9
        told.append({"kind": "user", "user": f"u{number}", "scenario": "reading", "at": at})
        told.append(
            {
                "kind": "request", "user": f"u{number}", "at": at, "sent": 1,
                "first": number + 1, "total": 2 * number + 2,
                "scenario": "reading" if reading else "writing", "endpoint": "read" if reading else "write",
                "status": 500 if failed else 200, "bytes": 2, "ok": not failed,
                "failures": ["statusCode: expected 200, got 500"] if failed else [],
            }
        )  # fmt: skip
    told.append({"kind": "health", "at": BEGIN * 1000, "cpu": 500, "p99": 1.0, "max": 2.0})
    told.append({"kind": "health", "at": (BEGIN + 4) * 1000, "cpu": 1300, "p99": 4.0, "max": 7.0})
    told.append({"kind": "end", "at": 0, "counters": {"vusers.created": 40, "http.requests": 40, "http.responses": 40}})
    return told


def result(folder: Path, told: list[dict[str, Any]] | None = None, tail: str = "", **changes: Any) -> LoadResult:
    text = "".join(f"{json.dumps(one)}\n" for one in (lines() if told is None else told)) + tail
    (folder / LOG).write_text(text)
    (folder / PLAN).write_text(plan(**changes).model_dump_json())
    return read_result(folder)


def test_figures_are_those_of_the_records(tmp_path: Path) -> None:
    load = result(tmp_path)
    everything = load.figures()
    assert load.complete
    assert (everything.attempted, everything.succeeded, everything.failed, everything.error_rate) == (40, 36, 4, 0.1)
    assert everything.first_byte is not None
    assert everything.total is not None
    assert (everything.first_byte.mean, everything.first_byte.percentile(95)) == (20.5, 38)
    assert (everything.total.mean, everything.total.statistic("max")) == (41, 80)
    assert everything.errors == {"statusCode: expected 200, got 500": 4}


def test_figures_are_told_apart_by_scenario_endpoint_and_phase(tmp_path: Path) -> None:
    load = result(tmp_path)
    assert [load.figures(scenario=name).failed for name in load.scenarios] == [0, 4]
    assert [load.figures(endpoint=name).attempted for name in load.endpoints] == [20, 20]
    warm_up, steady = (load.figures(phase=name) for name in load.phases)
    assert (warm_up.attempted, steady.attempted) == (20, 20)
    assert warm_up.first_byte is not None
    assert steady.first_byte is not None
    assert (warm_up.first_byte.mean, steady.first_byte.mean) == (10.5, 30.5)
    assert Samples.of([*warm_up.first_byte.values, *steady.first_byte.values]) == load.figures().first_byte
    with pytest.raises(KeyError, match="known: warm up, steady"):
        load.figures(phase="steadi")


def test_a_part_without_requests_did_not_go_well(tmp_path: Path) -> None:
    nothing = result(tmp_path, []).figures()
    assert (nothing.attempted, nothing.error_rate, nothing.first_byte) == (0, 1.0, None)


def test_transport_errors_count_and_have_no_time(tmp_path: Path) -> None:
    refused = {
        "kind": "request", "user": "u", "at": BEGIN * 1000, "sent": 1, "scenario": "reading", "endpoint": "read",
        "ok": False, "failures": ["ECONNREFUSED"],
    }  # fmt: skip
    figures = result(tmp_path, [refused] * 3).figures()
    assert (figures.attempted, figures.error_rate, figures.first_byte) == (3, 1.0, None)
    assert figures.errors == {"ECONNREFUSED": 3}


def test_arrivals_are_held_against_the_schedule(tmp_path: Path) -> None:
    arrivals = result(tmp_path).arrivals
    assert (arrivals.scheduled, arrivals.actual, arrivals.share) == (40, 40, 1.0)
    assert arrivals.gap_deviation == pytest.approx(0, abs=0.01)
    assert arrivals.per_second == tuple((second, 10, 10) for second in range(4))


def test_arrivals_that_clump_are_seen(tmp_path: Path) -> None:
    told = lines()
    users = [one for one in told if one["kind"] == "user"]
    for one, other in zip(users[::2], users[1::2], strict=True):
        one["at"] = other["at"]
    assert result(tmp_path, told).arrivals.gap_deviation == pytest.approx(1000 * GAP, rel=0.05)


def test_users_that_did_not_come_are_missed(tmp_path: Path) -> None:
    told = [one for one in lines() if one.get("user") != "u7"]
    told[-1]["counters"] = {"vusers.created": 39, "http.requests": 39}
    arrivals = result(tmp_path, told).arrivals
    assert (arrivals.actual, arrivals.per_second[0]) == (39, (0, 10, 9))


def test_the_generator_tells_of_itself(tmp_path: Path) -> None:
    generator = result(tmp_path).generator
    assert generator.cpu_share == pytest.approx(0.2)
    assert (generator.lag_p99, generator.lag_max, generator.saturated) == (4.0, 7.0, False)


@pytest.mark.parametrize(
    ("health", "why"),
    [
        ({"p99": 10.5}, "event loop lag p99 10.5 ms is over 10 ms"),
        ({"cpu": 4100}, "CPU 90% of a core is over 80%"),
        ({"kind": "user-end", "user": "u0"}, "kept no record of itself"),
    ],
)
def test_a_generator_that_did_not_keep_up_is_seen(tmp_path: Path, health: dict[str, Any], why: str) -> None:
    told = lines()
    told[-2] |= health
    generator = result(tmp_path, told).generator
    assert generator.saturated
    assert why in generator.why


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (lambda told: told[:-1], "has no end"),
        (lambda told: told[:2] + told[3:], "holds 39 of 40 virtual users"),
        (lambda told: told[:3] + told[4:], "holds 39 of 40 requests"),
        (lambda told: told[1:], "phases that never began: warm up"),
        (lambda told: [*told[:5], {"kind": "nonsense"}, *told[5:]], "1 lines of the request log cannot be read"),
        (lambda told: [*told[:5], {**told[5], "ok": not told[5].get("ok")}, *told[6:]], "cannot be read"),
        (lambda told: [*told[:-1], told[-1] | {"counters": {"vusers.failed": 5}}], "says of 4 of 5 virtual users why"),
    ],
)  # fmt: skip
def test_a_log_that_lacks_something_is_no_whole_load(tmp_path: Path, left: Any, reason: str) -> None:
    load = result(tmp_path, left(lines()))
    assert (load.ending, load.complete) == (Ending.TRUNCATED, False)
    assert reason in load.reason


def test_half_a_line_is_named_and_not_counted(tmp_path: Path) -> None:
    load = result(tmp_path, tail='{"kind": "request", "us')
    assert not load.complete
    assert "half a line" in load.reason
    assert load.figures().attempted == 40


@pytest.mark.parametrize("ending", [one for one in Ending if one is not Ending.COMPLETE])
def test_what_was_measured_of_a_load_that_ended_otherwise_is_there_and_marked(tmp_path: Path, ending: Ending) -> None:
    load = result(tmp_path, lines()[:20], ending=ending, reason="because")
    assert (load.complete, load.ending, load.reason) == (False, ending, "because")
    assert load.figures().attempted == 9


def test_a_plan_that_says_nothing_of_its_end_was_interrupted() -> None:
    told = plan().model_dump(exclude={"ending", "reason"})
    assert LoadPlan.model_validate(told).ending is Ending.INTERRUPTED


def test_a_log_is_read_while_it_grows(tmp_path: Path) -> None:
    reader, path = LogReader(tmp_path / LOG), tmp_path / LOG
    assert reader.read().requests == []
    first, second = json.dumps(lines()[3]), json.dumps(lines()[5])
    path.write_text(f"{first}\n{second[:20]}")
    assert (len(reader.read().requests), reader.log.half) == (1, True)
    with path.open("a") as file:
        file.write(f"{second[20:]}\n")
    assert (len(reader.read().requests), reader.log.half, reader.log.unreadable) == (2, False, [])


def test_answers_are_counted_in_the_second_of_their_end(tmp_path: Path) -> None:
    throughput = result(tmp_path).throughput
    assert sum(count for _, count in throughput) == 40
    assert throughput[0] == (0, 9)


def progress(requests: int, errors: int, p95: float | None = None) -> Progress:
    return Progress(
        elapsed=5, remaining=60, arrivals=40, scheduled=400, requests=requests, errors=errors, first_byte_p95=p95
    )


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (progress(100, 51), "51% of 100 requests failed, over 50%"),
        (progress(100, 50), None),
        (progress(99, 99), None),
        (progress(100, 0, 900.0), "first byte p95 of 100 requests is 900 ms, over 800 ms"),
        (progress(100, 0, 800.0), None),
    ],
)
def test_a_load_is_stopped_when_a_limit_is_broken_for_good(now: Progress, reason: str | None) -> None:
    assert EarlyStop(error_rate=0.5, first_byte_p95=800, after_requests=100).reason(now) == reason
    assert EarlyStop(error_rate=None).reason(now) is None


def test_progress_is_one_line_to_read() -> None:
    assert str(progress(100, 3, 81.7)) == "40 of 400 users, 100 requests, first byte p95 82 ms, 3 errors, 60 s left"


def test_figures_have_names(tmp_path: Path) -> None:
    load = result(tmp_path)
    assert figure(load, "users") == 40
    assert figure(load, "users", scenario="reading") == 20
    assert figure(load, "error rate", scenario="writing") == 0.2
    assert figure(load, "first byte", "p95", phase="warm up") == 19
    assert math.isclose(figure(load, "total"), 41)
    with pytest.raises(ValueError, match="unknown figure 'speed'"):
        figure(load, "speed")
    with pytest.raises(ValueError, match="no total: none of 0 requests got a response"):
        figure(result(tmp_path, []), "total")


def test_redirects_that_were_followed_are_told_in_text(tmp_path: Path) -> None:
    told = lines()
    told[3]["sent"] = told[5]["sent"] = 2
    text = as_text(result(tmp_path, told))
    assert "     2 requests followed redirects: their first byte is that of the final answer" in text
    assert "redirects" not in as_text(result(tmp_path))


def test_a_result_is_told_in_text(tmp_path: Path) -> None:
    text = as_text(result(tmp_path))
    assert "40 of 40 virtual users" in text
    assert "the generator kept up" in text
    assert "4 times statusCode: expected 200, got 500" in text
    assert [line.split()[0] for line in text.splitlines()[4:9]] == ["all", "phase", "phase", "read", "write"]
