"""The load held against the recorded local run."""

from __future__ import annotations

from acceptance.performance import recording
from LoadLibrary import WITHIN
from opening import the_run
from robot.api.deco import keyword, library


@library(scope="GLOBAL", version="1.0.0")
class BaselineLibrary:
    """Steps about the local baseline (`variables/baseline.yaml`)."""

    @keyword("No endpoint is slower than in the recorded local run")
    def no_endpoint_is_slower(self, scale: str = "full") -> None:
        """None is worse by more than 10 % and 10 ms, at 99 % confidence; of the baseline itself nothing is asked."""
        the_run().wait(recording.is_no_slower_than_recorded(the_run(), scale), within=WITHIN)
