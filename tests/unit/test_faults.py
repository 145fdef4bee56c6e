"""A fault is journalled before it takes effect, proven by what is observed, and undone whatever happens."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acceptance.clients.network_path import NetworkPath
from acceptance.deployment.descriptor import Descriptor
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, SuiteError
from acceptance.faults import journal
from acceptance.faults.client_path import ClientPath
from acceptance.faults.drivers import drivers_of
from acceptance.faults.faults import Faults
from acceptance.faults.journal import Place, entries
from acceptance.faults.model import Fault, FaultDriver, Proof
from acceptance.faults.rollback import roll_back
from acceptance.polling import wait_until

from tests.unit.conftest import descriptor_at
from tests.unit.fake_control import TOKEN, FakeControl

GONE = "http://127.0.0.1:9"  # nothing listens there


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's state folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("FAULT_TOKEN", TOKEN)
    return tmp_path


@pytest.fixture
def control() -> Iterator[FakeControl]:
    server = FakeControl()
    yield server
    server.shutdown()
    server.server_close()


def described(control: str, **fields: Any) -> Descriptor:
    whole = descriptor_at(control.removesuffix("/v1")).model_dump(mode="json", exclude_defaults=True)
    faults = {"control": {"url": control, "token": "fault_token"}} | fields.pop("faults", {})
    return Descriptor.model_validate(
        whole | {"faults": faults, "capabilities": ["faults"], "secrets": {"fault_token": "FAULT_TOKEN"}} | fields
    )


def place_of(descriptor: Descriptor, *, path: str = "") -> Place:
    control = descriptor.faults.control
    return Place(descriptor.name, descriptor.services.api.url, path, control=control.url if control else "")


class Lasting:
    """A driver of a fault that nothing heals."""

    name = "lasting"
    broken = False

    async def kinds(self) -> dict[str, list[str]]:
        return {"api": ["suspend"], "worker": ["kill"]}

    def heals(self, kind: str, target: str) -> bool:
        return False

    def by_hand(self, fault: Fault) -> str:
        return "resume it in the dashboard"

    async def prepare(self, fault: Fault) -> Fault:
        return fault

    async def inject(self, fault: Fault) -> None:
        Lasting.broken = True

    async def renew(self, fault: Fault) -> None:
        """Nothing."""

    async def prove(self, fault: Fault) -> Proof:
        return Proof(Lasting.broken, "seen")

    async def roll_back(self, fault: Fault) -> None:
        Lasting.broken = False

    prove_gone = prove

    async def close(self) -> None:
        """Nothing."""


Make = Callable[..., Faults]


@pytest.fixture
async def make(control: FakeControl) -> AsyncIterator[Make]:
    made: list[Faults] = []

    def start(
        descriptor: Descriptor | None = None, run: str = "r1", environment: str | None = "test", **named: Any
    ) -> Faults:
        descriptor = descriptor or described(control.url)

        def drivers() -> list[FaultDriver]:
            return [*drivers_of(descriptor, NetworkPath()), Lasting()]

        async def of_health() -> str | None:
            return environment

        made.append(Faults(descriptor, drivers, place_of(descriptor), run, of_health, **named))
        return made[-1]

    yield start
    control.refuses, control.sticky, Lasting.broken = {}, set(), False
    for faults in made:
        await faults.close()


async def soon(look: Callable[[], Any], satisfied: Callable[[Any], bool]) -> None:
    await wait_until(lambda: asyncio.sleep(0, look()), satisfied, what="the renewal", within=20, every=0.02)


def texts_below(folder: Path) -> list[str]:
    return [path.read_text() for path in folder.rglob("*") if path.is_file()]


def journalled(control: FakeControl) -> list[Fault]:
    return [entry.fault for entry in entries(place_of(described(control.url)).folder)]


async def test_broken_proven_undone(make: Make, control: FakeControl) -> None:
    faults = make()
    fault = await faults.break_("latency", "database", 30, milliseconds=300)
    assert control.faults[fault.id] == {
        "kind": "latency", "target": "database", "parameters": {"milliseconds": 300}, "lease_seconds": 30,
    }  # fmt: skip
    assert faults.active() == journalled(control) == [fault]
    assert str(fault) == "latency of database, milliseconds=300"
    assert await faults.prove(fault) == Proof(True, "a connection was refused", 3)
    assert faults.in_window
    await faults.undo(fault)
    await faults.undo(fault)
    assert (control.faults, faults.active(), journalled(control)) == ({}, [], [])
    assert not (await faults.prove(fault)).in_effect


async def test_it_is_journalled_before_it_takes_effect(
    make: Make, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: list[int] = []
    answer = control.answer

    def watched(method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "PUT":
            known.append(len(journalled(control)))
        return answer(method, path, body)

    monkeypatch.setattr(control, "answer", watched)
    await make().break_("refuse", "database")
    assert known == [1]


async def test_what_cannot_be_journalled_is_not_injected(make: Make, control: FakeControl, state: Path) -> None:
    (state / journal.APPLICATION).write_text("in the way")
    with pytest.raises(EnvironmentUnavailable, match=r"its journal .*robot-acceptance.* cannot be written"):
        await make().break_("refuse", "database")
    assert control.faults == {}


async def test_no_secret_is_journalled(make: Make, control: FakeControl, state: Path) -> None:
    await make().break_("refuse", "database")
    texts = texts_below(state)
    assert any("refuse" in text for text in texts)
    assert not any(TOKEN in text for text in texts)


async def test_a_lease_is_renewed_while_the_fault_lasts(make: Make, control: FakeControl) -> None:
    faults = make()
    fault = await faults.break_("refuse", "database", 1)
    await soon(lambda: control.puts[fault.id], lambda times: times >= 3)


async def test_a_shorter_lease_is_renewed_beside_a_longer_one(make: Make, control: FakeControl) -> None:
    faults = make()
    await faults.break_("refuse", "database", 60)
    fault = await faults.break_("latency", "database", 1)
    await soon(lambda: control.puts[fault.id], lambda times: times >= 3)


class Late:
    """Holds what is put until the fault seems to be gone, or as long as nobody undoes it meanwhile."""

    def __init__(self, control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answer, self._gone = control.answer, threading.Event()
        self.received, self.put = threading.Event(), threading.Event()
        monkeypatch.setattr(control, "answer", self.answer)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if method == "PUT":
            self.received.set()
            self._gone.wait(0.5)
        found = self._answer(method, path, body)
        if method == "PUT":
            self.put.set()
        if method == "GET" and found[0] == 404:
            self._gone.set()
        return found


async def test_a_renewal_under_way_does_not_bring_back_what_is_undone(
    make: Make, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = make()
    fault = await faults.break_("refuse", "database", 1)
    late = Late(control, monkeypatch)
    await soon(late.received.is_set, bool)
    await faults.undo(fault)
    await soon(late.put.is_set, bool)
    assert control.faults == {}


async def test_a_cancelled_injection_does_not_take_effect_behind_its_undoing(
    make: Make, control: FakeControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults, late = make(), Late(control, monkeypatch)
    breaking = asyncio.ensure_future(faults.break_("refuse", "database"))
    await soon(late.received.is_set, bool)
    breaking.cancel()
    await asyncio.gather(breaking, return_exceptions=True)
    await faults.undo_all()
    await soon(late.put.is_set, bool)
    assert (control.faults, journalled(control)) == ({}, [])


async def test_the_window_ends_when_recovery_is_observed(make: Make) -> None:
    faults = make()
    assert not faults.in_window
    await faults.undo(await faults.break_("refuse", "database"))
    assert faults.in_window
    faults.recovered()
    assert not faults.in_window
    await faults.break_("refuse", "database")
    faults.recovered()
    assert faults.in_window


async def test_a_lease_that_cannot_be_renewed_is_noted(make: Make, control: FakeControl) -> None:
    notes: list[str] = []
    faults = make(note=notes.append)
    await faults.break_("refuse", "database", 1)
    control.refuses = {"PUT": 500}
    await soon(lambda: notes, bool)
    assert "the lease of refuse of database could not be renewed" in notes[0]
    assert "status 500" in notes[0]


async def test_all_are_undone_at_the_end(make: Make, control: FakeControl) -> None:
    faults = make()
    for kind in ("latency", "refuse"):
        await faults.break_(kind, "database")
    await faults.break_("refuse", "client:api")
    assert len(journalled(control)) == 3
    assert await faults.close() == []
    assert (control.faults, journalled(control)) == ({}, [])


@pytest.mark.parametrize(
    ("refused", "reason"),
    [({"PUT": 500}, "status 500 as the test wants it"), ({"PUT": 401}, "is the secret fault_token right?")],
)
async def test_what_cannot_be_injected_is_named_and_nothing_of_it_is_left(
    refused: dict[str, int], reason: str, make: Make, control: FakeControl
) -> None:
    faults = make()
    await faults.prove(await faults.break_("refuse", "database"))
    control.refuses = refused
    with pytest.raises(EnvironmentUnavailable, match=f"cannot be injected: latency of database: .*{reason}") as error:
        await faults.break_("latency", "database")
    assert TOKEN not in str(error.value)
    assert [fault.kind for fault in journalled(control)] == ["refuse"]


async def test_a_refused_parameter_is_a_mistake_in_the_suite(make: Make, control: FakeControl) -> None:
    faults = make()
    with pytest.raises(SuiteError, match="latency of database, wrong=1: unknown parameter 'wrong'"):
        await faults.break_("latency", "database", wrong=1)
    assert (faults.active(), journalled(control)) == ([], [])


async def test_what_is_not_in_effect_is_said_with_its_evidence(make: Make, control: FakeControl) -> None:
    faults = make()
    control.in_effect = False
    assert await faults.prove(await faults.break_("refuse", "database")) == Proof(False, "a connection was made", 3)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"refuses": {"DELETE": 500}}, "DELETE /faults/.*: status 500"),
        ({"sticky": True}, "it is still in effect: a connection was refused"),
    ],
)
async def test_what_cannot_be_undone_stays_journalled_and_is_named(
    how: dict[str, Any], reason: str, make: Make, control: FakeControl
) -> None:
    faults = make()
    fault = await faults.break_("refuse", "database")
    control.refuses, control.sticky = how.get("refuses", {}), {fault.id} if "sticky" in how else set()
    by_hand = f"to undo it by hand: it ends by itself 60 s after its last renewal; at once by DELETE {control.url}"
    with pytest.raises(EnvironmentUnavailable, match=f"still broken: refuse of database .*{reason}.*; {by_hand}"):
        await faults.undo(fault, within=0)
    assert journalled(control) == faults.active() == [fault]
    assert [str(left).startswith("still broken: refuse of database (") for left in faults.left] == [True]
    control.refuses, control.sticky = {}, set()
    await faults.undo_all()
    assert faults.left == []


async def test_without_the_capability_only_the_own_path_is_disturbed(make: Make, control: FakeControl) -> None:
    faults = make(described(control.url, capabilities=[]))
    with pytest.raises(CapabilityMissing, match="needs the capability 'faults', which the deployment's descriptor"):
        await faults.break_("refuse", "database")
    assert (await faults.break_("refuse", "client:api")).driver == ClientPath.name


@pytest.mark.parametrize(
    ("kind", "target", "error", "message"),
    [
        ("kill", "datbase", SuiteError, "no such target; did you mean 'database'?"),
        ("refused", "database", SuiteError, "no such kind; did you mean 'refuse'?"),
        ("respond", "database", CapabilityMissing, "offers no respond of database here; kinds are latency, refuse"),
        ("kill", "cache", CapabilityMissing, "offers no kill of cache here; targets are api, client:api"),
        ("kill", "worker", SuiteError, "by several drivers: write control:worker or lasting:worker"),
        ("kill", "client:api", CapabilityMissing, "kinds are bandwidth, blackhole, cut, latency"),
    ],
)
async def test_what_is_not_offered_is_named(
    kind: str, target: str, error: type[Exception], message: str, make: Make, control: FakeControl
) -> None:
    descriptor = described(control.url, faults={"lasting": True})
    with pytest.raises(error, match=message):
        await make(descriptor).break_(kind, target)


async def test_a_driver_may_be_named(make: Make, control: FakeControl) -> None:
    fault = await make().break_("latency", "control:database", milliseconds=1)
    assert (fault.driver, fault.target) == ("control", "database")


@pytest.mark.parametrize(
    ("environment", "lasting", "of_health", "reason"),
    [
        ("test", False, "test", "faults.lasting does not allow that"),
        ("production", False, "production", "that is refused on production"),
        ("test", True, None, "names its environment None, the descriptor 'test'"),
        ("test", True, "production", "names its environment 'production', the descriptor 'test'"),
    ],
)
async def test_what_does_not_heal_is_refused_unless_the_descriptor_and_the_deployment_agree(
    environment: str, lasting: bool, of_health: str | None, reason: str, make: Make, control: FakeControl
) -> None:
    descriptor = described(control.url, environment=environment, faults={"lasting": lasting})
    with pytest.raises(CapabilityMissing, match=f"suspend of api does not heal by itself: .*{reason}"):
        await make(descriptor, environment=of_health).break_("suspend", "api")
    assert not Lasting.broken


async def test_what_does_not_heal_is_allowed_where_both_agree(make: Make, control: FakeControl) -> None:
    await make(described(control.url, faults={"lasting": True})).break_("suspend", "api")
    assert Lasting.broken


async def test_a_lease_has_a_least(make: Make) -> None:
    with pytest.raises(SuiteError, match="at least 1 s"):
        await make().break_("refuse", "database", 0)


async def test_a_living_owner_keeps_its_faults(make: Make, control: FakeControl) -> None:
    fault = await make().break_("refuse", "database")
    folder = place_of(described(control.url)).folder
    outcome = await roll_back(folder, described(control.url))
    assert (outcome.undone, outcome.left) == ([], [])
    assert [line.startswith("refuse of database in test (http://127.0.0.1:") for line in outcome.owned] == [True]
    assert list(control.faults) == [fault.id]


class Dead:
    """What a run leaves that was killed: its lock is free, and its faults are journalled."""

    def __init__(self, faults: Faults) -> None:
        lock = faults._journal._lock
        assert lock is not None
        os.close(lock)
        faults._journal._lock = None
        faults._active = {}


async def test_the_next_one_undoes_what_a_dead_owner_left(make: Make, control: FakeControl) -> None:
    faults = make()
    await faults.break_("refuse", "database")
    await faults.break_("refuse", "client:api")
    living = await make(run="r2").break_("latency", "database", milliseconds=1)
    Dead(faults)
    folder = place_of(described(control.url)).folder
    outcome = await roll_back(folder, described(control.url))
    assert sorted(line.rpartition(": ")[2] for line in outcome.undone) == [
        "ended with its process", "the control interface knows it no more",
    ]  # fmt: skip
    assert list(control.faults) == [living.id]
    assert (await roll_back(folder, described(control.url))).undone == []
    assert journalled(control) == [living]
    assert len(list(folder.glob("*.lock"))) == 1


async def test_a_rollback_that_fails_names_the_fault_and_is_repeated(make: Make, control: FakeControl) -> None:
    faults = make()
    await faults.break_("refuse", "database")
    Dead(faults)
    folder = place_of(described(control.url)).folder
    control.refuses = {"DELETE": 500}
    outcome = await roll_back(folder, described(control.url), within=0)
    assert len(outcome.left) == 1
    assert outcome.left[0].startswith("still broken: refuse of database in test (")
    assert "to undo it by hand: it ends by itself" in outcome.left[0]
    control.refuses = {}
    assert len((await roll_back(folder, described(control.url))).undone) == 1
    assert not folder.exists()


async def test_the_journal_names_the_descriptor_to_roll_back_by(
    make: Make, control: FakeControl, tmp_path: Path
) -> None:
    descriptor = described(control.url)
    path = tmp_path / "team.yaml"
    path.write_text(json.dumps(descriptor.model_dump(mode="json", exclude_defaults=True)))
    faults = Faults(
        descriptor, lambda: drivers_of(descriptor, NetworkPath()), place_of(descriptor, path=str(path)), "r",
        lambda: asyncio.sleep(0, "test"),
    )  # fmt: skip
    await faults.break_("refuse", "database")
    Dead(faults)
    assert len((await roll_back(place_of(descriptor).folder)).undone) == 1
    assert control.faults == {}


async def test_what_a_deployment_on_this_machine_was_broken_by_ends_with_it(make: Make, control: FakeControl) -> None:
    faults = make()
    await faults.break_("refuse", "database")
    Dead(faults)
    folder = place_of(described(control.url)).folder
    outcome = await roll_back(folder)  # its descriptor has gone, and it answers still
    assert "its descriptor cannot be read" in outcome.left[0]
    control.shutdown()
    control.server_close()
    outcome = await roll_back(folder)
    assert [line.endswith(": ended with its deployment") for line in outcome.undone] == [True]
    assert not folder.exists()


async def test_an_api_that_is_down_has_not_ended_where_its_control_interface_answers(
    make: Make, control: FakeControl
) -> None:
    whole = described(control.url)
    api = whole.services.api.model_copy(update={"url": GONE})
    descriptor = whole.model_copy(update={"services": whole.services.model_copy(update={"api": api})})
    faults = make(descriptor)
    await faults.break_("stop", "worker")
    Dead(faults)
    outcome = await roll_back(place_of(descriptor).folder)
    assert "its descriptor cannot be read" in outcome.left[0]


async def test_half_an_entry_is_none(make: Make, control: FakeControl) -> None:
    faults = make()
    fault = await faults.break_("refuse", "database")
    folder = place_of(described(control.url)).folder
    (folder / "half.json").write_text('{"fault": {"id"')
    (folder / "half.new").write_text("{")
    assert journalled(control) == [fault]


async def test_an_unset_secret_is_said(make: Make, control: FakeControl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FAULT_TOKEN")
    with pytest.raises(ConfigurationError, match="secret 'fault_token' is not set: set FAULT_TOKEN"):
        await make().break_("refuse", "database")
