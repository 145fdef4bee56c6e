"""What is told of a document and of an answer while they come about, over WebSocket and Server-Sent Events."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from acceptance.checks import job_events
from acceptance.checks.job_events import Channel, Kind
from robot.api import logger
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 60.0
Result = TypeVar("Result")


@library(scope="GLOBAL", version="1.0.0")
class RealtimeLibrary:
    """Steps about `a readable document` and `an unreadable document`, each followed once in a run over all channels."""

    @keyword("${channel} tells every status of ${kind} once")
    def tells_every_status(self, channel: Channel, kind: Kind) -> None:
        """Each status of the contract once and in order, numbered from 1, and the final one last."""
        followed = _followed(kind)
        job_events.check_each_status_once(the_run(), kind, followed, channel)
        events = job_events.events_of(the_run(), followed.upload.job_id, followed.frames[channel])
        logger.info(job_events.format_events([(event.sequence, event.status) for event in events]))

    @keyword("Every status of ${kind} is told within a second")
    def tells_in_time(self, kind: Kind) -> None:
        """On both channels, neither before nor after REST by more than a second, and as soon after it happened."""
        _do(job_events.tells_in_time(the_run(), _followed(kind)))

    @keyword("REST and both channels agree about ${kind}")
    def views_agree(self, kind: Kind) -> None:
        """Frame by frame, answer by answer, and the database's events too where it can be looked into (`sql`)."""
        _do(job_events.views_agree(the_run(), _followed(kind)))
        if "sql" in the_run().descriptor.capabilities:
            _do(job_events.database_agrees(the_run(), _followed(kind)))

    @keyword("${channel} replays exactly what came after each event of ${kind}")
    def replay_is_exact(self, channel: Channel, kind: Kind) -> None:
        """For each number that a subscriber can have seen last, none and the last of all among them."""
        _do(job_events.replay_is_exact(the_run(), _followed(kind), channel))

    @keyword("${channel} tells the steps to an answer, and the answer")
    def tells_steps(self, channel: Channel) -> None:
        """Numbered steps whose progress never goes back, and at last the answer as REST gave it."""
        job_events.check_steps(the_run(), _do(job_events.watched(the_run())), channel)

    @keyword
    def both_channels_tell_the_same_steps(self) -> None:
        """Every frame is the same, and the answer comes within a second of REST."""
        job_events.check_agreement(_do(job_events.watched(the_run())))


def _followed(kind: Kind) -> job_events.JobTrace:
    return _do(job_events.followed(the_run(), kind))


def _do(coroutine: Coroutine[Any, Any, Result]) -> Result:
    return the_run().wait(coroutine, within=WITHIN)
