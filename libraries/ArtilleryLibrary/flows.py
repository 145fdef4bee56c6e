"""Scenarios: checked, and copied with hooks that log every request."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from ArtilleryLibrary.source import Location, ScriptSource, words
from ArtilleryLibrary.yaml_document import Data

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
STEPS = (*METHODS, "loop", "think", "log", "function", "parallel")
IN_A_LOOP = ("loop", "count", "over", "whileTrue", "loopValue", "loopElement")
SCENARIO = words("name engine weight flow beforeRequest afterResponse beforeScenario afterScenario onError tags")
REQUEST = words(
    "url name headers cookie followRedirect qs gzip auth beforeRequest afterResponse capture match "
    "json body form formData setContentLengthHeader ifTrue probability expect record"
)
EXPECTATIONS = words(
    "statusCode notStatusCode contentType hasProperty notHasProperty equals matchesRegexp hasHeader "
    "headerEquals cdnHit jmespath"
)
HOOK = "requestLog$"


class Scenario(Data):
    """A scenario: its `weight` among the virtual users, and the least number of `requests` of each."""

    name: str
    weight: int
    requests: int
    endpoints: tuple[str, ...]


class Flows:
    """The scenarios of a script; their mistakes become problems of the source.

    Args:
        source: the script.
        least_requests: least number of unconditional requests of each scenario.
        expectations: require an expected status of each request.
    """

    def __init__(self, source: ScriptSource, *, least_requests: int, expectations: bool) -> None:
        self._source = source
        self._expectations = expectations
        self.functions: set[str] = set()
        self.copies: list[dict[str, Any]] = []
        stated = source.content.get("scenarios")
        if not isinstance(stated, list) or not stated:
            source.problem(("scenarios",), "a list of scenarios is missing")
            stated = []
        found = [self._scenario(("scenarios", i), i, one, least_requests) for i, one in enumerate(stated)]
        self.scenarios = tuple(one for one in found if one is not None)
        names = [one.name for one in self.scenarios]
        for name in sorted({name for name in names if names.count(name) > 1}):
            source.problem(("scenarios",), f"several scenarios are called '{name}': figures are kept by name")

    def _scenario(self, where: Location, index: int, stated: Any, least_requests: int) -> Scenario | None:
        source = self._source
        if not isinstance(stated, dict) or not isinstance(stated.get("flow"), list):
            source.problem(where, "flow is missing: a list of what a virtual user does")
            return None
        source.unknown(where, stated, SCENARIO)
        name, weight = str(stated.get("name", f"scenario {index + 1}")), stated.get("weight", 1)
        if isinstance(weight, bool) or not isinstance(weight, int) or weight < 1:
            source.problem((*where, "weight"), f"a whole number from 1: Artillery makes 0 of others, found {weight!r}")
            weight = 1
        engine = stated.get("engine", source.content.get("config", {}).get("engine", "http"))
        if engine != "http":
            known = (
                "has no latency of its own, so nothing could be measured" if engine in ("ws", "socketio") else "unknown"
            )
            source.problem((*where, "engine"), f"engine '{engine}': {known} (known: http)")
        one = copy.deepcopy(stated)
        one["name"] = name
        self._around = {key: _names(one.pop(key, None)) for key in ("beforeRequest", "afterResponse")}
        self._scenario_name, self._endpoints = name, dict[str, None]()
        requests = self._flow((*where, "flow"), one["flow"])
        one["beforeScenario"] = [f"{HOOK}begin", *map(self._step, _names(one.get("beforeScenario")))]
        one["afterScenario"] = [*map(self._step, _names(one.get("afterScenario"))), f"{HOOK}end"]
        one["onError"] = [f"{HOOK}error", *_names(one.get("onError"))]
        self.functions.update(one["onError"][1:])
        self.copies.append(one)
        if requests < least_requests:
            reason = (
                f"makes {requests} requests for certain, and at least {least_requests} are expected of each scenario"
            )
            source.problem((*where, "flow"), reason)
        return Scenario(name=name, weight=weight, requests=requests, endpoints=tuple(self._endpoints))

    def _flow(self, where: Location, steps: list[Any]) -> int:
        """Rewrite the steps in place; returns the number of unconditional requests."""
        return sum(self._one((*where, index), step) for index, step in enumerate(steps))

    def _one(self, where: Location, step: Any) -> int:
        if isinstance(step, list):
            return self._flow(where, step)
        if not isinstance(step, dict) or not step:
            self._source.problem(where, "is no step: expected a request, loop, think, log or function")
            return 0
        kind = next((name for name in step if name in STEPS), None)
        if kind is None:
            self._source.unknown(where, step, STEPS)
            return 0
        if kind == "loop":
            return self._loop(where, step)
        if len(step) > 1 and kind != "think":
            self._source.problem(where, f"a step does one thing, found {', '.join(map(str, step))}")
        if kind == "parallel":
            reason = "refused: a virtual user has one connection, on which parallel requests wait unmeasured"
            self._source.problem((*where, kind), reason)
        elif kind == "function":
            step[kind] = self._step(str(step[kind]))
        elif kind in METHODS:
            return self._request((*where, kind), kind, step[kind])
        return 0

    def _loop(self, where: Location, step: dict[str, Any]) -> int:
        self._source.unknown(where, step, IN_A_LOOP)
        if not isinstance(step["loop"], list):
            self._source.problem((*where, "loop"), "expected a list of steps")
            return 0
        within, count, over = self._flow((*where, "loop"), step["loop"]), step.get("count"), step.get("over")
        if "whileTrue" in step:
            self.functions.add(str(step["whileTrue"]))
        if "count" not in step and "over" not in step and "whileTrue" not in step:
            self._source.problem((*where, "loop"), "count, over or whileTrue is missing: the loop has no end")
        if isinstance(over, list):
            return within * len(over)
        return within * count if isinstance(count, int) and count > 0 else 0

    def _request(self, where: Location, method: str, stated: Any) -> int:
        source = self._source
        if not isinstance(stated, dict) or not isinstance(stated.get("url"), str):
            source.problem(where, "url is missing")
            return 0
        source.unknown(where, stated, REQUEST, strict=False)
        if stated.get("setContentLengthHeader") and ("formData" in stated or "form" in stated):
            reason = "refused: with a form Artillery announces the length of the file, not of what it sends"
            source.problem((*where, "setContentLengthHeader"), reason)
        expected = self._expected(where, stated)
        before, after = (_names(stated.get(key)) for key in ("beforeRequest", "afterResponse"))
        names = {"before": [*self._around["beforeRequest"], *before], "after": [*self._around["afterResponse"], *after]}
        endpoint = str(stated.get("name") or f"{method.upper()} {stated['url']}")
        self.functions.update(names["before"], names["after"])
        self._endpoints[endpoint] = None
        about = {"scenario": self._scenario_name, "endpoint": endpoint, "expect": expected, **names}
        stated["requestLog"] = {**about, "record": _names(stated.get("record"))}
        stated["beforeRequest"], stated["afterResponse"] = f"{HOOK}request", f"{HOOK}response"
        return 0 if "ifTrue" in stated or "probability" in stated else 1

    def _expected(self, where: Location, stated: dict[str, Any]) -> list[dict[str, Any]]:
        source, expect = self._source, stated.pop("expect", [])
        if isinstance(expect, dict):
            expect = [{name: value} for name, value in expect.items()]
        if not isinstance(expect, list) or not all(isinstance(one, dict) and one for one in expect):
            source.problem((*where, "expect"), "expected a list such as '- statusCode: 200'")
            return []
        kinds = [next(iter(one)) for one in expect]
        for index, one in enumerate(expect):
            source.unknown((*where, "expect", index), {kinds[index]: one}, EXPECTATIONS)
        if self._expectations and "statusCode" not in kinds:
            source.problem((*where, "expect"), "statusCode is missing: Artillery counts every response as success")
        return expect

    def _step(self, name: str) -> str:
        self.functions.add(name)
        return f"{HOOK}{name}"


def documents(flow: Any, where: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    """Form parts read from a file, with their locations."""
    parts: list[tuple[str | int, Any]] = []
    if isinstance(flow, dict):
        parts = list(flow.items())
        if "fromFile" in flow:
            yield (*where, "fromFile"), flow
    elif isinstance(flow, list):
        parts = list(enumerate(flow))
    for name, part in parts:
        yield from documents(part, (*where, name))


def _names(stated: Any) -> list[str]:
    if stated is None:
        return []
    return [str(name) for name in stated] if isinstance(stated, list) else [str(stated)]
