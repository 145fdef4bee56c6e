"""Accounts and sessions (INT-01, INT-02): expiry, altered passwords, refused sign-ins, simultaneous refreshes."""

from __future__ import annotations

import asyncio
import math
import secrets
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from acceptance.clients.http import Response
from acceptance.errors import violation
from acceptance.fixtures.users import User, unverified_claims
from acceptance.polling import together, wait_until
from acceptance.run import Run

READS = 4  # of the same route at once: behind one address there may be several instances
SHORT_SECONDS = 3
WAITED_SECONDS = 60.0  # of a session that was not made short for the run
GRACE_SECONDS = 2.0  # one for whole seconds in tokens, one for the deployment's clock
LONG_PASSWORD = 100  # characters: more than some hashes read
REUSE_GRACE_SECONDS = 2.0
CONFIDENCE = 0.99
PasswordChange = Literal[
    "unchanged", "empty", "last letter missing", "one letter more", "last letter changed", "case swapped",
    "blanks around", "reversed",
]  # fmt: skip
PASSWORD_CHANGES: dict[PasswordChange, Callable[[str], str]] = {
    "unchanged": lambda right: right,
    "empty": lambda right: "",
    "last letter missing": lambda right: right[:-1],
    "one letter more": lambda right: f"{right}x",
    "last letter changed": lambda right: right[:-1] + chr(ord(right[-1]) ^ 1),
    "case swapped": str.swapcase,
    "blanks around": lambda right: f" {right} ",
    "reversed": lambda right: right[::-1],
}
NEARLY_RIGHT = [change for change in PASSWORD_CHANGES if change not in ("unchanged", "reversed")]


@dataclass(frozen=True)
class SessionEnd:
    """The first response that refused a user's access token, and how many `seconds` after its request that was.

    Where no route shows whom a token belongs to, `response` is None, and `seconds` when it must have ended.
    """

    user: User
    response: Response | None
    seconds: float


@dataclass
class RefusedSignIns:
    """Responses to sign-ins with a wrong password and to sign-ins of unknown users, timed in pairs."""

    wrong: list[Response] = field(default_factory=list, repr=False)
    unknown: list[Response] = field(default_factory=list, repr=False)

    @property
    def wrong_ms(self) -> list[float]:
        """Times with a wrong password; the first pair, which opens the connection, is left out."""
        return [response.elapsed * 1000 for response in self.wrong[1:]]

    @property
    def unknown_ms(self) -> list[float]:
        return [response.elapsed * 1000 for response in self.unknown[1:]]

    @property
    def gap_ms(self) -> float:
        """What the median times certainly differ by; see `certain_gap`."""
        pairs = zip(self.wrong_ms, self.unknown_ms, strict=True)
        return certain_gap([wrong - unknown for wrong, unknown in pairs], CONFIDENCE)

    @property
    def medians(self) -> str:
        wrong, unknown = statistics.median(self.wrong_ms), statistics.median(self.unknown_ms)
        return f"{wrong:.1f} ms with a wrong password, {unknown:.1f} ms for unknown users"

    def differences(self, request_id_header: str) -> list[str]:
        """One line for each pair whose bodies or header names differ."""
        parts = (_body, lambda response: sorted(set(response.headers) - {request_id_header}))
        return [
            f"wrong password: {part(wrong)}, unknown user: {part(unknown)}; {unknown.look}"
            for wrong, unknown in zip(self.wrong, self.unknown, strict=True)
            for part in parts
            if part(wrong) != part(unknown)
        ]


def _body(response: Response) -> str:
    return response.content.decode("utf-8", "replace").replace(response.request_id, "<request>")


async def empty_password_is_refused(run: Run, user: User) -> Response:
    """Sign in with the right address and no password: refused as a wrong one, or as a field that holds nothing.

    Raises:
        AssertionError: it had any other answer.
    """
    response = await run.client.send("login", body={"email": user.email, "password": ""})
    of_fields = "errors.invalid_parameter"
    as_field = run.contract.offers(of_fields) and response.status == run.contract.status_of(
        "login", "invalid_parameter"
    )
    return response if as_field else run.client.check(response, "invalid_credentials")


def altered(run: Run, user: User, *, change: PasswordChange = "unchanged", characters: int | None = None) -> User:
    """The user with another password: changed as `PASSWORD_CHANGES` names, cut or lengthened to so many characters."""
    password = PASSWORD_CHANGES[change](user.password)
    if characters is not None:
        more = secrets.token_urlsafe(max(0, characters - len(password)))
        password = (password + more)[:characters]
    if password not in ("", user.password) and len(password) >= run.contract.limits.password_characters:
        run.redactor.register(password)
    return replace(user, password=password)


async def expired_session(run: Run) -> SessionEnd:
    """The end of a session, observed once in a run: of a few seconds, else of any that lasts `WAITED_SECONDS` at most.

    Raises:
        CapabilityMissing: `short-lived-tokens`, where sessions last longer.
    """
    return await run.once("expired session", lambda: _observed_end(run))


async def _observed_end(run: Run) -> SessionEnd:
    user = await _briefly_signed_in(run)
    lifetime = lifetime_of(user)
    if not run.contract.offers("routes.user"):  # nothing shows when it ends: that it must have is known by the clock
        await asyncio.sleep(max(0.0, user.asked_at + lifetime + GRACE_SECONDS - time.time()))
        return SessionEnd(user, None, time.time() - user.asked_at)
    await run.client.call("user", token=user.access_token)

    async def look() -> SessionEnd:
        response = await run.client.send("user", token=user.access_token)
        return SessionEnd(user, response, time.time() - user.asked_at)

    def is_refused(end: SessionEnd) -> bool:
        return end.response is not None and end.response.status != run.contract.route("user").success

    return await wait_until(
        look,
        is_refused,
        what=f"a session of {lifetime:g} s ends",
        within=lifetime + GRACE_SECONDS,
        describe=lambda end: f"status {end.response.status if end.response else 'none'} after {end.seconds:.1f} s",
    )


async def until_expired(run: Run, user: User) -> Response:
    """The response that refuses a user's access token as expired; raises AssertionError where it goes on working."""
    expired = run.contract.refused("user", "expired")
    return await wait_until(
        lambda: run.client.send("user", token=user.access_token), lambda response: response.status == expired,
        what=f"the access token of {user.email} expires (status {expired})",
        within=max(0.0, user.asked_at + lifetime_of(user) - time.time()) + GRACE_SECONDS,
        describe=lambda response: f"{response.status}; {response.look}",
    )  # fmt: skip


async def _briefly_signed_in(run: Run) -> User:
    """A new user whose session ends soon: made so short, or as short as all of them are."""
    if "short-lived-tokens" in run.descriptor.capabilities:
        return await run.users.signed_in(access_token_seconds=SHORT_SECONDS)
    user = await run.users.signed_in()
    if not 0 < lifetime_of(user) <= WAITED_SECONDS:
        run.descriptor.need("short-lived-tokens")
    return user


def lifetime_of(user: User) -> float:
    """Seconds that a session lasts, as announced, else by the claims of its token; 0 where neither says it."""
    if user.expires_in > 0:
        return user.expires_in
    claims = unverified_claims(user.access_token)
    begin, end = claims.get("iat"), claims.get("exp")
    return float(end - begin) if isinstance(begin, int | float) and isinstance(end, int | float) else 0.0


async def another_session(run: Run, user: User) -> User:
    """The same user, signed in once more: a session beside the first."""
    other = replace(user)
    await run.users.sign_in(other)
    return other


async def refused_sign_ins(run: Run, user: User, pairs: int) -> RefusedSignIns:
    """Sign in with a wrong password and as an unknown user, alternating which goes first; every attempt is refused."""
    result = RefusedSignIns()
    for number in range(pairs + 1):
        stranger = run.users.new_user()
        attempts = [(result.wrong, replace(user, password=stranger.password)), (result.unknown, stranger)]
        for kept, account in attempts if number % 2 else attempts[::-1]:
            body = {"email": account.email, "password": account.password}
            kept.append(await run.client.call("login", body=body, status="invalid_credentials"))
    return result


def certain_gap(differences: Sequence[float], confidence: float) -> float:
    """How far from zero the median of paired differences lies at least, with this confidence; 0 where it may be zero.

    The confidence interval of a median is bounded by two of the ordered values themselves, so that neither a few slow
    calls nor their distribution matters (sign test). Hashing a password costs 20 ms and more, so leaving it out for an
    unknown user shows; whether a row is found costs less than a millisecond, which cannot be measured over a network.
    """
    ordered, number = sorted(differences), len(differences)
    beyond, outside = 0.0, -1
    while (beyond := beyond + math.comb(number, outside + 1) / 2**number) * 2 <= 1 - confidence:
        outside += 1
    if outside < 0:
        raise ValueError(f"{number} pairs are too few for a confidence of {confidence}")
    low, high = ordered[outside], ordered[-1 - outside]
    return max(0.0, low, -high)


async def refresh_at_once(run: Run, user: User, times: int, expected: str | None = None) -> list[Response]:
    """Send one refresh token several times at the same moment.

    Args:
        expected: outcome that every response must have; None takes any.
    """
    body = {"refresh_token": user.refresh_token}
    if expected is None:
        return await together(*(run.client.send("refresh", body=body) for _ in range(times)))
    return await together(*(run.client.call("refresh", body=body, status=expected) for _ in range(times)))


async def used_token_is_refused(run: Run, user: User) -> Response:
    """Wait until a used refresh token is refused, at most until the deployment's reuse window has passed.

    Without a window, several requests at once must be refused immediately.
    """
    window, refused = run.descriptor.sessions.refresh_reuse_seconds, run.contract.errors.refused_refresh
    if window == 0:
        return (await refresh_at_once(run, user, READS, "refused_refresh"))[0]
    response = await wait_until(
        lambda: run.client.send("refresh", body={"refresh_token": user.refresh_token}),
        lambda seen: seen.status != run.contract.route("refresh").success,
        what="a used refresh token is refused",
        within=window + REUSE_GRACE_SECONDS,
        every=min(1.0, window / 10),
        describe=lambda seen: f"status {seen.status}",
    )
    if response.status != refused:
        expected = f"status {refused}"
        raise violation("a used refresh token", expected=expected, observed=response.excerpt(), look=response.look)
    return response
