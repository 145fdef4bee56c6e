"""Phase 1 still holds: what must be true of a deployment before its behaviour is worth looking at."""

from __future__ import annotations

from acceptance.checks import preflight
from robot.api import logger
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class PreflightLibrary:
    """Whether the deployment's services answer, reach one another, and leave room for the run."""

    @keyword
    def every_service_answers_and_names_its_build(self) -> None:
        """Each service of the descriptor answers its probe within 10 s and says the same build; logs what each said."""
        for probe in the_run().wait(preflight.every_service_answers(the_run()), within=30):
            logger.info(
                f"{probe.service}: build {probe.build or 'not told'}, version {probe.version}, {probe.seconds:.3f} s"
            )

    @keyword
    def everything_that_the_run_needs_is_configured(self) -> None:
        """Every secret is set and every capability that is relied on is listed; all missing ones are named at once."""
        the_run().wait(preflight.everything_is_configured(the_run()), within=30)

    @keyword
    def the_limits_allow_the_load(self) -> None:
        """The provider's plan and the deployment's own limits leave room for what the run is about to do."""
        the_run().wait(preflight.limits_allow_the_load(the_run()), within=30)

    @keyword
    def the_services_reach_one_another(self) -> None:
        """The health document is fresh, and calls the deployment and each of its services healthy."""
        the_run().wait(preflight.services_reach_one_another(the_run()), within=30)
