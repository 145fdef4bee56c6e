"""A load that rises in steps until limits break, and what was the first to saturate."""

from __future__ import annotations

from acceptance.performance import scaling, scaling_figures
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 1200.0  # bounds what hangs; three repeats take two to five minutes, people and documents made beforehand more


@library(scope="GLOBAL", version="1.0.0")
class ScalingLibrary:
    """Steps about the rising load, which is applied once in a run; `scale` is one of `scaling.yaml`."""

    @keyword
    def the_load_rises_in_steps_until_limits_break(self, scale: str = "full") -> None:
        """Applied by the first step that asks; a test's own deadline must leave it its minutes."""
        the_run().wait(scaling.scaled(the_run(), scale), within=WITHIN)

    @keyword
    def throughput_and_first_byte_and_errors_of_each_step_are_shown(self, scale: str = "full") -> None:
        """A line for each repeat, against the users that arrive in a second."""
        the_run().wait(scaling_figures.steps_are_shown(the_run(), scale), within=WITHIN)

    @keyword
    def the_last_step_within_limits_is_the_stated_capacity(self, scale: str = "full") -> None:
        """With its spread over the repeats, and what broke in the next step."""
        the_run().wait(scaling_figures.capacity_is_stated(the_run(), scale), within=WITHIN)

    @keyword
    def what_was_used_of_each_resource_is_shown_against_the_load(self, scale: str = "full") -> None:
        """CPU and memory (needs `metrics`), connections, locks and documents under way (need `sql`)."""
        the_run().wait(scaling_figures.resources_are_shown(the_run(), scale), within=WITHIN)

    @keyword
    def the_first_to_saturate_is_named_with_its_curve(self, scale: str = "full") -> None:
        """In which step, and when; or that nothing that was watched was used up."""
        the_run().wait(scaling_figures.first_is_named(the_run(), scale), within=WITHIN)

    @keyword
    def what_to_try_follows_from_what_was_measured(self, scale: str = "full") -> None:
        """Each suggestion carries the fact that it follows from."""
        the_run().wait(scaling_figures.suggestions_follow(the_run(), scale), within=WITHIN)
