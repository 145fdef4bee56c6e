"""Scenarios: checked, and copied with hooks that log every request."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from ArtilleryLibrary.quantities import SECONDS, is_whole
from ArtilleryLibrary.settings import Settings
from ArtilleryLibrary.source import Location, ScriptSource, words
from ArtilleryLibrary.variables import captured, check_variables, script_scope
from ArtilleryLibrary.yaml_document import Data

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
STEPS = (*METHODS, "loop", "think", "log", "function", "parallel")
IN_A_LOOP = ("loop", "count", "over", "whileTrue", "loopValue", "loopElement")
SCENARIO = words("name engine weight flow beforeRequest afterResponse beforeScenario afterScenario onError tags")
REQUEST = words(
    "url name headers cookie followRedirect qs gzip auth beforeRequest afterResponse capture match "
    "json body form formData setContentLengthHeader ifTrue probability expect record"
)
# What Artillery fills in before it sends a request.
TEMPLATED = words("name url headers cookie qs auth json body form formData capture match")
AROUND = ("before", "after")
BLOCK = words("name engine flow beforeRequest afterResponse beforeScenario afterScenario onError")
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
    """The scenarios of a script, and what it does before and after them; their mistakes become problems of the source.

    Args:
        source: the script.
        settings: its effective config.
        least_requests: least number of unconditional requests of each scenario.
        expectations: require an expected status of each request of a scenario.
    """

    def __init__(self, source: ScriptSource, settings: Settings, *, least_requests: int, expectations: bool) -> None:
        self._source = source
        self._settings = settings
        self._least_requests = least_requests
        self._expectations = expectations
        self._engine = settings.config.get("engine", "http")
        self._processor = "processor" in settings.config
        self.functions: dict[str, Location] = {}
        self._scope = script_scope(settings.config)
        blocks = [self._block("before")]
        ready = self._scope  # with what `before` has set
        stated = source.content.get("scenarios")
        if not isinstance(stated, list) or not stated:
            source.problem(("scenarios",), "a list of scenarios is missing")
            stated = []
        pairs = []
        for index, one in enumerate(stated):
            self._scope = ready.copy()
            pairs.append(self._scenario(("scenarios", index), index, one))
        self._scope = ready
        blocks.append(self._block("after"))
        self.scenarios = tuple(pair[0] for pair in pairs if pair is not None)
        self.copies = [pair[1] for pair in pairs if pair is not None]
        self.blocks = {name: block for name, block in zip(AROUND, blocks, strict=True) if block is not None}
        names = [one.name for one in self.scenarios]
        for name in sorted({name for name in names if names.count(name) > 1}):
            source.problem(("scenarios",), f"several scenarios are called '{name}': figures are kept by name")

    def _scenario(self, where: Location, index: int, stated: Any) -> tuple[Scenario, dict[str, Any]] | None:
        source = self._source
        if not isinstance(stated, dict) or not isinstance(stated.get("flow"), list):
            source.problem(where, "flow is missing: a list of what a virtual user does")
            return None
        source.unknown(where, stated, SCENARIO)
        name = str(stated.get("name", f"scenario {index + 1}"))
        rule = "a whole number from 1: Artillery makes 0 of others"
        weight = self._settings.quantities.read(
            (*where, "weight"), stated.get("weight", 1), rule, lambda one: is_whole(one) and one >= 1
        )
        one = copy.deepcopy(stated) | {"name": name, "weight": int(weight or 1)}
        requests = self._rewritten(where, one, name)
        one["beforeScenario"] = [f"{HOOK}begin", *one["beforeScenario"]]
        one["afterScenario"] = [*one["afterScenario"], f"{HOOK}end"]
        if requests < self._least_requests:
            least = f"at least {self._least_requests} are expected of each scenario"
            source.problem((*where, "flow"), f"makes {requests} requests for certain, and {least}")
        found = Scenario(name=name, weight=one["weight"], requests=requests, endpoints=tuple(self._endpoints))
        return found, one

    def _block(self, name: str) -> dict[str, Any] | None:
        """What is done once, before the first user arrives or after the last one has gone."""
        if name not in self._source.content:
            return None
        where, stated = (name,), self._source.content[name]
        if not isinstance(stated, dict) or not isinstance(stated.get("flow"), list):
            self._source.problem(where, f"flow is missing: a list of what is done {name} the load")
            return None
        self._source.unknown(where, stated, BLOCK)
        one = copy.deepcopy(stated) | {"name": name, "requestLogBlock": name}
        self._rewritten(where, one, name)
        one["flow"] = [step for part in one["flow"] for step in (part if isinstance(part, list) else [part])]
        one["beforeScenario"] = [f"{HOOK}block", *one["beforeScenario"]]
        return one

    def _rewritten(self, where: Location, one: dict[str, Any], name: str) -> int:
        """Rewrite a scenario or block in place; returns the number of its unconditional requests."""
        engine = one.get("engine", self._engine)
        if engine != "http":
            silent = "has no latency of its own, so nothing could be measured"
            known = silent if engine in ("ws", "socketio") else "unknown"
            self._source.problem((*where, "engine"), f"engine '{engine}': {known} (known: http)")
        self._around = {key: _names(one.pop(key, None)) for key in ("beforeRequest", "afterResponse")}
        for key, names in self._around.items():
            self._needs((*where, key), names)
        self._name, self._endpoints = name, dict[str, None]()
        one["beforeScenario"] = self._steps((*where, "beforeScenario"), _names(one.get("beforeScenario")))
        requests = self._flow((*where, "flow"), one["flow"])
        one["afterScenario"] = self._steps((*where, "afterScenario"), _names(one.get("afterScenario")))
        one["onError"] = [f"{HOOK}error", *self._needs((*where, "onError"), _names(one.get("onError")))]
        return requests

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
            step[kind] = self._steps((*where, kind), [str(step[kind])])[0]
        elif kind == "think" and "{{" not in str(step[kind]):
            self._settings.quantities.read((*where, kind), step[kind], "a number of seconds", units=SECONDS)
        elif kind in METHODS:
            return self._request((*where, kind), kind, step[kind])
        else:
            self._check((*where, kind), step[kind])
        return 0

    def _loop(self, where: Location, step: dict[str, Any]) -> int:
        self._source.unknown(where, step, IN_A_LOOP)
        if not isinstance(step["loop"], list):
            self._source.problem((*where, "loop"), "expected a list of steps")
            return 0
        over = step.get("over")
        self._check((*where, "count"), step.get("count"))
        if isinstance(over, str):
            self._check((*where, "over"), f"{{{{ {over} }}}}")
        self._scope.known |= {step.get("loopValue", "$loopCount"), step.get("loopElement", "$loopElement")}
        self._scope.later |= set(captured(step["loop"]))
        within = self._flow((*where, "loop"), step["loop"])
        if "whileTrue" in step:
            self._calls((*where, "whileTrue"), [str(step["whileTrue"])])
        if "count" not in step and "over" not in step and "whileTrue" not in step:
            self._source.problem((*where, "loop"), "count, over or whileTrue is missing: the loop has no end")
        if "over" in step:
            return within * len(over) if isinstance(over, list) else 0
        return within * self._times((*where, "count"), step.get("count"))

    def _times(self, where: Location, count: Any) -> int:
        """How often a loop is certainly repeated, by its count."""
        if isinstance(count, str):
            rendered = self._settings.rendered(where, count)
            if rendered is None or re.fullmatch(r"\d+-\d+", rendered):
                first, _, last = (rendered or "0-0").partition("-")
                return max(0, int(last) - int(first))
            found = self._settings.quantities.read(where, count, "a whole number, or a range such as 1-5", is_whole)
            return int(found or 0)
        return count if isinstance(count, int) and count > 0 else 0

    def _request(self, where: Location, method: str, stated: Any) -> int:
        source = self._source
        if not isinstance(stated, dict) or not isinstance(stated.get("url"), str):
            source.problem(where, "url is missing")
            return 0
        source.unknown(where, stated, REQUEST, strict=False)
        if stated.get("setContentLengthHeader") and ("formData" in stated or "form" in stated):
            reason = "refused: with a form Artillery announces the length of the file, not of what it sends"
            source.problem((*where, "setContentLengthHeader"), reason)
        if not isinstance(stated.setdefault("followRedirect", False), bool):
            source.problem((*where, "followRedirect"), f"expected true or false, found {stated['followRedirect']!r}")
        if "probability" in stated:  # Artillery makes 0 of a variable
            rule = "a percentage from 0 to 100"
            place = (*where, "probability")
            found = self._settings.quantities.read(place, stated["probability"], rule, lambda one: 0 <= one <= 100)
            stated["probability"] = found
        before, after = (
            self._needs((*where, key), _names(stated.get(key))) for key in ("beforeRequest", "afterResponse")
        )
        names = {"before": [*self._around["beforeRequest"], *before], "after": [*self._around["afterResponse"], *after]}
        self._calls(where, names["before"])
        if "ifTrue" in stated:
            self._scope.known |= self._scope.later
        for part in TEMPLATED:
            if part in stated:
                self._check((*where, part), stated[part])
        self._scope.known |= set(captured(stated))
        self._calls(where, names["after"])
        self._check((*where, "expect"), stated.get("expect"))
        endpoint = str(stated.get("name") or f"{method.upper()} {stated['url']}")
        self._endpoints[endpoint] = None
        about: dict[str, Any] = {
            "scenario": self._name,
            "endpoint": endpoint,
            "expect": self._expected(where, stated),
            **names,
        }
        if "undefined" in json.dumps([stated.get(part) for part in TEMPLATED]):
            about["spelt"] = True  # the word itself is meant
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
        if not expect and self._settings.default_status is not None:
            return [{"statusCode": self._settings.default_status}]
        if self._expectations and "statusCode" not in kinds and where[0] == "scenarios":
            source.problem((*where, "expect"), "statusCode is missing: Artillery counts every response as success")
        return expect

    def _check(self, where: Location, part: Any) -> None:
        check_variables(self._source, self._scope, where, part)

    def _steps(self, where: Location, names: list[str]) -> list[str]:
        self._calls(where, names)
        return [f"{HOOK}{name}" for name in names]

    def _calls(self, where: Location, names: list[str]) -> None:
        """Functions that run at this point of a flow."""
        self._needs(where, names)
        self._scope.anything |= self._processor and bool(names)

    def _needs(self, where: Location, names: list[str]) -> list[str]:
        for name in names:
            self.functions.setdefault(name, where)
        return names


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
