"""The deployment's services, configuration and limits, before its behaviour is judged (PRE-01 to 03)."""

from __future__ import annotations

import time
from typing import Any

from acceptance.checks import preflight
from acceptance.checks.preflight import Probe
from acceptance.errors import NotOffered
from robot.api.deco import library
from robot_run.keywords import Observed, getter, keyword, step
from robot_run.lifecycle import the_run


@library(scope="GLOBAL", version="1.0.0")
class PreflightLibrary:
    """Probes services, and reads what is missing or too low for the run."""

    @step(within=30)
    async def probe_services(self) -> list[Probe]:
        """Probes every service of the descriptor at the same time, and records build, version and the slowest probe.

        Returns a probe per service: ``service``, ``build``, ``version``, ``seconds``, and ``problem``, which is empty
        where the service answered in time and, as far as the descriptor says where, named the build that all others
        name.

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

    @getter()
    def get_low_limits(self) -> Observed:
        """Returns each limit of the provider's plan that is lower than the run needs.

        The deployment's own limits, of uploads and jobs, are none of these: the run stays within them.

        | Get Low Limits    ==    ${NO PROBLEMS}
        """
        run = the_run()
        return Observed(preflight.plan_too_low(run.descriptor.plan, run.needs), "limits too low for the run")

    @keyword()
    def descriptor_should_name_every_service(self) -> None:
        """Skips the test where the descriptor leaves services out, or does not say where they name build and heartbeat.

        | Descriptor Should Name Every Service
        """
        _need_nothing(preflight.not_described(the_run().descriptor))

    @keyword()
    def health_document_should_name_everything(self) -> None:
        """Skips the test where the contract marks `absent` what the health document would say.

        | Health Document Should Name Everything
        """
        _need_nothing(preflight.not_in_health(the_run().contract))

    @getter()
    def get_health_problems(self, document: Any) -> Observed:
        """Returns what is wrong with a health document: status, environment, each service, its age, published secrets.

        | Get Health Problems    ${response.json()}    ==    ${NO PROBLEMS}
        """
        run = the_run()
        for secret in preflight.published_secrets(run.contract, document).values():
            run.redactor.register(secret)
        problems = preflight.unhealthy(run.contract, document, run.descriptor.environment, time.time())
        return Observed(problems, "the health document")


def _need_nothing(left_out: list[str]) -> None:
    if left_out:
        raise NotOffered(", ".join(left_out))
