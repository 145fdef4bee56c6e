"""Response times of endpoints and of the database, without load."""

from __future__ import annotations

from acceptance.performance import database, endpoint_latency
from acceptance.performance.database import DatabaseFigure
from acceptance.performance.endpoint_latency import CallPart
from assertionengine import AssertionOperator
from robot.api.deco import library
from robot_run.figures import checked_figure
from robot_run.keywords import keyword, step
from robot_run.lifecycle import the_run

WITHIN = 300.0  # a hundred samples of everything, over a long line too


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class PerformanceLibrary:
    """Measures one call at a time, each measurement once in a run, and returns figures.

    A getter records its figure in the evidence, with all samples, where a test first asks for it, and compares it where
    an operator of the assertion engine is given.
    """

    @step(within=WITHIN)
    async def create_documents_to_query(self) -> None:
        """Creates three processed handbooks of a new user, once in a run.

        | Create Documents To Query
        """
        await database.documents_to_query(the_run())

    @step(within=WITHIN)
    async def measure_endpoints(self) -> list[str]:
        """Calls every endpoint that changes nothing a hundred times over a kept connection, after a warm-up.

        Returns the endpoints. Those that a model bounds are called less often.

        | @{endpoints} =    Measure Endpoints
        """
        return list((await endpoint_latency.measured(the_run())).kept)

    @keyword()
    def get_failed_endpoints(
        self, assertion_operator: AssertionOperator | None = None, assertion_expected: float | None = None
    ) -> float:
        """Returns how many endpoints gave a response that is not the contract's.

        | Get Failed Endpoints    ==    0
        """
        figure = the_run().wait(endpoint_latency.endpoints_failed(the_run()), within=WITHIN)
        return checked_figure(figure, assertion_operator, assertion_expected)

    @keyword()
    def get_response_time(
        self,
        endpoint: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns the mean response time of an endpoint over kept connections, in milliseconds.

        Records percentiles with their confidence intervals, too. Without a sample it is infinite.

        | Get Response Time    health    <    1000
        """
        figure = the_run().wait(endpoint_latency.response_time(the_run(), endpoint), within=WITHIN)
        return checked_figure(figure, assertion_operator, assertion_expected)

    @keyword()
    def get_call_part(
        self,
        part: CallPart,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns the median of a part of a call over all endpoints, in milliseconds; infinite where no call needed it.

        | Get Call Part    tls_time
        """
        figure = the_run().wait(endpoint_latency.call_part(the_run(), part), within=WITHIN)
        return checked_figure(figure, assertion_operator, assertion_expected)

    @step(within=WITHIN)
    async def measure_database(self) -> list[str]:
        """Runs the contract's named queries a hundred times each, and opens fresh connections (needs ``sql``).

        Returns the names of the queries.

        | @{queries} =    Measure Database
        """
        return list((await database.measured(the_run())).queries)

    @keyword()
    def get_query_time(
        self,
        query: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns the p95 of a named query in milliseconds, without the round trip of the line (needs ``sql``).

        | Get Query Time    documents    <    200
        """
        figure = the_run().wait(database.query_figure(the_run(), query), within=WITHIN)
        return checked_figure(figure, assertion_operator, assertion_expected)

    @keyword()
    def get_database_figure(
        self,
        figure: DatabaseFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns a figure of the database; times in milliseconds, without the line's share (needs ``sql``).

        ``query_p95`` is of the slowest named query, ``query_slowest`` the slowest answer of all.

        | Get Database Figure    query_p95    <    200
        """
        measured = the_run().wait(database.figure(the_run(), figure), within=WITHIN)
        return checked_figure(measured, assertion_operator, assertion_expected)

    @step(within=WITHIN)
    async def record_database_counters(self) -> None:
        """Records connections, transactions and cache hits during the measurement, as the database counts them.

        What its views do not show is recorded as not measured (needs ``sql``).

        | Record Database Counters
        """
        await database.record_counters(the_run())
