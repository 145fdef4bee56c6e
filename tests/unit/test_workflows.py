"""The way to an answer: steps that never go back, and the answer as REST gave it, the same on both channels."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from acceptance.chat import Answer
from acceptance.checks.job_events import CHANNELS, ObservedWorkflow, check_agreement, check_steps
from acceptance.clients.http import Response
from acceptance.clients.websocket import Frame
from acceptance.deployment.contract import Contract
from acceptance.run import Run

Change = Callable[[list[dict[str, Any]]], object]
BODY = {"text": "Seven."}
AT = 100.0


def _step(number: int, progress: object) -> dict[str, Any]:
    status = {"step": f"s{number}", "message": "Going on.", "progress": progress, "timestamp": "2026-01-01T00:00:00Z"}
    return {"type": "workflow_status", "sequence": number, "status": status}


def _watched(change: Change = lambda frames: None, *, late: float = 0.0) -> ObservedWorkflow:
    """Two steps and the answer; what one channel told changed."""
    told = [[_step(1, 0.1), _step(2, 0.5), _answer()] for _ in CHANNELS]
    change(told[0])
    response = Response("chat", "POST", "http://deployment/api/chat", 200, {}, json.dumps(BODY).encode(), "r-1", 0.1)
    answer = Answer("How many?", "Seven.", "c", "w", [], "m", response)
    frames = {channel: [Frame(data, AT + late) for data in each] for channel, each in zip(CHANNELS, told, strict=True)}
    return ObservedWorkflow("w", answer, AT, frames)


def _answer() -> dict[str, Any]:
    return {"type": "workflow_complete", "sequence": 3, "success": True, "response": BODY}


def _run(contract: Contract) -> Run:
    return cast(Run, SimpleNamespace(contract=contract))


def test_steps_and_then_the_answer_are_right(contract: Contract) -> None:
    for channel in CHANNELS:
        check_steps(_run(contract), _watched(), channel)
    check_agreement(_watched())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda frames: frames.clear(), "one or more, then workflow_complete"),
        (lambda frames: frames.pop(), "then workflow_complete"),
        (lambda frames: frames.pop(0), "without a hole or a double"),
        (lambda frames: frames.insert(1, _step(1, 0.1)), "without a hole or a double"),
        (lambda frames: frames.append(_answer() | {"sequence": 4}), "then workflow_complete"),
        (lambda frames: frames[1]["status"].update(progress=0.05), "progress from 0.1 to 1, observed 0.05"),
        (lambda frames: frames[1]["status"].update(progress=1.5), "progress from 0.1 to 1, observed 1.5"),
        (lambda frames: frames[1]["status"].update(progress="half"), "progress as a number"),
        (lambda frames: frames[1]["status"].update(message=""), "a step and a message in words"),
        (lambda frames: frames[1]["status"].update(timestamp="now"), "a time with its zone"),
        (lambda frames: frames[2].update(success=False), "expected success"),
        (lambda frames: frames[2].update(response={"text": "Eight."}), "expected success"),
    ],
)
def test_anything_else_is_named(change: Change, said: str, contract: Contract) -> None:
    with pytest.raises(AssertionError, match=said):
        check_steps(_run(contract), _watched(change), CHANNELS[0])


def test_what_one_channel_alone_tells_is_named() -> None:
    with pytest.raises(AssertionError, match=r"expected .* as over WebSocket"):
        check_agreement(_watched(lambda frames: frames[0]["status"].update(step="other")))


def test_an_answer_after_rest_is_late() -> None:
    check_agreement(_watched(late=0.9))
    with pytest.raises(AssertionError, match=r"within 1 s of REST, observed 1\.10 s later"):
        check_agreement(_watched(late=1.1))
