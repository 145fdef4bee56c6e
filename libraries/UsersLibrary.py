"""Many people at once: users who work, and subscribers who listen."""

from __future__ import annotations

from acceptance.performance import closed_loop, subscribers
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 240.0  # users and documents are made, and the load takes its time


@library(scope="GLOBAL", version="1.0.0")
class UsersLibrary:
    """Steps about closed-loop users, who work through all three flows once in a run; `scale` is one of `users.yaml`."""

    @keyword("Fifty users are at work at once for a minute")
    def users_are_at_work_at_once(self, scale: str = "full") -> None:
        """At least 48 in every moment, in all three flows, and our own process kept up with them."""
        the_run().wait(closed_loop.users_are_at_work_at_once(the_run(), scale), within=WITHIN)

    @keyword("Less than one request of a hundred fails")
    def few_requests_fail(self, scale: str = "full") -> None:
        """Of all that were attempted; each has to have the documented status and fields, and what is the user's own."""
        the_run().wait(closed_loop.few_requests_fail(the_run(), scale), within=WITHIN)

    @keyword("Thirty users get their first byte in time")
    def first_bytes_come_in_time(self, scale: str = "full") -> None:
        """On average over all calls that no model bounds."""
        the_run().wait(closed_loop.first_bytes_come_in_time(the_run(), scale), within=WITHIN)

    @keyword("Every document of the users is complete")
    def every_document_is_complete(self, scale: str = "full") -> None:
        """Each that was uploaded is followed to its end."""
        the_run().wait(closed_loop.every_document_is_complete(the_run(), scale), within=WITHIN)

    @keyword
    def subscribers_listen_at_once(self, scale: str = "full") -> None:
        """A thousand, or 80 % of what the plan allows, or as many as this machine may open."""
        the_run().wait(subscribers.subscribers_listen_at_once(the_run(), scale), within=WITHIN)

    @keyword
    def every_subscriber_is_told_everything_once_and_in_order(self, scale: str = "full") -> None:
        """No event lost, doubled or out of order; how late they came is recorded."""
        the_run().wait(subscribers.everybody_is_told_everything(the_run(), scale), within=WITHIN)
