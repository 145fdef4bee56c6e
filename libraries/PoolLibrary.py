"""Connections to the database that many clients share: of the pooler, and of the application's own pools."""

from __future__ import annotations

from acceptance.performance import pooling
from acceptance.performance.figures import recorded
from acceptance.performance.pooling import PoolFigure, PoolUse, SharedPool
from assertionengine import AssertionOperator
from robot.api.deco import library
from robot_run.figures import checked_figure
from robot_run.keywords import Duration, keyword, seconds_of, step
from robot_run.lifecycle import the_run

WITHIN = 120.0  # of one use, whose clients are each bounded by 20 s


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class PoolLibrary:
    """Uses pools by many clients at once; the descriptor's ``pooler`` and ``pool`` say which there are.

    The backends of the pool's role are sampled meanwhile, over a connection apart, by the named query ``backends``.
    """

    @keyword(tags=("needs-sql",))
    def get_shared_pools(self) -> list[SharedPool]:
        """Returns the pools that the descriptor describes; skips the test where it describes none.

        Each has ``name``, ``role``, ``size``, and how many ``clients`` use it at once.

        | @{pools} =    Get Shared Pools
        """
        return pooling.shared_pools(the_run())

    @step(within=WITHIN, tags=("needs-sql",))
    async def use_pool(self, pool: SharedPool) -> PoolUse:
        """Lets all clients use a pool at once, and waits until it is at rest again.

        Clients of a pooler connect, ask ``select 1``, stay, and run short transactions; those of the application send
        requests that read the database. Returns what was observed, for `Get Pool Figure`.

        | ${use} =    Use Pool    ${pool}
        """
        return await pooling.use(the_run(), pool)

    @step(within=WITHIN, tags=("needs-sql",))
    async def cancel_clients(self, pool: SharedPool) -> int:
        """Cuts clients off, each at a moment of its own in the middle of what it asks for; returns how many were.

        | ${cut} =    Cancel Clients    ${pool}
        """
        return await pooling.cancel_clients(the_run(), pool)

    @step(within=WITHIN)
    async def wait_until_pool_serves(self, pool: SharedPool, *, timeout: Duration = 30.0) -> float:
        """Waits until twice as many clients as the pool has connections are served at once; returns the seconds.

        | ${seconds} =    Wait Until Pool Serves    ${pool}    timeout=30 s
        """
        return await pooling.seconds_until_served(the_run(), pool, seconds_of(timeout))

    @keyword()
    def get_pool_figure(
        self,
        use: PoolUse,
        figure: PoolFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns a figure of a use, and records it with its samples.

        | Get Pool Figure    ${use}    clients_refused    ==    0
        """
        measured = pooling.figure(the_run(), use, figure)
        return checked_figure(measured, assertion_operator, assertion_expected)

    @keyword()
    def record_pool_use(self, use: PoolUse) -> None:
        """Records how long clients waited for a connection, and the chart of the pool's use over time.

        | Record Pool Use    ${use}
        """
        pooling.record(the_run(), use)

    @keyword()
    def get_metrics_deviation(
        self, assertion_operator: AssertionOperator | None = None, assertion_expected: float | None = None
    ) -> float:
        """Returns by how many connections the provider's metrics differ from the named query ``backends``.

        They are read once in a run, while the first pool is used: the provider allows no more.

        | Get Metrics Deviation    <=    5
        """
        run = the_run()
        made = run.wait(recorded(run, "metrics deviation", lambda: pooling.metrics_deviation(run)), within=WITHIN)
        return checked_figure(made, assertion_operator, assertion_expected)
