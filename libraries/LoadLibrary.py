"""Loads: by Artillery, by closed-loop users, by subscribers, and in rising steps."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Literal

from acceptance.performance import closed_loop, load_figures, recording, scaling, subscribers
from acceptance.performance.closed_loop import UsersFigure
from acceptance.performance.figures import Figure
from acceptance.performance.load import Load, load
from acceptance.performance.load_figures import LoadFigure
from acceptance.performance.load_profiles import profile
from acceptance.performance.subscribers import SubscribersFigure
from ArtilleryLibrary.report import as_text
from assertionengine import AssertionOperator
from robot.api import logger
from robot.api.deco import library
from robot_run.figures import checked_figure
from robot_run.keywords import keyword, step
from robot_run.lifecycle import the_run

LOAD_SECONDS = 480.0  # users and documents are created, four minutes of load, and every document is processed
USERS_SECONDS = 240.0
STEPS_SECONDS = 1200.0  # three repeats take two to five minutes; creating users and documents takes more


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class LoadLibrary:
    """Applies each load once in a run, and returns its figures.

    = Scale =
    The argument of the import names one of the scales in ``variables/load.yaml``: ``full`` as the criteria require, or
    ``detection``, a short one. Figures of a short load are recorded under other names, so that no criterion is met by
    them.
    | Library    LoadLibrary    scale=detection

    = Figures =
    A getter records its figure in the evidence, with all samples, where a test first asks for it. With an operator of
    the assertion engine (``<``, ``<=``, ``==``, ``>=``, ``>``) it compares the figure. The limit is the criterion's:
    | Apply Load
    | ${limit} =    Get Criterion Limit    PERF-01    mean_first_byte
    | Get Load Figure    mean_first_byte    <=    ${limit}

    = What a failure means =
    A broken limit is a violation. A figure of our own generator that is out of its limit, a generator that did not keep
    up, or an interrupted load raises ``EnvironmentUnavailable``: nothing is known about the deployment then.
    """

    def __init__(self, scale: str = "full") -> None:
        self._scale = scale

    def _load(self) -> Load:
        return the_run().wait(load(the_run(), self._scale), within=LOAD_SECONDS)

    @keyword()
    def apply_load(self) -> None:
        """Applies the load of the three flows by Artillery, once in a run.

        Users and their documents are created beforehand. Fails when the deployment's plan or limits do not allow for
        the load.

        | Apply Load
        """
        logger.info(as_text(self._load().result))

    @keyword()
    def get_load_figure(
        self,
        figure: LoadFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns a figure of the load; milliseconds, percent, or a number.

        Figures that end in ``_p95`` or ``_p99`` are of calls that no model bounds, unless their name begins with
        ``model_bound``.

        | Get Load Figure    error_rate
        | Get Load Figure    first_byte_p95    <=    450
        """
        figures = load_figures.figure(the_run(), self._scale, figure)
        return _checked(figures, LOAD_SECONDS, assertion_operator, assertion_expected)

    @keyword()
    def get_criterion_limit(self, criterion: str, figure: str) -> float:
        """Returns the threshold of a criterion's figure, as strict as the deployment's descriptor has it.

        A count of requests is in proportion to the scale; the greatest lag of the generator is the scale's.

        | ${limit} =    Get Criterion Limit    PERF-03    error_rate
        """
        limit = load_figures.limit_of(the_run(), profile().of(self._scale), criterion, figure)
        assert limit.threshold is not None
        logger.info(f"{criterion}: {figure} {limit}")
        return limit.threshold

    @keyword()
    def get_model_limit(self, statistic: Literal["p95", "p99"]) -> float:
        """Returns the descriptor's limit for the first byte of calls that a model bounds, in milliseconds.

        Skips the test where the descriptor has none.

        | ${p95} =    Get Model Limit    p95
        """
        return load_figures.model_limit(the_run(), statistic)

    @keyword()
    def load_should_be_complete(self) -> None:
        """Fails where the deployment ended the load; where our own side did, nothing is known about the deployment.

        | Load Should Be Complete
        """
        self._load().must_be_complete()

    @keyword()
    def load_should_have_shape(self, phases: list[tuple[float, float]], scenarios: list[str]) -> None:
        """The load had these phases and these scenarios of one weight, and each scenario was attempted.

        - ``phases``: seconds and arrivals a second of each, for the full scale.
        - ``scenarios``: their names.

        | Load Should Have Shape    ${{[(60, 5), (120, 10)]}}    ${{['Authentication Flow']}}
        """
        self._load().must_have_shape(phases, scenarios)

    @keyword()
    def generator_should_have_kept_up(self) -> None:
        """The load's generator kept up; else nothing is known about the deployment.

        | Generator Should Have Kept Up
        """
        self._load().must_be_measured()

    @keyword()
    def need_recorded_load(self) -> None:
        """Skips the test for the local baseline itself; without a recorded local run nothing can be compared.

        | Need Recorded Load
        """
        recording.need_recorded_load(the_run())

    @keyword()
    def every_endpoint_should_have_been_compared(self, time: Literal["first byte", "whole answer"]) -> None:
        """Each endpoint was measured often enough in this load and in the recorded one.

        | Every Endpoint Should Have Been Compared    first byte
        """
        recording.must_be_compared(the_run(), self._load(), time)

    @step(within=USERS_SECONDS)
    async def run_users_at_once(self) -> None:
        """Runs closed-loop users through the three flows at the same time, once in a run.

        Each user sends the next request when the response to the last one is there, and a pause is over.

        | Run Users At Once
        """
        await closed_loop.load(the_run(), self._scale)

    @keyword()
    def get_users_figure(
        self,
        figure: UsersFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns a figure of the closed-loop users; milliseconds, percent, or a number.

        Users are ours, so too few of them at once are no violation; neither is a mean that is too long because the
        generator did not keep up.

        | Get Users Figure    users_at_once    >=    48
        """
        figures = closed_loop.figure(the_run(), self._scale, figure)
        return _checked(figures, USERS_SECONDS, assertion_operator, assertion_expected)

    @step(within=USERS_SECONDS)
    async def users_generator_should_have_kept_up(self) -> None:
        """Our own process kept up with the users; else nothing is known about the deployment.

        | Users Generator Should Have Kept Up
        """
        seen = await closed_loop.load(the_run(), self._scale)
        seen.generator.check(profile().generator)

    @step(within=USERS_SECONDS)
    async def users_should_have_taken_every_flow(self) -> None:
        """All three flows were taken while all users were at work; else the load was not applied.

        | Users Should Have Taken Every Flow
        """
        (await closed_loop.load(the_run(), self._scale)).must_have_flows()

    @step(within=USERS_SECONDS)
    async def subscribe_many(self) -> None:
        """Subscribes many clients to jobs at the same time, in a process of their own, once in a run.

        There are as many as the scale has, or as the plan and this machine allow.

        | Subscribe Many
        """
        await subscribers.listened(the_run(), self._scale)

    @keyword()
    def get_subscribers_figure(
        self,
        figure: SubscribersFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns a figure of the subscribers; milliseconds, percent, or a number.

        | Get Subscribers Figure    events_lost    ==    0
        """
        figures = subscribers.figure(the_run(), self._scale, figure)
        return _checked(figures, USERS_SECONDS, assertion_operator, assertion_expected)

    @step(within=STEPS_SECONDS)
    async def raise_load_in_steps(self) -> None:
        """Applies a load that rises in steps until limits break, several times, once in a run.

        A test's own time-out must leave it its minutes.

        | Raise Load In Steps
        """
        await scaling.scaled(the_run(), self._scale)

    @step(within=STEPS_SECONDS)
    async def record_steps(self) -> None:
        """Records throughput, first byte and errors of each step, a line for each repeat.

        | Record Steps
        """
        await scaling.record_steps(the_run(), self._scale)

    @step(within=STEPS_SECONDS)
    async def get_capacity(self) -> int:
        """Returns the users a second of the last step within limits; records the spread and what broke next.

        | ${users} =    Get Capacity
        """
        return await scaling.capacity(the_run(), self._scale)

    @step(within=STEPS_SECONDS)
    async def record_utilization(self) -> None:
        """Records CPU and memory (needs ``metrics``), connections, locks and queue (need ``sql``) against the load.

        | Record Utilization
        """
        await scaling.record_utilization(the_run(), self._scale)

    @step(within=STEPS_SECONDS)
    async def get_first_saturated_resource(self) -> str:
        """Returns the resource that saturated first, and in which step, or that none did; records its curve.

        | ${first} =    Get First Saturated Resource
        """
        return await scaling.first_saturated(the_run(), self._scale)

    @step(within=STEPS_SECONDS)
    async def get_recommendations(self) -> list[str]:
        """Returns what to try, each with the fact that it follows from.

        | @{recommendations} =    Get Recommendations
        """
        return await scaling.recommendations(the_run(), self._scale)


def _checked(
    figure: Coroutine[Any, Any, Figure], within: float, operator: AssertionOperator | None, expected: float | None
) -> float:
    return checked_figure(the_run().wait(figure, within=within), operator, expected)
