"""Users and their sessions: registration, sign-in, refresh, sign-out, and API sessions for RequestsLibrary."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from acceptance.checks import auth, authorization
from acceptance.checks.auth import PasswordChange, SessionEnd
from acceptance.checks.fixtures import UserData, create_user_data, signed_in
from acceptance.checks.forged_tokens import Credential, Genuine, claims_of, forgeries
from acceptance.clients.http import Response
from acceptance.errors import NotOffered, SuiteError
from acceptance.fixtures.users import User
from acceptance.limits import owners
from acceptance.polling import together
from robot.api.deco import library
from robot_run.api_session import open_api_session
from robot_run.keywords import Actor, Duration, Observed, getter, keyword, know_user, seconds_of, step, user_named
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class UserLibrary:
    """Creates users, signs them in and out, and reads their sessions.

    A user is known by name within a test: `Create User    Alice`, then ``user=Alice`` on any keyword. The user who was
    created or switched to last is active, and is meant where ``user`` is not given. The run removes them at its end.
    Tokens and passwords stay inside the library; no keyword takes or returns one.
    """

    @step()
    async def create_user(self, name: str, *, shared: bool = False, access_token_seconds: int | None = None) -> User:
        """Creates a user who is signed in, as the deployment's descriptor says; the user becomes active.

        - ``shared``: one user for all tests of the run that name it so; for what is slow to create.
        - ``access_token_seconds``: lifetime of the access tokens; needs the capability ``short-lived-tokens``.

        | Create User    Alice
        | Create User    Reader    shared=True
        """
        run = the_run()

        async def create() -> User:
            return await signed_in(run, access_token_seconds=access_token_seconds)

        return know_user(name, await (run.once(f"user {name}", create) if shared else create()))

    @step()
    async def get_user_with_uploads_left(self, user: Actor = None) -> User:
        """Returns a user, or a new one where the deployment's limit of uploads a day leaves the user none.

        | ${sender} =    Get User With Uploads Left    Tester
        | ${upload} =    Announce Upload    note    user=${sender}
        """
        [owner] = await owners(the_run(), user_named(user), 1)
        return owner

    @step()
    async def create_users_concurrently(self, *names: str) -> list[User]:
        """Creates several users at the same moment, each signed in.

        | Create Users Concurrently    Alice    Bob    Carol
        """
        run = the_run()
        users = await together(*(run.users.signed_in() for _ in names))
        return [know_user(name, user) for name, user in zip(names, users, strict=True)]

    @step(within=120)
    async def create_user_with_expired_session(self, name: str) -> SessionEnd:
        """Creates a user whose access token has expired; observed once in a run.

        The session is of a few seconds with the capability ``short-lived-tokens``. Without it, the end of an ordinary
        one is waited for where that takes 60 s at most; else the test is skipped for want of the capability. What this
        user does afterwards harms no other test.
        Returns how it ended: ``seconds`` after its request, and the ``response`` that refused the token.

        | ${end} =    Create User With Expired Session    Sam
        | Get Session Field    expires_in    <=    ${end.seconds + 1}    user=Sam
        """
        end = await auth.expired_session(the_run())
        know_user(name, replace(end.user))
        return end

    @step(within=120)
    async def wait_until_access_token_expires(self, user: Actor = None) -> Response:
        """Waits until the access token of a user is refused as expired, by the route ``user``; returns the refusal.

        | Create User    Alice    access_token_seconds=3
        | Wait Until Access Token Expires    Alice
        """
        return await auth.until_expired(the_run(), user_named(user))

    @step()
    async def sign_up(
        self,
        name: str,
        *,
        email: str | None = None,
        password: PasswordChange = "unchanged",
        password_characters: int | None = None,
        expected: int | str = "success",
    ) -> User | Response:
        """Registers a user through the application; the user holds the session of the response and becomes active.

        A name that this test knows is registered again with the same address.

        - ``email``: an address instead of a new one of the run.
        - ``password``: the way in which the password is changed before it is sent.
        - ``password_characters``: cut or lengthen the password to this length.
        - ``expected``: ``success``, a status, or a refusal of the contract.

        Returns the user; where a refusal is expected, the response.

        | Sign Up    Sasha
        | Sign Up    Sasha    password=reversed    expected=known_address
        | Sign Up    Mallory    password_characters=7    expected=weak_password
        """
        run = the_run()
        account = run.context.users.get(name) or run.users.new_user()
        if email is not None:
            account.email = email
        know_user(name, account)
        sent = auth.altered(run, account, change=password, characters=password_characters)
        if expected == "success":
            account.password = sent.password
            await run.users.register(account)
            return account
        response = await run.client.send("signup", body={"email": sent.email, "password": sent.password})
        new = run.client.holds_session(response)
        if new and response.status == run.contract.route("signup").success:  # to be removed at the end of the run
            sent.user_id = ""
            await run.users.welcome(sent, response)
        return run.client.check(response, expected)

    @step()
    async def sign_in(
        self,
        user: Actor = None,
        *,
        session: str | None = None,
        password: PasswordChange = "unchanged",
        password_characters: int | None = None,
        expected: int | str = "success",
    ) -> User | Response:
        """Signs a user in by password; the user holds the new session.

        - ``session``: keep the new session beside the first, as another actor of this name, such as ``Alice's phone``.
        - ``password``, ``password_characters``, ``expected``: see `Sign Up`.

        Returns the user; where a refusal is expected, the response.

        | Sign In    Alice    session=Alice's phone
        | Sign In    Alice    password=case swapped    expected=invalid_credentials
        """
        run, account = the_run(), user_named(user)
        sent = auth.altered(run, account, change=password, characters=password_characters)
        if expected != "success":
            body = {"email": sent.email, "password": sent.password}
            return await run.client.call("login", body=body, status=expected)
        if session is not None:
            account = know_user(session, replace(account))
        await run.users.sign_in(account)
        return account

    @step()
    async def empty_password_should_be_refused(self, user: Actor = None) -> Response:
        """Fails when a user can sign in without a password, or is refused neither as with a wrong one nor as with an
        invalid field.

        | Empty Password Should Be Refused    Alice
        """
        return await auth.empty_password_is_refused(the_run(), user_named(user))

    @step()
    async def sign_in_concurrently(self, *users: str) -> None:
        """Signs several users in at the same moment; each holds a new session.

        | Sign In Concurrently    Alice    Bob    Carol
        """
        run = the_run()
        await together(*(run.users.sign_in(user_named(user)) for user in users))

    @step(within=60)
    async def send_refused_sign_ins(self, user: Actor = None, *, pairs: int = 21) -> auth.RefusedSignIns:
        """Signs in with a wrong password of a user and as an unknown user, in pairs, and times the refusals.

        Returns ``wrong_ms`` and ``unknown_ms`` (times), ``gap_ms`` (difference of the medians with 99 % confidence; 0
        where there may be none), ``medians`` and ``differences`` (between the responses).

        | ${refused} =    Send Refused Sign Ins    Alice
        | Should Be Empty    ${refused.differences}
        """
        return await auth.refused_sign_ins(the_run(), user_named(user), pairs)

    @step()
    async def refresh_session(self, user: Actor = None, *, keep_used_as: str | None = None) -> User:
        """Exchanges the refresh token; the user holds the new tokens.

        - ``keep_used_as``: name of an actor that keeps the used tokens.

        Returns the user as before the refresh, with the used tokens.

        | Refresh Session    Alice    keep_used_as=Alice before the refresh
        """
        account = user_named(user)
        before = replace(account)
        await the_run().users.refresh(account)
        if keep_used_as is not None:
            the_run().context.users[keep_used_as] = before
        return before

    @step()
    async def refresh_session_concurrently(
        self, user: Actor = None, *, times: int = 4, expected: str | None = None
    ) -> list[Response]:
        """Sends the refresh token of a user several times at the same moment.

        - ``expected``: outcome that each response must have; without it any is taken, and the user holds the session of
          the first success.

        | @{responses} =    Refresh Session Concurrently    Alice    times=5
        | Refresh Session Concurrently    Alice before the refresh    expected=refused_refresh
        """
        run, account = the_run(), user_named(user)
        responses = await auth.refresh_at_once(run, account, times, expected)
        success = run.contract.route("refresh").success
        if served := [response for response in responses if response.status == success]:
            account.take(served[0])
        return responses

    @step(within=300)
    async def wait_until_refresh_is_refused(self, user: Actor = None) -> Response:
        """Waits until a used refresh token is refused, at most until the deployment's reuse window has passed.

        | Wait Until Refresh Is Refused    Alice before the refresh
        """
        return await auth.used_token_is_refused(the_run(), user_named(user))

    @step()
    async def sign_out(self, user: Actor = None) -> None:
        """Ends the session; the user keeps its tokens, which must not work any more.

        | Sign Out    Alice
        """
        await the_run().users.log_out(user_named(user))

    @step(within=120)
    async def forge_credentials(self, kind: str, *, user: Actor = None) -> list[Credential]:
        """Returns every bad credential of a kind, made of a user's session, each with ``kind`` and ``made``.

        - ``kind``: as in the contract's refusals: ``garbage``, ``wrong_signature``, ``alg_none``, or ``expired``,
          for which see `Create User With Expired Session`.

        | @{credentials} =    Forge Credentials    alg_none    user=Alice
        """
        run, account = the_run(), user_named(user)
        expired = (await auth.expired_session(run)).user.access_token if kind == "expired" else ""
        return forgeries(kind, Genuine(account.access_token, account.refresh_token, expired, ""))

    @keyword()
    def switch_user(self, name: str) -> None:
        """Makes another user of this test the active one.

        | Switch User    Bob
        """
        user_named(name)
        the_run().context.active = name

    @keyword()
    def create_api_session(self, alias: str, *, user: Actor = None, service: str = "api") -> None:
        """Opens a RequestsLibrary session to a service of the deployment, for ``GET On Session`` and its like.

        - ``alias``: of the session; also the name of the user whose token it sends, where such a user exists.
        - ``user``: another user than the alias names.
        - ``service``: as in the descriptor: ``api``, ``frontend``, ``authentication``, ``storage``.

        The token is added on the wire and never logged; every error response goes to the run's error log.

        | Create API Session    anonymous
        | GET On Session    anonymous    /health    expected_status=200
        """
        known = alias in the_run().context.users
        open_api_session(alias, user_named(user or alias) if user or known else None, service)

    @getter()
    def get_session_field(self, field: str, *, user: Actor = None) -> Observed:
        """Returns a field of a user's session.

        - ``field``: ``email``, ``user_id``, ``expires_in`` (seconds); of the claims of the access token
          ``token_subject`` and ``token_lifetime`` (seconds); ``refresh_fingerprint``, a hash of the refresh token.

        | Get Session Field    token_lifetime    >    0    user=Alice
        """
        if field not in SESSION_FIELDS:
            raise SuiteError(f"field '{field}': unknown; a session has {', '.join(SESSION_FIELDS)}")
        contract, word = the_run().contract, field.replace("refresh_fingerprint", "refresh_token")
        named = [f"routes.{route}.answer.{word}" for route in NAMED_BY.get(field, ("login",))]
        if named and not any(contract.offers(place) for place in named):
            raise NotOffered(named[0])
        value = SESSION_FIELDS[field](user_named(user))
        return Observed(value, f"{field} of the session")

    @step(within=120)
    async def get_user_data(self, user: Actor = None, *, seed: int | str = 301) -> UserData:
        """Returns what a user has: a processed note and the first answer of a conversation about it.

        Created by the first test of the run that asks for the data of this user and ``seed``, then shared. It has
        ``upload``, ``answer``, ``facts``, ``identifiers`` (by the words of the contract's paths) and ``traces`` (texts
        that no other user may see).

        | Create User    Reader    shared=True
        | ${data} =    Get User Data    Reader
        | Call Route    document_status    &{data.identifiers}
        """
        run, owner = the_run(), user_named(user)
        return await run.once(f"data #{seed} of {owner.user_id}", lambda: create_user_data(run, owner, seed=seed))

    @step(within=120)
    async def get_target(self, user: Actor = None, *, seed: int = 301) -> authorization.Target:
        """Returns a user whose routes others call, with a processed note and an answer as far as they can be had.

        Created by the first test of the run that asks for it, then shared. It has ``owner``, ``upload``, and ``real``
        (identifiers by the words of the contract's paths).

        | Create User    Victim    shared=True
        | ${target} =    Get Target    Victim
        """
        run, owner = the_run(), user_named(user)
        return await run.once(f"target {owner.user_id}", lambda: authorization.target(run, owner, seed))

    @keyword()
    def target_should_have(self, target: authorization.Target, *parts: str) -> None:
        """Blocks the test where the target lacks a part, ``upload`` or ``answer``, for the reason why it does.

        Without a part, whatever it should have and could not be made.

        | Target Should Have    ${target}    upload
        """
        target.need(*parts)

    @step()
    async def get_user_state(
        self, user: Actor = None, *, data: authorization.Target | None = None, shared: bool = False
    ) -> authorization.UserState:
        """Returns everything that a user has, to be compared later by `User State Should Be Unchanged`.

        - ``data``: see `Get Target`; include its document, its job and bytes, and with the capability ``sql`` its rows.
        - ``shared``: the state at the first call of the run for this user.

        | ${before} =    Get User State    Alice
        """
        run, account = the_run(), user_named(user)

        async def take() -> authorization.UserState:
            return await authorization.user_state(run, account, data)

        return await (run.once(f"state of {account.user_id}", take) if shared else take())

    @step(within=120)
    async def user_state_should_be_unchanged(self, *before: authorization.UserState, seconds: Duration = 0) -> None:
        """Compares everything that users have with earlier states; each change is named.

        - ``seconds``: compare again and again during this time.

        | User State Should Be Unchanged    ${before}    seconds=1 s
        """
        if not before:
            raise SuiteError("no state to compare with")
        run, until = the_run(), time.monotonic() + seconds_of(seconds)
        await authorization.states_are_unchanged(run, before)
        while time.monotonic() < until:
            await asyncio.sleep(authorization.COMPARED_EVERY_SECONDS)
            await authorization.states_are_unchanged(run, before)


def _lifetime(user: User) -> float:
    claims = claims_of(user.access_token)
    return float(claims.get("exp", 0) - claims.get("iat", 0))


# The routes one of whose answers has to name a field; none: it is known without, as claims of a token are.
NAMED_BY: dict[str, tuple[str, ...]] = {
    "email": (), "user_id": ("login", "signup", "user"), "token_subject": (), "token_lifetime": (),
}  # fmt: skip
SESSION_FIELDS: dict[str, Callable[[User], Any]] = {
    "email": lambda user: user.email,
    "user_id": lambda user: user.user_id,
    "expires_in": lambda user: user.expires_in,
    "token_subject": lambda user: claims_of(user.access_token).get("sub"),
    "token_lifetime": _lifetime,
    "refresh_fingerprint": lambda user: hashlib.sha256(user.refresh_token.encode()).hexdigest()[:16],
}
