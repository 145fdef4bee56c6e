"""Faults: broken, proven to be in effect, undone, and never left behind."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from typing import Any

from acceptance.errors import EnvironmentUnavailable
from acceptance.faults.model import Fault, Proof
from robot.api import logger
from robot.api.deco import library
from robot_run.keywords import Duration, Observed, getter, seconds_of, step
from robot_run.lifecycle import the_run

TEXTS = ("body", "content_type", "table", "role")  # parameters that stay texts, also where they look like numbers


class Kind(Enum):
    """What is done to a target; which targets take which kinds depends on the deployment.

    - The network to a target: latency, bandwidth, slice, reset, refuse, blackhole, cut; respond answers in its place.
    - A service: kill (it is started again), stop (it stays down), freeze; restart, suspend and scale by its platform.
    - The database: terminate_backends, lock_table, fill_pool by an operator's role.
    """

    latency = "latency"
    bandwidth = "bandwidth"
    slice = "slice"
    reset = "reset"
    refuse = "refuse"
    blackhole = "blackhole"
    cut = "cut"
    respond = "respond"
    kill = "kill"
    stop = "stop"
    freeze = "freeze"
    restart = "restart"
    suspend = "suspend"
    scale = "scale"
    terminate_backends = "terminate_backends"
    lock_table = "lock_table"
    fill_pool = "fill_pool"


@library(scope="GLOBAL", version="1.0.0")
class FaultLibrary:
    """Disturbs the deployment, and the client's own path to it.

    What is broken is undone by `Undo Fault`, and in any case at the end of the test, also where it fails, is stopped or
    times out; after the death of a run by the next run, or by ``make rollback``. A fault that cannot be injected,
    proven or undone leaves the criterion *not verified*: it says nothing of the deployment.

    Targets ``client:api``, ``client:storage``, ``client:authentication``, ``client:realtime`` and ``client:frontend``
    are the path from this client to a service, which can be disturbed at any deployment. All others need the
    capability ``faults``: the descriptor says how they are reached (docs/deployments.md).
    """

    @step(within=120, tags=("fault",))
    async def break_(self, kind: Kind, target: str, *, lease: Duration = 60.0, **parameters: Any) -> Fault:
        """Injects a fault, which lasts until it is undone or this process ends.

        - ``kind``: what is done; ``target``: to what.
        - ``lease``: where this process dies, the fault ends by itself after this time; it is renewed until then.
        - ``parameters``: of the kind. ``latency``: milliseconds, jitter_milliseconds of what the target sends;
          ``bandwidth``: bytes_per_second, both ways; ``slice``: all arrives in pieces of so many bytes, so many
          milliseconds apart; ``reset``, ``cut``: after_bytes of an answer, so many times; ``respond``: status, headers,
          body, content_type in place of the target, so many times; ``scale``: instances; ``lock_table``: table;
          ``fill_pool``: connections; ``terminate_backends``: role.

        Skips the test where the deployment does not offer the fault, or its descriptor does not allow it. Returns the
        fault.

        | ${fault} =    Break    latency    client:api    milliseconds=300
        | ${fault} =    Break    refuse    database    lease=20 s
        | ${fault} =    Break    respond    model    status=429    headers=${{{'Retry-After': '2'}}}    times=3
        """
        given = {name: value if name in TEXTS else _number(value) for name, value in parameters.items()}
        fault = await the_run().faults.break_(kind.value, target, seconds_of(lease), **given)
        the_run().note(f"injected: {fault}, as {fault.id} by {fault.driver}")
        return fault

    @step(within=120, tags=("fault",))
    async def fault_should_be_in_effect(self, fault: Fault, *, timeout: Duration = 5.0) -> Proof:
        """Observes that a fault is in effect; without that, nothing was verified while it lasted.

        - ``timeout``: how long it may take to show.

        Returns ``evidence``, what was observed, and ``affected``, how many connections, requests or processes it has
        disturbed, or None.

        | Fault Should Be In Effect    ${fault}
        """
        proof = await the_run().faults.prove(fault, within=seconds_of(timeout))
        the_run().note(f"{fault}: {'in effect' if proof.in_effect else 'not in effect'}: {proof.evidence}")
        if not proof.in_effect:
            raise EnvironmentUnavailable(f"the fault is not in effect: {fault}: {proof.evidence}")
        return proof

    @step(within=120, tags=("fault",))
    async def undo_fault(self, fault: Fault) -> Proof:
        """Undoes a fault, and observes that it is gone; undoing it again does no harm.

        | Undo Fault    ${fault}
        """
        proof = await the_run().faults.undo(fault)
        the_run().note(f"undone: {fault}: {proof.evidence}")
        return proof

    @step(within=120, tags=("fault",))
    async def undo_faults(self) -> None:
        """Undoes every fault of this run, the latest first, and observes that each is gone.

        | [Teardown]    Undo Faults
        """
        await the_run().faults.undo_all()

    @getter(tags=("fault",))
    def get_faults(self) -> Observed:
        """Returns what is broken now by this run: a text for each fault, such as ``latency of client:api``.

        | Get Faults    ==    ${{[]}}
        | ${faults} =    Get Faults
        """
        faults = [str(fault) for fault in the_run().faults.active()]
        logger.info("\n".join(faults) or "no fault is in effect")
        return Observed(faults, "faults in effect")


def _number(value: Any) -> Any:
    """A parameter as it is sent: what reads as a whole number, a decimal one or a truth value is one."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        with suppress(ValueError):
            return kind(value)
    return value
