"""A fault, what was observed of it, and the interface of the drivers that inject faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

CLIENT = "client:"  # how the targets in the client's own path begin


@dataclass(frozen=True)
class Fault:
    """One fault: what is disturbed, how, and by which driver.

    Attributes:
        id: unique among all runs; drivers that know identifiers use it.
        kind: such as `latency`, by the driver that offers it.
        target: what is disturbed, such as `database` or `client:api`.
        parameters: of the kind, by name.
        driver: name of the driver that injects it.
        lease: seconds after which it is undone unless its owner renews it, where the driver can do so.
        heals: whether it ends by itself when its owner dies.
        state: what the driver has to know to undo it, such as the number of instances before; journalled with it.
    """

    id: str
    kind: str
    target: str
    parameters: Mapping[str, Any]
    driver: str
    lease: float
    heals: bool
    state: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        given = "".join(f", {name}={value}" for name, value in self.parameters.items())
        return f"{self.kind} of {self.target}{given}"


@dataclass(frozen=True)
class Proof:
    """What a driver observed of a fault when it was asked.

    Attributes:
        in_effect: whether the target is disturbed as the fault says.
        evidence: what was observed, in one line.
        affected: number of connections, requests or processes that it has disturbed; None where that is not known.
    """

    in_effect: bool
    evidence: str
    affected: int | None = None


class FaultDriver(Protocol):
    """Injects faults by one interface. Every method raises EnvironmentUnavailable where that interface fails."""

    name: str

    async def kinds(self) -> Mapping[str, Sequence[str]]:
        """The kinds that it offers, by target."""

    def heals(self, kind: str, target: str) -> bool:
        """Whether a fault of this kind ends by itself when its owner dies."""

    def by_hand(self, fault: Fault) -> str:
        """How a person undoes a fault without this program."""

    async def prepare(self, fault: Fault) -> Fault:
        """The fault with the state that undoing it needs; nothing is disturbed yet. SuiteError: a wrong parameter."""

    async def inject(self, fault: Fault) -> None:
        """Let it take effect."""

    async def renew(self, fault: Fault) -> None:
        """Extend its lease."""

    async def prove(self, fault: Fault) -> Proof:
        """Observe whether it is in effect now."""

    async def roll_back(self, fault: Fault) -> None:
        """Undo it; idempotent, also for one that never took effect, or that another process injected."""

    async def prove_gone(self, fault: Fault) -> Proof:
        """Observe whether anything of it is left: `in_effect` is False where nothing is."""

    async def close(self) -> None:
        """Release connections; what lives in this process ends."""
