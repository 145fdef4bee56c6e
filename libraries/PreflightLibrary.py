"""The deployment's services, configuration and limits, before its behaviour is judged (PRE-01 to 03)."""

from __future__ import annotations

import time
from typing import Any

from acceptance.checks import preflight
from acceptance.checks.preflight import Probe
from robot.api.deco import library
from robot_run.keywords import Observed, getter, step
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class PreflightLibrary:
    """Probes services, and reads what is missing or too low for the run."""

    @step(within=30)
    async def probe_services(self) -> list[Probe]:
        """Probes every service of the descriptor at the same time, and records build, version and the slowest probe.

        Returns a probe per service: ``service``, ``build``, ``version``, ``seconds``, and ``problem``, which is empty
        where the service answered in time and named the build that all others name.

        | @{probes} =    Probe Services
        """
        return await preflight.record_probes(the_run())

    @getter()
    def get_missing_configuration(self) -> Observed:
        """Returns each secret and capability that the run needs and that is missing, with where to set it.

        | Get Missing Configuration    ==    ${NO PROBLEMS}
        """
        missing = preflight.missing_configuration(the_run().descriptor)
        return Observed(missing, "missing configuration")

    @getter(within=30)
    async def get_low_limits(self) -> Observed:
        """Returns each limit of the provider's plan or of the deployment that is lower than the run needs.

        | Get Low Limits    ==    ${NO PROBLEMS}
        """
        low = await preflight.low_limits(the_run())
        return Observed(low, "limits too low for the run")

    @getter()
    def get_health_problems(self, document: Any) -> Observed:
        """Returns what is wrong with a health document: status, environment, each service, and its age.

        | Get Health Problems    ${response.json()}    ==    ${NO PROBLEMS}
        """
        problems = preflight.health_problems(the_run(), document, time.time())
        return Observed(problems, "the health document")
