"""Registration and login (INT-01): a session of one's own that ends when it says, and refusals that tell nothing."""

from __future__ import annotations

import math
import secrets
import statistics
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from acceptance.checks.forged_tokens import claims_of
from acceptance.clients.http import Response
from acceptance.deployment.contract import MISSING, pick
from acceptance.errors import violation
from acceptance.fixtures.users import User
from acceptance.polling import together, wait_until
from acceptance.run import Run

READS = 4  # of the same thing at once: behind one address there may be several instances
SHORT_SECONDS = 3
ROUNDING_SECONDS = 1.0  # the times in a token are whole seconds
GRACE_SECONDS = 1.0
PAIRS = 21
CONFIDENCE = 0.99
LOGIN_GAP_MS = 10.0
Weakness = Literal["no characters", "one character", "one character too few"]
Refusal = Literal["malformed_email", "weak_password", "invalid_credentials"]
CALLERS = 5
REUSE_GRACE_SECONDS = 2.0


# Hashing a password costs 20 ms and more, so leaving it out for an unknown user shows; whether a row is found costs
# less than a millisecond, which nobody can tell over a network.


@dataclass(frozen=True)
class _End:
    """The first answer that no longer took a person's access token, so many seconds after they had asked for it."""

    user: User
    response: Response
    seconds: float


async def session_is_of(run: Run, user: User) -> None:
    """The session that a person holds is theirs: its claims and every instance's answer say so."""
    if (subject := claims_of(user.access_token).get("sub")) != user.user_id:
        raise violation("access token", expected=f"the subject {user.user_id}", observed=subject)
    own = (user.user_id, user.email)
    for response in await together(*(run.client.call("user", token=user.access_token) for _ in range(READS))):
        if (seen := (response["user_id"], response["email"])) != own:
            raise violation("user", expected=f"the user {own}", observed=seen, look=response.look)


def token_says_the_same(user: User) -> None:
    """The access token names the end that the answer which brought it announced."""
    claims = claims_of(user.access_token)
    lives = claims.get("exp", 0) - claims.get("iat", 0)
    if abs(lives - user.expires_in) > ROUNDING_SECONDS:
        raise violation("access token", expected=f"to live {user.expires_in:g} s (expires_in)", observed=f"{lives} s")


async def ends_when_it_says(run: Run) -> None:
    """A short session lives until it had said, and not longer."""
    end = await run.once("expired session", lambda: _observed_end(run))
    token_says_the_same(end.user)
    says = end.user.expires_in
    run.observe("INT-01", "session_lived", end.seconds, "s", samples=1)
    run.observe("INT-01", "session_expires_in", says, "s", samples=1)
    if not says - ROUNDING_SECONDS <= end.seconds <= says + ROUNDING_SECONDS + GRACE_SECONDS:
        seen = f"refused after {end.seconds:.1f} s"
        raise violation(
            "session", expected=f"to end after {says:g} s (expires_in)", observed=seen, look=end.response.look
        )
    await is_refused(run, end.user)


async def expired_session(run: Run) -> User:
    """Someone whose session has expired; they go on holding its tokens."""
    return (await run.once("expired session", lambda: _observed_end(run))).user


async def is_refused(run: Run, user: User) -> None:
    """The person's access token is refused, by every instance."""
    refused = run.contract.refused("user", "expired")
    await together(*(run.client.call("user", token=user.access_token, status=refused) for _ in range(READS)))


async def malformed_address_is_refused(run: Run, address: str) -> None:
    """What is not an e-mail address can neither sign up nor log in."""
    new_user = replace(run.users.new_user(), email=address)
    await _signup_is_refused(run, new_user, "malformed_email")
    await _expect_refusal(run, "login", new_user, "malformed_email")


async def weak_password_is_refused(run: Run, weakness: Weakness) -> None:
    """A weak password is refused, for an unknown and for a known address alike, and the address stays free."""
    least = run.contract.limits.password_characters
    strong = run.users.new_user()
    length = {"no characters": 0, "one character": 1, "one character too few": least - 1}[weakness]
    weak = replace(strong, password=strong.password[:length])
    await _signup_is_refused(run, weak, "weak_password")
    await _expect_refusal(run, "login", weak, "invalid_credentials")
    await run.users.register(strong)  # had the refused one been made, this would not be the first of its address
    await _signup_is_refused(run, weak, "weak_password")


async def shortest_password_is_accepted(run: Run) -> None:
    """A strong password of the least length opens an account."""
    user = run.users.new_user()
    user.password = user.password[: run.contract.limits.password_characters]
    await run.users.register(user)
    await session_is_of(run, user)


async def nearly_right_password_is_refused(run: Run) -> None:
    """A password that differs from the right one only a little is wrong: in case, in blanks, or in its last letters."""
    user = run.users.new_user()
    user.password = run.redactor.register(f"Aa1!{secrets.token_urlsafe(72)}")  # longer than some hashes look
    await run.users.register(user)
    right = user.password
    for wrong in ("", right[:-1], right + "x", right[:-1] + chr(ord(right[-1]) ^ 1), right.swapcase(), f" {right} "):
        await _expect_refusal(run, "login", replace(user, password=wrong), "invalid_credentials")
    await run.users.sign_in(user)


async def known_address_reveals_nothing(run: Run, user: User) -> None:
    """Signing up with a known address, whatever the password, gives no session, names nobody and changes nothing."""
    other = run.users.new_user().password
    for password in (other, user.password):
        body = {"email": user.email, "password": password}
        response = await run.client.call("signup", body=body, status=run.contract.errors.known_address)
        _reveals_nothing(response, user)
    await _expect_refusal(run, "login", replace(user, password=other), "invalid_credentials")
    await session_is_of(run, user)
    await run.users.sign_in(user)
    await session_is_of(run, user)


async def refused_logins_look_the_same(run: Run, user: User) -> None:
    """A wrong password and an unknown address get the same answer, and no difference in time that could be used.

    Pairs of the two are timed in turn; what counts is the part of their difference that is certain (`certain_gap`).
    """
    differences, wrong_times, unknown_times = [], [], []
    for number in range(PAIRS + 1):
        new_user = run.users.new_user()
        pair = [replace(user, password=new_user.password), new_user]
        first, second = [await _send(run, "login", who) for who in (pair if number % 2 else pair[::-1])]
        wrong, unknown = (first, second) if number % 2 else (second, first)
        _expect_alike(run, wrong, unknown)
        if number:  # the first pair opens the connection
            wrong_times.append(wrong.elapsed * 1000)
            unknown_times.append(unknown.elapsed * 1000)
            differences.append(wrong_times[-1] - unknown_times[-1])
    gap = certain_gap(differences, CONFIDENCE)
    run.observe("INT-01", "login_with_wrong_password", wrong_times, "ms", statistic="median")
    run.observe("INT-01", "login_of_unknown_user", unknown_times, "ms", statistic="median")
    run.observe("INT-01", "certain_login_time_gap", gap, "ms", samples=PAIRS)
    if gap > LOGIN_GAP_MS:
        raise violation(
            "login", expected=f"the same time for a wrong password and an unknown user, within {LOGIN_GAP_MS:g} ms",
            observed=f"medians of {statistics.median(wrong_times):.1f} and"
            f" {statistics.median(unknown_times):.1f} ms over "
            f"{PAIRS} pairs: {gap:.1f} ms apart with {CONFIDENCE:.0%} certainty",
        )  # fmt: skip


def certain_gap(differences: Sequence[float], confidence: float) -> float:
    """How far from zero the median of paired differences lies at least, with this confidence; 0 where it may be zero.

    The confidence interval of a median is bounded by two of the ordered values themselves, so that neither a few slow
    calls nor their distribution matters (sign test).
    """
    ordered, number = sorted(differences), len(differences)
    beyond, outside = 0.0, -1
    while (beyond := beyond + math.comb(number, outside + 1) / 2**number) * 2 <= 1 - confidence:
        outside += 1
    if outside < 0:
        raise ValueError(f"{number} pairs are too few for a confidence of {confidence}")
    low, high = ordered[outside], ordered[-1 - outside]
    return max(0.0, low, -high)


async def all_sign_in_at_once(run: Run, number: int) -> None:
    """New users log in at the same time, and once more; each session is that of whoever logged in."""
    users = await together(*(run.users.signed_in() for _ in range(number)))
    for _ in range(2):
        await together(*(session_is_of(run, user) for user in users))
        await together(*(run.users.sign_in(user) for user in users))
    await together(*(session_is_of(run, user) for user in users))
    for user in users:
        token_says_the_same(user)


async def _observed_end(run: Run) -> _End:
    user = await run.users.signed_in(access_token_seconds=SHORT_SECONDS)
    await run.client.call("user", token=user.access_token)

    async def look() -> _End:
        response = await run.client.send("user", token=user.access_token)
        return _End(user, response, time.time() - user.asked_at)

    return await wait_until(
        look,
        lambda end: end.response.status != run.contract.route("user").success,
        what=f"a session of {user.expires_in:g} s ends",
        within=SHORT_SECONDS + ROUNDING_SECONDS + GRACE_SECONDS,
        describe=lambda end: f"status {end.response.status} after {end.seconds:.1f} s",
    )


def _reveals_nothing(response: Response, user: User) -> None:
    text = response.content.decode("utf-8", "replace")
    document = response.json()
    tokens = [
        word
        for word in ("access_token", "refresh_token")
        if pick(document, response.paths[word]) not in (MISSING, None, "")
    ]
    if tokens or "eyJ" in text:
        raise violation(
            "signup with a known address",
            expected="no session",
            observed=", ".join(tokens) or "a token",
            look=response.look,
        )
    if user.user_id in text:
        raise violation(
            "signup with a known address",
            expected="an obfuscated user",
            observed="the real identifier",
            look=response.look,
        )
    if pick(document, response.paths["user_id"]) in (MISSING, None, ""):
        raise violation(
            "signup with a known address",
            expected="an obfuscated user",
            observed=response.excerpt(),
            look=response.look,
        )


async def _signup_is_refused(run: Run, user: User, refusal: Refusal) -> None:
    response = await _send(run, "signup", user)
    if response.status == run.contract.route("signup").success:
        user.take(response)
        run.users.remember(user)
    _expect(run, response, refusal)


async def _expect_refusal(run: Run, route: str, user: User, refusal: Refusal) -> None:
    _expect(run, await _send(run, route, user), refusal)


async def _send(run: Run, route: str, user: User) -> Response:
    return await run.client.send(route, body={"email": user.email, "password": user.password})


def _expect_alike(run: Run, wrong: Response, unknown: Response) -> None:
    bodies = []
    for response in (wrong, unknown):
        _expect(run, response, "invalid_credentials")
        bodies.append(response.content.decode().replace(response.request_id, "<request>"))
    if bodies[0] != bodies[1]:
        expected = f"for an unknown user the answer to a wrong password, {bodies[0]}"
        raise violation("login", expected=expected, observed=bodies[1], look=unknown.look)
    names = [sorted(set(response.headers) - {run.contract.errors.request_id_header}) for response in (wrong, unknown)]
    if names[0] != names[1]:
        expected = f"for an unknown user the headers {names[0]}"
        raise violation("login", expected=expected, observed=names[1], look=unknown.look)


def _expect(run: Run, response: Response, refusal: Refusal) -> None:
    """The answer has the status and the code that the contract gives this refusal."""
    status, code = getattr(run.contract.errors, refusal), getattr(run.contract.errors.codes, refusal)
    if response.status != status:
        raise violation(response.route, expected=f"status {status}", observed=response.excerpt(), look=response.look)
    if (seen := run.client.error_of(response)["code"]) != code:
        raise violation(response.route, expected=f"the error code {code}", observed=seen, look=response.look)


async def another_session(run: Run, user: User) -> User:
    """The same user, signed in once more: a session beside the first."""
    other = replace(user)
    await run.users.sign_in(other)
    return other


async def expired(run: Run) -> User:
    """Someone whose access token has expired; refreshing this copy leaves the expired one to others."""
    return replace(await expired_session(run))


async def refreshed(run: Run, user: User, times: int) -> list[User]:
    """What the person held at first and after each refresh; every new session is theirs."""
    held = [replace(user)]
    for _ in range(times):
        await run.users.refresh(user)
        await session_is_of(run, user)
        held.append(replace(user))
    return held


def refresh_tokens_differ(held: Sequence[User]) -> None:
    """No refresh token was given twice. (Two access tokens of one second may be the same: what they say is.)"""
    given = [user.refresh_token for user in held]
    if len(set(given)) != len(given):
        raise violation("refresh", expected=f"{len(given)} different refresh tokens", observed=len(set(given)))


async def used_tokens_are_refused(run: Run, held: Sequence[User]) -> None:
    """Every refresh token but the last is refused, at the latest when the deployment's reuse window has passed."""
    for user in held[:-1]:
        await _used_token_is_refused(run, user)


async def one_token_serves_one_caller(run: Run, user: User) -> None:
    """Of several callers at once with the same refresh token one is served; all are, where tokens may be used again."""
    errors, success = run.contract.errors, run.contract.route("refresh").success
    served = CALLERS if run.descriptor.sessions.refresh_reuse_seconds else 1
    expected = sorted([success] * served + [errors.refused_refresh] * (CALLERS - served))
    responses = await together(*(_send_refresh(run, user) for _ in range(CALLERS)))
    if (seen := sorted(response.status for response in responses)) != expected:
        look = "; ".join(response.look for response in responses)
        raise violation(f"{CALLERS} callers with one refresh token", expected=expected, observed=seen, look=look)
    first = next(response for response in responses if response.status == success)
    holder = replace(user)
    holder.take(first)
    await session_is_of(run, holder)


async def session_goes_on(run: Run, user: User) -> None:
    """The person's access token works, on REST and realtime, and their refresh token carries the session on."""
    await session_is_of(run, user)
    await _realtime_closes(run, user, run.contract.realtime.close.unknown)
    await run.users.refresh(user)
    await session_is_of(run, user)


async def session_is_over(run: Run, held: Sequence[User]) -> None:
    """After a logout: no refresh token of the session works, and no access token where the deployment revokes those."""
    for user in held:
        await _refresh_is_refused(run, user)
    for user in held:
        if run.descriptor.sessions.logout_revokes_access:
            await is_refused(run, user)
            await _realtime_closes(run, user, run.contract.realtime.close.bad_token)
        else:
            await session_is_of(run, user)


async def expired_token_is_refused(run: Run, user: User) -> None:
    """An expired access token is refused for reading, for logging out and for realtime."""
    await is_refused(run, user)
    await run.client.call("logout", token=user.access_token, status=run.contract.refused("logout", "expired"))
    await _realtime_closes(run, user, run.contract.realtime.close.bad_token)


async def _used_token_is_refused(run: Run, user: User) -> None:
    window = run.descriptor.sessions.refresh_reuse_seconds
    if window == 0:
        await _refresh_is_refused(run, user)
        return
    response = await wait_until(
        lambda: _send_refresh(run, user),
        lambda seen: seen.status != run.contract.route("refresh").success,
        what="a used refresh token is refused",
        within=window + REUSE_GRACE_SECONDS,
        every=min(1.0, window / 10),
        describe=lambda seen: f"status {seen.status}",
    )
    if response.status != run.contract.errors.refused_refresh:
        expected = f"status {run.contract.errors.refused_refresh}"
        raise violation("a used refresh token", expected=expected, observed=response.excerpt(), look=response.look)


async def _refresh_is_refused(run: Run, user: User) -> None:
    body, refused = {"refresh_token": user.refresh_token}, run.contract.errors.refused_refresh
    await together(*(run.client.call("refresh", body=body, status=refused) for _ in range(READS)))


async def _send_refresh(run: Run, user: User) -> Response:
    return await run.client.send("refresh", body={"refresh_token": user.refresh_token})


async def _realtime_closes(run: Run, user: User, code: int) -> None:
    """A WebSocket of a job that nobody has is closed as it is for a good token, or as for a bad one."""
    async with run.websocket.job(str(uuid.uuid4()), user.access_token) as socket:
        if await socket.until_closed(within=10) != code:
            raise violation(socket.what, expected=f"to be closed with {code}", observed=socket.summary())
