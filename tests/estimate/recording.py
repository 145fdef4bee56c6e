"""A listener that records of each test its requests, documents, model calls, users, and reads of the contract.

What a shared step of the run read belongs to each test that uses it, since each is skipped where that is not offered.
"""

from __future__ import annotations

import functools
import json
import textwrap
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from acceptance.clients.http import ContractClient
from acceptance.deployment.contract import Contract, Entries, Offered
from acceptance.fixtures.users import Users
from acceptance.run import Run
from AcceptancePlan import criteria_of, identity


class Reads:
    """What a test or a shared step needs of the contract, itself and by the shared steps that it uses."""

    def __init__(self) -> None:
        self.places: set[str] = set()
        self.optional: set[str] = set()
        self.loops: set[str] = set()
        self.shared: set[str] = set()
        self.counted: Counter[str] = Counter()
        self.criteria: tuple[str, ...] = ()
        self.documents = 0

    def all(self, shared: Mapping[str, Reads], seen: frozenset[str] = frozenset()) -> set[str]:
        """Every place that it cannot do without."""
        looped = tuple(f"{place}." for place in self.loops)
        places = {place for place in self.places - self.optional if not place.startswith(looped)}
        for name in self.shared - seen:
            places |= shared[name].all(shared, seen | self.shared)
        return places


reads: ContextVar[Reads | None] = ContextVar("reads", default=None)
quiet: ContextVar[bool] = ContextVar("quiet", default=False)
shared: dict[str, Reads] = {}
places: dict[int, str] = {}
bound: set[str] = set()
HEAD = """\
# What the tests send and read, recorded from runs of the sandbox: by it, `make check DEPLOYMENT=…` estimates a run.
# `python -m tests.estimate RUN` records one again; `make test` fails where it differs by more than a fifth."""
LOAD, OF_ROUTE = "PERF-03", "error_rate, "  # where the load says how often it called each route
UNSAID = ("at", "method", "path", "success", "kind", "stream", "binary", "waits_for_a_model")  # a route always has them


def _walk(part: Any, place: str) -> None:
    places[id(part)] = place
    inner = part if isinstance(part, dict) else vars(part) if isinstance(part, Offered) else {}
    for name, value in inner.items():
        _walk(value, f"{place}.{name}".lstrip(".")) if isinstance(value, Offered | dict) else None


def _read(part: object, name: str) -> None:
    sink = reads.get()
    if sink is not None and not quiet.get() and id(part) in places:
        sink.places.add(f"{places[id(part)]}.{name}".lstrip("."))


def _looping(name: str) -> Callable[[Any], Any]:
    """A method of dictionaries that goes through what is offered: what is read of that is no need."""

    def method(self: Entries[Any]) -> Any:
        if (sink := reads.get()) is not None and not quiet.get() and id(self) in places:
            sink.loops.add(places[id(self)])
        return getattr(dict, name)(self)

    return method


@contextmanager
def _quietly() -> Iterator[None]:
    token = quiet.set(True)
    try:
        yield
    finally:
        quiet.reset(token)


def _patch() -> None:
    attribute, offers, schema_of, begin = Offered.__getattribute__, Contract.offers, Contract.schema_of, Run.begin
    exchange, stream, remember, init = ContractClient._exchange, ContractClient.stream, Users.remember, Run.__init__
    observe = Run.observe

    def get(self: Offered, name: str) -> Any:
        if name in type(self).model_fields:
            _read(self, name)
        return attribute(self, name)

    def item(self: Entries[Any], name: str) -> Any:
        _read(self, name)
        return dict.__getitem__(self, name)

    def asks(self: Contract, place: str) -> bool:
        if (sink := reads.get()) is not None:
            sink.optional.add(place)
        with _quietly():
            return offers(self, place)

    def schema(self: Contract, *given: Any, **named: Any) -> Any:
        with _quietly():
            return schema_of(self, *given, **named)

    def share(self: Run, name: str, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def made() -> Any:
            reads.set(shared.setdefault(name, Reads()))
            return await make()

        if (sink := reads.get()) is not None:
            sink.shared.add(name)
        return begin(self, name, made)

    async def send(self: ContractClient, route: str, *given: Any, **named: Any) -> Any:
        test.counted[route] += 1
        response = await exchange(self, route, *given, **named)
        with _quietly():
            if route == "upload" and response.status == self.contract.route(route).success:
                test.documents += 1
        return response

    @functools.wraps(stream)
    def listen(self: ContractClient, route: str, *given: Any, **named: Any) -> Any:
        test.counted[route] += 1
        return stream(self, route, *given, **named)

    def user(self: Users, made: Any) -> None:
        test.counted["(user)"] += 1
        remember(self, made)

    def start(self: Run, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        _walk(self.contract, "")
        _walk(self.descriptor.services, "services")
        bound.update(self.contract.model_bound)

    def measured(self: Run, criterion: str, name: str, *given: Any, **named: Any) -> None:
        route = name.removeprefix(OF_ROUTE)
        if criterion == LOAD and route != name and route in self.contract.routes:
            test.counted[route] += named["samples"]
            test.documents += named["samples"] if route == "upload" else 0
        observe(self, criterion, name, *given, **named)

    for owner, name, value in (
        (Offered, "__getattribute__", get), (Entries, "__getitem__", item), (Contract, "offers", asks),
        (Contract, "schema_of", schema), (Run, "begin", share), (ContractClient, "_exchange", send),
        (ContractClient, "stream", listen), (Users, "remember", user), (Run, "__init__", start),
        (Run, "observe", measured),
        *((Entries, name, _looping(name)) for name in ("__iter__", "items", "keys", "values")),
    ):  # fmt: skip
        setattr(owner, name, value)


test = Reads()
_patch()


class recording:  # noqa: N801 Robot Framework looks for the name of the module
    """Writes the recording of this run of robot to a file."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._tests: dict[str, Reads] = {}

    def start_test(self, data: Any, result: Any) -> None:
        global test
        test = self._tests[identity(result)] = Reads()
        test.criteria = tuple(criteria_of(result))
        reads.set(test)

    def close(self) -> None:
        lines = ["tests:  # criteria, then requests, documents, model calls and users"]
        numbers: dict[str, list[int]] = defaultdict(list)
        judged = {name: one for name, one in self._tests.items() if one.criteria}
        for number, (name, one) in enumerate(judged.items(), start=1):
            calls = Counter({route: count for route, count in one.counted.items() if route != "(user)"})
            figures = (calls.total(), one.documents, sum(calls[route] for route in bound), one.counted["(user)"])
            lines.append(f"  {json.dumps(name)}: [[{', '.join(one.criteria)}], {', '.join(map(str, figures))}]")
            for place in _leaves(one.all(shared)):
                numbers[place].append(number)
        together: dict[str, list[str]] = defaultdict(list)
        for place, readers in sorted(numbers.items()):
            together[" ".join(_ranges(readers))].append(place)
        lines.append(
            "reads:  # by the numbers of the tests, from 1: what each cannot do without in contract and descriptor"
        )
        for found, there in together.items():
            lines += [f'  "{found}":', *(f"    {line}" for line in _wrapped(there))]
        self._path.write_text("\n".join([HEAD, *lines, ""]))


def _leaves(found: set[str]) -> set[str]:
    kept = {place.rpartition(".")[0] if place.rpartition(".")[2] in UNSAID else place for place in found}
    return {place for place in kept if not any(other.startswith(f"{place}.") for other in kept)}


def _ranges(numbers: Sequence[int]) -> Iterator[str]:
    first = last = numbers[0]
    for number in (*numbers[1:], 0):
        if number == last + 1:
            last = number
            continue
        yield f"{first}-{last}" if last > first else f"{first}"
        first = last = number


def _wrapped(found: Sequence[str]) -> list[str]:
    return textwrap.wrap(f"[{', '.join(found)}]", 134, break_long_words=False, break_on_hyphens=False)
