"""A listener that records of each test its requests, documents, model calls, users, and reads of the contract.

What a shared step of the run read belongs to each test that uses it, since each is skipped where that is not offered.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from acceptance.clients.http import ContractClient, Response
from acceptance.deployment.contract import Contract, Entries, Offered
from acceptance.estimate import SHARED
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

    def users_of(self, shared: Mapping[str, Reads]) -> set[str]:
        """The shared steps that it uses, also by others of them."""
        found, waiting = set[str](), [*self.shared]
        while waiting:
            if (name := waiting.pop()) not in found:
                found.add(name)
                waiting += shared[name].shared if name in shared else ()
        return found

    @property
    def own(self) -> set[str]:
        """The places that it cannot do without itself."""
        without = tuple(f"{place}." for place in self.loops | self.optional)
        return {place for place in self.places - self.optional if not place.startswith(without)}

    def all(self, shared: Mapping[str, Reads]) -> set[str]:
        """Every place that it cannot do without, also by the shared steps that it uses."""
        places = self.own
        for name in self.users_of(shared):
            places |= shared[name].own if name in shared else set()
        return places


reads: ContextVar[Reads | None] = ContextVar("reads", default=None)
quiet: ContextVar[bool] = ContextVar("quiet", default=False)
shared: dict[str, Reads] = {}
places: dict[int, str] = {}
bound: set[str] = set()
# What the client looks at in every response, as far as it is offered: that is no need of the test.
OF_THE_CLIENT = (
    (Contract, "schema_of"), (ContractClient, "_keep"), (ContractClient, "_validate"), (ContractClient, "_log"),
    (Response, "partly"), (Response, "get"),
)  # fmt: skip
IDENTIFIER = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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


def _sink() -> Reads:
    """Whose the call is that is made just now: a shared step's, else the test's."""
    return reads.get() or test


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
    attribute, offers, begin = Offered.__getattribute__, Contract.offers, Run.begin
    exchange, stream, remember, init = ContractClient._exchange, ContractClient.stream, Users.remember, Run.__init__
    observe = Run.observe

    def get(self: Offered, name: str) -> Any:
        if name in type(self).model_fields:
            _read(self, name)
        return attribute(self, name)

    def item(self: Entries[Any], name: str) -> Any:
        _read(self, name)
        return dict.__getitem__(self, name)

    def has(self: Entries[Any], name: object) -> bool:
        if (sink := reads.get()) is not None and not quiet.get() and id(self) in places:
            sink.optional.add(f"{places[id(self)]}.{name}")
        return dict.__contains__(self, name)

    def asks(self: Contract, place: str) -> bool:
        if (sink := reads.get()) is not None:
            sink.optional.add(place)
        with _quietly():
            return offers(self, place)

    def unseen(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            with _quietly():
                return method(*given, **named)

        return call

    def share(self: Run, name: str, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def made() -> Any:
            reads.set(shared.setdefault(name, Reads()))
            return await make()

        if (sink := reads.get()) is not None:
            sink.shared.add(name)
        return begin(self, name, made)

    async def send(self: ContractClient, route: str, *given: Any, **named: Any) -> Any:
        _sink().counted[route] += 1
        response = await exchange(self, route, *given, **named)
        with _quietly():
            if route == "upload" and response.status == self.contract.route(route).success:
                _sink().documents += 1
        return response

    @functools.wraps(stream)
    def listen(self: ContractClient, route: str, *given: Any, **named: Any) -> Any:
        _sink().counted[route] += 1
        return stream(self, route, *given, **named)

    def user(self: Users, made: Any) -> None:
        _sink().counted["(user)"] += 1
        remember(self, made)

    def start(self: Run, *given: Any, **named: Any) -> None:
        init(self, *given, **named)
        _walk(self.contract, "")
        _walk(self.descriptor.services, "services")
        bound.update(self.contract.model_bound)

    def measured(self: Run, criterion: str, name: str, *given: Any, **named: Any) -> None:
        route = name.removeprefix(OF_ROUTE)
        if criterion == LOAD and route != name and route in self.contract.routes:
            _sink().counted[route] += named["samples"]
            _sink().documents += named["samples"] if route == "upload" else 0
        observe(self, criterion, name, *given, **named)

    for owner, name, value in (
        (Offered, "__getattribute__", get), (Entries, "__getitem__", item), (Entries, "__contains__", has),
        (Contract, "offers", asks),
        (Run, "begin", share), (ContractClient, "_exchange", send), (ContractClient, "stream", listen),
        (Users, "remember", user), (Run, "__init__", start), (Run, "observe", measured),
        *((owner, name, unseen(getattr(owner, name))) for owner, name in OF_THE_CLIENT),
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
        """Write each test of a criterion as JSON: what `EstimatedTest` holds."""
        found = {name: _described(one) for name, one in self._tests.items() if one.criteria}
        for step, one in shared.items():
            used = {name for test in self._tests.values() if step in test.users_of(shared) for name in test.criteria}
            name = f"{SHARED}{IDENTIFIER.sub('…', step)}"
            one.criteria = tuple(sorted(used))
            if used and one.counted:
                found[name] = _sum(found.get(name), _described(one))
        self._path.write_text(json.dumps(found))


def _described(one: Reads) -> dict[str, Any]:
    calls = Counter({route: count for route, count in one.counted.items() if route != "(user)"})
    amounts = {"requests": calls.total(), "documents": one.documents, "users": one.counted["(user)"]}
    amounts["model_calls"] = sum(calls[route] for route in bound)
    return {"criteria": one.criteria, "amounts": amounts, "reads": sorted(_leaves(one.all(shared)))}


def _sum(before: dict[str, Any] | None, one: dict[str, Any]) -> dict[str, Any]:
    """Steps that differ in their user alone are one."""
    if before is None:
        return one
    amounts = {word: value + before["amounts"][word] for word, value in one["amounts"].items()}
    return {
        "criteria": sorted({*before["criteria"], *one["criteria"]}),
        "amounts": amounts,
        "reads": sorted({*before["reads"], *one["reads"]}),
    }


def _leaves(found: set[str]) -> set[str]:
    kept = {place.rpartition(".")[0] if place.rpartition(".")[2] in UNSAID else place for place in found}
    return {place for place in kept if not any(other.startswith(f"{place}.") for other in kept)}
