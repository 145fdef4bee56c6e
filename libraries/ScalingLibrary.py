"""A load that rises in steps until limits break, and what was the first to saturate."""

from __future__ import annotations

from acceptance.performance import scaling_figures
from opening import the_run
from robot.api.deco import keyword, library

WITHIN = 420.0  # three repeats of a minute, each with documents that come to their end


@library(scope="GLOBAL", version="1.0.0")
class ScalingLibrary:
    """Steps about the rising load, which is applied once in a run; `scale` is one of `scaling.yaml`."""

    @keyword
    def the_load_rises_in_steps_until_limits_break(self, scale: str = "full") -> None:
        """Throughput, first byte and errors of each step, a line for each repeat."""
        the_run().wait(scaling_figures.steps_are_shown(the_run(), scale), within=WITHIN)

    @keyword
    def the_last_step_within_limits_is_the_stated_capacity(self, scale: str = "full") -> None:
        """With its spread over the repeats, and what broke in the next step."""
        the_run().wait(scaling_figures.capacity_is_stated(the_run(), scale), within=WITHIN)
