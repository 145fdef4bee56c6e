"""What each field of a load script may hold, as far as its own reader does not say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ArtilleryLibrary.source import Location, words


@dataclass(frozen=True)
class Shape:
    """The types of a value, and those of its parts, where it is a list or a mapping; `rule` is for the message."""

    rule: str
    kinds: tuple[type, ...]
    within: tuple[type, ...] = (object,)

    def allows(self, value: Any) -> bool:
        """Whether a value has this shape; no value at all has any."""
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return value is None or (_is(value, self.kinds) and all(_is(one, self.within) for one in parts))


def _is(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds or object in kinds)


_PLAIN = (str, int, float)
_TEXT, _FLAG = Shape("text", _PLAIN), Shape("true or false", (bool,))
_LIST, _NAMES = Shape("a list of names", (list,), _PLAIN), Shape("a name, or a list of names", (str, list), _PLAIN)
_FIELDS = Shape("fields with values", (dict,))
_VALUES = Shape("fields with texts, numbers, true or false", (dict,), (*_PLAIN, bool, type(None)))
_BLOCKS = Shape("fields that have fields of their own", (dict,), (dict, list, type(None)))
_TIME = Shape("a number or text", _PLAIN)
_CAPTURES = Shape("fields such as json and as, or a list of these", (dict, list))


def _table(*rows: tuple[str, Shape]) -> dict[str, Shape]:
    return {name: shape for names, shape in rows for name in words(names)}


_HOOKS = ("beforeRequest afterResponse beforeScenario afterScenario onError", _NAMES)
CONFIG = _table(
    ("engine name pluginsScope", _TEXT),
    ("variables http defaults tls ensure bundling ws socketio apdex expect metrics-by-endpoint", _FIELDS),
    ("plugins engines", _BLOCKS),
    ("payload", Shape("fields, or a list of these", (dict, list))),
    ("statsInterval", _TIME),
    ("includeFiles", _NAMES),
)
HTTP = _table(("extendedMetrics distributedTracing", _FLAG), ("defaults cookieJarOptions", _FIELDS))
PAYLOAD = _table(("name delimiter order", _TEXT), ("fields", _LIST), ("loadAll skipHeader", _FLAG))
SCENARIO = _table(("name engine", _TEXT), ("tags", _NAMES), _HOOKS)
STEP = _table(
    ("think", _TIME), ("log function whileTrue loopValue loopElement", Shape("text", (str,))),
    ("count", _TIME), ("over", Shape("a list, or the name of one", (str, list))),
)  # fmt: skip
REQUEST = _table(
    ("name", _TEXT), ("headers cookie qs", _VALUES), ("auth form formData", _FIELDS), ("capture match", _CAPTURES),
    ("beforeRequest afterResponse record", _NAMES), ("gzip", _FLAG), ("ifTrue", _TEXT),
)  # fmt: skip


def misshapen(content: Mapping[str, Any], methods: tuple[str, ...]) -> Iterator[tuple[Location, str]]:
    """The places of a script whose value has no shape that can be read, with what is expected there."""
    config = content.get("config")
    if not isinstance(config, dict | None):
        yield ("config",), f"expected fields such as target and phases, found {config!r}"
    elif config:
        yield from _in_config(config)
    for part in ("scenarios", "before", "after"):
        for where, block in _each(content.get(part), (part,)):
            yield from _wrong(block, SCENARIO, where)
            yield from _in_flow(block.get("flow"), (*where, "flow"), methods)


def _in_config(config: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    yield from _wrong(config, CONFIG, ("config",))
    for name, shapes in (("http", HTTP), ("payload", PAYLOAD), ("phases", _table(("name", _TEXT)))):
        for where, one in _each(config.get(name), ("config", name)):
            yield from _wrong(one, shapes, where)


def _in_flow(steps: Any, where: Location, methods: tuple[str, ...]) -> Iterator[tuple[Location, str]]:
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if isinstance(step, list):
            yield from _in_flow(step, (*where, index), methods)
        elif isinstance(step, dict):
            yield from _wrong(step, STEP, (*where, index))
            yield from _in_flow(step.get("loop"), (*where, index, "loop"), methods)
            for method in methods:
                if isinstance(request := step.get(method), dict):
                    yield from _wrong(request, REQUEST, (*where, index, method))


def _each(part: Any, where: Location) -> Iterator[tuple[Location, dict[str, Any]]]:
    """A mapping, or those of a list."""
    if isinstance(part, dict):
        yield where, part
    for index, one in enumerate(part if isinstance(part, list) else ()):
        if isinstance(one, dict):
            yield (*where, index), one


def _wrong(part: Mapping[str, Any], shapes: Mapping[str, Shape], where: Location) -> Iterator[tuple[Location, str]]:
    for name, shape in shapes.items():
        if not shape.allows(value := part.get(name)):
            yield (*where, name), f"expected {shape.rule}, found {value!r}"
