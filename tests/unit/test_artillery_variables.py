"""A template variable that nothing sets is refused with its line; one that a function may set is seen when sent."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from acceptance.errors import ConfigurationError
from ArtilleryLibrary.node import installation
from ArtilleryLibrary.script import HOOKS, checked_script

CONFIG = """\
config:
  target: http://127.0.0.1:1
  phases: [{duration: 4, arrivalRate: 1}]
  variables: {place: [north, south], user.name: ann}
  payload:
    - {path: users.csv, fields: [email, password]}
    - {path: users.csv, loadAll: true, name: everybody}
"""
FLOW = "scenarios:\n  - name: one\n    flow:\n"  # its first step stands in line 11
TOKEN = "capture: {json: $.token, as: token}"


def unset(folder: Path, steps: str, *, config: str = "", end: str = "") -> list[str]:
    """What is refused in a flow: line and name of each variable."""
    (folder / "users.csv").write_text("ann@example.test,pw1\n")
    (folder / "flows.cjs").write_text("module.exports = { sign() {} }\n")
    path = folder / "load.yml"
    path.write_text(CONFIG + FLOW + "".join(f"      - {step}\n" for step in steps.split("\n")) + end + config)
    try:
        checked_script(path, environment={"KEY": "secret"})
    except ConfigurationError as error:
        found = [one.removeprefix(f"{path.resolve()}:") for one in error.problems]
        return [f"{one.partition(':')[0]} {one.partition(': nothing ')[2].split()[1]}" for one in found]
    return []


@pytest.mark.parametrize(
    "steps",
    [
        "get: {url: '/{{ email }}/{{ place }}/{{ everybody[0] }}/{{ user.name }}'}",
        "get: {url: '/{{ $env.KEY }}/{{ $processEnvironment.KEY }}'}",
        "get: {url: '/{{ $uuid }}/{{ $testId }}/{{target}}/{{ $dirname }}'}",
        "get: {url: '/{{ $randomNumber(1, 9) }}/{{ $randomString(8) }}'}",
        f"post: {{url: /a, {TOKEN}}}\nget: {{url: '/{{{{ token }}}}/{{{{ token.part }}}}'}}",
        f"get: {{url: /a, {TOKEN}, expect: [{{equals: ['{{{{ token }}}}', x]}}]}}",
        "get: {url: /a, capture: [{json: $.id, as: user.id}]}\nget: {url: '/{{ user.id }}'}",
        f"{{loop: [{{get: {{url: /a, {TOKEN}}}}}, {{get: {{url: '/{{{{ token }}}}{{{{$loopCount}}}}'}}}}], count: 2}}",
        "{loop: [{get: {url: '/{{ $loopElement.id }}'}}], over: everybody}",
        "{loop: [{get: {url: '/{{ row }}/{{ number }}'}}], over: [1], loopElement: row, loopValue: number}",
        "{loop: [{get: {url: '{{ next }}', ifTrue: next}}, {get: {url: /, capture: {json: $.n, as: next}}}], count: 2}",
        "post: {url: /a, json: {text: 'a {{ is no template', code: '{{#each}}'}}",
    ],
)
def test_a_variable_that_something_sets_is_accepted(tmp_path: Path, steps: str) -> None:
    assert unset(tmp_path, steps) == []


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ("get: {url: '/{{ never }}/{{ $randomEmail }}'}", ["11 never", "11 $randomEmail"]),
        ("get: {url: '/{{ $environment }}/{{ $loopCount }}'}", ["11 $environment", "11 $loopCount"]),
        ("get: {url: '/{{ $randomEmail() }}'}", ["11 $randomEmail():"]),
        (f"get: {{url: '/{{{{ token }}}}'}}\nget: {{url: /a, {TOKEN}}}", ["11 token"]),
        (f"get: {{url: '/{{{{ token }}}}', {TOKEN}}}", ["11 token"]),
        ("get: {url: /a, capture: {json: $.token, as: tokn}}\nget: {url: '/{{ token }}'}", ["12 token"]),
        ("get: {url: /a, capture: {json: $.id, as: user.id}}\nget: {url: '/{{ user.age }}'}", ["12 user.age"]),
        ("get: {url: /a, headers: {authorization: 'Bearer {{ never }}'}}", ["11 never"]),
        ("post: {url: /a, json: {list: [{a: '{{ never }}'}]}}", ["11 never"]),
        ("post: {url: /a, body: '{{{ never }}}'}", ["11 never"]),
        ("post: {url: /a, form: {a: '{{ one }}'}}\npost: {url: /a, qs: {a: '{{ two }}'}}", ["11 one", "12 two"]),
        ("get: {url: /a, auth: {user: '{{ one }}', pass: x}, cookie: {a: '{{ two }}'}}", ["11 two", "11 one"]),
        ("get: {url: /a, expect: [{equals: ['{{ one }}', '{{ two }}']}]}", ["11 one", "11 two"]),
        ("get: {url: /a, capture: {json: '$.a[?(@.b == \"{{ never }}\")]', as: x}}", ["11 never"]),
        ("think: '{{ never }}'", ["11 never"]),
        ("{loop: [{get: {url: /a}}], over: nobodys}", ["11 nobodys"]),
        ("{loop: [{get: {url: /a}}], count: '{{ never }}'}", ["11 never"]),
        (f"{{loop: [{{get: {{url: '/{{{{ token }}}}'}}}}, {{get: {{url: /a, {TOKEN}}}}}], count: 2}}", ["11 token"]),
        ("get: {url: '/{{ never }}'}\nget: {url: '/{{ never }}'}", ["11 never"]),
    ],
)
def test_a_variable_that_nothing_has_set_is_refused(tmp_path: Path, steps: str, names: list[str]) -> None:
    assert unset(tmp_path, steps) == names


def test_each_scenario_begins_with_what_was_done_before_the_load(tmp_path: Path) -> None:
    used = "get: {url: '/{{ token }}'}"
    before = f"before: {{flow: [{{post: {{url: /login, {TOKEN}}}}}]}}\n"
    after = "after: {flow: [{get: {url: '/{{ token }}/{{ id }}'}}]}\n"
    assert unset(tmp_path, used, end=before) == []
    other = f"  - name: other\n    flow: [{{get: {{url: /a, {TOKEN}}}}}]\n"
    assert unset(tmp_path, used, end=other) == ["11 token"]
    own = "get: {url: /a, capture: {json: $.id, as: id}}"  # a user's own, gone with the user
    assert unset(tmp_path, own, end=before + after) == ["13 id"]


@pytest.mark.parametrize(
    ("steps", "names"),
    [
        ("function: sign\nget: {url: '/{{ any }}'}", []),
        ("get: {url: '/{{ any }}', beforeRequest: sign}", []),
        ("get: {url: /a, afterResponse: sign, expect: [{equals: ['{{ any }}', x]}]}", []),
        ("get: {url: '/{{ any }}', afterResponse: sign}", ["11 any"]),
        ("get: {url: '/{{ any }}'}\nfunction: sign", ["11 any"]),
    ],
)
def test_a_function_may_set_any_variable_from_when_it_runs(tmp_path: Path, steps: str, names: list[str]) -> None:
    config = "  processor: ./flows.cjs\n"
    path = tmp_path / "load.yml"
    found = unset(tmp_path, steps)
    text = path.read_text().replace("scenarios:", config + "scenarios:")
    path.write_text(text)
    try:
        checked_script(path)
        found = []
    except ConfigurationError as error:
        found = [
            f"{int(one.split(':')[1]) - 1} {one.partition('nothing sets ')[2].split()[0]}" for one in error.problems
        ]
    assert found == names


def test_the_config_knows_the_environment_alone(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("ann@example.test,pw1\n")
    path = tmp_path / "load.yml"
    headers = "  http: {defaults: {headers: {a: '{{ email }}', b: '{{ $env.KEY }}', c: '{{ $uuid }}'}}}\n"
    path.write_text(CONFIG + headers + FLOW + "      - get: {url: /a}\n")
    with pytest.raises(ConfigurationError) as caught:
        checked_script(path, environment={"KEY": "secret"})
    found = [
        one.partition("load.yml:")[2].partition(" (did")[0].partition(": Artillery")[0] for one in caught.value.problems
    ]
    once = "when config is resolved, once and before there are users"
    assert found == [
        f"8: config.http.defaults.headers.a: nothing sets email {once}",
        f"8: config.http.defaults.headers.c: nothing sets $uuid {once}",
    ]


def in_node(call: str, *values: Any) -> Any:
    """What a function of undefined.mjs gives, as JSON."""
    installed = installation()
    program = (
        f"import {{ undefinedTexts, unsetVariables }} from {json.dumps(str(HOOKS.with_name('undefined.mjs')))};"
        f"const unset = unsetVariables({json.dumps(str(installed.expectations))});"
        f"console.log(JSON.stringify({call}(...{json.dumps(values)})))"
    )
    done = subprocess.run(
        [str(installed.node), "--input-type=module", "-e", program], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_variables_that_are_not_set_when_a_request_is_sent_are_named() -> None:
    params = {
        "url": "/{{ a.b }}/{{ gone }}/{{ a.c }}",
        "headers": {"x": "{{ zero }}", "{{ name }}": "y"},
        "json": [{"a": "{{ $f(1) }}", "b": "{{ $g() }}"}],
        "other": "{{ gone }}",
    }
    context = {"vars": {"a": {"b": 1, "c": None}, "zero": 0}, "funcs": {"$f": 1}}
    assert in_node("unset", params, context) == [
        "url: not sent, nothing has set gone",
        "headers: not sent, nothing has set name",
        "json: not sent, nothing has set $g()",
    ]


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        ({"url": "http://127.0.0.1/devices/undefined?a=1"}, "url"),
        ({"url": "http://127.0.0.1/a?b=undefined"}, "url"),
        ({"headers": {"authorization": "Bearer undefined"}}, "headers"),
        ({"json": {"a": ["undefined"]}}, "json"),
        ({"body": '{"a":"undefined"}'}, "body"),
        ({"form": {"a": "undefined"}}, "form"),
        ({"url": "http://127.0.0.1/docs/undefined-behaviour", "json": {"text": "what is undefined here?"}}, ""),
        ({"url": "/a", "headers": {"user-agent": "x"}, "body": None}, ""),
    ],
)
def test_the_word_is_seen_where_a_value_belongs(sent: dict[str, Any], part: str) -> None:
    assert in_node("undefinedTexts", sent) == ([f"{part}: sends 'undefined'"] if part else [])
