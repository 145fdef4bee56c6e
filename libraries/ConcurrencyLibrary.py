"""Many users who do the same thing at the same time."""

from __future__ import annotations

from acceptance.checks import concurrency
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 90.0


@library(scope="GLOBAL", version="1.0.0")
class ConcurrencyLibrary:
    """Steps about users at once."""

    @keyword
    def ten_users_at_once_each_get_their_own_fact(self) -> None:
        """Each uploads, follows and questions a document of their own, and asks what only another's document says."""
        the_run().wait(concurrency.everybody_gets_their_own(the_run()), within=WITHIN)
