"""Listeners for robot that break the harness from within, while an experiment goes on."""

from __future__ import annotations

from typing import Any, Final
from unittest.mock import patch

from acceptance.experiments.workload import Workload
from acceptance.faults.control import Control


class _Listener:
    ROBOT_LISTENER_API_VERSION: Final = 3


class RollbackLost(_Listener):
    """What undoes a fault is never sent."""

    def __init__(self) -> None:
        async def lost(driver: Control, fault: Any) -> None:
            """In place of `Control.roll_back`."""

        patch.object(Control, "roll_back", lost).start()


class FaultNotInEffect(_Listener):
    """What injects a fault is never sent."""

    def __init__(self) -> None:
        async def lost(driver: Control, fault: Any) -> None:
            """In place of `Control.inject`."""

        patch.object(Control, "inject", lost).start()


class LedgerIncomplete(_Listener):
    """Every second document that is accepted is not written into the ledger."""

    def __init__(self) -> None:
        accepted: Any = Workload._bytes_accepted
        count = 0

        async def forgotten(workload: Workload, *arguments: Any) -> bool:
            nonlocal count
            done: bool = await accepted(workload, *arguments)
            count += done
            return done and count % 2 == 1

        patch.object(Workload, "_bytes_accepted", forgotten).start()
