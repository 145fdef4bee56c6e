"""The way to an answer, told step by step over both realtime channels (INT-08)."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from acceptance.contract import MISSING, pick
from acceptance.conversations import Reply, ask
from acceptance.errors import violation
from acceptance.integration.following import (
    CHANNELS,
    DOCUMENTS,
    LAG_SECONDS,
    SEED,
    Channel,
    difference,
    followed,
    moment,
    settled,
)
from acceptance.people import Person
from acceptance.realtime import Frame
from acceptance.run import Run
from acceptance.uploads import document
from acceptance.waiting import together

ANSWER_SECONDS = 15.0
AGAIN_SECONDS = 0.05


@dataclass
class Watched:
    """One answer as REST gave it and as each channel told it; `answered` is when REST did (Unix seconds)."""

    workflow_id: str
    reply: Reply
    answered: float
    frames: dict[Channel, list[Frame]]


async def watched(run: Run) -> Watched:
    """An answer that was watched once in a run, from the document that was followed."""

    async def make() -> Watched:
        upload = (await followed(run, "a readable document")).upload
        note = await document(run, DOCUMENTS["a readable document"], SEED)
        assert note.handbook is not None
        return await watch(run, upload.owner, note.handbook.facts[0].question)

    return await run.once("watched answer", make)


async def watch(run: Run, person: Person, question: str) -> Watched:
    """Ask under an identifier of our own, and follow the way to the answer over both channels at once."""
    workflow_id = str(uuid.uuid4())

    async def asked() -> tuple[Reply, float]:
        return await ask(run, person, question, workflow_id=workflow_id), time.time()

    told = [_told(run, channel, workflow_id, person) for channel in CHANNELS]
    results: list[Any] = await together(asked(), *told)
    (reply, answered), frames = results[0], results[1:]
    return Watched(workflow_id, reply, answered, dict(zip(CHANNELS, frames, strict=True)))


def check_steps(run: Run, watched: Watched, channel: Channel) -> None:
    """Numbered from 1, steps that never go back, and at last the answer as REST gave it; raises AssertionError."""
    what = f"workflow {watched.workflow_id} over {channel}"
    frames, realtime = watched.frames[channel], run.contract.realtime
    if [frame.sequence for frame in frames] != list(range(1, len(frames) + 1)):
        numbers = [frame.sequence for frame in frames]
        raise violation(what, expected="numbers from 1 without a hole or a double", seen=numbers)
    kinds = [frame.type for frame in frames]
    if len(kinds) < 2 or kinds != [realtime.step_type] * (len(kinds) - 1) + [realtime.answer_type]:
        raise violation(what, expected=f"{realtime.step_type}, one or more, then {realtime.answer_type}", seen=kinds)
    _check_progress(run, frames[:-1], what)
    success, response = (pick(frames[-1].data, realtime.answer[word]) for word in ("success", "response"))
    answer = watched.reply.answer
    if success is not True or response != answer.json():
        raise violation(what, expected=f"success and {answer.json()}", seen=frames[-1].data, look=answer.look)


def check_agreement(watched: Watched) -> None:
    """Both channels told the same, and the answer within a second of REST; raises AssertionError."""
    what = f"workflow {watched.workflow_id}"
    first, second = ([frame.data for frame in watched.frames[channel]] for channel in CHANNELS)
    if differing := difference(first, second):
        wanted = f"{differing[0]} as over {CHANNELS[0]}"
        raise violation(f"{what} over {CHANNELS[1]}", expected=wanted, seen=differing[1])
    for channel, frames in watched.frames.items():
        late = frames[-1].at - watched.answered
        if late > LAG_SECONDS:
            wanted = f"the answer within {LAG_SECONDS:g} s of REST"
            raise violation(f"{what} over {channel}", expected=wanted, seen=f"{late:.2f} s later")


def _check_progress(run: Run, steps: Sequence[Frame], what: str) -> None:
    reached = 0.0
    for frame in steps:
        said = {word: pick(frame.data, path) for word, path in run.contract.realtime.step.items()}
        named = all(isinstance(said[word], str) and said[word] for word in ("step", "message"))
        progress = said["progress"]
        if MISSING in said.values() or not named or isinstance(progress, bool) or not isinstance(progress, int | float):
            raise violation(what, expected="a step and a message in words, and progress as a number", seen=frame.data)
        if not reached <= progress <= 1:
            raise violation(what, expected=f"progress from {reached:g} to 1", seen=progress)
        moment(said["timestamp"], what)
        reached = progress


async def _told(run: Run, channel: Channel, workflow_id: str, person: Person) -> list[Frame]:
    """What the channel tells until the answer. Before the question has arrived, nothing has this identifier yet."""
    unknown = {run.contract.realtime.close.unknown, run.contract.errors.unknown_identifier}
    subscribe = run.realtime.workflow if channel == "WebSocket" else run.event_streams.workflow
    answer = run.contract.realtime.answer_type
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        async with subscribe(workflow_id, person.access_token, after=0) as subscription:
            await subscription.until(
                lambda seen: seen.closed in unknown or any(frame.type == answer for frame in seen.events),
                what=f"{answer} of workflow {workflow_id}", within=max(0.0, deadline - time.monotonic()),
            )  # fmt: skip
            if subscription.closed not in unknown:
                await settled(run, subscription)
                return subscription.events
        await asyncio.sleep(AGAIN_SECONDS)
