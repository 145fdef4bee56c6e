"""Every trap of a load script is refused or corrected before anything starts, with its line and the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from acceptance.errors import ConfigurationError
from ArtilleryLibrary.fargate import dry_run
from ArtilleryLibrary.node import secrets_of
from ArtilleryLibrary.script import LoadScript, checked_script

PHASES = "phases: [{name: steady, duration: 4, arrivalRate: 10, rampTo: 10}]"
CONFIG = f"""\
config:
  target: http://127.0.0.1:1
  http: {{extendedMetrics: true}}
  {PHASES}
"""
SCENARIO = """\
scenarios:
  - name: reading
    flow:
      - get: {url: /a, expect: [{statusCode: 200}]}
"""
GOOD = CONFIG + SCENARIO


def checked(folder: Path, text: str, **options: Any) -> LoadScript:
    path = folder / "load.yml"
    path.write_text(text)
    return checked_script(path, **options)


def problems(folder: Path, text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        checked(folder, text, **options)
    prefix = f"{(folder / 'load.yml').resolve()}:"
    return [problem.removeprefix(prefix) for problem in caught.value.problems]


def configured(line: str) -> str:
    """The good script with a line more in its config: it stands in line 5."""
    return CONFIG + f"  {line}\n" + SCENARIO


def phased(phase: str) -> str:
    return GOOD.replace(PHASES, f"phases: [{phase}]")


def requested(request: str) -> str:
    return CONFIG + SCENARIO.replace("{url: /a, expect: [{statusCode: 200}]}", request)


def test_a_good_script_is_run_as_it_stands(tmp_path: Path) -> None:
    script = checked(tmp_path, GOOD, least_requests=1, expectations=True)
    assert (script.corrections, script.arrivals, script.duration) == ((), 40, 4)
    assert [(one.name, one.requests, one.endpoints) for one in script.scenarios] == [("reading", 1, ("GET /a",))]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD.replace("{extendedMetrics: true}", "{pool: 5}"), "3: config.http.pool: refused: requests wait"),
        (
            GOOD.replace("{extendedMetrics: true}", "{maxSockets: 5}"),
            "3: config.http.maxSockets: refused: Artillery ign",
        ),
        (configured("environments: {test: {}}"), "5: config.environments: refused"),
        (configured("engines: {playwright: {}}"), "5: config.engines.playwright: refused: only http"),
        (configured("plugins: {publish-metrics: []}"), "5: config.plugins.publish-metrics: refused: not installed"),
        (configured("proccessor: ./flows.cjs"), "5: config.proccessor: unknown (did you mean 'processor'?)"),
        (configured("processor: ./none.cjs"), "5: config.processor: no such file: "),
        (configured("payload: {path: none.csv, fields: [a]}"), "5: config.payload.path: no such file: "),
        (configured("payload: {path: load.yml}"), "5: config.payload: fields is missing"),
        (configured("mode: poisson"), "5: config.mode: refused"),
        (GOOD.replace("http://127.0.0.1:1", "localhost"), "2: config.target: expected an address"),
        (SCENARIO, "1: config: missing"),
        (CONFIG, "1: scenarios: a list of scenarios is missing"),
        (GOOD.replace("scenarios:", "scenario:"), "5: scenario: unknown (did you mean 'scenarios'?)"),
    ],
)
def test_a_trap_of_the_config_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    assert any(one.startswith(problem) for one in problems(tmp_path, text)), problems(tmp_path, text)


@pytest.mark.parametrize(
    ("phase", "problem"),
    [
        ("{arrivalRate: 5}", "config.phases.0: duration is missing"),
        ("{duration: 60}", "config.phases.0: arrivalRate is missing"),
        ("{duration: 60, arivalRate: 5}", "config.phases.0.arivalRate: unknown (did you mean 'arrivalRate'?)"),
        ("{duration: 60, arrivalRate: 5, maxVusers: 9}", "config.phases.0.maxVusers: refused: arrivals are skipped"),
        ("{duration: 60, arrivalRate: 5, mode: poisson}", "config.phases.0.mode: refused"),
        ("{duration: 60, arrivalRate: 2.5}", "config.phases.0.arrivalRate: a whole number"),
        ("{duration: 60, arrivalRate: 5000}", "config.phases.0.arrivalRate: a whole number"),
        ("{duration: 1, arrivalRate: 5}", "config.phases.0.duration: whole seconds, at least 2"),
        ("{duration: soon, arrivalRate: 5}", "config.phases.0.duration: whole seconds"),
        ("{duration: 60, arrivalCount: 7}", "config.phases.0.arrivalCount: refused unless"),
        ("{pause: 5}", "config.phases: no virtual user ever arrives"),
        ("{name: a, duration: 2, arrivalRate: 1}, {name: a, pause: 2}", "config.phases: several phases are called 'a'"),
        ("", "config.phases: a list of phases is missing"),
    ],
)
def test_a_trap_of_the_phases_is_refused(tmp_path: Path, phase: str, problem: str) -> None:
    assert any(one.startswith(f"4: {problem}") for one in problems(tmp_path, phased(phase))), phase


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ("{name: a}", "get: url is missing"),
        ("{url: /a, captrue: []}", "get.captrue: unknown (did you mean 'capture'?)"),
        ("{url: /a, setContentLengthHeader: true, formData: {}}", "get.setContentLengthHeader: refused: with a form"),
        ("{url: /a, formData: {x: {fromFile: none.pdf}}}", "get.formData.x.fromFile: no such file: "),
        ("{url: /a, expect: [{statusCod: 200}]}", "get.expect.0.statusCod: unknown (did you mean 'statusCode'?)"),
        ("{url: /a, expect: [{hasProperty: x}]}", "get.expect: statusCode is missing"),
        ("{url: /a}", "get.expect: statusCode is missing"),
    ],
)
def test_a_trap_of_a_request_is_refused(tmp_path: Path, request_: str, problem: str) -> None:
    found = problems(tmp_path, requested(request_), expectations=True)
    assert any(one.startswith(f"8: scenarios.0.flow.0.{problem}") for one in found), found


@pytest.mark.parametrize(
    ("scenario", "problem"),
    [
        ("{name: a, engine: ws, flow: [{get: {url: /}}]}", "0.engine: engine 'ws': has no latency"),
        ("{name: a, engine: kafka, flow: [{get: {url: /}}]}", "0.engine: engine 'kafka': unknown"),
        ("{name: a, weight: 0.5, flow: [{get: {url: /}}]}", "0.weight: a whole number from 1"),
        ("{name: a, flows: []}", "0: flow is missing"),
        ("{name: a, flow: [{parallel: [{get: {url: /}}]}]}", "0.flow.0.parallel: refused: a virtual user has one"),
        ("{name: a, flow: [{gett: {url: /}}]}", "0.flow.0.gett: unknown (did you mean 'get'?)"),
        ("{name: a, flow: [{loop: [{get: {url: /}}]}]}", "0.flow.0.loop: count, over or whileTrue is missing"),
        (
            "{name: a, flow: [{get: {url: /}}]}, {name: a, flow: [{get: {url: /}}]}",
            ": several scenarios are called 'a'",
        ),
    ],
)
def test_a_trap_of_a_scenario_is_refused(tmp_path: Path, scenario: str, problem: str) -> None:
    found = problems(tmp_path, CONFIG + f"scenarios: [{scenario}]\n")
    where = "5: scenarios" + ("" if problem.startswith(":") else ".")
    assert any(one.startswith(where + problem) for one in found), found


def test_every_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    text = requested("{url: '/{{ $env.NOT_SET }}/{{ $processEnvironment.EMPTY }}/{{ $env.GIVEN }}'}")
    found = problems(tmp_path, text, environment={"GIVEN": "x"})
    assert [one.split(":")[0] + one.partition("variable ")[2].partition(" ")[0] for one in found] == [
        "8NOT_SET",
        "8EMPTY",
    ]


def test_a_variable_that_no_process_can_be_given_is_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, GOOD, environment={"USERS": "x" * 2**17})
    assert "the environment variable USERS: a variable of 128 KiB or more" in found[0]


def test_secrets_are_values_and_what_they_hold_by_name() -> None:
    users = json.dumps([{"email": "ann@example.org", "password": "pass-word-1", "tokens": ["token-2"]}])
    assert secrets_of({"USERS": users, "KEY": "key-12345", "N": "5"}) == [users, "pass-word-1", "key-12345", "token-2"]


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    text = configured("processor: ./none.cjs").replace("{extendedMetrics: true}", "{pool: 1}")
    assert len(problems(tmp_path, text, least_requests=3)) == 3


@pytest.mark.parametrize(
    ("flow", "certain"),
    [
        ("[{get: {url: /}}, {post: {url: /}}, {think: 1}]", 2),
        ("[{get: {url: /, ifTrue: x}}, {get: {url: /, probability: 5}}]", 0),
        ("[{loop: [{get: {url: /}}, {get: {url: /}}], count: 3}]", 6),
        ("[{loop: [{get: {url: /}}], over: [1, 2]}]", 2),
        ("[{loop: [{get: {url: /}}], over: list}]", 0),
    ],
)
def test_requests_are_counted_that_are_made_for_certain(tmp_path: Path, flow: str, certain: int) -> None:
    text = CONFIG + f"scenarios: [{{flow: {flow}}}]\n"
    assert checked(tmp_path, text, least_requests=certain).scenarios[0].requests == certain
    assert "are expected of each scenario" in problems(tmp_path, text, least_requests=certain + 1)[0]


@pytest.mark.parametrize("phase", ["{duration: 1min, arrivalRate: 5}", "{duration: 60, arrivalCount: 300}"])
def test_phases_that_wait_busily_become_even_ones(tmp_path: Path, phase: str) -> None:
    script = checked(tmp_path, phased(phase))
    assert script.content["config"]["phases"] == [{"name": "phase 1", "duration": 60, "arrivalRate": 5, "rampTo": 5}]
    assert len(script.corrections) == 1
    assert "busily" in script.corrections[0]
    assert script.corrections[0].startswith("load.yml:4: config.phases.0.")


def test_plugins_that_judge_are_left_out_and_metrics_extended(tmp_path: Path) -> None:
    text = configured("plugins: {expect: {}, ensure: {}, apdex: {}}").replace("{extendedMetrics: true}", "{timeout: 5}")
    script = checked(tmp_path, text.replace("config:\n", "config:\n  ensure: {maxErrorRate: 1}\n", 1))
    config = script.content["config"]
    assert (config["plugins"], config["http"]) == ({"apdex": {}}, {"timeout": 5, "extendedMetrics": True})
    assert "ensure" not in config
    assert len(script.corrections) == 4


def test_a_ramp_makes_whole_users_each_second(tmp_path: Path) -> None:
    script = checked(tmp_path, phased("{duration: 4, arrivalRate: 0, rampTo: 10}"))
    assert script.phases[0].per_second == (0, 3, 7, 10)


def test_durations_are_scaled_and_rates_are_not(tmp_path: Path) -> None:
    script = checked(tmp_path, phased("{duration: 60, arrivalRate: 5}, {pause: 10}"), duration_scale=0.1)
    assert [(one.duration, one.rate) for one in script.phases] == [(6, 5), (2, 0)]


def test_the_copy_logs_each_request_and_keeps_the_scripts_own_functions(tmp_path: Path) -> None:
    (tmp_path / "flows.cjs").write_text("process.env.KEY")
    scenarios = """\
scenarios:
  - name: reading
    beforeRequest: sign
    afterScenario: [leave]
    flow:
      - function: enter
      - &read
        get: {url: /a, afterResponse: look, expect: {statusCode: 200}}
      - *read
"""
    environment = {"KEY": "secret-value", "UNUSED": "other-secret"}
    script = checked(tmp_path, CONFIG + "  processor: ./flows.cjs\n" + scenarios, environment=environment)
    scenario = script.content["scenarios"][0]
    request = scenario["flow"][1]["get"]
    assert request["requestLog"] == {
        "scenario": "reading", "endpoint": "GET /a", "expect": [{"statusCode": 200}],
        "before": ["sign"], "after": ["look"], "record": [],
    }  # fmt: skip
    assert scenario["flow"][2]["get"] == request
    assert (request["beforeRequest"], request["afterResponse"]) == ("requestLog$request", "requestLog$response")
    assert scenario["beforeScenario"] == ["requestLog$begin"]
    assert scenario["afterScenario"] == ["requestLog$leave", "requestLog$end"]
    assert script.functions == ("enter", "leave", "look", "sign")
    assert script.environment["KEY"] == "secret-value"
    assert "secret" not in script.written(tmp_path).read_text()
    assert "secret" not in repr(script)


def test_functions_that_nothing_defines_are_refused(tmp_path: Path) -> None:
    found = problems(tmp_path, requested("{url: /a, beforeRequest: sign}"))
    assert "nothing defines sign" in found[0]


@pytest.mark.parametrize(
    ("rows", "problem"), [("", "holds no row"), ("a;b\n", "holds no row"), ("a;b\n1\n", "fewer than the 2 fields")]
)
def test_data_that_would_leave_variables_undefined_is_refused(tmp_path: Path, rows: str, problem: str) -> None:
    (tmp_path / "users.csv").write_text(rows)
    payload = "payload: {path: users.csv, fields: [a, b], skipHeader: true, delimiter: ';'}"
    assert problem in problems(tmp_path, configured(payload))[0]
    (tmp_path / "users.csv").write_text("a;b\n1;2\n")
    assert checked(tmp_path, configured(payload)).content["config"]["payload"]["path"] == str(tmp_path / "users.csv")


def test_text_is_read_as_artillery_reads_it(tmp_path: Path) -> None:
    script = checked(tmp_path, requested("{url: /a, json: {a: yes, b: 2026-01-01, c: true}}"))
    sent = script.content["scenarios"][0]["flow"][0]["get"]["json"]
    assert sent == {"a": "yes", "b": "2026-01-01", "c": True}


def fargate(folder: Path, workers: int, environment: Mapping[str, str]) -> Any:
    script = checked(
        folder, requested("{url: '/{{ $env.KEY }}', expect: [{statusCode: 200}]}"), environment=environment
    )
    return dry_run(script, workers=workers, region="eu-west-1")


def test_a_load_of_many_machines_is_divided_among_them(tmp_path: Path) -> None:
    composed = fargate(tmp_path, 5, {"KEY": "secret-value"})
    assert str(composed) == "artillery run-fargate --count 5 --region eu-west-1 --secret KEY script.json"
    divided = json.loads(composed.script)
    assert divided["config"]["phases"] == [{"name": "steady", "duration": 4, "arrivalRate": 2, "rampTo": 2}]
    assert "requestLog" not in composed.script
    assert "secret-value" not in composed.script


def test_a_load_that_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="10 users per second cannot be divided by 4 workers"):
        fargate(tmp_path, 4, {"KEY": "x"})
