"""Event channels of jobs and workflows: WebSocket and Server-Sent Events (SSE)."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, suppress
from itertools import pairwise
from typing import Any, Literal
from urllib.parse import quote

from acceptance import uploads
from acceptance.chat import Answer
from acceptance.checks import job_events, websocket_connections
from acceptance.checks.forged_tokens import Credential
from acceptance.checks.job_events import Channel, JobTrace, WorkflowTrace
from acceptance.checks.websocket_connections import ReconnectedJob
from acceptance.clients.websocket import Frame, Socket, Subject, Subscription
from acceptance.deployment.contract import pick
from acceptance.errors import SuiteError, violation
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload
from robot.api.deco import library
from robot_run.keywords import Actor, Duration, Observed, getter, keyword, seconds_of, step, user_named
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class EventsLibrary:
    """Subscribes to the events of jobs and workflows, and reads what has arrived.

    A *channel* is what `Open Event Channel` returns: a WebSocket or an SSE stream that keeps every frame. *Events* are
    the numbered frames; *frames* are all but heartbeats. Channels are closed when the test ends. The ``fields`` of an
    event are those of the contract's ``realtime``: of a job ``sequence``, ``status``, ``state``, ``status_pct``,
    ``total_pct`` and ``timestamp``; of a workflow ``step``, ``message``, ``progress``, ``timestamp``, and, of the
    answer, ``success`` and ``response``; of both ``type``, and ``data`` for the whole frame.
    """

    @step()
    async def open_event_channel(
        self,
        subject: Subject,
        identifier: str | Upload | Answer,
        *,
        over: Channel = "WebSocket",
        user: Actor = None,
        credential: Credential | None = None,
        token_in: Literal["address", "message", "none"] = "address",
        after: Any = None,
        lasting: bool = False,
    ) -> Subscription:
        """Opens a channel for the events of a job or workflow; a refused channel is returned too.

        - ``identifier``: of the job or workflow, such as ``${upload.job_id}`` or ``${answer.workflow_id}``.
        - ``credential``: a forged one instead of the user's token, see `Forge Credentials`.
        - ``token_in``: of a WebSocket: send the token in the address, as the first message, or not at all.
        - ``after``: replay the events later than this sequence number; 0 or none replays all. A wrong one is sent too.
        - ``lasting``: stays open until the end of the run instead of the test.

        | ${channel} =    Open Event Channel    job    ${upload.job_id}    over=SSE    after=0
        """
        if not isinstance(identifier, str):
            whole = "${upload.job_id}" if isinstance(identifier, Upload) else "${answer.workflow_id}"
            raise SuiteError(f"argument 'identifier': expected an identifier such as {whole}, found {identifier}")
        run = the_run()
        token = (
            credential.token
            if credential is not None
            else user_named(user).access_token
            if token_in != "none"
            else None
        )
        client = run.websocket if over == "WebSocket" else run.sse
        channels = run.channels if lasting else run.context.channels
        stack = await channels.enter_async_context(AsyncExitStack())
        channel: Subscription = await stack.enter_async_context(
            client.channel(subject, quote(identifier, safe=""), token if token_in == "address" else None, after=after)
        )
        channel.release = stack
        if isinstance(channel, Socket) and token_in == "message":
            await channel.send(run.websocket.first_message(token or ""))
        return channel

    @step()
    async def open_event_channels(self, jobs: list[Upload], *, each: int = 1) -> list[Socket]:
        """Opens WebSockets on the jobs of several uploads at the same time, so many for each.

        | @{channels} =    Open Event Channels    ${uploads}    each=10
        """
        return await websocket_connections.subscribe(the_run(), the_run().context.channels, jobs, each)

    @step()
    async def close_event_channel(self, channel: Subscription) -> None:
        """Closes a channel before the test ends; what it received can still be read.

        | Close Event Channel    ${channel}
        """
        await channel.release.aclose()

    @keyword()
    def create_frame(self, length: int, *, binary: bool = False) -> str | bytes:
        """Returns a ping that is padded with blanks to a length in bytes, as text or binary.

        | ${frame} =    Create Frame    65537    binary=True
        """
        frame = '{"type": "ping"}'.ljust(length)
        return frame.encode() if binary else frame

    @step()
    async def send_frame(self, channel: Socket, message: str | bytes | dict[str, Any]) -> None:
        """Sends a frame over a WebSocket: a dictionary as JSON text, bytes as a binary frame, text as it is.

        | Send Frame    ${channel}    ${{ {"type": "ping"} }}
        """
        await channel.send(message)

    @step(within=300)
    async def send_pings(
        self, channel: Socket, *, times: int = 1, kind: Literal["frame", "protocol"] = "frame"
    ) -> list[float]:
        """Sends pings one after the other; returns the seconds to each pong, and fails where one is late.

        - ``kind``: a ``frame`` of the contract, or a ping of the WebSocket ``protocol``.

        | ${seconds} =    Send Pings    ${channel}    times=20
        """
        within = the_run().contract.realtime.pong_within_seconds
        send = channel.ping if kind == "frame" else channel.protocol_ping
        return [await send(within=within) for _ in range(times)]

    @step()
    async def cut_connection(self, channel: Socket) -> None:
        """Drops a WebSocket without a closing handshake, as a lost network does.

        | Cut Connection    ${channel}
        """
        await channel.cut()

    @step(within=60)
    async def follow_job_with_cuts(self, upload: Upload, cut_after: list[int]) -> ReconnectedJob:
        """Sends the bytes of an announced upload and follows its job by a client that reconnects after each loss.

        - ``cut_after``: sequence numbers after whose arrival the client cuts the connection.

        Returns a channel with the events of all connections, and their number as ``connections``.

        | ${channel} =    Follow Job With Cuts    ${upload}    ${{[1, 4]}}
        """
        return await websocket_connections.follow_with_cuts(the_run(), upload, cut_after)

    @step(within=60)
    async def get_job_trace(self, document: str, *, user: Actor = None, seed: int = 0) -> JobTrace:
        """Uploads a document and follows its job over WebSocket, SSE and REST; once in a run, then shared.

        The trace has ``upload``, and the channels ``websocket`` and ``sse``.

        | ${trace} =    Get Job Trace    note    user=Subscriber
        | Get Events    ${trace.sse}    status    ==    ${STATUSES}
        """
        run, owner = the_run(), user_named(user)

        async def trace() -> JobTrace:
            return await job_events.trace_job(run, owner, Payload.of(await uploads.document(run, document, seed)))

        return await run.once(f"trace of {document} #{seed} of {owner.user_id}", trace)

    @step(within=60)
    async def get_workflow_trace(self, question: str, *, user: Actor = None) -> WorkflowTrace:
        """Asks a question and follows its workflow over WebSocket and SSE; once in a run, then shared.

        The trace has ``workflow_id``, ``answer``, and the channels ``websocket`` and ``sse``.

        | ${trace} =    Get Workflow Trace    ${QUESTION}    user=Subscriber
        """
        run, asker = the_run(), user_named(user)
        name = f"trace of '{question}' by {asker.user_id}"
        return await run.once(name, lambda: job_events.trace_workflow(run, asker, question))

    @step(within=120)
    async def wait_for_event(self, channel: Subscription, *, timeout: Duration = 30.0, **fields: Any) -> Frame:
        """Waits until an event with these fields has arrived, and returns its frame; without fields, any event.

        | Wait For Event    ${channel}    status=complete    timeout=20 s
        """
        wanted = {job_events.path_of(the_run().contract, channel, word): value for word, value in fields.items()}

        def found() -> Frame | None:
            fits = (
                frame
                for frame in channel.events
                if all(_is(pick(frame.data, path), value) for path, value in wanted.items())
            )
            return next(fits, None)

        await channel.until(lambda _: found() is not None, what=f"an event with {fields}", within=seconds_of(timeout))
        event = found()
        assert event is not None
        return event

    @step(within=120)
    async def wait_for_frame(self, channel: Subscription, kind: str, *, timeout: Duration = 10.0) -> Frame:
        """Waits until a frame of a type has arrived, such as ``pong`` or ``connection_confirmed``, and returns it.

        | Wait For Frame    ${channel}    connection_confirmed
        """
        return await channel.until_frame(kind, within=seconds_of(timeout))

    @step(within=120)
    async def wait_for_final_event(
        self, channel: Subscription, *, after: int = 0, timeout: Duration = PROCESSING_SECONDS
    ) -> None:
        """Waits until the event that ends a job or workflow has arrived.

        - ``after``: one later than this sequence number, as of a job that is retried.

        | Wait For Final Event    ${channel}
        """
        run, what = the_run(), f"the final event after #{after}" if after else "the final event"
        await channel.until(lambda seen: job_events.has_ended(run, seen, after), what=what, within=seconds_of(timeout))

    @step()
    async def wait_until_settled(self, channel: Subscription) -> None:
        """Waits until nothing more is in transit: a pong came behind it, the channel has ended, or it is quiet.

        | Wait Until Settled    ${channel}
        """
        await job_events.settled(the_run(), channel)

    @step(within=300)
    async def wait_until_idle(self, channel: Subscription, seconds: Duration) -> float:
        """Waits until a channel has carried no frame but heartbeats for so long; fails where it is closed before.

        Returns the seconds.

        | Wait Until Idle    ${channel}    1 min
        """
        wanted = seconds_of(seconds)
        latest = time.time() + 2 * wanted  # what still arrives at first restarts the wait

        def idle() -> float:
            return time.time() - max([channel.opened, *(frame.at for frame in channel.application_frames)])

        def stirred(channel: Subscription) -> bool:
            return channel.closed is not None or len(channel.application_frames) > seen

        while channel.closed is None and not channel.problem and (left := wanted - idle()) > 0:
            if time.time() + left > latest:
                raise violation(channel.what, expected=f"no frame in {wanted:g} s", observed=channel.summary())
            seen = len(channel.application_frames)
            with suppress(AssertionError):
                await channel.until(stirred, what="is closed", within=left)
        if channel.closed is not None or channel.problem:
            ended = f"{channel.summary()}, {channel.closed_at - channel.opened:.0f} s after it was opened"
            expected = f"to stay open for {wanted:g} idle seconds"
            raise violation(channel.what, expected=expected, observed=channel.problem or ended)
        return idle()

    @getter()
    def get_events(
        self,
        channel: Subscription,
        field: str = "status",
        *,
        type: str | None = None,
        among: list[Any] | None = None,
        after: int = 0,
    ) -> Observed:
        """Returns a field of every event received, in order of arrival; fails where one lacks it or is of another job.

        - ``type``: events of this type only.
        - ``among``: leave out the values that are not in this list.
        - ``after``: events later than this sequence number only, as a replay delivers them.

        | Get Events    ${channel}    status    ==    ${STATUSES}
        """
        values = job_events.event_fields(the_run(), channel, field, type)
        if after:
            numbers = job_events.event_fields(the_run(), channel, "sequence", type)
            values = [value for value, number in zip(values, numbers, strict=True) if number > after]
        values = [value for value in values if among is None or value in among]
        what = f"{field} of events over {channel.what}"
        return Observed(values, what, channel.summary())

    @getter(tags=("needs-sql",))
    async def get_stored_events(self, upload: Upload, field: str = "status") -> Observed:
        """Returns a field of every event of a job in the database, in the order of their numbers.

        - ``field``: ``sequence``, ``status`` or ``timestamp``, as `Get Events` has them.

        | Get Stored Events    ${upload}    status    ==    ${STATUSES}
        """
        rows = await the_run().database.rows("job_events", job_id=upload.job_id)
        rows.sort(key=lambda row: int(row["sequence"]))
        values = [round(row["at"].timestamp(), 3) if field == "timestamp" else row[field] for row in rows]
        what = f"{field} of the events of job {upload.job_id} by named query 'job_events'"
        return Observed(values, what)

    @getter()
    def get_frames(self, channel: Subscription, field: str = "type") -> Observed:
        """Returns a field of every frame received but heartbeats, numbered or not, in order of arrival.

        | Get Frames    ${channel}    type    ==    ${{[]}}
        """
        values = [pick(frame.data, field) for frame in channel.application_frames]
        what = f"{field} of frames over {channel.what}"
        return Observed(values, what, channel.summary())

    @keyword()
    def get_expected_statuses(self, outcome: str = "complete", *, observed: list[str] | None = None) -> list[str]:
        """Returns the contract's statuses of a job that ends with an outcome, in order.

        - ``observed``: statuses of a failed job; it may have passed one or more of those before its failure.

        | ${statuses} =    Get Expected Statuses    complete
        | ${statuses} =    Get Expected Statuses    failed_parse    observed=${seen}
        """
        return job_events.expected_statuses(the_run().contract, outcome, len(observed or []))

    @getter()
    def get_snapshots(self, trace: JobTrace, field: str = "status") -> Observed:
        """Returns a field of the job over REST while it was traced, each value once as long as it did not change.

        - ``field``: ``status``, ``state``, ``status_pct``, ``total_pct``, or ``step``, such as ``parsed at 40 %``.

        | Get Snapshots    ${trace}    status    ==    ${STATUSES}
        """
        values = [getattr(snapshot, field) for snapshot in trace.snapshots]
        changes = values[:1] + [after for before, after in pairwise(values) if after != before]
        look = trace.snapshots[-1].look
        what = f"{field} of {trace.name} over REST"
        return Observed(changes, what, look)

    @getter()
    def get_realtime_lag(self, trace: JobTrace | WorkflowTrace) -> Observed:
        """Returns the largest lag between realtime and REST in a trace, in seconds; see `Get Realtime Lags`.

        | Get Realtime Lag    ${trace}    <=    ${limit}
        """
        lag, event = max(job_events.realtime_lags(the_run(), trace))
        what = f"realtime lag of {trace.name} in seconds, largest for {event}"
        return Observed(lag, what)

    @keyword()
    def get_realtime_lags(self, trace: JobTrace | WorkflowTrace) -> list[float]:
        """Returns the lag of every event of a trace, over both channels, in seconds.

        Of a job: behind REST, before REST, or behind the event's own timestamp, whichever is largest. Of a workflow:
        the answer's behind REST.

        | ${lags} =    Get Realtime Lags    ${trace}
        """
        return [lag for lag, _ in job_events.realtime_lags(the_run(), trace)]

    @getter(within=120)
    async def get_close_code(self, channel: Subscription, *, timeout: Duration = 10.0) -> Observed:
        """Waits until the other side has closed a channel; returns the close code, or the HTTP status of a refusal.

        | Get Close Code    ${channel}    ==    4404
        """
        code = await channel.until_closed(within=seconds_of(timeout))
        what = f"close code of {channel.what}"
        return Observed(code, what, channel.summary())

    @getter(within=120)
    async def get_refusal_code(self, channel: Subscription, *, timeout: Duration = 10.0) -> Observed:
        """As `Get Close Code`, of a channel that must be closed before it delivers anything: a frame fails at once.

        | Get Refusal Code    ${channel}    ==    4401
        """
        code = await channel.until_refused(within=seconds_of(timeout))
        return Observed(code, f"refusal of {channel.what}", channel.summary())

    @getter()
    def get_channel_state(self, channel: Subscription) -> Observed:
        """Returns ``open``, or how a channel ended, such as ``closed with 1009``.

        | Get Channel State    ${channel}    ==    open
        """
        what = f"state of {channel.what}"
        return Observed(channel.state, what)

    @getter()
    def get_open_seconds(self, channel: Subscription) -> Observed:
        """Returns how long a channel has been open, or was before it was closed.

        | Get Open Seconds    ${channel}    <=    30
        """
        seconds = (channel.closed_at if channel.closed is not None else time.time()) - channel.opened
        return Observed(seconds, f"seconds open of {channel.what}")

    @getter()
    def get_ping_gaps(self, channel: Subscription) -> Observed:
        """Returns the seconds before each ping of the server: since the opening, then since the ping before.

        The last value is the time since the latest ping, in which none has come yet.

        | Get Ping Gaps    ${channel}    validate    max(value) <= 30
        """
        times = [channel.opened, *channel.pings, time.time()]
        gaps = [round(later - earlier, 3) for earlier, later in pairwise(times)]
        what = f"seconds before pings over {channel.what}"
        return Observed(gaps, what)

    @getter(within=60)
    async def get_disturbances(self, channels: list[Socket], jobs: list[Upload]) -> Observed:
        """Waits for the end of the jobs; returns a line for each channel without all of its job, or with another's.

        - ``channels``: WebSockets on these jobs; none may receive anything of another's.

        | Get Disturbances    ${channels}    ${uploads}    ==    ${{[]}}
        """
        lines = await websocket_connections.disturbed(the_run(), channels, jobs)
        what = f"disturbed among {len(channels)} channels"
        return Observed(lines, what)


def _is(found: Any, wanted: Any) -> bool:
    """Whether a field has a value; a suite may write a number as text."""
    if isinstance(wanted, str) and isinstance(found, int | float):
        with suppress(ValueError):
            return bool(found == float(wanted))
    return bool(found == wanted) or str(found) == wanted
