"""The flows of the load are those of the contract, and the functions beside their requests work."""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from acceptance.deployment.contract import CONTRACT, Route, read_contract
from acceptance.performance.load import SCRIPT
from acceptance.yaml_models import PROJECT
from ArtilleryLibrary.node import installation
from ArtilleryLibrary.script import checked_script
from pypdf import PdfReader
from robot.running import ResourceFile

RESOURCE = PROJECT / "resources" / "load.resource"


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Scenario, method and fields of each request of the load."""
    for scenario in yaml.safe_load(SCRIPT.read_text())["scenarios"]:
        for step in scenario["flow"]:
            ((method, fields),) = step.items()
            yield scenario["name"], method, fields


@pytest.mark.parametrize(
    ("scenario", "method", "fields"), [pytest.param(*one, id=one[2]["name"]) for one in requests()]
)
def test_each_request_is_what_the_contract_has(scenario: str, method: str, fields: dict[str, Any]) -> None:
    route: Route = read_contract(CONTRACT).route(fields["name"])
    expected = [next(iter(one.items())) for one in fields["expect"]]
    assert method.upper() == route.method
    assert re.sub(r"\{\{ (\w+) }}", r"{\1}", fields["url"]) == route.path
    assert [value for kind, value in expected if kind == "statusCode"] == [route.success]
    assert {value for kind, value in expected if kind == "hasProperty"} == set(route.answer.values())
    assert set(fields.get("json", {})) <= set(route.body.values())
    signed_in = str(fields.get("headers", {}).get("authorization", "")).startswith("Bearer {{")
    assert signed_in == (route.kind in ("user", "owner"))
    whose = [value for kind, value in expected if kind == "equals"]
    assert whose or fields["name"] in ("upload", "upload_bytes"), "nothing says whose the answer is"


def test_the_load_is_that_of_the_criterion() -> None:
    environment = {"LOAD_TARGET": "http://127.0.0.1:1", "LOAD_USERS": "[]"}
    script = checked_script(SCRIPT, environment=environment, least_requests=3, expectations=True)
    expected = {one.name: one.value for one in ResourceFile.from_file_system(RESOURCE).variables}
    phases = tuple(f"({phase.duration}, {phase.rate})" for phase in script.phases)
    assert phases == expected["@{PHASES}"] == ("(60, 5)", "(120, 10)", "(60, 5)")
    assert tuple(one.name for one in script.scenarios) == expected["@{SCENARIOS}"]
    assert all(one.requests >= 3 for one in script.scenarios)
    assert {one.weight for one in script.scenarios} == {1}
    assert script.arrivals == 1800


def in_node(code: str) -> Any:
    """What JavaScript prints as JSON, with the functions of flows.cjs as `flows`."""
    program = f"const flows = require({json.dumps(str(SCRIPT.parent / 'flows.cjs'))}); (async () => {{ {code} }})()"
    users = json.dumps([{"user_id": "u1", "figure": "12345"}, {"user_id": "u2", "figure": "54321"}])
    done = subprocess.run(
        [str(installation().node), "-e", program], capture_output=True, text=True, check=True, env={"LOAD_USERS": users}
    )
    return json.loads(done.stdout)


def test_each_document_is_a_pdf_of_its_own() -> None:
    made = in_node(
        "const made = [{ vars: {} }, { vars: {} }]; for (const one of made) await flows.makeDocument(one);"
        "console.log(JSON.stringify(made.map(({ vars }) => ({ ...vars, content: vars.content.toString('latin1') }))))"
    )
    texts = []
    for one in made:
        content = one["content"].encode("latin-1")
        assert len(content) == one["bytes_len"]
        texts.append(PdfReader(io.BytesIO(content), strict=True).pages[0].extract_text())
        assert one["filename"].removeprefix("load-").removesuffix(".pdf") in texts[-1]
        assert "Whoever opens the crate finds wool" in texts[-1]
    assert made[0]["sha256"] != made[1]["sha256"]


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("It has carried 12,345 passengers [1].", "12345"),
        ("It has carried 12345 passengers.", "12345"),
        ('He said \\"12.345\\".', "12345"),
        ("It has carried 54321 passengers.", "54321"),
        ("The documents do not say.", "none"),
        ("Of 7 boats one carried 12 345.", "12345"),
    ],
)
def test_the_figure_of_an_answer_is_read(text: str, figure: str) -> None:
    body = json.dumps(f'{{"text": "{text}", "sources": [{{"title": "12345"}}]}}')
    code = (
        "const context = { vars: { user: { figure: '12345' } } };"
        f"await flows.readAnswer({{ name: 'chat' }}, {{ body: {body} }}, context);"
        "console.log(JSON.stringify(context.vars.figure))"
    )
    assert in_node(code) == figure


def test_people_take_turns_in_each_flow() -> None:
    code = (
        "const seen = []; for (const name of ['a', 'b', 'a', 'b']) {"
        "const one = { vars: {}, scenario: { name } }; await flows.chooseUser(one); seen.push(one.vars.owner_id); }"
        "console.log(JSON.stringify(seen))"
    )
    first, second, third, fourth = in_node(code)
    assert {first, third} == {second, fourth} == {"u1", "u2"}
