"""Many WebSocket connections beside one another: none harms another, and each sees what is its own (INT-09)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack

from acceptance.errors import violation
from acceptance.integration.connections import REFUSED_SECONDS, ground
from acceptance.integration.following import check_order, events_of, has_ended
from acceptance.realtime import Socket
from acceptance.run import Run
from acceptance.uploads import PROCESSING_SECONDS, Payload, Upload, announce, document, put_bytes
from acceptance.waiting import together

USERS = 5
SUBSCRIBERS_EACH = 10
NEIGHBOURS = 4
DEPTH = 20_000
MALFORMED: dict[str, str | bytes] = {
    "half a JSON object": '{"type": "ping"',
    "a word": "hello",
    "deeply nested JSON": "[" * DEPTH,
    "an empty frame": "",
    "a binary frame": bytes(range(256)),
}


async def malformed_frame_is_answered(run: Run, name: str) -> None:
    """What cannot be understood is answered with an error, and the connection stays."""
    on = await ground(run)
    async with run.realtime.job(on.upload.job_id, on.owner.access_token, after=0) as socket:
        await socket.send(MALFORMED[name])
        await _is_told_and_stays(run, socket)


async def oversized_frame_is_closed(run: Run, binary: bool) -> None:
    """One byte more than the contract allows closes the connection that sent it with 1009."""
    on = await ground(run)
    async with run.realtime.job(on.upload.job_id, on.owner.access_token, after=0) as socket:
        await socket.send(_oversized(run, binary))
        await _is_closed_as_too_large(run, socket)


async def largest_frame_is_taken(run: Run) -> None:
    """A frame of just the size that the contract allows is answered as any other."""
    on, most = await ground(run), run.contract.realtime.max_frame_bytes
    async with run.realtime.job(on.upload.job_id, on.owner.access_token, after=0) as socket:
        await socket.send('{"type": "ping"}'.ljust(most))
        await socket.until_frame("pong", within=run.contract.realtime.pong_within_seconds)


async def harmful_frames_harm_nobody(run: Run) -> None:
    """While some send nonsense, neighbours on the same job and the senders that stay miss nothing of it."""
    person = await run.people.signed_in()
    upload = await announce(run, person, Payload.of(await document(run, "note", 910)))
    async with AsyncExitStack() as stack:
        neighbours = [await _subscribe(run, stack, upload) for _ in range(NEIGHBOURS)]
        senders = {name: await _subscribe(run, stack, upload) for name in MALFORMED}
        too_large = {binary: await _subscribe(run, stack, upload) for binary in (False, True)}
        await together(*(socket.send(MALFORMED[name]) for name, socket in senders.items()))
        await together(*(socket.send(_oversized(run, binary)) for binary, socket in too_large.items()))
        await together(put_bytes(run, upload), *(_is_told_and_stays(run, socket) for socket in senders.values()))
        for socket in too_large.values():
            await _is_closed_as_too_large(run, socket)
        everyone = [*neighbours, *senders.values()]
        await together(*(_ends(run, socket) for socket in everyone))
        for socket in everyone:
            if problem := disturbance(run, upload, [upload], socket):
                raise violation(socket.what, expected="everything in spite of its neighbours", seen=problem)


async def subscribers_see_what_is_theirs(run: Run) -> None:
    """Fifty subscribers of several users at once: each sees all of its own job and nothing of another."""
    people = await together(*(run.people.signed_in() for _ in range(USERS)))
    notes = [await document(run, "note", 920 + number) for number in range(USERS)]
    uploads = await together(*(announce(run, who, Payload.of(note)) for who, note in zip(people, notes, strict=True)))
    async with AsyncExitStack() as stack:
        sockets = await together(
            *(_subscribe(run, stack, upload) for upload in uploads for _ in range(SUBSCRIBERS_EACH))
        )
        mine = [upload for upload in uploads for _ in range(SUBSCRIBERS_EACH)]
        await together(*(put_bytes(run, upload) for upload in uploads))
        await together(*(_ends(run, socket) for socket in sockets))
        both = zip(mine, sockets, strict=True)
        disturbed = list(filter(None, (disturbance(run, upload, uploads, socket) for upload, socket in both)))
    share = 100 * (len(sockets) - len(disturbed)) / len(sockets)
    run.observe("INT-09", "subscribers_undisturbed", share, "%", samples=len(sockets))
    if disturbed:
        wanted = "each sees all that is its own, and nothing else"
        raise violation(f"{len(sockets)} subscribers", expected=wanted, seen=f"{len(disturbed)} not: {disturbed[0]}")


def disturbance(run: Run, upload: Upload, uploads: Sequence[Upload], socket: Socket) -> str:
    """What is wrong with what one subscriber saw of its own upload, among all uploads; nothing where all is well."""
    try:
        check_order(events_of(run, upload.job_id, socket.events), run.contract.jobs.statuses, socket.what)
    except AssertionError as error:
        return str(error)
    if socket.closed is not None:
        return socket.summary()
    others = [other for other in uploads if other is not upload]
    foreign = {name for other in others for name in (other.job_id, other.document_id, other.owner.user_id)}
    told = "".join(str(frame.data) for frame in socket.frames)
    return next((f"{socket.what} was told of {name}" for name in foreign if name in told), "")


async def _subscribe(run: Run, stack: AsyncExitStack, upload: Upload) -> Socket:
    return await stack.enter_async_context(run.realtime.job(upload.job_id, upload.owner.access_token, after=0))


async def _ends(run: Run, socket: Socket) -> None:
    """Wait for the job's end and whatever still follows it; what is missing is told by who looks at the frames."""
    with contextlib.suppress(AssertionError):
        await socket.until(lambda seen: has_ended(run, seen), what="the final event", within=PROCESSING_SECONDS)
        await socket.ping(within=run.contract.realtime.pong_within_seconds)


async def _is_told_and_stays(run: Run, socket: Socket) -> None:
    await socket.until_frame(run.contract.realtime.malformed_answer, within=REFUSED_SECONDS)
    await socket.ping(within=run.contract.realtime.pong_within_seconds)


async def _is_closed_as_too_large(run: Run, socket: Socket) -> None:
    code = run.contract.realtime.close.too_large
    if await socket.until_closed(within=REFUSED_SECONDS) != code:
        raise violation(socket.what, expected=f"closed with {code} after an oversized frame", seen=socket.summary())


def _oversized(run: Run, binary: bool) -> str | bytes:
    """Sound but for its size."""
    frame = '{"type": "ping"}'.ljust(run.contract.realtime.max_frame_bytes + 1)
    return frame.encode() if binary else frame
