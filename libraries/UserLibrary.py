"""Users and their sessions: registration, sign-in, refresh, sign-out, and API sessions for RequestsLibrary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from acceptance.fixtures.users import User
from assertionengine import AssertionOperator
from robot.api.deco import keyword, library
from robot_run.api_session import open_api_session
from robot_run.keywords import Actor, checked, know_user, step, user_named
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
            return await run.users.signed_in(access_token_seconds=access_token_seconds)

        return know_user(name, await (run.once(f"user {name}", create) if shared else create()))

    @step()
    async def sign_up(self, name: str) -> User:
        """Registers a new user through the application; the user holds the session of the response and becomes active.

        | Sign Up    Sasha
        """
        run = the_run()
        user = run.users.new_user()
        await run.users.register(user)
        return know_user(name, user)

    @step()
    async def sign_in(self, user: Actor = None, *, session: str | None = None) -> User:
        """Signs a user in by password; the user holds the new session.

        - ``session``: keep the new session beside the first, as another actor of this name, such as ``Alice's phone``.

        | Sign In    Alice
        | Sign In    Alice    session=Alice's phone
        """
        account = user_named(user)
        if session is not None:
            account = know_user(session, replace(account))
        await the_run().users.sign_in(account)
        return account

    @step()
    async def refresh_session(self, user: Actor = None) -> User:
        """Exchanges the refresh token; the user holds the new tokens.

        Returns the user as before the refresh, with the used tokens.

        | ${before} =    Refresh Session    Alice
        """
        account = user_named(user)
        before = replace(account)
        await the_run().users.refresh(account)
        return before

    @step()
    async def sign_out(self, user: Actor = None) -> None:
        """Ends the session; the user keeps its tokens, which must not work any more.

        | Sign Out    Alice
        """
        await the_run().users.log_out(user_named(user))

    @keyword
    def switch_user(self, name: str) -> None:
        """Makes another user of this test the active one.

        | Switch User    Bob
        """
        user_named(name)
        the_run().context.active = name

    @keyword
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

    @keyword
    def get_session_field(
        self,
        field: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        *,
        user: Actor = None,
        message: str | None = None,
    ) -> Any:
        """Returns a field of a user's session: ``email``, ``user_id`` or ``expires_in`` (seconds).

        | Get Session Field    expires_in    >    0    user=Alice
        """
        if field not in ("email", "user_id", "expires_in"):
            raise ValueError(f"field '{field}': unknown; a session has email, user_id and expires_in")
        value = getattr(user_named(user), field)
        return checked(value, assertion_operator, assertion_expected, f"{field} of the session", message=message)
