"""The conversation of a reader with two handbooks: of the place that is asked for, and of one with other figures."""

from __future__ import annotations

from acceptance.checks import retrieval_qa
from PeopleLibrary import user
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 90.0


@library(scope="GLOBAL", version="1.0.0")
class ConversationLibrary:
    """Steps about questions; the reader and their handbooks are made by the first step that needs them."""

    @keyword
    def every_fact_is_answered_with_its_figure_from_its_document(self) -> None:
        """Twenty facts: the figure, none of the other handbook's, and the right first source; records the share."""
        the_run().wait(retrieval_qa.facts_are_answered(the_run()), within=WITHIN)

    @keyword
    def a_cited_chunk_contains_each_figure_and_its_sentence(self) -> None:
        """For every fact, by the text that the database holds of the cited chunks (needs `sql`)."""
        the_run().wait(retrieval_qa.facts_are_cited(the_run()), within=WITHIN)

    @keyword
    def questions_about_the_other_place_are_answered_from_its_own_document(self) -> None:
        """Neither of the two handbooks is preferred as such."""
        the_run().wait(retrieval_qa.the_other_place_is_answered_from_its_own(the_run()), within=WITHIN)

    @keyword("${name} finds neither figure nor source")
    def nothing_is_found_without_documents(self, name: str) -> None:
        """A person without documents asks for the reader's facts."""
        the_run().wait(retrieval_qa.nothing_is_found_without_documents(the_run(), user(name)), within=WITHIN)

    @keyword("${name} with a handbook of another place finds nothing of the reader's")
    def nothing_is_found_beside_own_documents(self, name: str) -> None:
        """A person with a document of their own, on the same topics, asks for the reader's facts."""
        the_run().wait(retrieval_qa.nothing_is_found_beside_own_documents(the_run(), user(name)), within=WITHIN)

    @keyword
    def what_no_document_says_is_not_answered_with_a_figure(self) -> None:
        """Among it the first question about a place that neither handbook is of."""
        the_run().wait(retrieval_qa.the_unsaid_is_not_answered(the_run()), within=WITHIN)

    @keyword("every follow-up is answered in the context of its question")
    def follow_ups_keep_their_context(self) -> None:
        """Twenty of them, each behind its question in a conversation of its own."""
        the_run().wait(retrieval_qa.follow_ups_keep_their_context(the_run()), within=WITHIN)

    @keyword("a follow-up in a fresh conversation is not answered from another one")
    def fresh_conversation_knows_no_other(self) -> None:
        """Asked right behind its question, but in a conversation that knows of no place."""
        the_run().wait(retrieval_qa.a_fresh_conversation_knows_no_other(the_run()), within=WITHIN)

    @keyword
    def conversations_in_turns_keep_to_their_own_place(self) -> None:
        """Two of one user, about either place, with the same follow-up."""
        the_run().wait(retrieval_qa.conversations_do_not_mix(the_run()), within=WITHIN)
