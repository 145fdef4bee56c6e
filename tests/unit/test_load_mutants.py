"""What is done to a load is really done, and only a gate that says so of each criterion has noticed it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from acceptance.evidence.recorder import Recorder
from acceptance.runner import runner
from acceptance.runner.finalize import judge_again
from acceptance.runner.runner import Ending, RunRequest
from acceptance.verdict.criteria import CRITERIA, read_criteria
from ArtilleryLibrary.figures import LOG
from ArtilleryLibrary.requestlog import read_log

from tests.detection import load_mutants
from tests.detection.load_mutants import LOAD_MUTANTS, SHORT_LOAD
from tests.detection.mutant_runner import HarnessMutants
from tests.detection.mutants import HarnessMutant
from tests.evidence import ALL, write_run

BY_NAME = {mutant.name: mutant for mutant in LOAD_MUTANTS}
CLAIMS = tuple(name for name in ALL.criteria if name in {f"PERF-{n:02}" for n in range(1, 7)})
SAID = {
    "generator-starved": "the load generator did not keep up: event loop lag p99 400.0 ms is over 10 ms",
    "request-log-truncated": "the load did not go through to its end: 1 lines of the request log cannot be read",
    "request-log-thinned": "the load did not go through to its end: the request log holds 300 of 540 requests",
}


def logged(folder: Path, requests: int) -> Path:
    log = folder / "load-detection" / LOG
    log.parent.mkdir(parents=True)
    about = {"kind": "request", "user": "u", "scenario": "s", "endpoint": "e", "at": 1, "ok": True, "sent": 1}
    log.write_text("".join(f"{json.dumps(about, separators=(',', ':'))}\n" for _ in range(requests)))
    return log


@pytest.mark.parametrize(
    ("meddle", "left", "unreadable"), [(load_mutants.cut_log, 132, 1), (load_mutants.lose_lines, 133, 0)]
)
def test_a_log_loses_what_it_should_and_is_written_on(
    meddle: Callable[[Path], Coroutine[Any, Any, str]], left: int, unreadable: int, tmp_path: Path
) -> None:
    log = logged(tmp_path, 200)
    more = log.read_text().splitlines(keepends=True)[0]
    with log.open("a") as writer:  # as Artillery has it open
        assert asyncio.run(meddle(tmp_path))
        writer.write(more + more)
    found = read_log(log)
    assert (len(found.requests), len(found.unreadable), found.half) == (left + 2 - unreadable, unreadable, False)


def test_nothing_is_done_before_the_load_is_under_way(tmp_path: Path) -> None:
    log = logged(tmp_path, load_mutants.LOGGED - 1)
    before = log.read_bytes()

    async def cancelled() -> None:
        task = asyncio.ensure_future(load_mutants.cut_log(tmp_path))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancelled())
    assert log.read_bytes() == before


@pytest.fixture
def attempt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    """Tries a harness mutant without a deployment: the run that it is done to fails so, and these criteria do not."""

    def tried(mutant: HarnessMutant, said: str, *, spared: str = "", done: str = "something") -> Any:
        def run(request: RunRequest) -> Ending:
            short(request.folder, said if request.folder.name == mutant.name else "", spared)
            return Ending(judge_again(request.folder, read_criteria(CRITERIA))[0], (), interrupted=False)

        async def meddle(folder: Path) -> str:
            return done

        monkeypatch.setattr(runner, "run", run)
        changed = {"during": meddle} if mutant.during else {}
        one = HarnessMutant(**{**{name: getattr(mutant, name) for name in mutant.__dataclass_fields__}, **changed})
        return HarnessMutants("any", tmp_path / "d").attempt(one)

    return tried


def short(folder: Path, said: str, spared: str) -> None:
    """A short load: all tests pass, or all but one fail for a reason that is ours."""

    def ended(recorder: Recorder) -> None:
        for name in CLAIMS:
            for limit in ALL.criteria[name].limits:
                value = 500 if limit.figure == "successful_requests" else limit.threshold or 0
                recorder.observe(name, f"{limit.figure}_of_a_short_load", value * 0.9, limit.unit, samples=500)
            if said and name != spared:
                recorder.test(name=f"suite: {name}", status="FAIL", criteria=[name], cause="environment", message=said)
            else:
                recorder.test(name=f"suite: {name}", status="PASS", criteria=[name])

    write_run(folder, run=folder.name, name="performance", claims=CLAIMS, left_out=CLAIMS, change=ended)


@pytest.mark.parametrize("name", SAID)
def test_it_is_noticed_where_each_criterion_says_so(name: str, attempt: Callable[..., Any]) -> None:
    found = attempt(BY_NAME[name], SAID[name])
    assert (found.active, found.noticed) == (True, True), found.message


@pytest.mark.parametrize("name", SAID)
def test_it_is_not_noticed_where_one_criterion_is_silent(name: str, attempt: Callable[..., Any]) -> None:
    assert not attempt(BY_NAME[name], SAID[name], spared="PERF-03").noticed


@pytest.mark.parametrize("name", SAID)
def test_what_did_nothing_was_not_active(name: str, attempt: Callable[..., Any]) -> None:
    assert not attempt(BY_NAME[name], SAID[name], done="").active
    assert not attempt(BY_NAME[name], "").active


def test_a_short_load_with_the_names_of_a_whole_one_has_too_few_samples(attempt: Callable[..., Any]) -> None:
    found = attempt(BY_NAME["short-load-passed-off"], "")
    assert (found.active, found.noticed, found.gate.verdict) == (True, True, "NO-GO"), found.message


def test_the_short_load_is_of_a_run_that_there_is() -> None:
    assert set(CLAIMS) <= set(runner.claims_of(SHORT_LOAD.run, ALL))
