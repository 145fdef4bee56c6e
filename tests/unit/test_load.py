"""The load's figures, made up, are judged both ways; its flows are those of the contract."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from acceptance.deployment.contract import Contract
from acceptance.deployment.descriptor import Fargate, ModelBound, Threshold, UnderLoad
from acceptance.errors import CapabilityMissing, EnvironmentUnavailable, Violation
from acceptance.performance import recording
from acceptance.performance.load import SCRIPT, Load, prepared, requests_a_minute, users_needed
from acceptance.performance.load_figures import FIGURES, TIMES, LoadFigure
from acceptance.performance.load_profiles import profile
from acceptance.verdict.criteria import CRITERIA, read_criteria
from ArtilleryLibrary.figures import Ending, LoadPlan, LoadResult
from ArtilleryLibrary.requestlog import LoggedRequest, RequestLog
from ArtilleryLibrary.script import LoadScript, checked_script

from tests.unit import promises
from tests.unit.promises import MadeUp

BEGAN = 1_000_000.0
SCALES = {one.time: one for one in profile().scales.values()}
TESTS = {
    "PERF-01": "Responses Begin As Quickly As In The Local Run",
    "PERF-02": "As Many Requests Succeed As In The Local Run",
    "PERF-03": "Few Requests Fail",
    "PERF-05": "The Load Was Really Applied",
    "PERF-06": "Slow First Bytes Are Rare Where No Model Is Asked",
    "PERF-06 of whole answers": "Slow Whole Answers Are Rare Where No Model Is Asked",
    "PERF-06 of a model": "Slow Answers Of A Model Keep Their Own Limits",
}


@lru_cache
def script(share: float = 1.0) -> LoadScript:
    environment = {"LOAD_TARGET": "http://127.0.0.1:1", "LOAD_USERS": "[]"}
    return checked_script(SCRIPT, environment=environment, least_requests=3, expectations=True, duration_scale=share)


def result(*, share: float = 1.0, ending: Ending = Ending.COMPLETE, lag: float = 2.0, cpu: float = 0.2) -> LoadResult:
    """A load as it should go: all users arrive, and every response is right and there after 20 ms."""
    used = script(share)
    plan = LoadPlan(
        script="script.yml",
        target=used.target,
        phases=used.phases,
        scenarios=used.scenarios,
        corrections=(),
        node="24",
        artillery="2.0.34",
    )
    log = RequestLog(health=[(BEGAN, 0.0, 0.0, 0.0), (BEGAN + 100, cpu * 100_000, lag, lag)], counters={})
    at = BEGAN
    for phase in used.phases:
        log.phases[phase.index] = at
        for number in range(phase.arrivals):
            user, began = f"{phase.index}-{number}", at + (number + 1) / phase.rate
            scenario = used.scenarios[len(log.users) % len(used.scenarios)]
            log.users[user] = began
            for endpoint in scenario.endpoints:
                log.requests.append(
                    LoggedRequest(user, scenario.name, endpoint, began, True, first_byte=20.0, total=25.0)
                )
        at += phase.duration
    return LoadResult(plan, log, ending, "ended by a signal")


def changed(before: LoadResult, change: Callable[[int, LoggedRequest], LoggedRequest]) -> LoadResult:
    """The load with some of its requests gone otherwise, by their number."""
    before.log.requests = [change(number, one) for number, one in enumerate(before.log.requests)]
    return before


def failing(number: int, every: int) -> Callable[[int, LoggedRequest], LoggedRequest]:
    def change(at: int, one: LoggedRequest) -> LoggedRequest:
        return replace(one, ok=False, failures=("statusCode: expected 200, got 500",)) if at % every < number else one

    return change


def late_bodies(at: int, one: LoggedRequest) -> LoggedRequest:
    return replace(one, total=2000.0) if at % 10 == 0 else one


def slow(
    number: int, every: int, ms: float, *, endpoint: str | None = None
) -> Callable[[int, LoggedRequest], LoggedRequest]:
    def change(at: int, one: LoggedRequest) -> LoggedRequest:
        chosen = at % every < number and endpoint in (None, one.endpoint)
        return replace(one, first_byte=ms, total=ms) if chosen else one

    return change


@dataclass
class Observed(MadeUp):
    """A run that has a load already, and keeps what is observed."""

    load: Load
    descriptor: Any
    seen: dict[tuple[str, str], Any] = field(default_factory=dict)

    def begin(self, name: str, make: object) -> asyncio.Task[Load]:
        async def ready() -> Load:
            return self.load

        return asyncio.ensure_future(ready())

    def observe(
        self, criterion: str, name: str, value: Any, unit: str, *, samples: int = 0, statistic: str | None = None
    ) -> None:
        assert (len(value) if statistic else samples) > 0 and unit
        self.seen[criterion, name] = sum(value) if statistic else value

    def observe_series(self, criterion: str, name: str, lines: Any, unit: str) -> None:
        assert all(isinstance(x, float) and isinstance(y, float) for line in lines.values() for x, y in line)


def observed(
    load_result: LoadResult, *, share: float = 1.0, own: UnderLoad | None = None, **thresholds: float
) -> Observed:
    limits = own or UnderLoad(model_bound=ModelBound(p95=450, p99=600))
    given = {name.replace("_", "-"): Threshold(value=value) for name, value in thresholds.items()}
    whole = Load(script(share), load_result, SCALES[share], ("chat",))
    return Observed(whole, SimpleNamespace(name="local", thresholds=given, load=limits))


@pytest.fixture(autouse=True)
def _is_the_local_baseline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(recording, "_recorded", lambda run: (run.descriptor.name, None))
    yield


def judge(name: str, run: Observed) -> None:
    """Run the test of a criterion; the local baseline itself is not compared with a recorded run."""
    scale = next(scale for scale, one in profile().scales.items() if one == run.load.scale)
    promises.judge("01__load.robot", TESTS[name], run, scale)


@pytest.mark.parametrize("name", TESTS)
def test_a_load_that_went_well_is_met(name: str) -> None:
    run = observed(result())
    judge(name, run)
    limits = {("PERF-" + name[5:7], limit.figure) for limit in read_criteria(CRITERIA).criteria[name[:7]].limits}
    assert limits <= run.seen.keys() or " of " in name


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        (
            "PERF-01",
            slow(1, 1, 322.3),
            "mean first byte of the whole mix: expected at most 322.2 ms, observed 322.3 ms",
        ),
        ("PERF-01", slow(1, 10, 5000.0), "p95 5000 ms"),
        (
            "PERF-02",
            failing(1, 9),
            "expected at least 4814 requests, observed 4800 requests: 5400 attempted; 600 x login: statusCode",
        ),
        ("PERF-03", failing(1, 100), "expected under 1 %, observed 1 %"),
        ("PERF-03", failing(1, 50), "2.00 % in"),
        ("PERF-06", slow(2, 100, 5000.0), "p99 of first bytes where no model is asked"),
        ("PERF-06", slow(6, 100, 451.0), "p95 of first bytes where no model is asked"),
        (
            "PERF-06 of whole answers",
            late_bodies,
            "p95 of whole answers where no model is asked: expected at most 450",
        ),
        ("PERF-06 of a model", slow(1, 1, 700.0, endpoint="chat"), "chat mean 700 ms"),
    ],
)
def test_what_is_worse_is_violated(
    name: str, change: Callable[[int, LoggedRequest], LoggedRequest], expected: str
) -> None:
    with pytest.raises(Violation, match=re.escape(expected)):
        judge(name, observed(changed(result(), change)))


def test_slow_models_do_not_count_as_slow_calls() -> None:
    judge("PERF-06", observed(changed(result(), slow(1, 1, 900.0, endpoint="chat"))))


def test_a_stricter_threshold_of_the_deployment_holds() -> None:
    with pytest.raises(Violation, match="at most 10 ms"):
        judge("PERF-01", observed(result(), PERF_01=10))


def test_calls_of_a_model_are_not_judged_without_limits() -> None:
    with pytest.raises(CapabilityMissing, match="model_bound"):
        judge("PERF-06 of a model", observed(result(), own=UnderLoad()))


@pytest.mark.parametrize(("lag", "cpu", "expected"), [(10.1, 0.2, "lag"), (2.0, 0.81, "cpu")])
def test_a_generator_that_did_not_keep_up_verifies_nothing(lag: float, cpu: float, expected: str) -> None:
    run = observed(result(lag=lag, cpu=cpu))
    with pytest.raises(EnvironmentUnavailable, match=expected):
        judge("PERF-05", run)
    named = {limit.figure for limit in read_criteria(CRITERIA).criteria["PERF-05"].limits}
    assert not named & {name for _, name in run.seen}
    for name in TESTS:
        run = observed(changed(result(lag=lag, cpu=cpu), failing(1, 2)))
        with pytest.raises(EnvironmentUnavailable):
            judge(name, run)
        assert not _limited() & {seen for _, seen in run.seen}


def test_users_who_did_not_arrive_are_missed() -> None:
    late = result()
    late.log.users = dict(list(late.log.users.items())[: int(0.98 * len(late.log.users))])
    with pytest.raises(EnvironmentUnavailable, match="arrivals of the load: expected at least 99 %, observed 98 %"):
        judge("PERF-05", observed(late))


def test_another_load_than_the_criterion_asks_for_is_none() -> None:
    with pytest.raises(EnvironmentUnavailable, match=r"phases \(seconds, arrivals a second\) are \[\(6, 5\)"):
        judge("PERF-05", replace(observed(result(share=0.1), share=0.1), load=_whole(result(share=0.1))))
    without = result()
    without.log.requests = [one for one in without.log.requests if one.scenario != "Document Upload Flow"]
    with pytest.raises(EnvironmentUnavailable, match="nothing was attempted in Document Upload Flow"):
        judge("PERF-05", observed(without))


def _whole(load_result: LoadResult) -> Load:
    return Load(script(0.1), load_result, SCALES[1.0], ("chat",))


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize(
    ("ending", "error"),
    [
        (Ending.INTERRUPTED, EnvironmentUnavailable),
        (Ending.TRUNCATED, EnvironmentUnavailable),
        (Ending.FAILED, EnvironmentUnavailable),
        (Ending.STOPPED_EARLY, Violation),
        (Ending.DEADLINE, Violation),
    ],
)
def test_an_unfinished_load_is_never_met(name: str, ending: Ending, error: type[Exception]) -> None:
    run = observed(result(ending=ending))
    with pytest.raises(error, match="ended by a signal"):
        judge(name, run)
    assert not _limited() & {seen for _, seen in run.seen}


@pytest.mark.parametrize("name", TESTS)
def test_figures_of_a_short_load_are_those_of_no_criterion(name: str) -> None:
    run = observed(result(share=0.1), share=0.1)
    judge(name, run)
    assert run.seen and not _limited() & {seen for _, seen in run.seen}


def test_a_short_load_is_judged_in_proportion() -> None:
    with pytest.raises(Violation, match="at least 481 requests, observed 480 requests: 540 attempted"):
        judge("PERF-02", observed(changed(result(share=0.1), failing(1, 9)), share=0.1))


def test_nothing_answered_is_no_good_figure() -> None:
    silent = changed(
        result(), lambda _, one: replace(one, ok=False, failures=("ETIMEDOUT",), first_byte=None, total=None)
    )
    for name in ("PERF-01", "PERF-02", "PERF-03", "PERF-06", "PERF-06 of whole answers"):
        with pytest.raises(Violation):
            judge(name, observed(silent))


def _limited() -> set[str]:
    criteria = read_criteria(CRITERIA).criteria
    return {limit.figure for name in TESTS for limit in criteria[name[:7]].limits}


def test_a_load_is_shared_among_enough_people() -> None:
    assert users_needed(script(), concurrent_jobs=100, uploads_a_day=1000) == profile().users
    assert (
        users_needed(script(), concurrent_jobs=2, uploads_a_day=1000) == 63
    )  # 10/3 a second, 30 s each, a quarter more
    assert (
        users_needed(script(), concurrent_jobs=100, uploads_a_day=11) == 70
    )  # 600 and a little more, beside the first
    with pytest.raises(CapabilityMissing, match="users"):
        users_needed(script(), concurrent_jobs=1, uploads_a_day=1000)
    assert requests_a_minute(script()) == 1800


def test_a_load_from_fargate_is_composed_and_not_taken_for_one_from_here() -> None:
    own = UnderLoad(fargate=Fargate(workers=5, region="eu-west-1"))
    run: Any = SimpleNamespace(descriptor=SimpleNamespace(load=own))  # the deployment is not even asked
    with pytest.raises(CapabilityMissing, match=r"artillery run-fargate --count 5 --region eu-west-1 .*LOAD_USERS"):
        asyncio.run(prepared(run, script()))


def test_the_contract_alone_says_which_calls_a_model_bounds(contract: Contract) -> None:
    """Requests of the load and of the users have the names of routes."""
    named = {name for one in script().scenarios for name in one.endpoints}
    assert contract.model_bound == ("chat",)
    assert set(contract.model_bound) <= named <= set(contract.routes)


def test_every_figure_has_its_function() -> None:
    assert set(get_args(LoadFigure)) == {*TIMES, *FIGURES}
    assert not set(TIMES) & set(FIGURES)
