"""Sessions (INT-02): tokens rotate, used and expired ones are refused, a logout ends what it should and no more."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace

from acceptance.client import Answer
from acceptance.errors import violation
from acceptance.integration.accounts import READS, expired_session, is_refused, session_is_of
from acceptance.people import Person
from acceptance.run import Run
from acceptance.waiting import together, wait_until

CALLERS = 5
GRACE_SECONDS = 2.0


async def another_session(run: Run, person: Person) -> Person:
    """The same user, signed in once more: a session beside the first."""
    other = replace(person)
    await run.people.sign_in(other)
    return other


async def expired(run: Run) -> Person:
    """Someone whose access token has expired; refreshing this copy leaves the expired one to others."""
    return replace(await expired_session(run))


async def refreshed(run: Run, person: Person, times: int) -> list[Person]:
    """What the person held at first and after each refresh; every new session is theirs."""
    held = [replace(person)]
    for _ in range(times):
        await run.people.refresh(person)
        await session_is_of(run, person)
        held.append(replace(person))
    return held


def refresh_tokens_differ(held: Sequence[Person]) -> None:
    """No refresh token was given twice. (Two access tokens of one second may be the same: what they say is.)"""
    given = [person.refresh_token for person in held]
    if len(set(given)) != len(given):
        raise violation("refresh", expected=f"{len(given)} different refresh tokens", seen=len(set(given)))


async def used_tokens_are_refused(run: Run, held: Sequence[Person]) -> None:
    """Every refresh token but the last is refused, at the latest when the deployment's reuse window has passed."""
    for person in held[:-1]:
        await _used_token_is_refused(run, person)


async def one_token_serves_one_caller(run: Run, person: Person) -> None:
    """Of several callers at once with the same refresh token one is served; all are, where tokens may be used again."""
    errors, success = run.contract.errors, run.contract.route("refresh").success
    served = CALLERS if run.descriptor.sessions.refresh_reuse_seconds else 1
    expected = sorted([success] * served + [errors.refused_refresh] * (CALLERS - served))
    answers = await together(*(_send_refresh(run, person) for _ in range(CALLERS)))
    if (seen := sorted(answer.status for answer in answers)) != expected:
        look = "; ".join(answer.look for answer in answers)
        raise violation(f"{CALLERS} callers with one refresh token", expected=expected, seen=seen, look=look)
    first = next(answer for answer in answers if answer.status == success)
    holder = replace(person)
    holder.take(first)
    await session_is_of(run, holder)


async def session_goes_on(run: Run, person: Person) -> None:
    """The person's access token works, on REST and realtime, and their refresh token carries the session on."""
    await session_is_of(run, person)
    await _realtime_closes(run, person, run.contract.realtime.close.unknown)
    await run.people.refresh(person)
    await session_is_of(run, person)


async def session_is_over(run: Run, held: Sequence[Person]) -> None:
    """After a logout: no refresh token of the session works, and no access token where the deployment revokes those."""
    for person in held:
        await _refresh_is_refused(run, person)
    for person in held:
        if run.descriptor.sessions.logout_revokes_access:
            await is_refused(run, person)
            await _realtime_closes(run, person, run.contract.realtime.close.bad_token)
        else:
            await session_is_of(run, person)


async def expired_token_is_refused(run: Run, person: Person) -> None:
    """An expired access token is refused for reading, for logging out and for realtime."""
    await is_refused(run, person)
    await run.client.call("logout", token=person.access_token, status=run.contract.refused("logout", "expired"))
    await _realtime_closes(run, person, run.contract.realtime.close.bad_token)


async def _used_token_is_refused(run: Run, person: Person) -> None:
    window = run.descriptor.sessions.refresh_reuse_seconds
    if window == 0:
        await _refresh_is_refused(run, person)
        return
    answer = await wait_until(
        lambda: _send_refresh(run, person),
        lambda seen: seen.status != run.contract.route("refresh").success,
        what="a used refresh token is refused",
        within=window + GRACE_SECONDS,
        every=min(1.0, window / 10),
        describe=lambda seen: f"status {seen.status}",
    )
    if answer.status != run.contract.errors.refused_refresh:
        expected = f"status {run.contract.errors.refused_refresh}"
        raise violation("a used refresh token", expected=expected, seen=answer.excerpt(), look=answer.look)


async def _refresh_is_refused(run: Run, person: Person) -> None:
    body, refused = {"refresh_token": person.refresh_token}, run.contract.errors.refused_refresh
    await together(*(run.client.call("refresh", body=body, status=refused) for _ in range(READS)))


async def _send_refresh(run: Run, person: Person) -> Answer:
    return await run.client.send("refresh", body={"refresh_token": person.refresh_token})


async def _realtime_closes(run: Run, person: Person, code: int) -> None:
    """A WebSocket of a job that nobody has is closed as it is for a good token, or as for a bad one."""
    async with run.realtime.job(str(uuid.uuid4()), person.access_token) as socket:
        if await socket.until_closed(within=10) != code:
            raise violation(socket.what, expected=f"to be closed with {code}", seen=socket.summary())
