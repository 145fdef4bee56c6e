"""Resources under a rising load, made up: which was used up first, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from acceptance.performance.bottleneck import Facts, first_to_saturate, resources_of, saturations, suggestions
from acceptance.performance.capacity import Step
from acceptance.performance.load_profiles import Saturated
from acceptance.performance.pg_stats import Reading
from acceptance.performance.resource_sampler import ResourceSample, ResourceSamples
from acceptance.providers.render import Line
from ArtilleryLibrary.requestlog import LoggedRequest

BEGAN, SECONDS = 1_000_000.0, 9.0
BOUNDS = Saturated(share=90, waiting=2, queue_seconds=2)
IDLE = {"api": 20.0, "worker": 20.0, "database": 20.0, "machine": 40.0}


def step(number: int, rate: int, *, broken: bool = False, status: int = 200, busy: str = "") -> Step:
    began = BEGAN + number * SECONDS
    requests = tuple(
        LoggedRequest("u", "flow", endpoint, began + at / 9, status == 200, () if status == 200 else (f"got {status}",),
                first_byte=ms, total=ms, status=status)
        for at in range(81)
        for endpoint, ms in (("login", 640.0), ("upload_bytes", 20.0), ("chat", 900.0))
    )  # fmt: skip
    wrong = ("first byte p95 640 ms (at most 450 ms)",) if broken else ()
    return Step(rate, began, SECONDS, 3.0 * rate, 3.0 * rate, requests, None, 0.0, 2.0, 0.2, wrong, busy)


def steps(**last: Any) -> list[Step]:
    return [step(0, 10), step(1, 20), step(2, 40, **({"broken": True} | last))]


def watched(
    *,
    cpu: dict[str, float] | None = None,
    waiting: int = 0,
    growing: int = 0,
    open_: int = 20,
    pool: int = 5,
    memory: dict[str, float] | None = None,
) -> ResourceSamples:
    """All idle until the third step; then each CPU (percent of one core) is as given.

    `growing`: documents more each second, `pool`: connections of the API more in each step, `memory`: used of 1 GiB.
    """
    seen = ResourceSamples()
    used: dict[str, list[tuple[float, float]]] = {name: [] for name in IDLE}
    for second in range(int(3 * SECONDS)):
        at, third = BEGAN + second + 0.5, second >= 2 * SECONDS
        for name, idle in IDLE.items():
            used[name].append((at, ((cpu or {}).get(name, idle) if third else idle) / 100))
        taken = open_ if third else 20
        reading = Reading(at=at, taken=taken, most=100, states={"idle": 9}, waiting=waiting if third else 0)
        under_way = 3 + (growing * (second - 18) if third else second % 2)
        connections = {"api-1": 2 + pool * int(second // SECONDS), "worker-1": 3}
        seen.looks.append(ResourceSample(at, reading, under_way, connections))
    seen.metrics["cpu"] = [Line(name, f"{name}-1", "cpu", tuple(points)) for name, points in used.items()]
    seen.metrics["cpu-limit"] = [Line(name, "", "cpu", ((BEGAN, 1.0),)) for name in IDLE]
    ends = BEGAN + 3 * SECONDS - 0.5
    seen.metrics["memory"] = [Line(of, "", "bytes", ((ends, part * 2**30),)) for of, part in (memory or {}).items()]
    seen.metrics["memory-limit"] = [Line(of, "", "bytes", ((BEGAN, 2.0**30),)) for of in IDLE]
    return seen


def facts(seen: ResourceSamples, went: list[Step] | None = None, **others: Any) -> Facts:
    taken = went or steps()
    return Facts(
        taken, resources_of(seen, taken, BOUNDS), host="machine", model_bound=["chat"],
        applications=[(look.at, look.applications) for look in seen.looks], **others,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("seen", "first", "advice"),
    [
        (
            watched(cpu={"api": 97, "database": 31}),
            "CPU of api 97 % of 1 cores at 40 users/s, 18 s after the first step began",
            "CPU of api reached 97 % of 1 cores at 40 users/s, with CPU of machine 40 %, CPU of database 31 %, CPU of"
            " worker 20 %: more or larger instances of api, or less work for each call; login is the slowest endpoint,"
            " p95 640 ms",
        ),
        (watched(cpu={"worker": 99}), "CPU of worker 99 %", "more workers, or cheaper stages of processing"),
        (watched(cpu={"database": 95}), "CPU of database 95 %", "fewer or cheaper queries (PERF-11 names the slowest)"),
        (watched(waiting=4), "backends that wait for a lock 4 backends", "look for the statement"),
        (watched(open_=95), "connections of the database 95 % of the 100 that it takes", "most are of api-1 (12)"),
        (watched(growing=9), "documents under way grew from 3 to 75", "workers wait"),
        (watched(growing=9, cpu={"worker": 80}), "documents under way grew", "worker is at 80 %: more workers"),
    ],
)  # fmt: skip
def test_what_is_used_up_is_named_with_what_to_try(seen: ResourceSamples, first: str, advice: str) -> None:
    found = facts(seen)
    assert first_to_saturate(found).startswith(first)
    assert any(advice in text for text in suggestions(found)), suggestions(found)


def test_the_first_in_time_is_the_first() -> None:
    seen = watched(cpu={"api": 97, "database": 99})
    api = seen.metrics["cpu"][0]
    later = tuple((at, 0.5 if at < BEGAN + 20 else 1.4) for at, _ in api.points[-9:])
    seen.metrics["cpu"][0] = Line("api", "api-1", "cpu", (*api.points[:-9], *later))
    found = saturations(resources_of(seen, steps(), BOUNDS), steps())
    assert [one.resource.name for one in found] == ["CPU of database", "CPU of api"]


def test_the_busiest_instance_counts_against_its_own_limit() -> None:
    seen = watched()
    points = seen.metrics["cpu"][0].points
    seen.metrics["cpu"].append(Line("api", "api-2", "cpu", tuple((at, 1.9) for at, _ in points)))
    seen.metrics["cpu-limit"].append(Line("api", "api-2", "cpu", ((BEGAN, 2.0),)))
    api = next(one for one in resources_of(seen, steps(), BOUNDS) if one.name == "CPU of api")
    assert api.mean(steps()[0]) == pytest.approx(95)


def test_nothing_is_invented_where_nothing_was_used_up() -> None:
    found = facts(watched())
    assert first_to_saturate(found) == (
        "no watched resource saturated, though limits broke at 40 users/s"
        " (highest: CPU of machine 40 %, CPU of api 20 %, CPU of worker 20 %)"
    )
    text = suggestions(found)[-1]
    assert "look for a lock or a pool inside the application" in text


def test_a_pool_that_does_not_grow_with_the_load_is_named() -> None:
    texts = suggestions(facts(watched(pool=0)))
    assert "stayed as few while the load rose from 10 to 40 users/s" in texts[0]
    assert "those of api-1 (2), worker-1 (3)" in texts[0]


def test_a_pool_that_did_not_grow_is_none_where_something_was_used_up() -> None:
    assert not any("stayed as few" in text for text in suggestions(facts(watched(pool=0, cpu={"api": 97}))))


@pytest.mark.parametrize("status", [429, 503])
def test_refusals_are_named_as_such(status: int) -> None:
    texts = suggestions(facts(watched(), steps(status=status)))
    assert texts[0].startswith(
        f"243 of 243 requests were refused with {status} at 40 users/s (81 x login: got {status}"
    )
    assert "the deployment limits itself" in texts[0]


def test_a_machine_that_others_use_is_not_blamed_on_the_deployment() -> None:
    [text] = suggestions(facts(watched(cpu={"machine": 200}), steps(broken=False)))
    assert "the deployment itself used 0.60 of 2.00 cores" in text
    assert "something else is busy on its machine" in text


def test_a_machine_that_others_use_does_not_hide_a_pool_that_does_not_grow() -> None:
    texts = suggestions(facts(watched(cpu={"machine": 200}, pool=0)))
    assert "something else is busy on its machine" in texts[0]
    assert "those of api-1 (2), worker-1 (3)" in texts[1]


def test_a_machine_that_the_deployment_uses_up_is_named_with_its_users() -> None:
    texts = suggestions(facts(watched(cpu={"machine": 100, "api": 60, "worker": 30}), steps(broken=False)))
    assert "all parts share it (api 0.60, worker 0.30, database 0.20 cores)" in texts[0]


def test_the_memory_of_a_machine_that_all_share_is_named_with_its_users() -> None:
    [text] = suggestions(facts(watched(memory={"machine": 0.95, "api": 0.5, "database": 0.25}), steps(broken=False)))
    assert "all parts share it (api 0.50, database 0.25 GiB): more of it" in text
    [text] = suggestions(facts(watched(memory={"machine": 0.95, "api": 0.25}), steps(broken=False)))
    assert "the deployment itself used 0.25 of 0.95 GiB (api 0.25): something else is busy on its machine" in text


def test_where_the_generator_was_the_limit_the_deployment_is_not_blamed() -> None:
    found = facts(watched(), steps(busy="the generator did not keep up: its loop came 30 ms late"))
    assert first_to_saturate(found).startswith("no watched resource saturated, before the generator was the limit")
    [text] = suggestions(found)
    assert text.startswith("the generator did not keep up: its loop came 30 ms late at 40 users/s")


def test_what_was_not_watched_is_no_resource() -> None:
    seen = watched()
    seen.metrics.clear()
    seen.looks.clear()
    assert [one.name for one in resources_of(seen, steps(), BOUNDS)] == ["CPU of the generator"]


@pytest.mark.parametrize("change", ["unit", "limit"])
def test_a_use_in_an_unknown_unit_or_without_a_limit_is_left_out(change: str) -> None:
    seen = watched()
    if change == "unit":
        seen.metrics["cpu"] = [Line(one.service, one.instance, "furlongs", one.points) for one in seen.metrics["cpu"]]
    else:
        del seen.metrics["cpu-limit"]
    assert not [one for one in resources_of(seen, steps(), BOUNDS) if one.name == "CPU of api"]


def test_a_queue_that_is_longer_and_grows_no_more_is_steady() -> None:
    seen = watched()
    depth = [3, 9, 15, 21, 25, 28, 29, 29.5, 30]  # nine uploads a second, each takes three seconds
    seen.looks = [
        replace(look, under_way=int(depth[number - 18])) if number >= 18 else look
        for number, look in enumerate(seen.looks)
    ]
    assert saturations(resources_of(seen, steps(), BOUNDS), steps()) == []


def test_a_queue_that_only_swings_does_not_grow() -> None:
    assert saturations(resources_of(watched(), steps(), BOUNDS), steps()) == []
