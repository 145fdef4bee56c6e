"""Registration, sessions and their ends: what people do, and what must become of it."""

from __future__ import annotations

from acceptance.checks import auth
from acceptance.checks.auth import Weakness
from acceptance.fixtures.users import User
from PeopleLibrary import user
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 60.0


@library(scope="GLOBAL", version="1.0.0")
class SessionLibrary:
    """Steps about accounts and sessions; a session beside a person's first one is named, as in `Alice on her phone`."""

    @keyword("${name} registers")
    def registers(self, name: str) -> None:
        """A stranger signs up through the application, and is known by this name until the test ends."""
        run = the_run()
        new_user = run.users.new_user()
        run.wait(run.users.register(new_user))
        run.context.users[name] = new_user

    @keyword("${name} signs in again")
    def signs_in_again(self, name: str) -> None:
        """The person logs in, and holds the new session."""
        the_run().wait(the_run().users.sign_in(user(name)))

    @keyword("${name} is signed in on her ${device} too")
    def is_signed_in_too(self, name: str, device: str) -> None:
        """Another session of the same user beside the first."""
        run = the_run()
        run.context.users[f"{name} on her {device}"] = run.wait(auth.another_session(run, user(name)))

    @keyword("${name} logs out")
    def logs_out(self, name: str) -> None:
        """The person ends their session, and goes on holding its tokens."""
        the_run().wait(the_run().users.log_out(user(name)))

    @keyword("${name} refreshes the session ${times:\\d+} times")
    def refreshes(self, name: str, times: int) -> None:
        """The person trades the refresh token, one after the other; each session that comes must be theirs."""
        run = the_run()
        run.context.things[f"held by {name}"] = run.wait(auth.refreshed(run, user(name), times), within=WITHIN)

    @keyword("the session of ${name} has expired")
    def session_has_expired(self, name: str) -> None:
        """Someone whose access token has expired; needs the capability `short-lived-tokens`."""
        run = the_run()
        run.context.users[name] = run.wait(auth.expired(run), within=WITHIN)

    @keyword("the session is ${name}'s own")
    def session_is_own(self, name: str) -> None:
        """The claims of the token and every instance name this user."""
        the_run().wait(auth.session_is_of(the_run(), user(name)))

    @keyword("the token of ${name} lives as long as announced")
    def token_lives_as_announced(self, name: str) -> None:
        """Its claims say the same as the answer that brought it."""
        auth.token_says_the_same(user(name))

    @keyword("the session of ${name} goes on")
    def session_goes_on(self, name: str) -> None:
        """The access token works on REST and realtime, and the refresh token carries the session on."""
        the_run().wait(auth.session_goes_on(the_run(), user(name)))

    @keyword("the session of ${name} is over")
    def session_is_over(self, name: str) -> None:
        """No refresh token of it works, and no access token where the deployment revokes those."""
        the_run().wait(auth.session_is_over(the_run(), held(name)), within=WITHIN)

    @keyword("each refresh token of ${name} was new")
    def each_refresh_token_was_new(self, name: str) -> None:
        """None was given twice."""
        auth.refresh_tokens_differ(held(name))

    @keyword("the refresh tokens that ${name} used are refused")
    def used_tokens_are_refused(self, name: str) -> None:
        """At the latest when the deployment's reuse window has passed."""
        the_run().wait(auth.used_tokens_are_refused(the_run(), held(name)), within=300)

    @keyword("one refresh token of ${name} serves one caller of several at once")
    def one_token_serves_one_caller(self, name: str) -> None:
        """Where the deployment lets tokens be used again for a while, all are served with the same user's session."""
        the_run().wait(auth.one_token_serves_one_caller(the_run(), user(name)))

    @keyword("the access token of ${name} is refused")
    def access_token_is_refused(self, name: str) -> None:
        """For reading, for logging out and for realtime."""
        the_run().wait(auth.expired_token_is_refused(the_run(), user(name)))

    @keyword
    def several_people_sign_in_at_once(self, number: int) -> None:
        """New users log in at the same time, twice; each gets the session of nobody else."""
        the_run().wait(auth.all_sign_in_at_once(the_run(), number), within=WITHIN)

    @keyword
    def a_session_ends_when_it_says(self) -> None:
        """A session of a few seconds works until then and not longer; needs the capability `short-lived-tokens`."""
        the_run().wait(auth.ends_when_it_says(the_run()), within=WITHIN)

    @keyword
    def malformed_address_is_refused(self, address: str) -> None:
        """It can neither sign up nor log in."""
        the_run().wait(auth.malformed_address_is_refused(the_run(), address))

    @keyword
    def weak_password_is_refused(self, weakness: Weakness) -> None:
        """For an unknown and for a known address alike; the address stays free until it registers properly."""
        the_run().wait(auth.weak_password_is_refused(the_run(), weakness))

    @keyword
    def shortest_strong_password_is_accepted(self) -> None:
        """A strong password of the least length that the contract states opens an account."""
        the_run().wait(auth.shortest_password_is_accepted(the_run()))

    @keyword
    def nearly_right_password_is_refused(self) -> None:
        """One that differs in case, in blanks or in the last letters of a long password is a wrong one."""
        the_run().wait(auth.nearly_right_password_is_refused(the_run()))

    @keyword("registering the address of ${name} again reveals nothing")
    def registering_again_reveals_nothing(self, name: str) -> None:
        """No session and no real identifier, whatever the password; the account stays as it was."""
        the_run().wait(auth.known_address_reveals_nothing(the_run(), user(name)))

    @keyword("a wrong password of ${name} and an unknown user look the same")
    def refused_logins_look_the_same(self, name: str) -> None:
        """Same status, body and headers, and the same time as far as can be told; the figures are recorded."""
        the_run().wait(auth.refused_logins_look_the_same(the_run(), user(name)), within=WITHIN)


def held(name: str) -> list[User]:
    """What a person held before and after each refresh; without one, what they hold."""
    sessions_held: list[User] = the_run().context.things.get(f"held by {name}", [user(name)])
    return sessions_held
