"""The faults of one run: injected, proven, and undone in every case."""

from __future__ import annotations

import asyncio
import difflib
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from acceptance.deployment.descriptor import Descriptor
from acceptance.errors import CapabilityMissing, ConfigurationError, EnvironmentUnavailable, SuiteError
from acceptance.faults.journal import Journal, Place
from acceptance.faults.model import CLIENT, Fault, FaultDriver, Proof

LEASE_SECONDS = 60.0
LEAST_LEASE_SECONDS = 1.0
RENEWALS = 3  # in a lease
UNDO_SECONDS = 30.0  # of one fault, or of all of them together
INJECTED_SECONDS = 4.0  # for an injection whose caller was cancelled
RECOVERY_SECONDS = 60.0  # after a fault, in which calls without an answer do not end the run
LOOK_AGAIN_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0


@dataclass(frozen=True)
class Left:
    """A fault that could not be undone, why, and how a person undoes it."""

    fault: Fault
    reason: str
    by_hand: str

    def __str__(self) -> str:
        return f"still broken: {self.fault} ({self.reason}); to undo it by hand: {self.by_hand}"


class Faults:
    """Breaks and mends one deployment by the drivers that its descriptor allows.

    Each fault is journalled before it is injected, its lease is renewed in the background until it is undone, and it
    is forgotten only when it was observed to be gone. What cannot be injected, proven or undone is
    EnvironmentUnavailable: the criterion is not verified.

    Args:
        descriptor: of the deployment.
        drivers: makes the drivers at the first fault, that of the client's own path among them.
        place: the deployment, as the journal knows it.
        run: identifier of the run.
        environment: the environment that the deployment itself names, or None; asked before a fault that lasts.
        note: receives a line where a lease could not be renewed.
    """

    def __init__(
        self, descriptor: Descriptor, drivers: Callable[[], Sequence[FaultDriver]], place: Place, run: str,
        environment: Callable[[], Awaitable[str | None]], note: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        self._descriptor, self._make, self._run, self._environment, self._note = (
            descriptor, drivers, run, environment, note,
        )  # fmt: skip
        self._journal = Journal(place, run)
        self._drivers: dict[str, FaultDriver] = {}
        self._active: dict[str, Fault] = {}
        self._left: dict[str, Left] = {}
        self._ended = float("-inf")
        self._renewals: dict[str, asyncio.Task[None]] = {}
        # a renewal must not overtake an undoing
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def active(self) -> list[Fault]:
        """The faults that this run has injected and not yet undone, in that order."""
        return list(self._active.values())

    @property
    def left(self) -> list[Left]:
        """The faults that could not be undone when that was last tried."""
        return list(self._left.values())

    @property
    def in_window(self) -> bool:
        """Whether a fault is active, or was and recovery was not observed since, for a minute at most.

        Calls without an answer do not end the run then, and errors are judged by who broke what (not by INT-12).
        """
        return bool(self._active) or time.monotonic() - self._ended < RECOVERY_SECONDS

    def recovered(self) -> None:
        """Recovery was observed: what comes from now on is judged as usual."""
        self._ended = float("-inf")

    async def break_(self, kind: str, target: str, lease: float = LEASE_SECONDS, **parameters: Any) -> Fault:
        """Inject a fault, journalled before; its lease is renewed until it is undone.

        Args:
            kind: such as `latency`; `target` such as `database`, `client:api`, or `control:database` where several
                drivers offer the same.
            lease: seconds after which the fault ends where this process does not renew it.
            parameters: of the kind.

        Raises:
            CapabilityMissing: the deployment does not offer it, or its descriptor does not allow it.
            EnvironmentUnavailable: it could not be injected; nothing of it is left.
            SuiteError: no such kind, target or parameter.
        """
        driver, target = await self._driver_for(kind, target)
        heals = driver.heals(kind, target)
        if not heals:
            await self._need_lasting(kind, target)
        if lease < LEAST_LEASE_SECONDS:
            raise SuiteError(f"lease={lease:g}: expected at least {LEAST_LEASE_SECONDS:g} s")
        identifier = f"{self._run}-{uuid.uuid4().hex[:8]}"
        fault = await driver.prepare(Fault(identifier, kind, target, parameters, driver.name, lease, heals))
        self._journal.write(fault, driver.by_hand(fault))
        self._active[fault.id] = fault
        try:
            await _finished(driver.inject(fault))
        except (EnvironmentUnavailable, SuiteError) as error:
            with suppress(EnvironmentUnavailable):  # then it is named as one that is left
                await self.undo(fault)
            if isinstance(error, SuiteError):
                raise
            raise EnvironmentUnavailable(f"cannot be injected: {fault}: {error}") from None
        self._renewals[fault.id] = asyncio.ensure_future(self._renew(fault))
        return fault

    async def prove(self, fault: Fault, *, within: float = 0.0) -> Proof:
        """What is observed of a fault: once, or again until it is in effect or so many seconds are over.

        Raises:
            EnvironmentUnavailable: it could not be observed.
        """
        driver, until = self._driver(fault), time.monotonic() + within
        while True:
            proof = await driver.prove(fault)
            if proof.in_effect or time.monotonic() >= until:
                return proof
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def undo(self, fault: Fault, *, within: float = UNDO_SECONDS) -> Proof:
        """Undo a fault, and observe that it is gone; undoing it again does no harm.

        Args:
            within: seconds in which it is tried again where it fails.

        Raises:
            EnvironmentUnavailable: it is still in effect, or that could not be observed; names what a person can do.
        """
        driver = self._driver(fault)
        async with self._turns[fault.id]:
            try:
                proof = await undone(driver, fault, within=within)
            except EnvironmentUnavailable as error:
                left = self._left[fault.id] = Left(fault, str(error), driver.by_hand(fault))
                raise EnvironmentUnavailable(str(left)) from None
            self._journal.remove(fault)
            if self._active.pop(fault.id, None) is not None:
                self._ended = time.monotonic()
            self._left.pop(fault.id, None)
        if renewal := self._renewals.pop(fault.id, None):
            renewal.cancel()
        return proof

    async def undo_all(self, *, within: float = UNDO_SECONDS) -> None:
        """Undo every fault of this run, the latest first.

        Raises:
            EnvironmentUnavailable: one of them at least is still in effect; names each.
        """
        until, failed = time.monotonic() + within, []
        for fault in reversed(self.active()):
            try:
                await self.undo(fault, within=max(1.0, until - time.monotonic()))
            except EnvironmentUnavailable as error:
                failed.append(str(error))
        if failed:
            raise EnvironmentUnavailable("; ".join(failed))

    async def close(self) -> list[str]:
        """Undo everything and release the drivers; returns a line for each fault that is left."""
        try:
            with suppress(EnvironmentUnavailable):
                await self.undo_all()
        finally:
            for renewal in self._renewals.values():
                renewal.cancel()
            await asyncio.gather(*self._renewals.values(), return_exceptions=True)
            for driver in self._drivers.values():
                with suppress(EnvironmentUnavailable):
                    await driver.close()
            self._drivers = {}
            self._journal.close()
        return [str(left) for left in self.left]

    async def _renew(self, fault: Fault) -> None:
        """Renew a lease until the fault is undone, and show that the owner is alive."""
        while True:
            await asyncio.sleep(fault.lease / RENEWALS)
            self._journal.beat()
            async with self._turns[fault.id]:
                if fault.id not in self._active:
                    return
                try:
                    await self._driver(fault).renew(fault)
                except (EnvironmentUnavailable, SuiteError) as error:
                    self._note(f"the lease of {fault} could not be renewed: {error}")

    def _driver(self, fault: Fault) -> FaultDriver:
        return self._all_drivers()[fault.driver]

    def _all_drivers(self) -> dict[str, FaultDriver]:
        if not self._drivers:
            self._drivers = {driver.name: driver for driver in self._make()}
        return self._drivers

    async def _driver_for(self, kind: str, target: str) -> tuple[FaultDriver, str]:
        """The driver that offers a kind of a target, and its name for the target."""
        drivers = self._all_drivers()
        named, _, rest = target.partition(":")
        if named in drivers and rest:
            drivers, target = {named: drivers[named]}, rest
        if target.startswith(CLIENT):
            drivers = {name: one for name, one in drivers.items() if name == "client_path"}
        elif "faults" not in self._descriptor.capabilities:
            raise CapabilityMissing("faults")
        offered = {name: await driver.kinds() for name, driver in drivers.items()}
        serving = [name for name, kinds in offered.items() if kind in kinds.get(target, ())]
        if len(serving) == 1:
            return drivers[serving[0]], target
        if serving:
            written = " or ".join(f"{name}:{target}" for name in serving)
            raise SuiteError(f"{kind} of {target} is offered by several drivers: write {written}")
        known = {one: set[str]().union(*(kinds.get(one, ()) for kinds in offered.values())) for one in _all(offered)}
        what, choice = ("target", known) if target not in known else ("kind", known[target])
        written = target if what == "target" else kind
        if close := difflib.get_close_matches(written, choice, n=1, cutoff=0.75):
            raise SuiteError(f"{kind} of {target}: no such {what}; did you mean '{close[0]}'?")
        raise CapabilityMissing(
            "faults", f"which offers no {kind} of {target} here; {what}s are {', '.join(sorted(choice)) or 'none'}"
        )

    async def _need_lasting(self, kind: str, target: str) -> None:
        """Raises CapabilityMissing unless a fault is allowed that does not heal when this process dies."""
        what = f"of which {kind} of {target} does not heal by itself"
        if self._descriptor.is_production:
            raise CapabilityMissing("faults", f"{what}: that is refused on {self._descriptor.environment}")
        if not self._descriptor.faults.lasting:
            raise CapabilityMissing("faults", f"{what}: the descriptor's faults.lasting does not allow that")
        named = await self._environment()
        if named != self._descriptor.environment:
            raise CapabilityMissing(
                "faults", f"{what}: the deployment names its environment {named!r}, the descriptor "
                f"{self._descriptor.environment!r}",
            )  # fmt: skip


async def _finished(injecting: Coroutine[Any, Any, None]) -> None:
    """Let an injection end also where its caller is cancelled: else it may take effect behind its undoing."""
    task = asyncio.ensure_future(injecting)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=INJECTED_SECONDS)
        task.cancel()
        raise


def _all(offered: dict[str, Any]) -> set[str]:
    return set[str]().union(*offered.values())


async def undone(driver: FaultDriver, fault: Fault, *, within: float) -> Proof:
    """Roll a fault back until it is observed to be gone.

    Raises:
        EnvironmentUnavailable: it was not, within so many seconds; says what was last observed.
    """
    until, pause = time.monotonic() + within, LOOK_AGAIN_SECONDS
    while True:
        try:
            await driver.roll_back(fault)
            proof = await driver.prove_gone(fault)
            if not proof.in_effect:
                return proof
            reason = f"it is still in effect: {proof.evidence}"
        except (EnvironmentUnavailable, ConfigurationError) as error:
            reason = str(error)
        if time.monotonic() + pause > until:
            raise EnvironmentUnavailable(reason)
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
