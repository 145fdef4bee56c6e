"""Which providers the deployment really uses, and whether it behaves as it was recorded."""

from __future__ import annotations

from acceptance.checks import baseline, providers
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 120.0


@library(scope="GLOBAL", version="1.0.0")
class ServicesLibrary:
    """Steps that compare what was observed with what the descriptor declares, or what a baseline recorded."""

    @keyword
    def every_document_was_parsed_by_the_declared_parser(self) -> None:
        """By its name, and under a job of its own there (needs `sql`)."""
        the_run().wait(providers.parser_is_the_declared_one(the_run()), within=WITHIN)

    @keyword
    def every_vector_is_of_the_declared_embedding_model(self) -> None:
        """By its model and its dimension (needs `sql`)."""
        the_run().wait(providers.embeddings_are_of_the_declared_model(the_run()), within=WITHIN)

    @keyword
    def every_answer_was_given_by_the_declared_model(self) -> None:
        """Twenty facts and their follow-ups."""
        the_run().wait(providers.answers_are_of_the_declared_model(the_run()), within=WITHIN)

    @keyword
    def documents_and_requests_have_the_outcomes_of_the_recorded_baseline(self) -> None:
        """Ends, statuses in order, error codes, counts of chunks; without a recording nothing is known (`sql`)."""
        the_run().wait(baseline.behaves_as_recorded(the_run()), within=WITHIN)
