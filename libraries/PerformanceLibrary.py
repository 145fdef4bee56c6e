"""How quickly endpoints and database answer while nothing else is asked of them."""

from __future__ import annotations

from acceptance.performance import endpoint_latency, queries
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 300.0  # a hundred samples of everything, over a long line too


@library(scope="GLOBAL", version="1.0.0")
class PerformanceLibrary:
    """Steps about one call at a time: what is measured, is once for all tests of a run."""

    @keyword
    def every_endpoint_was_called_a_hundred_times(self) -> None:
        """Over a connection that is kept, after a warm-up; each answer is the contract's. Model-bound ones fewer."""
        the_run().wait(endpoint_latency.endpoints_answer(the_run()), within=WITHIN)

    @keyword
    def response_times_are_told_with_confidence_intervals(self) -> None:
        """Of each endpoint the mean, and percentiles with the interval that holds the true one."""
        the_run().wait(endpoint_latency.times_are_told(the_run()), within=WITHIN)

    @keyword
    def name_resolution_and_connection_and_server_are_told_apart(self) -> None:
        """Look-up of the name, TCP connect, TLS, and the server, of fresh connections; the server of kept ones."""
        the_run().wait(endpoint_latency.parts_are_told(the_run()), within=WITHIN)

    @keyword
    def a_few_documents_are_there_to_look_for(self) -> None:
        """Three handbooks of a new user, complete."""
        the_run().wait(queries.documents_to_look_for(the_run()), within=WITHIN)

    @keyword
    def every_named_query_is_quick_for_ninety_five_in_a_hundred(self) -> None:
        """The 95th percentile of each, without the round trip of the line (needs `sql`)."""
        the_run().wait(queries.queries_are_quick(the_run()), within=WITHIN)

    @keyword
    def not_one_answer_took_long(self) -> None:
        """The slowest of all, without the round trip of the line (needs `sql`)."""
        the_run().wait(queries.no_query_takes_long(the_run()), within=WITHIN)

    @keyword
    def a_fresh_connection_is_there_at_once(self) -> None:
        """The 95th percentile of connecting, without the round trips that it needs at the least (needs `sql`)."""
        the_run().wait(queries.connecting_is_quick(the_run()), within=WITHIN)

    @keyword
    def the_round_trip_that_was_subtracted_is_shown(self) -> None:
        """As `select 1` took over the open connection, and as TCP took to connect (needs `sql`)."""
        the_run().wait(queries.line_is_shown(the_run()), within=WITHIN)

    @keyword
    def what_the_database_counted_meanwhile_is_shown(self) -> None:
        """Connections, transactions, those rolled back; what its views do not show is said (needs `sql`)."""
        the_run().wait(queries.counters_are_shown(the_run()), within=WITHIN)
