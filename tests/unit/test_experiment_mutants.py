"""What is done to an experiment is really done to the harness in robot's process."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any, cast
from unittest.mock import patch

import pytest
from acceptance.experiments.workload import Workload
from acceptance.faults.control import Control

from tests.detection import meddling
from tests.detection.experiment_mutants import EXPERIMENT_MUTANTS


@pytest.fixture(autouse=True)
def mended() -> Iterator[None]:
    yield
    patch.stopall()


@pytest.mark.parametrize("mutant", EXPERIMENT_MUTANTS, ids=lambda mutant: mutant.name)
def test_robot_finds_its_listener(mutant: Any) -> None:
    option, name = mutant.options
    module, _, listener = name.rpartition(".")
    assert option == "--listener"
    assert getattr(importlib.import_module(module), listener).ROBOT_LISTENER_API_VERSION == 3


@pytest.mark.parametrize(
    ("listener", "method"), [(meddling.RollbackLost, "roll_back"), (meddling.FaultNotInEffect, "inject")]
)
def test_the_control_interface_is_not_asked(listener: type, method: str) -> None:
    listener()
    assert asyncio.run(getattr(Control, method)(cast(Any, None), None)) is None


def test_every_second_document_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, True, False, True, True])

    async def accepted(*_: Any) -> bool:
        return next(answers)

    monkeypatch.setattr(Workload, "_bytes_accepted", accepted)
    meddling.LedgerIncomplete()

    async def asked() -> list[bool]:
        return [await Workload._bytes_accepted(cast(Any, None), cast(Any, None), cast(Any, None)) for _ in range(5)]

    assert asyncio.run(asked()) == [True, False, False, True, False]
