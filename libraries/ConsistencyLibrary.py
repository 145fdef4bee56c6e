"""What is left when something was deleted, and when everything has ended."""

from __future__ import annotations

from acceptance.checks import consistency, deletion
from acceptance.checks.deletion import Removal
from robot.api.deco import keyword, library
from robot_run.lifecycle import the_run

WITHIN = 60.0


@library(scope="GLOBAL", version="1.0.0")
class ConsistencyLibrary:
    """Steps about a user who had two documents and deleted one of them: the same in each test of a run."""

    @keyword
    def someone_has_deleted_one_of_two_documents(self) -> None:
        """Both were complete and had been asked about."""
        _removed()

    @keyword
    def no_route_and_no_list_knows_it(self) -> None:
        """Neither the document nor its job, by REST and realtime."""
        the_run().wait(deletion.no_route_knows_it(the_run(), _removed().gone.upload), within=WITHIN)

    @keyword
    def no_answer_stands_on_it(self) -> None:
        """Neither in a new conversation nor in the one about it."""
        the_run().wait(deletion.nothing_is_answered_from_it(the_run(), _removed()), within=WITHIN)

    @keyword
    def the_other_document_is_untouched(self) -> None:
        """Its bytes, its rows where they can be seen, and the answer from it."""
        the_run().wait(deletion.other_document_is_untouched(the_run(), _removed()), within=WITHIN)

    @keyword
    def the_same_content_counts_as_new(self) -> None:
        """It is accepted with a document and a job of its own."""
        the_run().wait(deletion.same_content_is_new(the_run(), _removed()), within=WITHIN)

    @keyword
    def no_row_of_it_is_left(self) -> None:
        """Needs the capability `sql`."""
        the_run().wait(deletion.no_row_is_left(the_run(), _removed()), within=WITHIN)

    @keyword
    def a_document_deleted_while_it_is_processed_is_gone(self) -> None:
        """No route and no list knows it; that nothing of it comes back later is seen by the check of what is left."""
        run = the_run()
        upload = run.wait(deletion.delete_while_processed(run), within=WITHIN)
        run.wait(deletion.no_route_knows_it(run, upload), within=WITHIN)

    @keyword
    def everything_that_is_left_belongs_together(self) -> None:
        """Waits for the jobs under way; needs the capability `sql`."""
        the_run().wait(consistency.check(the_run()), within=WITHIN)


def _removed() -> Removal:
    return the_run().wait(deletion.removal(the_run()), within=WITHIN)
