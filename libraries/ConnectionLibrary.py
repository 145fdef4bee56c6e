"""WebSocket connections: who is let in, how they live and come back, and what they do to one another."""

from __future__ import annotations

from typing import Literal

from acceptance.checks import websocket_connections
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 60.0
IDLE_WITHIN = 120.0


@library(scope="GLOBAL", version="1.0.0")
class ConnectionLibrary:
    """Steps about connections; those that idle are opened once in a run, early, and looked at late."""

    @keyword
    def connections_are_left_to_idle(self) -> None:
        """Open them in the background, unless they are open; what goes wrong is told by the test that looks."""
        the_run().wait(websocket_connections.begin_to_idle(the_run()))

    @keyword("A token of the kind ${kind} opens no connection")
    def bad_token_is_refused(self, kind: str) -> None:
        """Closed with the contract's code, untold; in the address and as first message, to a job and a workflow."""
        refused = websocket_connections.bad_token_is_refused(the_run(), kind.replace(" ", "_"))
        the_run().wait(refused, within=WITHIN)

    @keyword
    def whoever_never_says_who_they_are_is_refused(self) -> None:
        """A connection without a token on which nothing is sent."""
        the_run().wait(websocket_connections.silent_is_refused(the_run()), within=WITHIN)

    @keyword("A ${path} that is ${which} is closed as unknown")
    def unknown_is_refused(self, path: websocket_connections.Path, which: str) -> None:
        """Closed with the contract's code, untold; with a valid token."""
        the_run().wait(websocket_connections.unknown_is_refused(the_run(), path, which), within=WITHIN)

    @keyword
    def a_valid_token_as_first_message_lets_in(self) -> None:
        """Then the events flow as they do with a token in the address."""
        the_run().wait(websocket_connections.first_message_lets_in(the_run()), within=WITHIN)

    @keyword
    def heartbeats_are_answered(self) -> None:
        """Pings as frames and pings of the protocol, each within the contract's time."""
        the_run().wait(websocket_connections.heartbeats_are_answered(the_run()), within=WITHIN)

    @keyword
    def idling_for_a_minute_is_survived(self) -> None:
        """The server pinged, a ping is answered, and what happens afterwards is told."""
        the_run().wait(websocket_connections.idling_is_survived(the_run()), within=IDLE_WITHIN)

    @keyword
    def a_line_that_is_cut_again_and_again_loses_nothing(self) -> None:
        """A client that comes back has every event once, in order, to the end."""
        the_run().wait(websocket_connections.cut_line_loses_nothing(the_run()), within=WITHIN)

    @keyword("${frame} is answered with an error, and the connection stays")
    def malformed_frame_is_answered(self, frame: str) -> None:
        """The frames are those of acceptance.checks.websocket_connections.MALFORMED."""
        the_run().wait(websocket_connections.malformed_frame_is_answered(the_run(), frame), within=WITHIN)

    @keyword("A ${form} frame of one byte too many closes its connection")
    def oversized_frame_is_closed(self, form: Literal["text", "binary"]) -> None:
        """With the contract's code."""
        the_run().wait(websocket_connections.oversized_frame_is_closed(the_run(), form == "binary"), within=WITHIN)

    @keyword
    def a_frame_of_the_largest_size_is_answered(self) -> None:
        """Of just as many bytes as the contract allows."""
        the_run().wait(websocket_connections.largest_frame_is_taken(the_run()), within=WITHIN)

    @keyword
    def harmful_frames_harm_nobody_else(self) -> None:
        """Neighbours on the same job, and senders whose connection stays, are told everything."""
        the_run().wait(websocket_connections.harmful_frames_harm_nobody(the_run()), within=WITHIN)

    @keyword
    def fifty_subscribers_see_all_of_theirs_and_nothing_else(self) -> None:
        """Five users with a job each, and ten subscribers to each job."""
        the_run().wait(websocket_connections.subscribers_see_what_is_theirs(the_run()), within=WITHIN)
