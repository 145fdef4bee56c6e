"""People who use the application: strangers, users who are signed in, and what happens to their sessions."""

from __future__ import annotations

from acceptance.fixtures.users import User
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class PeopleLibrary:
    """Steps that name a person; a test's people are known by name until it ends."""

    @keyword("${name} is signed in")
    def is_signed_in(self, name: str) -> None:
        """A new user with a session, known by this name until the test ends."""
        run = the_run()
        run.context.users[name] = run.wait(run.users.signed_in())


def user(name: str) -> User:
    """The person whom the steps of this test call by that name."""
    return the_run().context.users[name]
