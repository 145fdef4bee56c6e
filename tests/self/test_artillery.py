"""Real, short loads against a server that keeps its own record: what the library says of them is what happened."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from acceptance.errors import ConfigurationError, EnvironmentUnavailable
from acceptance.yaml_models import PROJECT
from ArtilleryLibrary.figures import LOG, Ending, LoadResult
from ArtilleryLibrary.node import clean_environment, installation
from ArtilleryLibrary.process import OUTPUT, run_load
from ArtilleryLibrary.progress import EarlyStop, Progress

from tests.loadable import FIRST, HIDDEN, PATIENCE, REST, SECRET, LoadServer, load_server, reading, script
from tests.self.processes import everything_below

CLOCKS = 2.0  # milliseconds by which a sleep may end early
WRONG = {
    "html": "get: {name: html, url: /html, capture: [{json: $.id, as: x}], expect: [{statusCode: 200}]}",
    "broken": "get: {name: broken, url: /broken, expect: [{statusCode: 200}]}",
    "empty": "get: {name: empty, url: /empty, expect: [{statusCode: 200}, {hasProperty: id}]}",
    "cut": "get: {name: cut, url: /cut, expect: [{statusCode: 200}]}",
    "judged": "get: {name: judged, url: /quick, afterResponse: judge, expect: [{statusCode: 200}]}",
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoadServer]:
    with load_server() as one:
        yield one


@pytest.fixture(scope="module")
def shown() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def load(
    server: LoadServer, shown: list[Progress], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LoadResult, Path]]:
    """Sixty users in six seconds, most of them reading, others met with what goes wrong."""
    folder = tmp_path_factory.mktemp("load")
    wrong = "".join(f"- name: {name}\n  flow:\n    - {step}\n" for name, step in WRONG.items())
    checked = script(folder, server.url, reading(weight=4) + wrong, seconds=6, expectations=True)
    children = everything_below(os.getpid())
    result = asyncio.run(run_load(checked, folder / "left", progress=shown.append))
    assert everything_below(os.getpid()) <= children
    yield result, folder / "left"


def test_the_whole_load_was_applied(load: tuple[LoadResult, Path]) -> None:
    result, _ = load
    assert (result.complete, result.reason) == (True, "the whole load was applied")
    assert (result.arrivals.scheduled, result.arrivals.actual) == (60, 60)
    assert result.counters["vusers.created"] == 60
    assert len(result.generator.why) == 0 or result.generator.saturated
    assert 0 < result.generator.cpu_share < 2


def test_every_request_is_counted_that_the_server_saw(load: tuple[LoadResult, Path], server: LoadServer) -> None:
    result, _ = load
    for path, endpoints in {"/quick": ("quick", "moved", "judged"), "/late": ("GET /late",), "/cut": ("cut",)}.items():
        assert sum(result.figures(endpoint=one).attempted for one in endpoints) == len(server.of(path))
    assert sum(one.sent for one in result.requests) == len(server.served) == result.counters["http.requests"]
    assert sum(result.figures(phase=name).attempted for name in result.phases) == len(result.requests)


def test_first_byte_and_total_are_told_apart(load: tuple[LoadResult, Path]) -> None:
    late = load[0].figures(endpoint="GET /late")
    assert late.first_byte is not None
    assert late.total is not None
    assert late.first_byte.statistic("min") >= FIRST * 1000 - CLOCKS
    assert late.total.statistic("min") >= (FIRST + REST) * 1000 - CLOCKS
    assert late.first_byte.percentile(50) < (FIRST + REST) * 1000


def test_times_are_those_of_the_servers_own_record(load: tuple[LoadResult, Path], server: LoadServer) -> None:
    figures, served = load[0].figures(endpoint="GET /late"), server.of("/late")
    seen = 1000 * sum(one.first - one.read for one in served) / len(served)
    assert figures.first_byte is not None
    assert abs(figures.first_byte.mean - seen) < 50  # on a busy machine, too


@pytest.mark.parametrize(
    ("endpoint", "reasons"),
    [
        ("quick", []),
        ("moved", []),
        ("other", ["equals: expected all values to be equal, got somebody-else, u-1"]),
        ("html", ["nothing to capture as x", "statusCode: expected 200, got 500"]),
        ("broken", ["statusCode: expected 200, got 500"]),
        ("empty", ["hasProperty: expected id, got response body is not an object"]),
        ("cut", ["ECONNRESET"]),
        ("judged", ["judge: wrong document *** ***"]),
    ],
)
def test_a_failure_has_its_reason(load: tuple[LoadResult, Path], endpoint: str, reasons: list[str]) -> None:
    figures = load[0].figures(endpoint=endpoint)
    assert figures.attempted > 0
    assert figures.errors == dict.fromkeys(reasons, figures.attempted)
    assert figures.succeeded == (0 if reasons else figures.attempted)


def test_of_an_error_the_body_is_kept(load: tuple[LoadResult, Path]) -> None:
    bodies = {one.endpoint: (one.status, one.body) for one in load[0].requests}
    assert bodies["broken"] == (500, "{}")
    assert bodies["quick"] == (200, None)
    assert all(one.body is not None for one in load[0].requests if one.endpoint in ("broken", "html"))


def test_the_scripts_own_functions_run_and_its_values_are_recorded(
    load: tuple[LoadResult, Path], server: LoadServer
) -> None:
    values = [dict(one.values) for one in load[0].requests if one.endpoint == "quick"]
    assert values == [{"document": "d-1", "tag": "own"}] * len(values)
    signed = [one for one in server.seen if f"x-key: {SECRET}".encode() in one]
    assert len(signed) == len(values)


def test_nothing_that_is_left_holds_a_secret(load: tuple[LoadResult, Path]) -> None:
    left = {path.name: path.read_text() for path in load[1].iterdir()}
    assert set(left) == {LOG, OUTPUT, "load.json"}
    assert [name for name, text in left.items() if SECRET in text or HIDDEN in text] == []


def test_progress_is_shown_while_it_runs(load: tuple[LoadResult, Path], shown: list[Progress]) -> None:
    assert shown[-1].arrivals > shown[0].arrivals == 0
    assert shown[-1].errors > 0
    assert any(0 < one.remaining < 6 for one in shown)


def test_a_target_that_refuses_everything_is_no_success(tmp_path: Path) -> None:
    checked = script(tmp_path, "http://127.0.0.1:9", reading(), seconds=4, rate=5)
    result = asyncio.run(run_load(checked, tmp_path / "left"))
    figures = result.figures()
    assert result.complete
    assert (figures.attempted, figures.succeeded, figures.error_rate) == (20, 0, 1.0)
    assert (figures.errors, figures.first_byte) == ({"ECONNREFUSED": 20}, None)


def test_a_target_that_goes_down_in_the_middle_is_given_up(tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(load_server())

        def go_down(now: Progress) -> None:
            if now.requests > 20:
                stack.close()

        checked = script(tmp_path, server.url, reading(), seconds=30)
        result = asyncio.run(
            run_load(checked, tmp_path / "left", progress=go_down, early_stop=EarlyStop(0.3, after_requests=40))
        )
    assert (result.ending, result.complete) == (Ending.STOPPED_EARLY, False)
    assert result.figures(endpoint="quick").errors["ECONNREFUSED"] > 0


def test_a_processor_that_lacks_a_function_begins_no_load(server: LoadServer, tmp_path: Path) -> None:
    flow = "- name: a\n  flow:\n    - function: nobody\n    - get: {url: /quick}\n"
    before = len(server.seen)
    with pytest.raises(EnvironmentUnavailable, match="exports no function nobody"):
        asyncio.run(run_load(script(tmp_path, server.url, flow, seconds=4), tmp_path / "left"))
    assert len(server.seen) == before


def test_an_unset_variable_is_refused_before_anything_starts(server: LoadServer, tmp_path: Path) -> None:
    before = len(server.seen)
    with pytest.raises(ConfigurationError, match="NOT_SET_ANYWHERE is not set"):
        script(tmp_path, server.url, reading() + "    - get: {url: '/{{ $env.NOT_SET_ANYWHERE }}'}\n", seconds=4)
    assert len(server.seen) == before


def test_plain_artillery_takes_the_same_script(server: LoadServer, tmp_path: Path) -> None:
    checked = script(tmp_path, server.url, reading(), seconds=4)
    installed, before = installation(), len(server.seen)
    command: list[str | Path] = [
        installed.node,
        installed.launcher,
        "run",
        "--quiet",
        "--solo",
        "--target",
        server.url,
        checked.path,
    ]
    environment = clean_environment(server.url, checked.environment)
    plain = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert plain.returncode == 0, plain.stdout
    assert len(server.seen) - before == 5  # one user, one redirect


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    assert [name for name, package in lock["packages"].items() if "resolved" in package] == []
    assert [name for name, package in lock["packages"].items() if name and "integrity" not in package] == []


@pytest.mark.parametrize(("target", "proxied"), [("http://127.0.0.1:1", False), ("https://example.org", True)])
def test_loopback_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch, target: str, *, proxied: bool) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid")
    monkeypatch.setenv("UNRELATED_SECRET", SECRET)
    environment = clean_environment(target, {"KEY": "x"})
    assert ("HTTP_PROXY" in environment) is proxied
    assert (environment["KEY"], "UNRELATED_SECRET" in environment) == ("x", False)
    assert environment["ARTILLERY_DISABLE_TELEMETRY"]
