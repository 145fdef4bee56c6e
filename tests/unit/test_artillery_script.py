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
from ArtilleryLibrary.phases import ticks
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
        ("{duration: 60, arrivalRate: 2.5, rampTo: 5}", "config.phases.0.arrivalRate: the ends of a ramp are whole"),
        ("{duration: 60, arrivalRate: 5000}", "config.phases.0.arrivalRate: a number of virtual users per second up"),
        ("{duration: 60, arrivalRate: -1}", "config.phases.0.arrivalRate: a number of virtual users per second up"),
        ("{duration: 60, arrivalRate: 0.005}", "config.phases.0.arrivalRate: no virtual user arrives in 60 s at 0.005"),
        ("{duration: 1, arrivalRate: 5}", "config.phases.0.duration: whole seconds, at least 2"),
        ("{duration: soon, arrivalRate: 5}", "config.phases.0.duration: whole seconds"),
        ("{duration: 60, arrivalCount: 7.5}", "config.phases.0.arrivalCount: a whole number of virtual users"),
        ("{duration: 2, arrivalCount: 2001}", "config.phases.0.arrivalCount: a whole number of virtual users"),
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
        ("[{loop: [{get: {url: /}}], count: '2-5'}]", 3),
        ("[{loop: [{get: {url: /}}], count: '{{ $env.TIMES }}'}]", 4),
        ("[{loop: [{get: {url: /}}], count: '{{ list }}'}]", 0),
    ],
)
def test_requests_are_counted_that_are_made_for_certain(tmp_path: Path, flow: str, certain: int) -> None:
    text = CONFIG + f"  variables: {{list: []}}\nscenarios: [{{flow: {flow}}}]\n"
    given = {"environment": {"TIMES": "4"}}
    assert checked(tmp_path, text, least_requests=certain, **given).scenarios[0].requests == certain
    assert "are expected of each scenario" in problems(tmp_path, text, least_requests=certain + 1, **given)[0]


@pytest.mark.parametrize("phase", ["{duration: 1min, arrivalRate: 5}", "{duration: 60, arrivalCount: 300}"])
def test_phases_that_wait_busily_become_even_ones(tmp_path: Path, phase: str) -> None:
    script = checked(tmp_path, phased(phase))
    assert script.content["config"]["phases"] == [{"name": "phase 1", "duration": 60, "arrivalRate": 5, "rampTo": 5}]
    assert len(script.corrections) == 1
    assert "busily" in script.corrections[0]
    assert script.corrections[0].startswith("load.yml:4: config.phases.0.")


@pytest.mark.parametrize(
    ("phase", "users", "seconds"),
    [
        ("{duration: 10, arrivalRate: 0.5}", 5, (1, 3, 5, 7, 9)),
        ("{duration: 4, arrivalRate: 2.5}", 10, (0, 0, 1, 1, 1, 2, 2, 3, 3, 3)),
        ("{duration: 300, arrivalCount: 10}", 10, tuple(range(29, 300, 30))),
        ("{duration: 5 min, arrivalCount: '7'}", 7, (42, 85, 128, 171, 214, 257, 299)),
    ],
)
def test_fewer_than_whole_users_a_second_arrive_at_even_gaps(
    tmp_path: Path, phase: str, users: int, seconds: tuple[int, ...]
) -> None:
    script = checked(tmp_path, phased(phase))
    (only,) = script.phases
    arrivals = list(ticks(only))
    assert (script.arrivals, tuple(second for second, _ in arrivals)) == (users, seconds)
    assert [at for _, at in arrivals] == pytest.approx([only.duration / users * (n + 1) for n in range(users)])
    assert only.as_artillery() == {"name": "phase 1", "duration": only.duration, "arrivalCount": users}
    assert f"run as {users} users, one each {only.duration / users:g} s" in script.corrections[0]


def test_numbers_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DURATION", "2 min")
    text = phased("{duration: '{{ $processEnvironment.DURATION }}', arrivalRate: '{{ $env.RATE }}', rampTo: '7'}")
    text = text.replace("{extendedMetrics: true}", "{extendedMetrics: true, timeout: '{{ $env.RATE }}'}")
    text = text.replace("  - name: reading", "  - name: reading\n    weight: '{{ $env.RATE }}'")
    text = text.replace("{url: /a, ", "{url: /a, probability: '{{ $env.RATE }}', ")
    script = checked(tmp_path, text, environment={"RATE": "5"})
    assert [(one.duration, one.rate, one.ramp_to) for one in script.phases] == [(120, 5, 7)]
    assert script.content["config"]["http"]["timeout"] == 5
    assert [one["weight"] for one in script.content["scenarios"]] == [5]
    assert script.content["scenarios"][0]["flow"][0]["get"]["probability"] == 5


def test_a_number_that_the_environment_does_not_hold_is_refused_once(tmp_path: Path) -> None:
    phases = "{duration: 4, arrivalRate: '{{ $env.RATE }}'}, {duration: 4, arrivalRate: '{{ $env.RATE }}'}"
    assert problems(tmp_path, phased(phases)) == [
        "4: config.phases.0.arrivalRate: the environment variable RATE is not set: Artillery would send 'undefined', "
        "and count a success"
    ]
    (found,) = problems(tmp_path, phased("{duration: 4, arrivalRate: '{{ $env.RATE }}'}"), environment={"RATE": "many"})
    assert found.startswith("4: config.phases.0.arrivalRate: a number of virtual users")
    assert found.endswith("found '{{ $env.RATE }}', which is 'many'")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("{flow: [{post: {url: /a, jsonn: {}}}]}", "flow.0.post.jsonn: unknown (did you mean 'json'?)"),
        ("{flow: [{gett: {url: /a}}]}", "flow.0.gett: unknown (did you mean 'get'?)"),
        ("{flow: [{function: nobody}]}", "flow.0.function: nothing defines nobody"),
        ("{flow: [{get: {url: /a, afterResponse: nobody}}]}", "flow.0.get.afterResponse: nothing defines nobody"),
        ("{flow: [{get: {url: /a, expect: [{statusCod: 200}]}}]}", "flow.0.get.expect.0.statusCod: unknown"),
        ("{flow: [{get: {url: /a, formData: {x: {fromFile: no.pdf}}}}]}", "flow.0.get.formData.x.fromFile: no such"),
        ("{flow: [{get: {url: '/{{ never }}'}}]}", "flow.0.get.url: nothing sets never"),
        ("{flow: [{get: {}}]}", "flow.0.get: url is missing"),
        ("{flows: []}", ": flow is missing"),
        ("{engine: ws, flow: []}", "engine: engine 'ws'"),
        ("{weight: 2, flow: []}", "weight: unknown"),
    ],
)
@pytest.mark.parametrize("name", ["before", "after"])
def test_a_trap_before_or_after_the_load_is_refused(tmp_path: Path, name: str, block: str, problem: str) -> None:
    found = problems(tmp_path, GOOD + f"{name}: {block}\n")
    where = f"9: {name}" + ("" if problem.startswith(":") else ".")
    assert any(one.startswith(where + problem) for one in found), found


def test_what_is_done_before_and_after_the_load_is_judged_by_the_same_hooks(tmp_path: Path) -> None:
    block = "{flow: [[{post: {name: sign in, url: /login, expect: {statusCode: 201}}}]]}"
    script = checked(tmp_path, GOOD + f"before: {block}\n", expectations=True)
    (step,) = script.content["before"]["flow"]  # Artillery takes no list of steps there
    assert step["post"]["requestLog"] == {
        "scenario": "before", "endpoint": "sign in", "expect": [{"statusCode": 201}], "before": [], "after": [],
        "record": [],
    }  # fmt: skip
    assert script.content["before"]["beforeScenario"] == ["requestLog$block"]
    assert "requestLog" not in json.dumps(script.plain)
    assert script.scenarios[0].endpoints == ("GET /a",)


def test_redirects_are_followed_only_where_the_script_says_so(tmp_path: Path) -> None:
    for stated, followed in (("", False), (", followRedirect: true", True), (", followRedirect: false", False)):
        script = checked(tmp_path, requested(f"{{url: /a{stated}}}"))
        assert script.content["scenarios"][0]["flow"][0]["get"]["followRedirect"] is followed
    found = problems(tmp_path, requested("{url: /a, followRedirect: no}"))
    assert found[0].startswith("8: scenarios.0.flow.0.get.followRedirect: expected true or false, found 'no'")


def test_settings_of_accepted_plugins_are_accepted(tmp_path: Path) -> None:
    plugins = "plugins: {apdex: {threshold: 1}, expect: {}, ensure: {}, metrics-by-endpoint: {stripQueryString: true}}"
    settings = "".join(
        f"  {name}: {stated}\n"
        for name, stated in {
            "apdex": "{threshold: 100}",
            "expect": "{outputFormat: json}",
            "ensure": "{p95: 100}",
            "metrics-by-endpoint": "{useOnlyRequestNames: true}",
        }.items()
    )
    config = checked(tmp_path, configured(f"{plugins}\n{settings}")).content["config"]
    assert config["apdex"] == {"threshold": 100}
    assert set(config["plugins"]) == {"apdex", "metrics-by-endpoint"}
    assert not {"expect", "ensure"} & set(config)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("apdex: {threshold: 100}", "5: config.apdex: unknown"),
        ("plugins: {apdex: {treshold: 100}}", "5: config.plugins.apdex.treshold: unknown (did you mean 'threshold'?)"),
        ("plugins: {apdex: {}}\n  apdex: {treshold: 1}", "6: config.apdex.treshold: unknown"),
    ],
)
def test_settings_that_no_plugin_reads_are_refused(tmp_path: Path, line: str, problem: str) -> None:
    assert any(one.startswith(problem) for one in problems(tmp_path, configured(line)))


def test_the_status_that_the_plugin_expect_requires_by_default_is_required_here(tmp_path: Path) -> None:
    text = requested("{url: /a}").replace("scenarios:", "  plugins: {expect: {expectDefault200: true}}\nscenarios:")
    script = checked(tmp_path, text, expectations=True)
    assert script.content["scenarios"][0]["flow"][0]["get"]["requestLog"]["expect"] == [{"statusCode": 200}]


@pytest.mark.parametrize("header", ["a,b", " A , B ", "\ufeffa,b", "a,b,more"])
def test_a_first_row_of_names_is_no_users_data(tmp_path: Path, header: str) -> None:
    payload = configured("payload: {path: users.csv, fields: [a, b]}")
    (tmp_path / "users.csv").write_text(f"{header}\n1,2,3\n")
    script = checked(tmp_path, payload)
    assert script.content["config"]["payload"]["skipHeader"] is True
    assert "load.yml:5: config.payload: skipHeader switched on: the first row of users.csv" in script.corrections[0]
    (tmp_path / "users.csv").write_text("b,a\n1,2\n")
    assert "skipHeader" not in checked(tmp_path, payload).content["config"]["payload"]
    (tmp_path / "users.csv").write_text(f"{header}\n")
    assert "holds no row" in problems(tmp_path, payload)[0]


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
    assert tuple(script.functions) == ("enter", "leave", "look", "sign")
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


def test_users_at_even_gaps_are_divided_too(tmp_path: Path) -> None:
    script = checked(tmp_path, phased("{name: few, duration: 10, arrivalRate: 0.4}"))
    composed = dry_run(script, workers=2, region="eu-west-1")
    assert json.loads(composed.script)["config"]["phases"] == [{"name": "few", "duration": 10, "arrivalCount": 2}]
    with pytest.raises(ConfigurationError, match=r"0\.4 users per second cannot be divided by 3 workers"):
        dry_run(script, workers=3, region="eu-west-1")


def test_a_load_that_cannot_be_divided_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="10 users per second cannot be divided by 4 workers"):
        fargate(tmp_path, 4, {"KEY": "x"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("config: 5\n" + SCENARIO, "1: config: expected fields such as target and phases, found 5"),
        (CONFIG + "scenarios: x", "5: scenarios: a list of scenarios is missing"),
        (phased("{duration: .nan, arrivalRate: 1}"), "4: config.phases.0.duration: expected a number, found nan"),
        (phased("{duration: 2, arrivalCount: .inf}"), "4: config.phases.0.arrivalCount: expected a number, found inf"),
        (phased("{name: [], duration: 2, arrivalRate: 1}"), "4: config.phases.0.name: expected text, found []"),
        (configured("payload: {path: 5, fields: 5}"), "5: config.payload.fields: expected a list of names, found 5"),
        (configured("plugins: 5"), "5: config.plugins: expected fields that have fields of their own, found 5"),
        (configured("engines: 5"), "5: config.engines: expected fields that have fields of their own, found 5"),
        (configured("variables: 5"), "5: config.variables: expected fields with values, found 5"),
        (configured("ensure: 5"), "5: config.ensure: expected fields with values, found 5"),
        (GOOD.replace("flow:", "weight: .nan\n    flow:"), "7: scenarios.0.weight: expected a number, found nan"),
        (GOOD + "      - think: .nan", "9: scenarios.0.flow.1.think: expected a number, found nan"),
        (GOOD + "      - think: a while", "9: scenarios.0.flow.1.think: a number of seconds, found 'a while'"),
        (GOOD + "      - loop: [{get: {url: /}}]\n        count: []", "10: scenarios.0.flow.1.count: expected a"),
        *(
            (requested(f"{{url: /, {name}: {value}}}"), f"8: scenarios.0.flow.0.get.{name}: {expected}")
            for name, value, expected in (
                ("headers", "5", "expected fields with texts, numbers, true or false, found 5"),
                ("capture", "5", "expected fields such as json and as, or a list of these, found 5"),
                ("form", "5", "expected fields with values, found 5"),
                ("name", "[]", "expected text, found []"),
                ("probability", "200", "a percentage from 0 to 100, found 200"),
            )
        ),
    ],
)
def test_a_value_of_another_shape_is_named_once(tmp_path: Path, text: str, says: str) -> None:
    (found,) = problems(tmp_path, text)
    assert found.startswith(says)
