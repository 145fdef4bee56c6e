"""The load held against the recorded local run."""

from __future__ import annotations

from acceptance.performance import recording
from LoadLibrary import WITHIN
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class BaselineLibrary:
    """Steps about the local baseline (`variables/baseline.yaml`)."""

    @keyword("No endpoint is slower than in the recorded local run")
    def no_endpoint_is_slower(self, scale: str = "full") -> None:
        """None is worse by more than 10 % and 10 ms, at 99 % confidence; of the baseline itself nothing is asked."""
        the_run().wait(recording.is_no_slower_than_recorded(the_run(), scale), within=WITHIN)

    @keyword("No whole answer takes longer than in the recorded local run")
    def whole_answers_are_no_slower(self, scale: str = "full") -> None:
        """The same of the time to the last byte, connecting included."""
        the_run().wait(recording.whole_answers_are_no_slower(the_run(), scale), within=WITHIN)
