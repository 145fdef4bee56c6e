"""Short loads of real Artillery: undefined variables, redirects, even arrivals, TypeScript, what surrounds the load."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from acceptance.errors import EnvironmentUnavailable
from ArtilleryLibrary import __main__ as command
from ArtilleryLibrary.figures import Ending, LoadResult
from ArtilleryLibrary.process import run_load
from ArtilleryLibrary.report import as_text
from ArtilleryLibrary.script import checked_script

from tests.loadable import LoadServer, load_server

TYPESCRIPT = """\
type Context = { vars: Record<string, unknown> };
enum Kind { A = 'a', B = 'b' }
export async function pick(context: Context): Promise<void> { context.vars.kind = Kind.B; }
export async function concatenate(request: { headers: object }, context: Context): Promise<void> {
  request.headers = { authorization: `Bearer ${context.vars.token}` };
}
"""
WAYS = ("unset", "whole", "header", "body", "made", "moved", "expected", "followed", "typed")
SCRIPT = """\
config:
  target: http://nowhere.invalid
  processor: ./flows.ts
  phases: [{name: few, duration: 4, arrivalCount: 10}]
  plugins: {apdex: {}}
  apdex: {threshold: 100}
  payload: {path: ways.csv, fields: [way], order: sequence}
scenarios:
  - name: one
    beforeScenario: pick
    flow:
      - get: {name: unset, url: "/quick?t={{ never }}", ifTrue: 'way == "unset"'}
      - get: {name: whole, url: "{{ never }}", ifTrue: 'way == "whole"'}
      - get: {name: header, url: /quick, headers: {a: "b {{ never }}"}, ifTrue: 'way == "header"'}
      - post: {name: body, url: /quick, json: {who: "{{ never.set }}"}, ifTrue: 'way == "body"'}
      - get: {name: made, url: /quick, beforeRequest: concatenate, ifTrue: 'way == "made"'}
      - get: {name: moved, url: /moved, expect: [{statusCode: 200}], ifTrue: 'way == "moved"'}
      - get: {name: expected, url: /moved, expect: [{statusCode: 302}], ifTrue: 'way == "expected"'}
      - get: {name: followed, url: /moved, followRedirect: true, ifTrue: 'way == "followed"'}
      - get: {name: typed, url: "/quick?k={{ kind }}", ifTrue: 'way == "typed"'}
"""
AROUND = """\
config:
  target: http://nowhere.invalid
  phases: [{duration: 2, arrivalRate: 2}]
"""
READING = """\
scenarios: [{name: one, flow: [{get: {url: "/quick?d={{ document }}"}}]}]
"""
BEFORE = "before: {flow: [{post: {url: /quick, json: {}, capture: {json: $.id, as: document}}}]}\n"


@pytest.fixture(scope="module")
def server() -> Iterator[LoadServer]:
    with load_server() as one:
        yield one


@pytest.fixture(scope="module")
def load(server: LoadServer, tmp_path_factory: pytest.TempPathFactory) -> LoadResult:
    """Ten users in four seconds, each on the way that the next row names; the first row names the field."""
    folder = tmp_path_factory.mktemp("load")
    (folder / "flows.ts").write_text(TYPESCRIPT)
    (folder / "ways.csv").write_text("way\n" + "".join(f"{way}\n" for way in WAYS))
    (folder / "load.yml").write_text(SCRIPT)
    return asyncio.run(run_load(checked_script(folder / "load.yml", target=server.url), folder / "left"))


def applied(folder: Path, server: LoadServer, text: str) -> LoadResult:
    (folder / "load.yml").write_text(text)
    return asyncio.run(run_load(checked_script(folder / "load.yml", target=server.url), folder / "left"))


def test_fewer_than_whole_users_a_second_arrive_evenly(load: LoadResult) -> None:
    assert (load.complete, load.arrivals.actual) == (True, 10), load.reason
    arrived = sorted(load.log.users.values())
    assert [later - earlier for earlier, later in pairwise(arrived)] == pytest.approx([0.4] * 9, abs=0.15)
    assert load.generator.cpu_share < 0.5  # nothing waits busily


@pytest.mark.parametrize(
    ("endpoint", "reasons"),
    [
        ("unset", ["url: not sent, nothing has set never"]),
        ("whole", ["url: not sent, nothing has set never"]),
        ("header", ["headers: not sent, nothing has set never"]),
        ("body", ["json: not sent, nothing has set never.set"]),
        ("made", ["headers: sends 'undefined'"]),
        ("moved", ["statusCode: expected 200, got 302 to /quick (not followed without followRedirect: true)"]),
        ("expected", []),
        ("followed", []),
        ("typed", []),
    ],
)
def test_what_a_request_sends_and_where_it_is_led_are_judged(
    load: LoadResult, endpoint: str, reasons: list[str]
) -> None:
    figures = load.figures(endpoint=endpoint)
    assert figures.attempted in (1, 2)
    assert figures.errors == dict.fromkeys(reasons, figures.attempted)
    assert figures.succeeded == (0 if reasons else figures.attempted)


def test_nothing_undefined_that_can_be_known_before_is_sent(load: LoadResult, server: LoadServer) -> None:
    assert {one.sent for one in load.requests if one.endpoint in ("unset", "whole", "header", "body")} == {0}
    assert [one.path for one in server.served if "undefined" in one.path] == []


def test_a_redirect_that_is_followed_is_told_with_the_figures(load: LoadResult, server: LoadServer) -> None:
    (followed,) = (one for one in load.requests if one.endpoint == "followed")
    assert (followed.status, followed.sent) == (200, 2)
    assert followed.first_byte is not None and followed.total is not None
    assert followed.first_byte * 1.5 < followed.total  # the answer's own, and both of 50 ms
    assert {one.sent for one in load.requests if one.endpoint in ("moved", "expected")} == {1}
    assert re.search(r"\b1 requests followed redirects: their first byte is that of the final answer", as_text(load))


def test_an_enum_of_typescript_has_its_value(load: LoadResult, server: LoadServer) -> None:
    assert server.of("/quick?k=b")


def test_a_load_begins_with_what_was_done_before_it(server: LoadServer, tmp_path: Path) -> None:
    after = "after: {flow: [{get: {url: '/quick?after={{ document }}'}}]}\n"
    result = applied(tmp_path, server, AROUND + BEFORE + READING + after)
    assert (result.complete, len(result.requests), result.figures().error_rate) == (True, 4, 0.0), result.reason
    assert len(server.of("/quick?d=d-1")) == 4
    assert len(server.of("/quick?after=d-1")) == 1


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("{url: /broken, capture: {json: $.token, as: document}}", "POST /broken answered 500: nothing to capture as"),
        ("{url: /quick, expect: [{statusCode: 201}]}", "POST /quick answered 200: statusCode: expected 201, got 200"),
        ("{name: tidy, url: /broken}", "tidy answered 500: statusCode: expected below 400, got 500"),
        ("{url: /moved}", "POST /moved answered 302: statusCode: expected no redirect, got 302 to /quick"),
        ("{url: /cut}", "POST /cut: ECONNRESET"),
    ],
)
def test_no_load_is_applied_where_what_is_done_before_it_fails(
    server: LoadServer, tmp_path: Path, request_: str, reason: str
) -> None:
    before = f"before: {{flow: [{{post: {request_}}}]}}\n"
    begun = len(server.seen)
    with pytest.raises(EnvironmentUnavailable, match=re.escape(f"the load did not begin; before: {reason}")):
        applied(tmp_path, server, AROUND + before + READING.replace("?d={{ document }}", ""))
    assert len(server.seen) == begun + 1


def test_a_failure_after_the_load_is_told_beside_its_figures(server: LoadServer, tmp_path: Path) -> None:
    after = "after: {flow: [{get: {url: /quick, expect: [{hasProperty: token}]}}]}\n"
    path = tmp_path / "load.yml"
    path.write_text(AROUND + BEFORE + READING + after)
    result = applied(tmp_path, server, path.read_text())
    assert result.ending is Ending.FAILED
    assert result.reason.startswith("after: GET /quick answered 200: hasProperty: expected token")
    assert (len(result.requests), result.figures().error_rate) == (4, 0.0)
    assert command._status(result, 0.01) == command.BROKEN


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "import { Type } from './types';\nexport async function pick(): Promise<Type> { return 1; }",
            "cannot be loaded",
        ),
        ("export async function other(): Promise<void> {}", r"exports no function pick \(load\.yml:\d+\)"),
    ],
)
def test_a_processor_that_cannot_be_used_is_explained(
    server: LoadServer, tmp_path: Path, code: str, reason: str
) -> None:
    (tmp_path / "flows.ts").write_text(code)
    text = AROUND + "  processor: ./flows.ts\n" + "scenarios: [{flow: [{function: pick}, {get: {url: /quick}}]}]\n"
    with pytest.raises(EnvironmentUnavailable, match=f"the load did not begin; the processor (flows.ts )?{reason}"):
        applied(tmp_path, server, text)
