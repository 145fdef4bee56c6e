"""The load of three flows, applied by Artillery, and what it showed."""

from __future__ import annotations

from acceptance.performance import load_criteria, load_documents
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 480.0  # people and documents are made, four minutes of load, and every document is followed


@library(scope="GLOBAL", version="1.0.0")
class LoadLibrary:
    """Steps about the load, which is applied once in a run; `scale` is one of `load.yaml`."""

    @keyword("The load was applied as it was planned")
    def load_was_applied(self, scale: str = "full") -> None:
        """Phases, flows and arrivals of the criterion, by a generator that kept up; else nothing can be said."""
        the_run().wait(load_criteria.was_applied(the_run(), scale), within=WITHIN)

    @keyword("The first byte comes in time on average")
    def first_byte_comes_in_time(self, scale: str = "full") -> None:
        """Over the whole mix; the mean without calls of a model, and of the total time, are recorded beside it."""
        the_run().wait(load_criteria.first_byte_comes_in_time(the_run(), scale), within=WITHIN)

    @keyword("As many requests succeed as in the local run")
    def requests_succeed(self, scale: str = "full") -> None:
        """A success has the documented status, all fields, and what is the right user's."""
        the_run().wait(load_criteria.requests_succeed(the_run(), scale), within=WITHIN)

    @keyword("Of all requests attempted hardly any fails")
    def few_requests_fail(self, scale: str = "full") -> None:
        """Less than one in a hundred: transport errors, wrong status, failed expectations, cut bodies."""
        the_run().wait(load_criteria.few_requests_fail(the_run(), scale), within=WITHIN)

    @keyword("The slowest calls that no model bounds are quick enough")
    def tail_is_quick(self, scale: str = "full") -> None:
        """95 and 99 of a hundred have their first byte in time."""
        the_run().wait(load_criteria.tail_is_quick(the_run(), scale), within=WITHIN)

    @keyword("Whole answers keep the same limits")
    def whole_answers_are_quick(self, scale: str = "full") -> None:
        """95 and 99 of a hundred, to their last byte, connecting included; recorded for each endpoint."""
        the_run().wait(load_criteria.whole_answers_are_quick(the_run(), scale), within=WITHIN)

    @keyword("Calls that a model bounds keep limits of their own")
    def model_is_quick(self, scale: str = "full") -> None:
        """Those of the deployment's descriptor."""
        the_run().wait(load_criteria.model_is_quick(the_run(), scale), within=WITHIN)

    @keyword("Every document of the load is complete")
    def every_document_is_complete(self, scale: str = "full") -> None:
        """Each whose bytes were taken is followed to its end: none lost, none twice."""
        the_run().wait(load_documents.every_document_is_complete(the_run(), scale), within=WITHIN)

    @keyword("The database holds each document of the load once")
    def database_holds_each_once(self, scale: str = "full") -> None:
        """As it was sent, with one job that went through every stage once."""
        the_run().wait(load_documents.database_holds_each_once(the_run(), scale), within=WITHIN)
