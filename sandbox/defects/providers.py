"""Defects of what is done while the parser or the model is down, slow or refuses."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from openai.types.chat import ChatCompletionMessageParam

from sandbox.app import chat, events, jobs, model
from sandbox.app.errors import Unavailable
from sandbox.defects import defect, mark_active, patch, patch_query
from sandbox.worker import claims, parser, stages
from sandbox.worker import main as worker
from sandbox.worker.claims import Claim
from sandbox.worker.parser import Refused

LOST = {"INT-14": "jobs stay begun"}
SORRY = "I am sorry, something went wrong. Please ask me again."


@defect("parser-refusal-retried-for-ever", "ERR", must=["ERR-02"], may=LOST)
def parser_refusal_retried_for_ever() -> None:
    """A file that the parser refuses for good is taken for an outage, and sent to it again and again."""

    def temporary(message: str) -> Refused:
        mark_active()
        raise Unavailable("parser")

    patch(parser, "refusal", temporary)


@defect(
    "dead-letter-without-a-reason",
    "ERR",
    must=["ERR-02"],
    may=dict.fromkeys(("ERR-01", "ERR-03", "ERR-05", "ERR-07"), "a job may fail there too"),
)
def dead_letter_without_a_reason() -> None:
    """A job that is given up keeps no reason."""
    publish = events.publish

    async def silent(session: Any, job_id: UUID, status: str, state: str, **options: Any) -> bool:
        if options.get("error"):
            mark_active()
            options["error"] = {**options["error"], "message": ""}
        return await publish(session, job_id, status, state, **options)

    patch(events, "publish", silent)


@defect("only-a-webhook-goes-on", "ERR", must=["ERR-02"], may={**LOST, "ERR-01": "calls back fail", "ERR-08": "too"})
def only_a_webhook_goes_on() -> None:
    """A job that waits for the parser goes on only when that calls back: it is never asked."""
    submitted: set[UUID] = set()

    async def submit(claim: Claim, tools: stages.Tools) -> str:
        submitted.add(claim.lease)
        return await stages.submit(claim, tools)

    async def fetch(claim: Claim, tools: stages.Tools) -> str:
        if claim.lease in submitted:
            mark_active()
            raise stages.Waiting
        return await stages.fetch_text(claim, tools)

    stages.STEPS["uploaded"] = submit
    stages.STEPS["parse_queued"] = fetch
    patch(stages, "POLL_SECONDS", 86_400.0)


@defect("users-retry-does-nothing", "ERR", must=["ERR-02"], may=LOST)
def users_retry_does_nothing() -> None:
    """A retry of the user's is accepted, and is due in an hour."""
    patch_query(jobs, "RETRY_NOW", "run_after = now()", "run_after = now() + interval '1 hour'")


@defect("retry-after-is-ignored", "ERR", must=["ERR-02", "ERR-03"])
def retry_after_is_ignored() -> None:
    """How long a provider asks to wait is not read: it is asked again at once, and so are users."""

    def at_once(headers: Any) -> float:
        mark_active()
        return 0.1

    patch(model, "asked_delay", at_once)
    patch(parser, "asked_delay", at_once)


@defect("retried-without-back-off", "ERR", must=["ERR-02"], may={"ERR-03": "the model too is asked again and again"})
def retried_without_back_off() -> None:
    """A job whose provider is away is tried again at once, and again."""
    put_off = worker.Worker._put_off

    async def eager(self: worker.Worker, claim: Claim, error: Unavailable) -> None:
        await put_off(self, claim, replace(error, retry_after=0.0))

    def none(failures: int) -> float:
        mark_active()
        return 0.02

    patch(claims, "backoff", none)
    patch(worker.Worker, "_put_off", eager)


@defect("cut-answer-ends-as-a-whole-one", "ERR", must=["ERR-03"], may={"ERR-08": "answers are cut off there"})
def cut_answer_ends_as_a_whole_one() -> None:
    """The end of the model's stream ends the answer, whether it was the end of the answer or of the connection."""
    answer = model.Model.answer

    async def trusting(self: model.Model, messages: Sequence[ChatCompletionMessageParam]) -> AsyncIterator[model.Piece]:
        begun = False
        try:
            async for piece in answer(self, messages):
                begun = begun or bool(piece.text)
                yield piece
        except Unavailable:
            if not begun:
                raise
            mark_active()

    patch(model.Model, "answer", trusting)


@defect(
    "model-outage-is-a-polite-answer",
    "ERR",
    must=["ERR-03"],
    may=dict.fromkeys(("ERR-01", "ERR-04"), "questions are asked there"),
)
def model_outage_is_a_polite_answer() -> None:
    """A question that could not be answered is answered with an apology, and 200."""
    respond = chat.respond

    async def polite(work: chat.Work) -> AsyncIterator[str]:
        try:
            async for piece in respond(work):
                yield piece
        except Unavailable:
            mark_active()
            work.model, work.text = work.services.settings.chat_model, SORRY
            yield SORRY

    patch(chat, "respond", polite)


@defect("embedding-is-tried-once", "ERR", must=["ERR-03"], may={"ERR-01": "the database fails in that stage too"})
def embedding_is_tried_once() -> None:
    """Whatever interrupts the embedding fails the document for good."""
    embed = stages.embed

    @functools.wraps(embed)
    async def once(claim: Claim, tools: stages.Tools) -> str:
        try:
            return await embed(claim, tools)
        except Unavailable:
            mark_active()
            raise Refused("embedding_failed", "This document could not be prepared. Please upload it again.") from None

    stages.STEPS["embedding_in_progress"] = once
