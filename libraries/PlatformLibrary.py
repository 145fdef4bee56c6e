"""The provider that hosts the deployment: its instances, and how it scales them."""

from __future__ import annotations

from acceptance.performance import autoscaling
from acceptance.performance.autoscaling import ScalingFigure
from assertionengine import AssertionOperator
from robot.api.deco import library
from robot_run.figures import checked_figure
from robot_run.keywords import keyword, step
from robot_run.lifecycle import the_run

WITHIN = 120.0  # a provider that limits the rate is waited for


@library(scope="GLOBAL", version="1.0.0", doc_format="ROBOT")
class PlatformLibrary:
    """Reads the interface of the provider (Render's, or its like), and has the deployment scale.

    Everything here needs the capability ``platform-api``. Where the provider's interface does not answer, refuses the
    key, limits the rate or answers in another form, nothing is known about the deployment, which is no violation.

    A load that rises and falls is applied once in a run; its figures are
    | =Figure=                                     | =What it is=                                                   |
    | ``steps_up``, ``steps_down``                 | changes of the number of instances                             |
    | ``scale_up_time``, ``scale_down_time``       | seconds from the rise, or fall, of the load to the first       |
    | ``out_of_bounds``                            | samples with fewer or more instances than ``scaling`` says     |
    | ``direction_changes``                        | how often more became fewer, or fewer more                     |
    | ``failed_by_change``                         | requests that failed while, or just after, instances changed   |
    | ``missing_instances``                        | reported and not answering, or answering and not reported      |
    """

    @keyword()
    def apply_rising_and_falling_load(self) -> None:
        """Has many users arrive, and then few, while the provider's instances are read each second.

        Needs the capabilities ``scale`` and ``platform-api``, and ``scaling`` of the descriptor.

        | Apply Rising And Falling Load
        """
        run = the_run()
        run.wait(autoscaling.scaled(run), within=autoscaling.within(run))

    @keyword()
    def get_scaling_figure(
        self,
        figure: ScalingFigure,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: float | None = None,
    ) -> float:
        """Returns a figure of the load that rises and falls.

        | Get Scaling Figure    direction_changes    <=    1
        """
        run = the_run()
        found = run.wait(autoscaling.figure(run, figure), within=autoscaling.within(run))
        return checked_figure(found, assertion_operator, assertion_expected)

    @step(within=WITHIN)
    async def record_scaling(self) -> None:
        """Records the load with the instances below it, the CPU of the instances, and every change, in words.

        | Record Scaling
        """
        await autoscaling.record_chart(the_run())
