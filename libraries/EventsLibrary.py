"""Event channels of jobs and workflows: WebSocket and Server-Sent Events."""

from __future__ import annotations

from enum import Enum
from typing import Any, Literal

from acceptance.clients.websocket import Frame, Socket, Subscription
from acceptance.deployment.contract import pick
from assertionengine import AssertionOperator
from robot.api.deco import keyword, library
from robot_run.keywords import Actor, checked, step, user_named
from robot_run.lifecycle import the_run

Channel = Enum("Channel", {"WebSocket": "websocket", "SSE": "sse"})


@library(scope="GLOBAL", version="1.0.0")
class EventsLibrary:
    """Subscribes to the events of jobs and workflows; channels are closed when the test ends."""

    @step()
    async def open_event_channel(
        self,
        kind: Literal["job", "workflow"],
        identifier: str,
        *,
        over: Channel = Channel.WebSocket,
        user: Actor = None,
        after: int | None = None,
        token_in: Literal["address", "message"] = "address",
    ) -> Subscription:
        """Opens a channel for the events of a job or workflow.

        - ``token_in``: of a WebSocket: send the token in the address, or as the first message.
        - ``after``: replay the events later than this sequence number; 0 replays all.

        A refused channel is returned too: see `Get Close Code`.

        | ${channel} =    Open Event Channel    job    ${upload.job_id}    over=SSE    after=0
        """
        run = the_run()
        client = run.websocket if over is Channel.WebSocket else run.sse
        token = user_named(user).access_token
        opened: Subscription = await run.context.channels.enter_async_context(
            getattr(client, kind)(identifier, token if token_in == "address" else None, after=after)
        )
        if token_in == "message":
            assert isinstance(opened, Socket)
            await opened.send(run.websocket.first_message(token))
        return opened

    @step(within=120)
    async def wait_for_event(self, channel: Subscription, *, timeout: float = 30.0, **having: Any) -> Frame:
        """Waits until an event with these fields of the contract has arrived, and returns it.

        | Wait For Event    ${channel}    status=complete
        """
        paths = the_run().contract.realtime.job_event

        def found(received: Subscription) -> Frame | None:
            fits = (
                frame
                for frame in received.events
                if all(pick(frame.data, paths.get(word, word)) == value for word, value in having.items())
            )
            return next(fits, None)

        await channel.until(lambda seen: found(seen) is not None, what=f"an event with {having}", within=timeout)
        event = found(channel)
        assert event is not None
        return event

    @step(within=120)
    async def wait_for_frame(self, channel: Subscription, kind: str, *, timeout: float = 10.0) -> Frame:
        """Waits until a frame of a type has arrived, such as ``pong`` or ``connection_confirmed``, and returns it.

        | Wait For Frame    ${channel}    connection_confirmed
        """
        return await channel.until_frame(kind, within=timeout)

    @step()
    async def send_frame(self, channel: Socket, message: str | bytes | dict[str, Any]) -> None:
        """Sends a frame over a WebSocket: a dictionary as JSON text, bytes as a binary frame, text as it is.

        | Send Frame    ${channel}    ${{ {"type": "ping"} }}
        """
        await channel.send(message)

    @step()
    async def cut_connection(self, channel: Socket) -> None:
        """Drops a WebSocket without a closing handshake, as a lost network does.

        | Cut Connection    ${channel}
        """
        await channel.cut()

    @keyword
    def get_events(
        self,
        channel: Subscription,
        field: str = "status",
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
    ) -> Any:
        """Returns a field of every event received, in order of arrival.

        | Get Events    ${channel}    status    ==    ${STATUSES}
        """
        path = the_run().contract.realtime.job_event.get(field, field)
        values = [pick(frame.data, path) for frame in channel.events]
        return checked(values, assertion_operator, assertion_expected, f"{field} over {channel.what}", message=message)

    @step(within=120)
    async def get_close_code(
        self,
        channel: Subscription,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        *,
        timeout: float = 10.0,
        message: str | None = None,
    ) -> Any:
        """Waits until the other side has closed a channel; returns the close code, or the HTTP status of a refusal.

        | Get Close Code    ${channel}    ==    4404
        """
        code = await channel.until_closed(within=timeout)
        return checked(code, assertion_operator, assertion_expected, f"close code of {channel.what}", message=message)
