"""Whatever is wrong: nonsense, absurd names, wrong bytes and documents that nobody can read."""

from __future__ import annotations

from acceptance.checks import input_validation
from acceptance.deployment.contract import Kind
from robot.api import logger
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 120.0


@library(scope="GLOBAL", version="1.0.0")
class BadInputLibrary:
    """Steps that try what must not work; after each, what its user has must be what it was."""

    @keyword
    def every_parameter_of_the_contract_has_its_nonsense(self) -> None:
        """`variables/nonsense.yaml` holds something wrong for each parameter of each route, and nothing else."""
        input_validation.contract_is_covered(the_run())

    @keyword("nonsense is refused by each ${kind} route")
    def nonsense_is_refused(self, kind: Kind) -> None:
        """Each parameter, and the body as a whole, with everything that is wrong for it: the exact status each."""
        logger.info(f"{the_run().wait(input_validation.nonsense_is_refused(the_run(), kind), within=WITHIN)} calls")

    @keyword
    def channels_of_nothing_are_closed(self) -> None:
        """A WebSocket for no job or workflow is closed; nonsense for the number after which to begin harms nothing."""
        the_run().wait(input_validation.channels_of_nothing_are_closed(the_run()), within=WITHIN)

    @keyword
    def absurd_names_are_kept_harmless(self) -> None:
        """Documents with odd names that are allowed are processed, and show the very name that was sent."""
        logger.info(", ".join(the_run().wait(input_validation.absurd_names_are_kept(the_run()), within=WITHIN)))

    @keyword
    def wrong_bytes_are_refused_and_the_right_ones_taken(self) -> None:
        """Other, fewer, more and no bytes are refused and leave nothing; then the right ones complete."""
        the_run().wait(input_validation.wrong_bytes_are_refused(the_run()), within=WITHIN)

    @keyword
    def unacceptable_documents_are_refused(self) -> None:
        """Each document of the catalogue that may not be uploaded is refused as it says there."""
        logger.info(
            ", ".join(the_run().wait(input_validation.unacceptable_documents_are_refused(the_run()), within=WITHIN))
        )

    @keyword
    def unreadable_documents_fail_with_a_reason(self) -> None:
        """Each document of the catalogue that cannot be read ends in a failed job, says why, and is tried no more."""
        logger.info(", ".join(the_run().wait(input_validation.unreadable_documents_fail(the_run()), within=WITHIN)))
